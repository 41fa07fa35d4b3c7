"""The progress lines of a training job.

One line per stage, ``stage=<name>; <name>=<figure>; ...``, which a person can follow in the log
and SageMaker can match with the regular expressions of MetricDefinitions. Figures whose name
holds a colon (``test:accuracy``) are metrics and go to the experiment run as well. This module
must not know what the stages are or how a run is reached.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Protocol


class MetricSink(Protocol):
    """Whatever keeps metrics."""

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Keep the metrics of one step."""


class TrainingLog:
    """Prints progress lines, and passes metrics on.

    Parameters
    ----------
    sink : MetricSink
        Receives every figure whose name holds a colon.
    interval_s : float
        Seconds between two lines of `heartbeat`.
    """

    def __init__(self, sink: MetricSink, interval_s: float = 2.0) -> None:
        self._sink = sink
        self._interval_s = interval_s
        self._last_line = time.monotonic()

    def stage(self, name: str, figures: Mapping[str, float | int | str], step: int = 0) -> None:
        """Print one line, and pass its metrics on with `step`."""
        parts = [f"stage={name}", *(f"{key}={_plain(value)}" for key, value in figures.items())]
        print("; ".join(parts), flush=True)
        self._last_line = time.monotonic()
        metrics = {
            key: float(value)
            for key, value in figures.items()
            if ":" in key and not isinstance(value, str)
        }
        if metrics:
            self._sink.log_metrics(metrics, step)

    def heartbeat(self, name: str, figures: Mapping[str, float | int | str]) -> None:
        """Print the line only when the last one is older than the interval."""
        if time.monotonic() - self._last_line >= self._interval_s:
            self.stage(name, figures)


def warn(message: str) -> None:
    """Print a warning where the job's log shows it."""
    print(f"WARNING: {message}", file=sys.stderr, flush=True)


def _plain(value: float | int | str) -> str:
    """Write floats without an exponent, so that ``[0-9.]+`` matches all of them."""
    return f"{value:.6f}" if isinstance(value, float) else str(value)
