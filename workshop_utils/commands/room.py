"""``room``: in which lab and section each account is, what runs, what failed, what it costs."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from workshop_utils.accounts.listed import Account, AccountsError
from workshop_utils.commands import choice
from workshop_utils.session import SessionError

if TYPE_CHECKING:
    from workshop_utils.room import Room
    from workshop_utils.session import SignedIn

ERRORS = (AccountsError, SessionError)
_EVERY = 10.0
_LONGEST = 3600.0
_CODES = """\
Without FILE and --accounts it shows the account that you are signed in to.

exit codes:
  0    every account could be looked at; with --watch: Ctrl-C ended it
  1    at least one could not, or there is no session
  2    the command cannot be understood
  130  Ctrl-C ended it before there was a table
"""


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "room",
        help="show where everybody is: lab, section, what runs, what failed, what it costs",
        description="Show for each account the lab and section that somebody is in, what runs, the "
        f"last error and the cost per hour. It only reads. {choice.LIST}",
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    choice.add(parser)
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--watch",
        action="store_true",
        help="renew the table until Ctrl-C; in a log, one table for each change",
    )
    shape.add_argument("--json", action="store_true", help="JSON instead of the table")
    parser.add_argument(
        "--every",
        type=_seconds,
        default=_EVERY,
        metavar="SECONDS",
        help="between two looks of --watch (default: %(default)g)",
    )
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= _LONGEST:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and {_LONGEST:g}")
    return value


def _run(options: argparse.Namespace) -> int:
    from workshop_utils.room import watch
    from workshop_utils.session import sign_in

    accounts = choice.listed(options)
    signed_in = sign_in()
    room = _room(options, accounts, signed_in)
    try:
        if options.watch:
            watch(room.look, options.every, sys.stdout)
            return 0
        board = room.look()
        if board is None:
            return 130
        print(json.dumps(board.to_dict(), indent=2) if options.json else board)
        return 0 if board.ok else 1
    finally:
        room.entrance.close()
        signed_in.close()


def _room(options: argparse.Namespace, accounts: list[Account], signed_in: "SignedIn") -> "Room":
    from workshop_utils.room import Room
    from workshop_utils.room.rounds import OpenDoors, Own

    if accounts:
        entrance = OpenDoors(choice.door(options, signed_in))
        return Room(accounts, entrance, signed_in.mode, options.at_once)
    # Nothing is started, so no role is needed.
    return Room(
        [Account(signed_in.account)], Own(signed_in.session("room", role="")), signed_in.mode
    )
