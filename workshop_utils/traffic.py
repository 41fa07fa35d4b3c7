"""Traffic: somebody who goes on asking an endpoint in the background, and what came of it.

It must not know what the endpoint serves.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pandas as pd
from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.display import card
from workshop_utils.endpoints import Endpoint

COLUMNS = ["at", "milliseconds", "text", "label", "score", "error"]


@dataclass(frozen=True)
class TrafficReport:
    """What came of the requests.

    Attributes
    ----------
    frame
        One row for each request, in the order of their starts: ``at`` (seconds since the first),
        ``milliseconds``, ``text``, ``label``, ``score``, and ``error``, empty where there was none.
    """

    frame: pd.DataFrame

    @property
    def failed(self) -> pd.DataFrame:
        """The requests that were not answered."""
        return self.frame[self.frame["error"] != ""]

    def _repr_html_(self) -> str:
        waited = self.frame["milliseconds"]
        return card(
            "Traffic",
            {
                "Requests": f"{len(self.frame):,} in {self.frame['at'].max():.0f} s",
                "Failed": str(len(self.failed)),
                "Waited": f"{waited.median():.0f} ms in the middle, {waited.max():.0f} ms at most",
            },
        )


class Traffic:
    """Asks an endpoint again and again for as long as a ``with`` block lasts.

    Parameters
    ----------
    endpoint
        What is asked.
    texts
        What it is asked, one after the other and then again.
    callers
        How many ask at the same time.
    pause
        Seconds that each waits between two requests.

    Examples
    --------
    >>> with Traffic(endpoint, texts) as traffic:  # doctest: +SKIP
    ...     deployments.deploy_version(version, "sentiment")
    >>> traffic.report  # doctest: +SKIP
    """

    def __init__(
        self, endpoint: Endpoint, texts: Sequence[str], *, callers: int = 2, pause: float = 0.1
    ) -> None:
        if not texts:
            raise ValueError("There are no texts to ask for.")
        self._endpoint = endpoint
        self._texts = list(texts)
        self._pause = pause
        self._rows: list[tuple[Any, ...]] = []
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(first,), name=f"traffic-{first}", daemon=True)
            for first in range(callers)
        ]
        self._began = time.monotonic()

    @property
    def report(self) -> TrafficReport:
        """What came of the requests until now."""
        frame = pd.DataFrame(list(self._rows), columns=COLUMNS)
        return TrafficReport(frame.sort_values("at", ignore_index=True))

    def go_on(self, seconds: float) -> None:
        """Let it run for a while, or until the block ends."""
        self._stopped.wait(seconds)

    def __enter__(self) -> Self:
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, first: int) -> None:
        number = first
        while not self._stopped.is_set():
            text = self._texts[number % len(self._texts)]
            number += len(self._threads)
            started = time.monotonic()
            label, score, wrong = "", float("nan"), ""
            try:
                [answer] = self._endpoint.predict([text])
                label, score = str(answer["label"]), float(answer["score"])
            except (BotoCoreError, ClientError) as error:
                wrong = str(error)
            waited = (time.monotonic() - started) * 1000
            self._rows.append((started - self._began, waited, text, label, score, wrong))
            self._stopped.wait(self._pause)
