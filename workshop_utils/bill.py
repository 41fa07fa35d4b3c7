"""A bill: lines of what costs something, since when, per hour and so far, and their sums.

It knows prices and how to show them; it must not know how AWS is asked what runs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from workshop_utils.display import card
from workshop_utils.prices import PAGE, Price

_UNKNOWN = "price not known"


@dataclass(frozen=True)
class Charge:
    """One thing that costs something.

    Attributes
    ----------
    kind, name
        For instance ``endpoint`` and its name.
    what
        What is paid for, for instance ``1 x ml.m5.xlarge``.
    price
        Of one unit.
    units_per_hour
        How many units an hour takes: the number of instances. 0 for what costs nothing while
        nobody uses it.
    since
        When it began, in UTC; None when it has not yet.
    units
        How many units it has taken so far, where the service says so; None: count the hours.
    note
        What else a reader must know.
    ours
        Whether it carries the workshop's mark.
    """

    kind: str
    name: str
    what: str
    price: Price
    units_per_hour: float
    since: datetime | None = None
    units: float | None = None
    note: str = ""
    ours: bool = True

    @property
    def usd_per_hour(self) -> float | None:
        """What the next hour costs if nothing changes; None if the price is not known."""
        if self.units_per_hour == 0:
            return 0.0
        each = self.price.roughly
        return None if each is None else each * self.units_per_hour

    def usd_so_far(self, now: datetime) -> float | None:
        """Return what it has cost until a moment; None if the price or the use is not known."""
        each = self.price.roughly
        units = self.units
        if units is None and self.since is not None and self.units_per_hour:
            units = max((now - self.since) / timedelta(hours=1), 0.0) * self.units_per_hour
        if units is None:
            # What nobody has used yet, or has not begun, has cost nothing.
            return 0.0 if self.since is None else None
        return None if each is None else each * units

    @property
    def approximate(self) -> bool:
        """Whether the region's own price is not known, so that another's stands in."""
        return self.price.usd is None and self.price.elsewhere is not None


@dataclass(frozen=True)
class Bill:
    """What is billing, and what it has cost so far.

    Attributes
    ----------
    title, region, now
        What it is about, where, and the moment it holds for.
    charges
        Its lines, the dearest first.
    billed
        False on a machine of one's own: then it says what AWS would charge.
    problems
        What could not be asked, each with the reason; the bill may lack something then.
    """

    title: str
    region: str
    now: datetime
    charges: tuple[Charge, ...]
    billed: bool = True
    problems: tuple[str, ...] = field(default=())

    @property
    def usd_per_hour(self) -> float:
        """The sum of what has a price; `unknown` names the rest."""
        return sum(charge.usd_per_hour or 0.0 for charge in self.charges)

    @property
    def usd_so_far(self) -> float:
        """The same for what was spent until now."""
        return sum(charge.usd_so_far(self.now) or 0.0 for charge in self.charges)

    @property
    def unknown(self) -> tuple[Charge, ...]:
        """Return the lines that have no price or no known use, and so are missing in a sum."""
        return tuple(
            charge
            for charge in self.charges
            if charge.usd_per_hour is None or charge.usd_so_far(self.now) is None
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it for a program, in JSON's types."""
        return {
            "title": self.title,
            "region": self.region,
            "now": self.now.isoformat(),
            "billed": self.billed,
            "usd_per_hour": round(self.usd_per_hour, 6),
            "usd_so_far": round(self.usd_so_far, 6),
            "charges": [self._line(charge) for charge in self.charges],
            "problems": list(self.problems),
            "check": PAGE,
        }

    def _line(self, charge: Charge) -> dict[str, Any]:
        return {
            "kind": charge.kind,
            "name": charge.name,
            "what": charge.what,
            "since": None if charge.since is None else charge.since.isoformat(),
            "usd_per_hour": charge.usd_per_hour,
            "usd_so_far": charge.usd_so_far(self.now),
            "price": str(charge.price),
            "approximate": charge.approximate,
            "note": charge.note,
            "ours": charge.ours,
        }

    @property
    def sums(self) -> str:
        """The two sums in words."""
        missing = f", and {len(self.unknown)} lines are not known" if self.unknown else ""
        would = "" if self.billed else "on AWS it would be "
        return (
            f"{would}{money(self.usd_per_hour)} an hour, {money(self.usd_so_far)} so far{missing}"
        )

    def __str__(self) -> str:
        lines = [f"{self.title}: {self._first_words()}"]
        lines += [f"  {name}: {words}" for name, words in self._rows()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows: Mapping[str, str] = {"In all": self._first_words()} | dict(self._rows())
        return card(f"{self.title}, {self.region}", rows)

    def _first_words(self) -> str:
        if not self.charges:
            return "nothing"
        return self.sums if self.billed else f"nothing is billed on this machine; {self.sums}"

    def _rows(self) -> Iterable[tuple[str, str]]:
        for charge in self.charges:
            mark = "" if charge.ours else ", not the workshop's"
            yield f"{charge.kind} {charge.name}", self._words(charge) + mark
        for problem in self.problems:
            yield "Not asked", problem
        if any(charge.approximate for charge in self.charges):
            yield (
                "About (~)",
                f"no price of {self.region} is known here; those of us-east-1 are used",
            )
        if self.charges:
            dates = sorted({c.price.as_of for c in self.charges if c.price.as_of})
            since = f"as of {dates[0]} or later; " if dates else ""
            yield "Prices", f"{since}check {PAGE}"

    def _words(self, charge: Charge) -> str:
        about = "~" if charge.approximate else ""
        parts = [charge.what]
        hour = charge.usd_per_hour
        if hour is None:
            parts.append(_UNKNOWN)
        elif charge.units_per_hour:
            parts.append(f"{about}{money(hour)} an hour")
        if charge.since is not None:
            parts.append(f"since {clock(charge.since)} ({age(self.now - charge.since)})")
        so_far = charge.usd_so_far(self.now)
        if so_far is not None and charge.since is not None:
            parts.append(f"{about}{money(so_far)} so far")
        if charge.note:
            parts.append(charge.note)
        return ", ".join(parts)


def money(usd: float) -> str:
    """Return an amount for reading, with enough digits for the small ones."""
    if usd == 0:
        return "0 USD"
    return f"{usd:,.2f} USD" if usd >= 0.095 else f"{usd:.2g} USD"


def clock(moment: datetime) -> str:
    """Return a moment for reading, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def age(span: timedelta) -> str:
    """Return how long something has been there, in the largest fitting unit."""
    minutes = max(span / timedelta(minutes=1), 0)
    for limit, size, unit in ((90, 1, "min"), (48 * 60, 60, "h")):
        if minutes < limit:
            return f"{minutes / size:.0f} {unit}"
    return f"{minutes / (24 * 60):.0f} days"
