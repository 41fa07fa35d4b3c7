"""``cleanup``: what the workshop has left in the account, and its deletion."""

import argparse
import json
import os
from typing import Any

from workshop_utils.session import SessionError

ERRORS = (SessionError,)
_EXIT_CODES = """exit codes:
  0  there is nothing of the workshop's (any more)
  1  something is left: the plan, without --yes; what could not be deleted, with it
  2  the command line is wrong
  3  nothing was found, but not everything could be looked at
"""


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "cleanup",
        help="show what the labs have left in the account, and delete it",
        description="Show what the labs have left in this account and region, with its age and "
        "price. Nothing is deleted without --yes.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--yes", action="store_true", help="delete it")
    parser.add_argument(
        "--expired", action="store_true", help="only what is past the time that its tag gives it"
    )
    parser.add_argument(
        "--adopt",
        action="append",
        default=[],
        metavar="NAME",
        help="also what has this name and not the workshop's tag; may be repeated",
    )
    parser.add_argument("--lab", help="only what this lab has made, for instance few-shot")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from workshop_utils import cleanup
    from workshop_utils.session import sign_in

    signed_in = sign_in()
    # No role and no bucket are needed, and none is made.
    session = signed_in.session(options.lab or "cleanup", "", os.environ.get("WORKSHOP_BUCKET"))
    try:
        plan = cleanup.plan(
            session,
            everything=options.lab is None,
            expired=options.expired,
            adopt=options.adopt,
        )
        if not options.yes:
            _show(plan, options.json)
            return _code(bool(plan.resources or plan.unknown), bool(plan.unseen))
        if not options.json:
            print(plan)
        result = plan.run(report=_silent if options.json else print)
        _show(result, options.json)
        return _code(bool(result.left or result.unknown), bool(result.unseen))
    finally:
        signed_in.close()


def _show(shown: Any, as_json: bool) -> None:
    print(json.dumps(shown.to_dict(), indent=2) if as_json else shown)


def _silent(line: str) -> None:
    del line


def _code(left: bool, unseen: bool) -> int:
    return 1 if left else 3 if unseen else 0
