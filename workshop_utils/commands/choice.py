"""What the commands for many accounts have in common: which accounts, and how they are entered.

It reads options; it must not know what is done in the accounts.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from workshop_utils.accounts.listed import Account, AccountsError, named, read

if TYPE_CHECKING:
    from workshop_utils.accounts.doors import Door
    from workshop_utils.session import SignedIn

LIST = """\
FILE has one account per line: 12 digits, and after a comma a name, if you like. '#' begins a
comment. A first line with names of columns (account id,name) may put them in another order.
"""
_AT_ONCE = 8
_MOST_AT_ONCE = 32


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options to a command."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the list of accounts")
    parser.add_argument(
        "--accounts", nargs="+", default=[], metavar="NUMBER", help="these accounts instead"
    )
    parser.add_argument(
        "--role",
        default="nlp-workshop-instructor",
        metavar="NAME",
        help="the role to act as in each account (default: %(default)s)",
    )
    parser.add_argument("--external-id", metavar="ID", help="what the role's trust policy asks for")
    parser.add_argument(
        "--execution-role",
        default="nlp-workshop-execution",
        metavar="NAME",
        help="the role of the account's jobs (default: %(default)s)",
    )
    parser.add_argument(
        "--at-once",
        type=_number,
        default=_AT_ONCE,
        metavar="N",
        help=f"how many accounts together, at most {_MOST_AT_ONCE} (default: %(default)s)",
    )


def listed(options: argparse.Namespace) -> list[Account]:
    """Return the accounts that are named, by a file or by their numbers; none if none is.

    Raises
    ------
    AccountsError
        When they are named in both ways, or wrong.
    """
    if options.file is not None and options.accounts:
        raise AccountsError("Name the accounts: either a FILE or --accounts NUMBER …, not both.")
    if options.file is not None:
        return read(options.file)
    return named(options.accounts) if options.accounts else []


def door(options: argparse.Namespace, signed_in: "SignedIn") -> "Door":
    """Return the way into the accounts."""
    from workshop_utils.accounts.doors import Door

    return Door(signed_in, options.role, options.external_id, options.execution_role)


def _number(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and {_MOST_AT_ONCE}")
    return number
