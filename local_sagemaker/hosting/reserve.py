"""One serving process more than needed, loaded and waiting to take the place of one that dies.

A model that loads quickly needs none: a new process is soon ready. For one that loads slowly, the
memory of a second copy buys that an endpoint with a single process is never long without it. It
starts and keeps that process; it must not know requests, nor when a process is replaced.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psutil

from local_sagemaker.hosting.workers import STOP_GRACE, Worker, WorkerFailed

_LONGEST_BACKOFF = 60.0


@dataclass(frozen=True)
class ReservePolicy:
    """When a process is held in reserve.

    Attributes
    ----------
    processor_time
        Seconds of processor time that starting must have cost. Unlike its duration this does not
        grow with what else the machine does.
    duration
        Or the seconds it must have taken, for models that wait for something while they load.
    pause
        Seconds after which it is started, so that it does not take the processor from the
        first requests.
    memory_share
        How much of the memory that is free a process may take and yet be started.
    """

    processor_time: float = 1.0
    duration: float = 3.0
    pause: float = 5.0
    memory_share: float = 0.5

    def wants(self, worker: Worker) -> bool:
        """Tell whether starting a process like this one takes so long that a reserve is due."""
        return worker.start_cost >= self.processor_time or worker.started_in >= self.duration

    def affords(self, worker: Worker) -> bool:
        """Tell whether the machine has the memory for one more like this."""
        free = psutil.virtual_memory().available
        return worker.memory() <= free * self.memory_share


class Reserve:
    """The process in reserve of one fleet.

    Parameters
    ----------
    policy
        When there is one.
    launch
        Starts a process; it is told to whom its end is reported.
    """

    def __init__(self, policy: ReservePolicy, launch: Callable[[], Worker]) -> None:
        self._policy = policy
        self._launch = launch
        self._lock = threading.Lock()
        self._ready: Worker | None = None
        self._preparing = False
        self._stopping = threading.Event()

    def keep(self, like: Worker) -> None:
        """See to it that there is one, if a process like the given one deserves it."""
        if not self._policy.wants(like):
            return
        with self._lock:
            if self._preparing or self._ready is not None or self._stopping.is_set():
                return
            self._preparing = True
        threading.Thread(
            target=self._prepare, args=(like,), name="prepare a reserve", daemon=True
        ).start()

    def take(self) -> Worker | None:
        """Return the process in reserve, which is none any more; None without one."""
        with self._lock:
            worker, self._ready = self._ready, None
        return worker if worker is not None and not worker.ended else None

    def lost(self, worker: Worker) -> bool:
        """Note that a process has ended; tell whether it was the one in reserve."""
        with self._lock:
            if worker is not self._ready:
                return False
            self._ready = None
        return True

    def stop(self) -> None:
        """End it, without waiting."""
        self._stopping.set()
        with self._lock:
            worker, self._ready = self._ready, None
        if worker is not None:
            worker.stop(STOP_GRACE)

    def _prepare(self, like: Worker) -> None:
        pause = self._policy.pause
        try:
            while not self._stopping.wait(pause):
                if not self._policy.affords(like):
                    like.log.write(
                        "Local SageMaker: there is too little memory to hold a second copy of the "
                        "model in reserve. If its process dies, loading takes "
                        f"{like.started_in:.1f} s."
                    )
                    return
                if self._start(like):
                    return
                pause = min(max(2 * pause, 1.0), _LONGEST_BACKOFF)
        finally:
            with self._lock:
                self._preparing = False

    def _start(self, like: Worker) -> bool:
        worker = self._launch()
        try:
            worker.wait_healthy()
        except WorkerFailed:
            return False
        with self._lock:
            if not self._stopping.is_set():
                self._ready = worker
        if self._stopping.is_set():
            worker.stop(STOP_GRACE)
        elif worker.ended and self.lost(worker):
            return False
        with suppress(OSError):
            like.log.write(
                f"Local SageMaker: the model takes {like.started_in:.1f} s to load, so another "
                "process is held in reserve, ready to take over."
            )
        return True
