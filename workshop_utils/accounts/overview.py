"""What a round through many accounts found: a row for each, as a table and as data.

It must not call AWS.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from workshop_utils.accounts.listed import Account

State = Literal["ok", "blocked", "left", "failed", "skipped"]
_WORDS: dict[State, str] = {
    "ok": "ok",
    "blocked": "not ready",
    "left": "not empty",
    "failed": "failed",
    "skipped": "not visited",
}
_NOTE = 90


@dataclass(frozen=True)
class Row:
    """What was found in one account.

    Attributes
    ----------
    account
        Which one.
    state
        ``ok``; ``blocked``: the labs would not run there; ``left``: something of the workshop is
        there; ``failed``: it could not be looked at, or not to the end; ``skipped``: it was not
        its turn before the round was interrupted.
    blockers
        What keeps the labs from running, each in a sentence.
    warnings
        How many findings ask for attention only.
    left
        How many resources of the workshop are there; None where nobody could look.
    deleted
        How many were deleted now; None where nothing was to be deleted.
    usd_per_hour
        What is billed there per hour, as far as prices are known.
    unpriced
        How many resources cost something that no price is known for.
    reason
        Why it failed or what is left, in a sentence.
    seconds
        How long it took.
    """

    account: Account
    state: State
    blockers: tuple[str, ...] = ()
    warnings: int = 0
    left: int | None = None
    deleted: int | None = None
    usd_per_hour: float | None = None
    unpriced: int = 0
    reason: str = ""
    seconds: float = 0.0

    @property
    def note(self) -> str:
        """The sentence that says most about it."""
        return self.reason or (self.blockers[0] if self.blockers else "")

    @property
    def cost(self) -> str:
        """What is billed per hour, in words."""
        if self.usd_per_hour is None:
            return "?" if self.state != "skipped" else ""
        return f"{self.usd_per_hour:.2f}" + (" + ?" if self.unpriced else "")

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "account": self.account.number,
            "name": self.account.name,
            "state": self.state,
            "blockers": list(self.blockers),
            "warnings": self.warnings,
            "left": self.left,
            "deleted": self.deleted,
            "usd_per_hour": self.usd_per_hour,
            "unpriced": self.unpriced,
            "reason": self.reason,
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True)
class Overview:
    """The rows of one round, in the order of the list.

    Attributes
    ----------
    rows
        One for each account.
    seconds
        How long the round took.
    where
        Whose accounts they are: AWS's, or a stand-in's.
    deletes
        Whether the round was there to delete: the table then counts what was deleted, and no
        findings.
    """

    rows: tuple[Row, ...]
    seconds: float = 0.0
    where: str = "AWS"
    deletes: bool = False

    @property
    def ok(self) -> bool:
        """Whether every account is as it should be."""
        return all(row.state == "ok" for row in self.rows)

    @property
    def interrupted(self) -> bool:
        """Whether somebody ended the round before every account had its turn."""
        return any(row.state == "skipped" for row in self.rows)

    @property
    def summary(self) -> str:
        """The round in one line."""
        counts = Counter(row.state for row in self.rows)
        states = ", ".join(f"{counts[state]} {_WORDS[state]}" for state in _WORDS if counts[state])
        known = [row.usd_per_hour for row in self.rows if row.usd_per_hour is not None]
        billed = f"; {sum(known):.2f} USD per hour" if known else ""
        return f"{len(self.rows)} accounts on {self.where}: {states}{billed}; {self.seconds:.0f} s"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "ok": self.ok,
            "interrupted": self.interrupted,
            "where": self.where,
            "seconds": round(self.seconds, 2),
            "accounts": [row.to_dict() for row in self.rows],
        }

    def __str__(self) -> str:
        counts = ["deleted"] if self.deletes else ["blockers", "warnings"]
        heads = ["account", "name", "state", *counts, "left", "USD/h", "note"]
        return f"{_table(heads, map(self._cells, self.rows))}\n\n{self.summary}"

    def _cells(self, row: Row) -> list[str]:
        visited = row.state not in ("failed", "skipped")
        findings = [_number(len(row.blockers) if visited else None)]
        findings.append(_number(row.warnings if visited else None))
        return [
            row.account.number,
            row.account.name,
            _WORDS[row.state],
            *([_number(row.deleted)] if self.deletes else findings),
            _number(row.left),
            row.cost,
            row.note if len(row.note) <= _NOTE else f"{row.note[: _NOTE - 1]}…",
        ]


def _number(count: int | None) -> str:
    return "?" if count is None else str(count)


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    numbers = range(3, len(heads) - 1)

    def padded(line: list[str]) -> str:
        cells = [
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    head, *body = map(padded, lines)
    return "\n".join([head, "-" * max(map(len, (head, *body))), *body])
