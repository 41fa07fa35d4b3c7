"""``accounts check`` and ``accounts reset``: many accounts, looked at or emptied."""

import argparse
import json
import sys
from typing import Any

from workshop_utils.accounts.listed import AccountsError
from workshop_utils.commands import choice
from workshop_utils.session import SessionError

ERRORS = (AccountsError, SessionError)
_CODES = """\
exit codes:
  0    every account is as it should be
  1    at least one is not: not ready, not empty, or it could not be entered
  2    the command cannot be understood
  130  Ctrl-C ended it; the accounts that were not visited are in the table
"""


def add(commands: Any) -> None:
    """Add the commands to the command line."""
    parser = commands.add_parser("accounts", help="check or reset many accounts at once")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = _action(actions, "check", "are the accounts ready, and what is left in them?")
    check.add_argument(
        "--lab", type=int, action="append", choices=(1, 2, 3), help="only this lab; may be repeated"
    )
    check.set_defaults(run=_check)
    reset = _action(actions, "reset", "delete what the workshop left in the accounts")
    reset.add_argument(
        "--yes", action="store_true", help="delete; without it only tell what would be deleted"
    )
    reset.add_argument(
        "--expired", action="store_true", help="only what is past its time, as its tag says"
    )
    reset.set_defaults(run=_reset)


def _action(actions: Any, name: str, words: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=words,
        description=f"{words.capitalize()} {choice.LIST}",
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choice.add(parser)
    parser.add_argument("--json", action="store_true", help="JSON instead of the table")
    return parser


def _check(options: argparse.Namespace) -> int:
    from workshop_utils import accounts

    labs = tuple(sorted(set(options.lab or (1, 2, 3))))
    return _go(options, lambda *given: accounts.check(*given, labs=labs, at_once=options.at_once))


def _reset(options: argparse.Namespace) -> int:
    from workshop_utils import accounts

    code = _go(
        options,
        lambda *given: accounts.reset(
            *given, delete=options.yes, expired=options.expired, at_once=options.at_once
        ),
    )
    if not options.yes:
        print("Nothing was deleted. The same command with --yes deletes.", file=sys.stderr)
    return code


def _go(options: argparse.Namespace, action: Any) -> int:
    from workshop_utils.accounts.progress import Progress
    from workshop_utils.session import sign_in

    listed = choice.listed(options)
    if not listed:
        raise AccountsError("Name the accounts: either a FILE or --accounts NUMBER ….")
    signed_in = sign_in()
    where = "AWS" if signed_in.mode == "aws" else "the local SageMaker (WORKSHOP_MODE=aws for AWS)"
    print(
        f"{len(listed)} accounts on {where}, {signed_in.region}, as {signed_in.caller}",
        file=sys.stderr,
    )
    door = choice.door(options, signed_in)
    progress = Progress(len(listed))
    try:
        overview = action(listed, door, progress)
    finally:
        progress.close()
        signed_in.close()
    print(json.dumps(overview.to_dict(), indent=2) if options.json else overview)
    if overview.interrupted:
        return 130
    return 0 if overview.ok else 1
