"""What things cost on AWS by the hour, the second, the gigabyte or the piece, as far as is known.

The figures are data (``prices.json``): each names its region, where it was read and when. What is
not in the table has no price here; nothing is guessed without being called a guess. It must not
know what runs or what a lab starts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

PAGE = "https://aws.amazon.com/sagemaker/ai/pricing/"
"""AWS's own list, where every figure is to be checked."""
HOME = "us-east-1"
"""The region whose prices serve as an order of magnitude where a region's own are not known."""
HOUR = "hour"
_SAME_RATE = ("hosting", "training", "processing", "transform", "warm-pool", "studio", "notebook")


@dataclass(frozen=True)
class Price:
    """One price, or the fact that it is not known.

    Attributes
    ----------
    component, instance_type, region
        What was asked for.
    unit
        What ``usd`` buys: ``hour``, ``GB-second``, ``GB-month``, ``GB`` or ``object``.
    usd
        US dollars per unit; None where nothing is known for the region.
    source, url, as_of
        Where it was read, and the date that the source gives.
    note
        What a reader must know, such as that the price is that of another use of the same machine.
    elsewhere
        What it costs in `HOME` where the region's own price is not known: an order of magnitude,
        no more.
    """

    component: str
    instance_type: str
    region: str
    unit: str = HOUR
    usd: float | None = None
    source: str = ""
    url: str = PAGE
    as_of: str = ""
    note: str = ""
    elsewhere: float | None = None

    @property
    def usd_per_hour(self) -> float | None:
        """The price of an hour, None if it is not known or nothing is charged by the hour."""
        return self.usd if self.unit == HOUR else None

    @property
    def roughly(self) -> float | None:
        """The price, or else the order of magnitude; None if there is neither."""
        return self.elsewhere if self.usd is None else self.usd

    def __str__(self) -> str:
        what = f"{self.instance_type or self.component} in {self.region}"
        if self.usd is not None:
            shown = f"{what}: {self.usd:g} USD per {self.unit}, as of {self.as_of} ({self.source})"
        elif self.elsewhere is not None:
            shown = (
                f"{what}: price not known; {self.elsewhere:g} USD per {self.unit} in {HOME}, "
                "other regions charge more or less"
            )
        else:
            shown = f"{what}: price not known"
        note = f"; {self.note}" if self.note else ""
        return f"{shown}{note}. Check {self.url if self.usd is None else PAGE}"


def hourly(component: str, instance_type: str, region: str) -> Price:
    """Return the price of one instance for an hour.

    Parameters
    ----------
    component
        What it does: ``hosting``, ``training``, ``processing``, ``transform``, ``warm-pool``,
        ``studio`` or ``notebook``.
    instance_type
        For instance ``ml.m5.xlarge``.
    region
        For instance ``eu-west-1``.

    Returns
    -------
    Price
        That of the component. If only another use of the same machine is in the table, its price
        with a note: in the bills that are public, AWS charges all of them alike.

    Raises
    ------
    ValueError
        When there is no such component.
    """
    if component not in _SAME_RATE:
        raise ValueError(
            f"{component!r} is not charged by the hour: it is one of {', '.join(_SAME_RATE)}."
        )
    found = _by_hour(component, instance_type, region)
    if found is not None:
        return found
    home = _by_hour(component, instance_type, HOME)
    return Price(
        component, instance_type, region, elsewhere=None if home is None else home.usd_per_hour
    )


def rate(component: str, region: str, what: str = "") -> Price:
    """Return the price of what is charged by another unit than an hour.

    Parameters
    ----------
    component
        ``serverless`` (per GB of memory and second of work), ``storage`` (per GB and month),
        ``logs`` (per GB written) or ``review`` (per reviewed object).
    region
        For instance ``us-east-1``.
    what
        Of storage: ``s3``, or ``ml`` for the disks of jobs and endpoints.
    """
    row = _table().get((region, component, what))
    if row is not None:
        return _price(row)
    home = _table().get((HOME, component, what))
    if home is None:
        raise ValueError(f"Nothing called {component!r} {what!r} is in the price table.")
    return Price(component, what, region, unit=str(home["unit"]), elsewhere=float(home["usd"]))


def everything() -> list[Price]:
    """Return the whole table, in its order."""
    return [_price(row) for row in _table().values()]


def _by_hour(component: str, instance_type: str, region: str) -> Price | None:
    table = _table()
    row = table.get((region, component, instance_type))
    if row is not None:
        return _price(row)
    for other in _SAME_RATE:
        row = table.get((region, other, instance_type))
        if row is not None:
            note = f"this is its price for {other}; AWS's bills charge its uses alike"
            return _price(row, component=component, note=note)
    return None


def _price(row: Mapping[str, Any], component: str | None = None, note: str = "") -> Price:
    return Price(
        component=component or row["component"],
        instance_type=row["type"],
        region=row["region"],
        unit=row["unit"],
        usd=float(row["usd"]),
        source=row["title"],
        url=row["url"],
        as_of=row["as_of"],
        note=note,
    )


@cache
def _table() -> dict[tuple[str, str, str], dict[str, Any]]:
    text = files("workshop_utils").joinpath("prices.json").read_text(encoding="utf-8")
    document = json.loads(text)
    return {
        (row["region"], row["component"], row["type"]): {
            **document["sources"][row["source"]],
            **row,
        }
        for row in document["prices"]
    }
