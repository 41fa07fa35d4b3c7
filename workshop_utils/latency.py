"""How long a caller waits: for the first answer after a pause, and for those that follow.

It asks an endpoint and measures; it must not know what the endpoint runs on.
"""

import statistics
import time
from dataclasses import dataclass

import pandas as pd

from workshop_utils.display import card
from workshop_utils.endpoints import Endpoint

# A start takes longer than any answer of the workshop's models differs from another.
_WOKEN = 5.0


@dataclass(frozen=True)
class ColdAndWarm:
    """What was waited for.

    Attributes
    ----------
    first_ms
        Milliseconds until the first answer.
    warm_ms
        Of each of the following ones.
    """

    first_ms: float
    warm_ms: tuple[float, ...]

    @property
    def warm_median_ms(self) -> float:
        """The middle of the following ones."""
        return statistics.median(self.warm_ms)

    @property
    def was_cold(self) -> bool:
        """Whether the first one took so much longer that something had to be started for it."""
        return self.first_ms > _WOKEN * max(self.warm_ms)

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each request: ``request`` from 1, ``milliseconds``."""
        waited = [self.first_ms, *self.warm_ms]
        return pd.DataFrame({"request": range(1, len(waited) + 1), "milliseconds": waited})

    def __str__(self) -> str:
        return (
            f"first answer after {self.first_ms:,.0f} ms, then {self.warm_median_ms:,.1f} ms "
            f"(median of {len(self.warm_ms)}): {self._meaning()}"
        )

    def _repr_html_(self) -> str:
        return card(
            "Cold and warm",
            {
                "First answer": f"{self.first_ms:,.0f} ms",
                f"Then, median of {len(self.warm_ms)}": f"{self.warm_median_ms:,.1f} ms",
                "Slowest of them": f"{max(self.warm_ms):,.1f} ms",
                "Means": self._meaning(),
            },
        )

    def _meaning(self) -> str:
        if self.was_cold:
            return (
                f"the first one waited for a start, {self.first_ms / self.warm_median_ms:,.0f} "
                "times as long"
            )
        return "it was awake already"


def cold_and_warm(endpoint: Endpoint, text: str, requests: int = 20) -> ColdAndWarm:
    """Ask an endpoint several times, one after the other, and measure each answer.

    A serverless endpoint is asleep when nobody has asked it for some minutes, so the first answer
    includes its start. Right after another request there is nothing cold to see.

    Parameters
    ----------
    endpoint
        What is asked.
    text
        What it is asked.
    requests
        How many after the first one, at least 1.
    """
    if requests < 1:
        raise ValueError(f"{requests} requests after the first one: there must be one at least.")
    waited = []
    for _ in range(requests + 1):
        began = time.perf_counter()
        endpoint.predict(text)
        waited.append((time.perf_counter() - began) * 1000)
    return ColdAndWarm(waited[0], tuple(waited[1:]))
