"""What serverless endpoints, spot training and warm pools save, by the numbers of this very lab.

It computes from prices, counts and times that it is handed; it must not ask AWS anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workshop_utils import instances, prices
from workshop_utils.bill import money
from workshop_utils.display import card
from workshop_utils.hosting import Serverless
from workshop_utils.marks import HOURS
from workshop_utils.prices import PAGE, Price
from workshop_utils.session import Session

# AWS's page on managed spot training promises this at the most.
_SPOT_AT_MOST = 0.9


class NoPrice(Exception):
    """Nothing can be compared without a price; the message says of what."""


@dataclass(frozen=True)
class Savings:
    """An endpoint on a machine against a serverless one, and what spot and warm pools do.

    Attributes
    ----------
    region, machine, second
        Where, and the two prices: of a machine's hour, of a GB of memory for a second.
    requests, seconds
        How many requests the lab sends, and how long one of them computes.
    hours
        How long the machine would stand there.
    memory_gb
        Of the serverless endpoint.
    spot_share
        Which share a spot job saved, by what the service billed; None if none was run.
    pool_minutes
        How long a warm pool waits for the next job.
    """

    region: str
    machine: Price
    second: Price
    requests: int
    seconds: float
    hours: float
    memory_gb: float
    spot_share: float | None
    pool_minutes: float

    @property
    def on_machine(self) -> float:
        """What the machine costs, asked or not, in USD."""
        return self.hours * self.machine_hour

    @property
    def serverless(self) -> float:
        """What the same requests cost serverless, in USD."""
        return self.requests * self.request

    @property
    def machine_hour(self) -> float:
        """USD for an hour of the machine."""
        return self.machine.roughly or 0.0

    @property
    def request(self) -> float:
        """USD for one request to the serverless endpoint."""
        return self.seconds * self.memory_gb * (self.second.roughly or 0.0)

    @property
    def break_even(self) -> float:
        """Requests an hour above which the machine is cheaper, if it can answer so many."""
        return self.machine_hour / self.request

    @property
    def capacity(self) -> float:
        """Requests an hour that one machine answers, one after the other."""
        return 3600 / self.seconds

    @property
    def pool(self) -> float:
        """What a warm pool costs that waits in vain, in USD."""
        return self.machine_hour * self.pool_minutes / 60

    def _rows(self) -> dict[str, str]:
        often = f"{self.requests} requests of {self.seconds * 1000:.0f} ms"
        return {
            f"{self.machine.instance_type} for {self.hours:g} h": money(self.on_machine),
            f"Serverless, {self.memory_gb:g} GB, {often}": money(self.serverless),
            "Break-even": self._break_even_words(),
            "Spot training": self._spot_words(),
            "Warm pool": (
                "saves the next job's start, which is waiting and not money; "
                f"{self.pool_minutes:g} idle minutes cost {money(self.pool)}"
            ),
            "Prices": self._price_words(),
        }

    def _break_even_words(self) -> str:
        words = f"{self.break_even:,.0f} requests an hour"
        if self.break_even > self.capacity:
            return f"{words}: more than one machine answers one after the other"
        return f"{words}; with fewer, serverless is cheaper"

    def _spot_words(self) -> str:
        if self.spot_share is not None:
            return f"saved {self.spot_share:.0%} of this job's time, by what the service billed"
        least = self.machine_hour * (1 - _SPOT_AT_MOST)
        return (
            f"not measured here; AWS says up to {_SPOT_AT_MOST:.0%}, so an hour of "
            f"{self.machine.instance_type} would cost {money(least)} at the least instead of "
            f"{money(self.machine_hour)}"
        )

    def _price_words(self) -> str:
        where = self.region if self.machine.usd is not None else f"{prices.HOME}, as a rough guide"
        return f"of {where}; check {PAGE}"

    def __str__(self) -> str:
        return "\n".join(f"{name}: {words}" for name, words in self._rows().items())

    def _repr_html_(self) -> str:
        return card("What saves money", self._rows())


def savings(
    session: Session,
    *,
    requests: int,
    milliseconds: float,
    hours: float = HOURS,
    instance_type: str = instances.CPU,
    memory_mb: int = Serverless().memory_mb,
    spot_job: Mapping[str, Any] | None = None,
    pool_minutes: float = 30.0,
) -> Savings:
    """Return what the ways to save are worth with a lab's own numbers.

    Parameters
    ----------
    session
        Whose region counts.
    requests, milliseconds
        How many requests were sent, and how long one of them took: what `Endpoint.latencies`
        measured, for instance.
    hours
        How long an endpoint on a machine would stand there: a day's workshop if nothing is said.
    instance_type, memory_mb
        The machine, and the serverless endpoint's memory.
    spot_job
        DescribeTrainingJob's answer for a spot job that has ended, if there is one.
    pool_minutes
        How long a warm pool would wait.

    Raises
    ------
    NoPrice
        When the price of the machine is not in the table.
    ValueError
        When a number is not above 0.
    """
    given = {"requests": requests, "milliseconds": milliseconds, "hours": hours}
    for name, value in given.items():
        if not value > 0:
            raise ValueError(f"{name} is {value!r}: it must be above 0.")
    machine = prices.hourly("hosting", instance_type, session.region)
    if machine.roughly is None:
        raise NoPrice(f"There is nothing to compare: {machine}.")
    return Savings(
        region=session.region,
        machine=machine,
        second=prices.rate("serverless", session.region),
        requests=requests,
        seconds=milliseconds / 1000,
        hours=hours,
        memory_gb=memory_mb / 1024,
        spot_share=None if spot_job is None else spot_share(spot_job),
        pool_minutes=pool_minutes,
    )


def spot_share(job: Mapping[str, Any]) -> float | None:
    """Return which share of its time a spot job did not pay for; None if it was not one.

    Parameters
    ----------
    job
        The answer of DescribeTrainingJob, after the end: ``BillableTimeInSeconds`` against
        ``TrainingTimeInSeconds``.
    """
    if not job.get("EnableManagedSpotTraining") or not job.get("TrainingTimeInSeconds"):
        return None
    billed = job.get("BillableTimeInSeconds")
    return None if billed is None else 1 - float(billed) / float(job["TrainingTimeInSeconds"])
