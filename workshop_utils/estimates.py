"""What a lab will cost on AWS, before it begins: what it starts, for how long, at which price.

The list of what each lab starts is declared here and compared with what the labs really start by
their tests. It must not ask AWS anything.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from workshop_utils import instances, prices
from workshop_utils.bill import money
from workshop_utils.display import card
from workshop_utils.hosting import Serverless
from workshop_utils.prices import PAGE, Price
from workshop_utils.session import Session
from workshop_utils.waits import WAITS

ASSUMED = (
    "durations are assumptions until `make verify-aws` has measured them: a job 3 to 10 minutes, "
    "its start included, unless its line says otherwise; an endpoint half an hour to three hours"
)
_JOB_MINUTES = (3.0, 10.0)
_ENDPOINT_HOURS = (0.5, 3.0)
# One request of a lab to a small model: a warm one takes a tenth of that, a cold one more.
_REQUEST_SECONDS = (0.1, 2.0)
_STORED_GB = (0.2, 3.0)
_FORGOTTEN_HOURS = 24


@dataclass(frozen=True)
class Started:
    """What a lab starts of one kind.

    Attributes
    ----------
    component
        As `prices.hourly` takes it, or ``review``.
    count
        How many jobs or endpoints; of reviews, the fewest and the most.
    what
        For people.
    requests
        About how many requests the lab sends to each endpoint.
    machine
        Whether an endpoint has a machine in any case, because the lab asks for one.
    wait
        Which of `waits.WAITS` says how long one of the jobs takes, if any does.
    """

    component: str
    count: tuple[int, int]
    what: str
    requests: int = 0
    machine: bool = False
    wait: str = ""


LABS: dict[str, tuple[Started, ...]] = {
    "few-shot": (
        Started(
            "training",
            (4, 4),
            "the classifier with 8, 4 and 1 shots, and of four intents",
            wait="few-shot training",
        ),
        Started("hosting", (1, 1), "the classifier", requests=60),
        Started("hosting", (1, 1), "the language model", requests=60, machine=True),
    ),
    "zero-shot": (
        Started("hosting", (1, 1), "the zero-shot model", requests=60),
        Started("transform", (2, 2), "400 resolutions, asked in two ways", wait="zero-shot batch"),
        Started("transform", (1, 1), "three texts with labels of their own"),
    ),
    "sentiment": (
        Started("processing", (4, 4), "prepare and evaluate, in two executions"),
        Started("training", (2, 2), "one in each execution"),
        Started("hosting", (1, 1), "the champion, updated once", requests=1500),
        # Nothing where Amazon A2I is closed and the workshop's own service asks; three people
        # read each of half the traffic that the model is unsure of.
        Started("review", (0, 350), "texts that people read"),
    ),
}
"""What each lab starts if every cell is run once, by the lab's name."""
_NUMBERS = {1: "few-shot", 2: "zero-shot", 3: "sentiment"}


@dataclass(frozen=True)
class Item:
    """One line of an estimate: what, and between which sums."""

    what: str
    low: float
    high: float
    price: Price
    note: str = ""


@dataclass(frozen=True)
class Estimate:
    """Between which sums a lab will cost, and what follows from forgetting it.

    Attributes
    ----------
    lab, region
        What and where.
    items
        Its lines; those without a known price are in ``unknown`` instead.
    unknown
        What has no price in the table.
    forgotten_per_day
        What a day costs when its endpoints have machines and nobody deletes them.
    billed
        Whether this would really be paid: not on a machine of one's own.
    """

    lab: str
    region: str
    items: tuple[Item, ...]
    unknown: tuple[str, ...]
    forgotten_per_day: float
    billed: bool

    @property
    def low(self) -> float:
        """The sum in USD if all is quick, and serverless where it can be."""
        return sum(item.low for item in self.items)

    @property
    def high(self) -> float:
        """The sum in USD if all is slow, on instances, and on a GPU where that may be."""
        return sum(item.high for item in self.items)

    @property
    def approximate(self) -> bool:
        """Whether prices of another region stand in."""
        return any(item.price.usd is None for item in self.items)

    def to_dict(self) -> dict[str, Any]:
        """Return it for a program, in JSON's types."""
        return {
            "lab": self.lab,
            "region": self.region,
            "billed": self.billed,
            "usd_low": round(self.low, 4),
            "usd_high": round(self.high, 4),
            "usd_forgotten_per_day": round(self.forgotten_per_day, 4),
            "approximate": self.approximate,
            "unknown": list(self.unknown),
            "items": [
                {"what": i.what, "usd_low": i.low, "usd_high": i.high, "price": str(i.price)}
                for i in self.items
            ],
            "assumptions": ASSUMED,
            "check": PAGE,
        }

    def __str__(self) -> str:
        return "\n".join(
            [f"{self._title()}: {self._sum()}"]
            + [f"  {name}: {words}" for name, words in self._rows()]
        )

    def _repr_html_(self) -> str:
        return card(self._title(), {"In all": self._sum()} | dict(self._rows()))

    def _title(self) -> str:
        return f"What the lab {self.lab} costs in {self.region}"

    def _sum(self) -> str:
        span = f"{money(self.low)} to {money(self.high)}"
        return span if self.billed else f"0 USD on this machine; on AWS it would be {span}"

    def _rows(self) -> Iterable[tuple[str, str]]:
        for item in self.items:
            note = f"; {item.note}" if item.note else ""
            yield item.what, f"{money(item.low)} to {money(item.high)}{note}"
        for missing in self.unknown:
            yield missing, "price not known"
        yield (
            "Forgotten",
            (f"endpoints with machines that nobody deletes: {money(self.forgotten_per_day)} a day"),
        )
        if self.approximate:
            yield "Region", f"no prices of {self.region} are known here: those of {prices.HOME}"
        dates = sorted({item.price.as_of for item in self.items if item.price.as_of})
        since = f"as of {dates[0]} or later; " if dates else ""
        yield "Prices", f"{since}check {PAGE}"
        yield "Times", ASSUMED


def estimate(session: Session, lab: str | int) -> Estimate:
    """Return what a lab will cost, before it starts.

    Parameters
    ----------
    session
        Whose region counts, and whether anybody pays.
    lab
        Its number, 1 to 3, or its name, for instance ``few-shot``.

    Raises
    ------
    ValueError
        When there is no such lab.
    """
    name = _NUMBERS.get(lab, str(lab)) if isinstance(lab, int) else lab
    if name not in LABS:
        raise ValueError(f"There is no lab {lab!r}: the labs are {', '.join(LABS)}, or 1, 2 and 3.")
    region = session.region
    items = []
    unknown = []
    forgotten = 0.0
    for started in LABS[name]:
        item = _item(started, region)
        if item is None:
            unknown.append(started.what)
            continue
        items.append(item)
        if started.component == "hosting":
            forgotten += started.count[1] * (item.price.roughly or 0.0) * _FORGOTTEN_HOURS
    stored = prices.rate("storage", region, "s3")
    each = stored.roughly or 0.0
    low, high = (gb * each for gb in _STORED_GB)
    items.append(Item("data, models and results in S3 for a month", low, high, stored))
    return Estimate(name, region, tuple(items), tuple(unknown), forgotten, session.billed)


def _item(started: Started, region: str) -> Item | None:
    if started.component == "review":
        price = prices.rate("review", region)
        each = price.roughly or 0.0
        note = "0 with the workshop's own review service"
        low, high = (count * each for count in started.count)
        return Item(_named(started), low, high, price, note)
    price = prices.hourly(started.component, instances.CPU, region)
    if price.roughly is None:
        return None
    low, high = (count * price.roughly for count in started.count)
    if started.component == "hosting":
        return _endpoints(started, price, region)
    note = instances.CPU
    if started.component == "training":
        dearer = prices.hourly("training", instances.GPU, region).roughly
        if dearer is not None:
            high = started.count[1] * dearer
            note = f"{instances.CPU}, or {instances.GPU} where the account may start one"
    shortest, longest = _minutes(started)
    if longest > _JOB_MINUTES[1]:
        note += f", {shortest:.0f} to {longest:.0f} minutes each"
    return Item(_named(started), low * shortest / 60, high * longest / 60, price, note)


def _minutes(started: Started) -> tuple[float, float]:
    """Return how long one job takes, at the least and at the most."""
    shortest, longest = _JOB_MINUTES
    known = WAITS[started.wait].on_aws / 60 if started.wait else 0.0
    return shortest, max(longest, known)


def _endpoints(started: Started, price: Price, region: str) -> Item:
    """Return the line of endpoints: between serverless ones, if they may be, and machines."""
    memory = Serverless().memory_mb / 1024
    second = prices.rate("serverless", region).roughly or 0.0
    used = [started.requests * seconds * memory * second for seconds in _REQUEST_SECONDS]
    machine = [hours * (price.roughly or 0.0) for hours in _ENDPOINT_HOURS]
    low, high = machine
    note = f"{instances.CPU}, never serverless"
    if not started.machine:
        low, high = min(used[0], low), max(used[1], high)
        note = f"serverless at the least, {instances.CPU} at the most"
    fewest, most = started.count
    return Item(_named(started), fewest * low, most * high, price, note)


def _named(started: Started) -> str:
    fewest, most = started.count
    number = f"{most}" if fewest == most else f"{fewest} to {most}"
    kind = {"hosting": "endpoint", "review": "review"}.get(
        started.component, f"{started.component} job"
    )
    return f"{number} {kind}{'' if most == 1 else 's'}: {started.what}"
