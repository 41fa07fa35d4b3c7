"""As many processes as requests need, down to none: what a serverless variant runs on.

The first request starts a process, and all that come meanwhile wait for the same one. Another is
started when requests have waited longer than starting one takes: they would have been better off
with it. A process leaves when it was idle for a while. It knows processes and that requests wait;
it must not know the requests.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from local_sagemaker.hosting.crew import Crew
from local_sagemaker.hosting.replacement import LONGEST_BACKOFF, start_all
from local_sagemaker.hosting.workers import STOP_GRACE, Worker, WorkerFailed

_LEAST_PATIENCE = 1.0
# Memory may grow between two looks, so this is a limit on what stays, not on peaks.
_LOOK = 0.5
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class DemandPolicy:
    """How many processes there may be, and for how long.

    Attributes
    ----------
    most
        How many at once.
    idle_seconds
        After how long without a request one leaves.
    memory_mb
        How much memory each may hold, in MB of 1024 × 1024 bytes.
    on_start
        Told how many seconds a start took that requests waited for.
    """

    most: int
    idle_seconds: float
    memory_mb: int
    on_start: Callable[[float], None] = lambda _: None


class Demand:
    """Starts processes for requests that wait, and ends those that have none.

    Parameters
    ----------
    crew
        The processes.
    policy
        Within which bounds.
    """

    def __init__(self, crew: Crew, policy: DemandPolicy) -> None:
        self._crew = crew
        self._policy = policy
        self._least, self._most = 0, policy.most
        self._lock = threading.Lock()
        self._starting = False
        self._patience = _LEAST_PATIENCE
        self._last_start = 0.0
        crew.report_to(self)

    @property
    def patience(self) -> float:
        """As long as the last start took."""
        return self._patience

    @property
    def extent(self) -> tuple[int, int]:
        """See `Fleet.extent`."""
        return self._least, self._most

    @property
    def waking(self) -> bool:
        """Whether no process serves and one is being started."""
        return self._starting and not self._crew.size

    def start(self, count: int) -> None:
        """Start processes that stay; if none shall, one that shows that it can serve, and ends."""
        started = start_all(self._crew, self._launch, max(count, 1))
        self._least = count
        if not count:
            self._crew.dismiss(started)
            for worker in started:
                worker.stop()
                worker.wait(STOP_GRACE)
            return
        for worker in started:
            self._crew.admit(worker)

    def resize(self, least: int, most: int) -> None:
        """See `Fleet.resize`."""
        missing = least - self._crew.size
        started = start_all(self._crew, self._launch, max(missing, 0))
        self._least, self._most = least, most
        for worker in started:
            self._crew.admit(worker)

    def wanted(self) -> None:
        """Start a process if none serves."""
        self._start_another(lambda: not self._crew.size)

    def wanted_still(self) -> None:
        """Start another process if there was time for those that serve to be quick enough."""
        self._start_another(lambda: time.monotonic() - self._last_start >= self._patience)

    def ended(self, worker: Worker, *, served: bool) -> None:
        """Replace a process that died, if it is needed."""
        if not served or self._crew.stopping.is_set():
            return
        worker.log.write(f"Local SageMaker: {worker.how_it_ended()}")
        if self._crew.size < self._least:
            self._spawn(self._keep_least, "replace worker")
        elif self._crew.queued:
            self.wanted()

    def stop(self) -> None:
        """Nothing is started any more, because the crew is stopping."""

    def _start_another(self, due: Callable[[], bool]) -> None:
        with self._lock:
            # One at a time: starts that run side by side take longer, each of them.
            if self._starting or self._crew.stopping.is_set():
                return
            # Whoever asks may have been given a process since, and not know it yet.
            if not self._crew.queued or self._crew.size >= self._most or not due():
                return
            self._starting = True
        try:
            self._spawn(self._start_for_requests, "start on demand")
        except RuntimeError:
            # No thread could be had; whoever waits asks again.
            with self._lock:
                self._starting = False

    def _start_for_requests(self) -> None:
        reason: str | None = "the local SageMaker failed; its log says why."
        try:
            reason = self._start_one()
        finally:
            with self._lock:
                self._starting = False
            self._tell(reason)

    def _tell(self, reason: str | None) -> None:
        if reason is not None:
            # Not before this: a request that comes now starts one of its own.
            self._crew.fail_waiting(f"A process cannot be started: {reason}")
        elif self._crew.queued and not self._crew.size:
            # It has died already.
            self.wanted()

    def _start_one(self) -> str | None:
        """Start a process and let it serve; return why that is not possible, or None."""
        try:
            worker = self._launch()
            worker.wait_healthy()
            self._patience = max(worker.started_in, _LEAST_PATIENCE)
            self._last_start = time.monotonic()
            if self._starting:
                self._policy.on_start(worker.started_in)
            self._crew.admit(worker)
        except (WorkerFailed, OSError) as error:
            return str(error)
        return None

    def _keep_least(self) -> None:
        failures = max(0, self._crew.deaths - 1)
        while not self._crew.stopping.wait(min(2.0**failures, LONGEST_BACKOFF) if failures else 0):
            if self._crew.size >= self._least:
                return
            if (reason := self._start_one()) is not None:
                self._crew.fail_waiting(f"A process cannot be started again: {reason}")
                failures += 1

    def _launch(self) -> Worker:
        worker = self._crew.launch()
        self._spawn(lambda: self._watch(worker), "watch worker")
        return worker

    def _watch(self, worker: Worker) -> None:
        """See to it that a process keeps to its memory, and leaves when it is idle."""
        policy = self._policy
        while not worker.wait(min(_LOOK, policy.idle_seconds)):
            held = worker.memory() // _MEGABYTE
            if held > policy.memory_mb:
                reason = (
                    f"it held {held} MB of memory, and MemorySizeInMB of its variant is "
                    f"{policy.memory_mb}"
                )
                with suppress(OSError):
                    worker.log.write(f"Local SageMaker: the process is ended: {reason}.")
                worker.kill(reason)
                return
            if self._crew.dismiss_idle(worker, policy.idle_seconds, self._least):
                with suppress(OSError):
                    worker.log.write(
                        f"Local SageMaker: there was no request for {policy.idle_seconds:g} s, so "
                        "the process leaves. The next request starts another."
                    )
                worker.stop()
                return

    def _spawn(self, work: Callable[[], None], name: str) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()
