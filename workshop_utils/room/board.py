"""The board that shows the room: a row for each account, as a table and as data.

It must not call AWS, nor know how often the board is renewed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workshop_utils.accounts.listed import Account
from workshop_utils.bill import age, clock
from workshop_utils.room.events import JOBS, Event
from workshop_utils.room.sections import Place

_HEADS = ("account", "name", "lab", "section", "since", "jobs", "endp", "runs", "USD/h", "note")
_NUMBERS = frozenset({"lab", "section", "jobs", "endp", "runs", "USD/h"})
_NOTE = 100


@dataclass(frozen=True)
class Row:
    """What was seen in one account.

    Attributes
    ----------
    account
        Which one.
    place
        Where somebody is; None where nothing of a lab is to be seen.
    jobs, endpoints, executions
        How many jobs, endpoints and pipeline executions are at work; None where nobody could look.
    usd_per_hour
        What runs now costs, as far as prices are known.
    unpriced
        How many running things have no known price.
    error
        The newest thing that failed, with its reason; empty if nothing has.
    error_at
        When that was.
    failed
        Why nobody could look.
    problems
        What could not be asked, so that the row may lack something.
    """

    account: Account
    place: Place | None = None
    jobs: int | None = None
    endpoints: int | None = None
    executions: int | None = None
    usd_per_hour: float | None = None
    unpriced: int = 0
    error: str = ""
    error_at: datetime | None = None
    failed: str = ""
    problems: tuple[str, ...] = ()

    @property
    def wants_help(self) -> bool:
        """Whether somebody had better go there: something failed, or nobody can look."""
        return bool(self.failed or self.error)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        place = self.place
        return {
            "account": self.account.number,
            "name": self.account.name,
            "lab": None if place is None else place.lab,
            "section": None if place is None else place.section,
            "doing": None if place is None else place.doing,
            "since": None if place is None else place.since.isoformat(),
            "jobs": self.jobs,
            "endpoints": self.endpoints,
            "executions": self.executions,
            "usd_per_hour": self.usd_per_hour,
            "unpriced": self.unpriced,
            "error": self.error,
            "error_at": None if self.error_at is None else self.error_at.isoformat(),
            "failed": self.failed,
            "problems": list(self.problems),
        }


def at_work(events: Sequence[Event]) -> tuple[int, int, int]:
    """Return how many jobs, endpoints and pipeline executions are at work."""
    busy = [one for one in events if one.state == "busy"]
    return (
        sum(one.kind in JOBS for one in busy),
        sum(one.serves for one in events),
        sum(one.kind == "pipeline execution" for one in busy),
    )


@dataclass(frozen=True)
class Board:
    """The rows of one look at the room, in the order of the list.

    Attributes
    ----------
    rows
        One for each account.
    now
        When somebody looked.
    where
        Whose accounts they are: AWS's, or a stand-in's.
    """

    rows: tuple[Row, ...]
    now: datetime
    where: str = "AWS"

    @property
    def ok(self) -> bool:
        """Whether every account could be looked at."""
        return not any(row.failed for row in self.rows)

    @property
    def summary(self) -> str:
        """The room in one line."""
        labs = Counter(row.place.lab for row in self.rows if row.place is not None)
        told = [f"{count} in Lab {lab}" for lab, count in sorted(labs.items())]
        quiet = sum(row.place is None and not row.failed for row in self.rows)
        told += [f"{quiet} with nothing to see"] if quiet else []
        failed = sum(bool(row.failed) for row in self.rows)
        told += [f"{failed} failed"] if failed else []
        usd = sum(row.usd_per_hour or 0.0 for row in self.rows)
        return (
            f"{len(self.rows)} account{'s' * (len(self.rows) != 1)} on {self.where}: "
            f"{', '.join(told)}; {usd:.2f} USD per hour; {clock(self.now)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "ok": self.ok,
            "where": self.where,
            "now": self.now.isoformat(),
            "accounts": [row.to_dict() for row in self.rows],
        }

    def state(self) -> list[dict[str, Any]]:
        """Return what must differ for the room to have changed; the clock alone is no change."""
        return [row.to_dict() for row in self.rows]

    def lines(self, most: int | None = None) -> list[str]:
        """Return the table and its summary.

        Parameters
        ----------
        most
            How many lines there is room for. If it is too few, who wants help comes first, and
            the last line says how many rows are left out.
        """
        rows = list(self.rows)
        room = len(rows) if most is None else max(most - 4, 1)
        left_out = len(rows) - room
        if left_out > 0:
            rows = sorted(rows, key=lambda row: not row.wants_help)[:room]
        table = _table([self._cells(row) for row in rows])
        more = f"; {left_out} rows do not fit in here" if left_out > 0 else ""
        return [*table, "", self.summary + more]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _cells(self, row: Row) -> dict[str, str]:
        place = row.place
        cost = "?" if row.usd_per_hour is None else f"{row.usd_per_hour:.2f}"
        return {
            "account": row.account.number,
            "name": _printable(row.account.name),
            "lab": "" if place is None else str(place.lab),
            "section": "" if place is None or place.section is None else str(place.section),
            "since": "" if place is None else age(self.now - place.since),
            "jobs": _number(row.jobs),
            "endp": _number(row.endpoints),
            "runs": _number(row.executions),
            "USD/h": cost + (" + ?" if row.unpriced else ""),
            "note": _shortened(_printable(self._note(row))),
        }

    def _note(self, row: Row) -> str:
        if row.failed:
            return f"cannot be looked at: {row.failed}"
        parts = []
        if row.error and row.error_at is not None:
            parts.append(f"{row.error} ({age(self.now - row.error_at)} ago)")
        elif row.place is not None:
            parts.append(row.place.doing)
        if row.problems:
            parts.append(f"not asked: {row.problems[0]}")
        return "; ".join(parts)


def _number(count: int | None) -> str:
    return "?" if count is None else str(count)


def _printable(text: str) -> str:
    """Return a text in one line, without what would steer the terminal it is shown in.

    What jobs and accounts say is anybody's.
    """
    return "".join(filter(str.isprintable, " ".join(text.split())))


def _shortened(text: str) -> str:
    return text if len(text) <= _NOTE else f"{text[: _NOTE - 1]}…"


def _table(rows: Sequence[dict[str, str]]) -> list[str]:
    widths = {head: max([len(head), *(len(row[head]) for row in rows)]) for head in _HEADS}

    def padded(row: dict[str, str]) -> str:
        cells = [
            row[head].rjust(width) if head in _NUMBERS else row[head].ljust(width)
            for head, width in widths.items()
        ]
        return "  ".join(cells).rstrip()

    head, *body = [padded(row) for row in [{head: head for head in _HEADS}, *rows]]
    return [head, "-" * max(map(len, [head, *body])), *body]
