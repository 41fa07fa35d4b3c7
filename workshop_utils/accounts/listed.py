"""Which accounts: a list that a person wrote or exported, read strictly.

A wrong number would be an account that nobody looks after, so everything that is wrong is told at
once, with its line. It must not know what the accounts are wanted for.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_DIGITS = 12
_HEADS = frozenset({"account", "accountid", "accountnumber", "awsaccountid", "id", "number"})
_NAMES = frozenset({"accountname", "alias", "attendee", "name", "team"})


class AccountsError(Exception):
    """The list of accounts, or what is to be done with them, cannot be used; it says why."""


@dataclass(frozen=True)
class Account:
    """One AWS account.

    Attributes
    ----------
    number
        Its twelve digits.
    name
        What people call it; may be empty.
    """

    number: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.number} ({self.name})" if self.name else self.number


def read(path: Path) -> list[Account]:
    """Read a list of accounts.

    Parameters
    ----------
    path
        A text file: one account per line, the number and, after a comma, its name. ``#`` begins a
        comment. A first line with the columns' names may put them in another order, as exports do
        (``name,email,account id``).

    Raises
    ------
    AccountsError
        When the file cannot be read, holds no account, or any line is wrong; all of those are
        told together.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AccountsError(f"The list of accounts {path} cannot be read: {error}") from error
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    rows = [
        (f"line {number}", [cell.strip() for cell in next(csv.reader([line]))])
        for number, line in enumerate(lines, start=1)
        if line
    ]
    number_at, name_at = 0, 1
    if rows and (heads := [re.sub(r"[^a-z]", "", cell.lower()) for cell in rows[0][1]]):
        known = [place for place, head in enumerate(heads) if head in _HEADS]
        if known:
            number_at = known[0]
            name_at = next((place for place, head in enumerate(heads) if head in _NAMES), -1)
            del rows[0]
    return _checked(
        str(path),
        [(where, _cell(cells, number_at), _cell(cells, name_at)) for where, cells in rows],
    )


def named(numbers: Iterable[str]) -> list[Account]:
    """Return the accounts with these numbers, held to the same rules as a file.

    Raises
    ------
    AccountsError
        When one is no account's number, or is there twice.
    """
    given = [(f"number {place}", number, "") for place, number in enumerate(numbers, start=1)]
    return _checked("The command line", given)


def _cell(cells: list[str], place: int) -> str:
    return cells[place] if 0 <= place < len(cells) else ""


def _checked(source: str, given: list[tuple[str, str, str]]) -> list[Account]:
    accounts: dict[str, Account] = {}
    seen: dict[str, str] = {}
    wrong = []
    for where, written, name in given:
        # The console shows 1111-2222-3333, and a spreadsheet a quote before it.
        number = written.strip("'\"").replace("-", "").replace(" ", "")
        if number in seen:
            wrong.append(f"{where}: {number} is there already, as {seen[number]}")
        elif re.fullmatch(r"[0-9]{12}", number):
            accounts[number] = Account(number, name)
            seen[number] = where
        else:
            wrong.append(f"{where}: {_why(written, number)}")
    if wrong:
        raise AccountsError(f"{source} has accounts that cannot be used:\n  " + "\n  ".join(wrong))
    if not accounts:
        raise AccountsError(f"{source} names no account. Write one number of 12 digits per line.")
    return list(accounts.values())


def _why(written: str, number: str) -> str:
    if re.fullmatch(r"[0-9]+", number):
        short = len(number) < _DIGITS
        hint = "; a spreadsheet may have dropped zeros at its beginning" if short else ""
        return f"{written} has {len(number)} digits, an account has {_DIGITS}{hint}"
    return f"{written!r} is no account number: it must be {_DIGITS} digits"
