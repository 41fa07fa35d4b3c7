"""How much a production variant was asked, how fast it answered, and how often it failed.

Counts and a histogram in memory: they begin with the server and outlive a generation. It knows
numbers; it must not know what a request or a process is.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import ceil, log
from typing import Any, Protocol

from local_sagemaker.hosting.route_key import RouteKey

# Each bucket reaches 10 % further than the one before it, so a quantile is at most that wrong.
_FIRST_BUCKET = 0.0001  # seconds
_GROWTH = 1.1
_BUCKETS = 160  # the last begins at 380 seconds
_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_CLIENT_ERRORS = range(400, 500)
_OK = range(100, 400)


class Histogram:
    """Durations in buckets of growing width."""

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._count = 0
        self._longest = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        place = ceil(log(seconds / _FIRST_BUCKET, _GROWTH)) if seconds > _FIRST_BUCKET else 0
        self._counts[min(place, _BUCKETS - 1)] += 1
        self._count += 1
        self._longest = max(self._longest, seconds)

    def quantile(self, share: float) -> float | None:
        """Return the seconds within which a share of all durations lies; None without any."""
        if not self._count:
            return None
        wanted = share * self._count
        seen = 0
        for place, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(float(_FIRST_BUCKET * _GROWTH**place), self._longest)
        return self._longest

    @property
    def longest(self) -> float | None:
        """The longest duration in seconds; None without any."""
        return self._longest if self._count else None


class Watcher(Protocol):
    """Whoever is told of each request as it ends; it must be quick and must not raise."""

    def answered(self, key: RouteKey, variant: str, status: int, seconds: float) -> None:
        """Take note of an answer; see `VariantStatistics.end`."""

    def set_up(self, key: RouteKey, variant: str, seconds: float) -> None:
        """Take note of a start that requests waited for."""


def _no_setup(seconds: float) -> None:
    del seconds


def _unwatched(status: int, seconds: float) -> None:
    del status, seconds


@dataclass
class VariantStatistics:
    """What happened to one variant's requests; every method may be called from any thread.

    Attributes
    ----------
    on_answer
        Called with the status and the seconds of each request that is counted.
    on_setup
        Called with the seconds of each start that requests waited for.
    """

    on_answer: Callable[[int, float], None] = _unwatched
    on_setup: Callable[[float], None] = _no_setup
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _latency: Histogram = field(default_factory=Histogram)
    _invocations: int = 0
    _client_errors: int = 0
    _server_errors: int = 0
    _in_flight: int = 0
    _cold_starts: int = 0
    _setup: Histogram = field(default_factory=Histogram)

    def begin(self) -> None:
        """Note a request that was accepted for this variant."""
        with self._lock:
            self._in_flight += 1

    def end(self, status: int | None, seconds: float) -> None:
        """Note how a request ended.

        Parameters
        ----------
        status
            HTTP status as the model's, or as the service's where there was none from it; None
            for a request that goes elsewhere or whose client hung up, which is not counted.
        seconds
            From the request to the end of its answer.
        """
        with self._lock:
            self._in_flight -= 1
            if status is None:
                return
            self._invocations += 1
            self._latency.add(seconds)
            if status in _CLIENT_ERRORS:
                self._client_errors += 1
            elif status not in _OK:
                self._server_errors += 1
        self.on_answer(status, seconds)

    def cold_start(self, seconds: float) -> None:
        """Note that requests waited for a process to start, and how long it took to start."""
        with self._lock:
            self._cold_starts += 1
            self._setup.add(seconds)
        self.on_setup(seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return it as ``status`` shows it; durations are in milliseconds, None without any."""
        with self._lock:
            setup = {"p50": self._setup.quantile(0.5), "max": self._setup.longest}
            latency = {name: self._latency.quantile(share) for name, share in _QUANTILES.items()}
            latency["max"] = self._latency.longest
            return {
                "invocations": self._invocations,
                "errors_4xx": self._client_errors,
                "errors_5xx": self._server_errors,
                "in_flight": self._in_flight,
                "latency_ms": _milliseconds(latency),
                "cold_starts": self._cold_starts,
                "cold_start_ms": _milliseconds(setup),
            }


def _milliseconds(durations: dict[str, float | None]) -> dict[str, float | None]:
    return {
        name: None if seconds is None else round(seconds * 1000, 3)
        for name, seconds in durations.items()
    }


class Statistics:
    """The statistics of all variants of all endpoints."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._variants: dict[RouteKey, dict[str, VariantStatistics]] = {}
        self._watcher: Watcher | None = None

    def watch(self, watcher: Watcher) -> None:
        """Tell somebody of every request to variants that are asked for from now on."""
        self._watcher = watcher

    def of(self, key: RouteKey, variant: str) -> VariantStatistics:
        """Return a variant's statistics, begun on first use."""
        with self._lock:
            variants = self._variants.setdefault(key, {})
            if variant not in variants:
                watcher = self._watcher
                variants[variant] = (
                    VariantStatistics(
                        partial(watcher.answered, key, variant),
                        partial(watcher.set_up, key, variant),
                    )
                    if watcher
                    else VariantStatistics()
                )
            return variants[variant]

    def forget(self, key: RouteKey) -> None:
        """Drop an endpoint's statistics."""
        with self._lock:
            self._variants.pop(key, None)
