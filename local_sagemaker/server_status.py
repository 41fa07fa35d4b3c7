"""What ``status`` tells of a running server: where it is, what runs, and how it does.

The keys are documented in `ServerStatus.__call__` and stay; later versions may add some. It asks
rooms for their figures; it must not know how anybody shows them.
"""

import os
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import psutil

from local_sagemaker.faults.rules import Faults
from local_sagemaker.request_log.statistics import RequestStatistics
from local_sagemaker.settings import Settings
from local_sagemaker.store import Records


class Queue(Protocol):
    """What runs jobs."""

    def counts(self) -> dict[str, int]:
        """Return ``slots``, ``running`` and ``waiting``."""


class ServerStatus:
    """Gathers the state of a server.

    Parameters
    ----------
    settings
        Where it lives.
    version
        Of the package.
    records
        Of the jobs.
    queue
        What runs the jobs.
    endpoints
        Returns the figures of every endpoint (`Endpoints.statistics`).
    faults
        What goes wrong on purpose.
    requests
        The figures of the operations.
    review
        Returns how much there is for people to do, and where (`Portal.status`).
    """

    def __init__(
        self,
        settings: Settings,
        version: str,
        *,
        records: Records,
        queue: Queue,
        endpoints: Callable[[], Iterable[dict[str, Any]]],
        faults: Faults,
        requests: RequestStatistics,
        review: Callable[[], dict[str, Any]],
    ) -> None:
        self._settings = settings
        self._version = version
        self._records = records
        self._queue = queue
        self._endpoints = endpoints
        self._faults = faults
        self._requests = requests
        self._review = review
        self._started = time.time()

    def __call__(self) -> dict[str, Any]:
        """Return the state.

        Returns
        -------
        dict
            ``url``, ``home``, ``pid``, ``version``, ``account`` and ``region`` of the first
            caller; ``started`` (seconds since the epoch) and ``uptime`` (seconds); ``memory``
            (``server`` and ``containers``, resident bytes); ``queue`` (``slots``, ``running`` and
            ``waiting`` jobs); ``jobs``, of each ``kind``, ``name``, ``status``, ``created``,
            ``account`` and ``region``; ``endpoints``, of each the same, ``config`` and
            ``variants`` with their figures (`Endpoints.statistics`); ``faults`` that can still
            strike (`Faults.list`); ``requests`` by operation (`RequestStatistics.summary`);
            ``review``, how much there is for people to do, and where (`Portal.status`).
        """
        now = time.time()
        return {
            "url": self._settings.url,
            "home": str(self._settings.home),
            "pid": os.getpid(),
            "version": self._version,
            "account": self._settings.account,
            "region": self._settings.region,
            "started": self._started,
            "uptime": now - self._started,
            "memory": _memory(),
            "queue": self._queue.counts(),
            "jobs": [
                *self._jobs("TrainingJob"),
                *self._jobs("ProcessingJob"),
                *self._jobs("TransformJob"),
            ],
            "endpoints": [_endpoint(figures) for figures in self._endpoints()],
            "faults": [fault for fault in self._faults.list() if fault["active"]],
            "requests": self._requests.summary(),
            "review": self._review(),
        }

    def _jobs(self, kind: str) -> list[dict[str, Any]]:
        return [
            {
                "kind": kind,
                "name": record.key.name,
                "status": record.status or "",
                "created": record.created,
                "account": record.key.account,
                "region": record.key.region,
            }
            for record in self._records.every(kind)
        ]


def _endpoint(figures: dict[str, Any]) -> dict[str, Any]:
    told = dict(figures)
    return {"kind": "Endpoint", "name": told.pop("endpoint"), **told}


def _memory() -> dict[str, int]:
    server = psutil.Process()
    containers = 0
    for process in server.children(recursive=True):
        try:
            containers += process.memory_info().rss
        except psutil.Error:
            # It ended while it was looked at.
            continue
    return {"server": server.memory_info().rss, "containers": containers}
