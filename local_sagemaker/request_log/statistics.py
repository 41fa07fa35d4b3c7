"""Counts requests by operation and remembers how long the latest of each took.

It must not know what an operation does, nor who asks.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

SAMPLE = 1000
"""How many of an operation's latest requests its percentiles are taken from."""

# Whoever may sign can send any text for an operation's name.
_MAX_OPERATIONS = 1000
_OTHERS = ("(others)", "(others)")


@dataclass
class _Count:
    requests: int = 0
    errors: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=SAMPLE))


class RequestStatistics:
    """The figures since the server's start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], _Count] = {}

    def add(self, service: str, operation: str, latency_ms: float, *, error: bool) -> None:
        """Count one request."""
        key = (service, operation)
        with self._lock:
            count = self._counts.get(key)
            if count is None:
                if len(self._counts) >= _MAX_OPERATIONS:
                    key = _OTHERS
                count = self._counts.setdefault(key, _Count())
            count.requests += 1
            count.errors += error
            count.latencies.append(latency_ms)

    def summary(self) -> list[dict[str, Any]]:
        """Return each operation's figures, the most asked first.

        Returns
        -------
        list of dict
            ``service``, ``operation``, ``count``, ``errors``, and ``p50_ms`` and ``p95_ms`` of the
            latest `SAMPLE` requests, in milliseconds.
        """
        with self._lock:
            taken = [
                (key, count.requests, count.errors, list(count.latencies))
                for key, count in self._counts.items()
            ]
        rows = []
        for (service, operation), requests, errors, latencies in taken:
            latencies.sort()
            rows.append(
                {
                    "service": service,
                    "operation": operation,
                    "count": requests,
                    "errors": errors,
                    "p50_ms": _quantile(latencies, 0.5),
                    "p95_ms": _quantile(latencies, 0.95),
                }
            )
        return sorted(rows, key=lambda row: (-row["count"], row["service"], row["operation"]))


def _quantile(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)
