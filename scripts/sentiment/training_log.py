"""The progress lines of a training job.

One line per stage, ``stage=<name>; <name>=<figure>; ...``, which a person can follow in the log
and SageMaker can match with the regular expressions of MetricDefinitions. This module must not know
what the stages are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

INTERVAL_S = 2.0

Figures = Mapping[str, float | int | str]


class TrainingLog:
    """Prints progress lines.

    Parameters
    ----------
    interval_s : float
        Seconds between two lines of `heartbeat`.
    """

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._last_line = time.monotonic()

    def stage(self, name: str, figures: Figures) -> None:
        """Print one line."""
        parts = [f"stage={name}", *(f"{key}={_plain(value)}" for key, value in figures.items())]
        print("; ".join(parts), flush=True)
        self._last_line = time.monotonic()

    def heartbeat(self, name: str, figures: Figures) -> None:
        """Print the line only when the last one is older than the interval."""
        if time.monotonic() - self._last_line >= self._interval_s:
            self.stage(name, figures)


def warn(message: str) -> None:
    """Print a warning where the job's log shows it."""
    print(f"WARNING: {message}", file=sys.stderr, flush=True)


def _plain(value: float | int | str) -> str:
    """Write floats without an exponent, so that ``[0-9.]+`` matches all of them."""
    return f"{value:.6f}" if isinstance(value, float) else str(value)
