"""Traffic: somebody who goes on asking an endpoint in the background, and what came of it.

It must not know what the endpoint serves.
"""

import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import pandas as pd
from botocore.exceptions import ClientError

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
        ``milliseconds``, ``text``, ``label``, ``score``, and ``error``, empty where there was none:
        what the service said, or the kind of any other exception and its words.
    """

    frame: pd.DataFrame

    @property
    def failed(self) -> pd.DataFrame:
        """The requests that were not answered."""
        return self.frame[self.frame["error"] != ""]

    def _repr_html_(self) -> str:
        waited = self.frame["milliseconds"]
        if self.frame.empty:
            return card("Traffic", {"Requests": "none has come back yet"})
        return card(
            "Traffic",
            {
                "Requests": f"{len(self.frame):,} in {self.frame['at'].max():.0f} s",
                "Failed": str(len(self.failed)),
                "Waited": f"{waited.median():.0f} ms in the middle, {waited.max():.0f} ms at most",
            },
        )


class Traffic:
    """Asks an endpoint again and again: from `start` to `stop`, or while a ``with`` block lasts.

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
    at_most
        Seconds after which it ends by itself, for whoever forgets to stop it.

    Examples
    --------
    >>> with Traffic(endpoint, texts) as traffic:  # doctest: +SKIP
    ...     deployments.start(version, "sentiment").wait()
    >>> traffic.report  # doctest: +SKIP
    """

    def __init__(
        self,
        endpoint: Endpoint,
        texts: Sequence[str],
        *,
        callers: int = 2,
        pause: float = 0.1,
        at_most: float = 3600,
    ) -> None:
        if not texts:
            raise ValueError("There are no texts to ask for.")
        self._asking = _Asking(endpoint, tuple(texts), callers, pause, at_most)
        self._threads = [
            threading.Thread(
                target=self._asking.run, args=(first,), name=f"traffic-{first}", daemon=True
            )
            for first in range(callers)
        ]
        # The threads do not know this object, so that it ends with the last name for it: a cell
        # that is run again stops the callers of its first run.
        weakref.finalize(self, self._asking.stopped.set)

    @property
    def report(self) -> TrafficReport:
        """What came of the requests until now."""
        frame = pd.DataFrame(list(self._asking.rows), columns=COLUMNS)
        return TrafficReport(frame.sort_values("at", ignore_index=True))

    def start(self) -> Self:
        """Begin to ask, in the background."""
        self._asking.began = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def go_on(self, seconds: float) -> None:
        """Let it run for a while, or until it is stopped."""
        self._asking.stopped.wait(seconds)

    def stop(self) -> Self:
        """Ask no more; return when the last answers are there. Twice is fine."""
        self._asking.stopped.set()
        self.join()
        return self

    def join(self) -> None:
        """Wait until it has ended; what was never started has."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


@dataclass
class _Asking:
    """What the callers share."""

    endpoint: Endpoint
    texts: tuple[str, ...]
    callers: int
    pause: float
    at_most: float
    began: float = 0.0
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, first: int) -> None:
        """Ask until it is stopped; `first` is the caller's number, and its first text's."""
        number = first
        while not self.stopped.is_set() and time.monotonic() - self.began < self.at_most:
            text = self.texts[number % len(self.texts)]
            number += self.callers
            started = time.monotonic()
            label, score, wrong = "", float("nan"), ""
            try:
                [answer] = self.endpoint.predict([text])
                label, score = str(answer["label"]), float(answer["score"])
            except Exception as error:  # noqa: BLE001  (nobody would see what ends a thread)
                # A service's own words name the operation and the code.
                named = isinstance(error, ClientError)
                wrong = str(error) if named else f"{type(error).__name__}: {error}"
            waited = (time.monotonic() - started) * 1000
            self.rows.append((started - self.began, waited, text, label, score, wrong))
            self.stopped.wait(self.pause)
