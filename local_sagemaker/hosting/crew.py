"""The serving processes of one variant, and the requests that wait for one of them.

Each process gets one request at a time; the others wait here, so that a process that dies takes
one request with it and no more. It brings requests and processes together; it must not know how
many processes there ought to be, which is its upkeep's matter, nor what a request says.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

from local_sagemaker.hosting.upkeep import Upkeep
from local_sagemaker.hosting.waiting import FleetClosed, HangUp, Waiter, WorkerDied
from local_sagemaker.hosting.workers import Worker, WorkerFailed, WorkerPlan


class Crew:
    """Processes that share one model, and the queue in front of them.

    Parameters
    ----------
    plan
        How to start them.
    next_idle
        Which of several idle processes gets the next request, taken from those that became idle
        in this order.

    Attributes
    ----------
    stopping
        Set once nothing may be started any more.
    deaths
        How many processes died since there was an answer.
    replaced
        How many died while they served.
    """

    def __init__(self, plan: WorkerPlan, next_idle: Callable[[deque[Worker]], Worker]) -> None:
        self.plan = plan
        self.stopping = threading.Event()
        self.deaths = 0
        self.replaced = 0
        self._next_idle = next_idle
        self._upkeep: Upkeep | None = None
        self._lock = threading.Condition()
        self._workers: set[Worker] = set()
        self._idle: deque[Worker] = deque()
        self._waiting: deque[Waiter] = deque()
        # Those that start, that are held in reserve, and that were told to end.
        self._others: set[Worker] = set()
        self._numbers: set[int] = set()
        self._busy = 0
        self._closed = False
        self._broken: str | None = None

    def report_to(self, upkeep: Upkeep) -> None:
        """Say who decides how many processes there are; to be called before anything else."""
        self._upkeep = upkeep

    @property
    def size(self) -> int:
        """How many processes serve now."""
        return len(self._workers)

    @property
    def queued(self) -> int:
        """How many requests wait for a process."""
        return len(self._waiting)

    @property
    def broken(self) -> str | None:
        """Why no process serves and none can be started; None while one does, or is about to."""
        return None if self._workers else self._broken

    def any(self) -> Worker | None:
        """Return a process that serves, None without any."""
        with self._lock:
            return next(iter(self._workers), None)

    def every(self) -> set[Worker]:
        """Return all processes that have not ended, whether they serve or not."""
        with self._lock:
            return self._workers | self._others

    # Processes come and go

    def launch(self) -> Worker:
        """Start a process, which does not serve before `admit`."""
        with self._lock:
            taken = {worker.number for worker in self._workers | self._others} | self._numbers
            number = next(n for n in range(1, len(taken) + 2) if n not in taken)
            self._numbers.add(number)
        try:
            worker = Worker(self.plan, number, self._ended)
            with self._lock:
                if not worker.ended:
                    self._others.add(worker)
        finally:
            self._numbers.discard(number)
        if self.stopping.is_set():
            worker.kill()
        return worker

    def admit(self, worker: Worker) -> bool:
        """Let a healthy process serve; tell whether none could be started before it.

        Raises
        ------
        WorkerFailed
            If it has ended meanwhile.
        """
        with self._lock:
            self._others.discard(worker)
            if worker.ended:
                raise WorkerFailed(f"{worker.how_it_ended()}{worker.last_words()}")
            self._workers.add(worker)
            recovered, self._broken = self._broken is not None, None
            self._offer(worker)
        if self.stopping.is_set():
            worker.kill()
            return False
        return recovered

    def dismiss(self, workers: list[Worker]) -> None:
        """Let processes serve no more; whoever calls it ends them."""
        with self._lock:
            for worker in workers:
                self._withdraw(worker)

    def surplus(self, count: int) -> list[Worker]:
        """Return the processes that serve beyond a number."""
        with self._lock:
            return sorted(self._workers, key=lambda worker: worker.number)[count:]

    def dismiss_idle(self, worker: Worker, seconds: float, keep: int) -> bool:
        """Let a process serve no more if it is idle for that long; tell whether that was so.

        Parameters
        ----------
        worker
            The process.
        seconds
            Since its last answer.
        keep
            How many others there must be.
        """
        with self._lock:
            long_idle = worker in self._idle and time.monotonic() - worker.idle_since >= seconds
            if not long_idle or len(self._workers) <= keep:
                return False
            self._withdraw(worker)
            return True

    def _withdraw(self, worker: Worker) -> None:
        self._forget(worker)
        if not worker.ended:
            self._others.add(worker)

    def _forget(self, worker: Worker) -> bool:
        self._others.discard(worker)
        if worker not in self._workers:
            return False
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        return True

    def _ended(self, worker: Worker) -> None:
        with self._lock:
            served = self._forget(worker)
            if served:
                self.deaths += 1
                self.replaced += 1
        if self._upkeep is not None:
            self._upkeep.ended(worker, served=served)

    # Requests come and go

    async def acquire(self, deadline: float, gone: HangUp) -> Worker:
        """Return a process for one request, as soon as there is one that is free.

        Parameters
        ----------
        deadline
            In the event loop's time.
        gone
            See `Fleet.invoke`.

        Raises
        ------
        FleetClosed, WorkerDied, InvocationTimeout, ClientGone
            See `Fleet.invoke`.
        """
        with self._lock:
            if self._closed:
                raise FleetClosed
            if not self._workers and self._broken:
                raise WorkerDied(self._broken)
            if self._idle:
                self._busy += 1
                return self._next_idle(self._idle)
            waiter = Waiter()
            self._waiting.append(waiter)
        try:
            await self._wait(waiter, deadline, gone)
        except BaseException:
            with self._lock:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
            if waiter.worker is not None:
                self.release(waiter.worker)
            raise
        if waiter.worker is None:
            raise waiter.error or FleetClosed()
        return waiter.worker

    async def _wait(self, waiter: Waiter, deadline: float, gone: HangUp) -> None:
        upkeep = self._upkeep
        if upkeep is None or upkeep.patience is None:
            await waiter.wait(deadline, gone)
            return
        nudges = asyncio.create_task(_nudge(upkeep))
        try:
            upkeep.wanted()
            await waiter.wait(deadline, gone)
        finally:
            nudges.cancel()

    def release(self, worker: Worker, *, usable: bool = True) -> None:
        """Take a process back from a request."""
        with self._lock:
            self._busy -= 1
            if usable:
                self.deaths = 0
                if worker in self._workers:
                    self._offer(worker)
            self._lock.notify_all()

    def _offer(self, worker: Worker) -> None:
        if self._waiting:
            self._busy += 1
            self._waiting.popleft().give(worker)
        else:
            worker.idle_since = time.monotonic()
            self._idle.append(worker)

    def note_broken(self, reason: str) -> bool:
        """Note that none can be started; while none serves, whoever waits is told, and so is True.

        It stays so until one is admitted.
        """
        with self._lock:
            self._broken = reason
        return self.fail_waiting(reason)

    def fail_waiting(self, reason: str) -> bool:
        """While no process serves, tell whoever waits why; tell whether none serves."""
        with self._lock:
            if self._workers:
                return False
            while self._waiting:
                self._waiting.popleft().fail(WorkerDied(reason))
            return True

    def drain(self, timeout: float) -> bool:
        """See `Fleet.drain`."""
        with self._lock:
            self._closed = True
            self._lock.wait_for(lambda: not self._requests or self.stopping.is_set(), timeout)
            return not self._requests

    def close(self, on_the_way: float) -> None:
        """Turn whoever waits away, and wait some seconds for requests that are worked on."""
        with self._lock:
            self._closed = True
            self._lock.notify_all()
            while self._waiting:
                self._waiting.popleft().fail(FleetClosed())
            # A process that was told to end takes no request, not even one on its way to it.
            self._lock.wait_for(lambda: not self._busy, on_the_way)

    @property
    def _requests(self) -> int:
        return self._busy + len(self._waiting)


async def _nudge(upkeep: Upkeep) -> None:
    while True:
        await asyncio.sleep(upkeep.patience or 0.0)
        upkeep.wanted_still()
