"""The serving processes of one variant, and the queue in front of them.

Each process gets one request at a time; the others wait here, so that a process that dies takes
one request with it and no more. A dead process is replaced. It knows requests only as headers and
bytes, and nothing of endpoints.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from http.client import HTTPException

from local_sagemaker.hosting.reserve import Reserve, ReservePolicy
from local_sagemaker.hosting.unix_http import ConnectionLost, HTTPAnswer, Parts
from local_sagemaker.hosting.waiting import (
    FleetClosed,
    HangUp,
    InvocationTimeout,
    Waiter,
    WorkerDied,
)
from local_sagemaker.hosting.workers import STOP_GRACE, Worker, WorkerFailed, WorkerPlan

_LONGEST_BACKOFF = 30.0
# A process may die of a request that was too much for it; several that answer nothing before they
# die are a crash loop.
_DEATHS_FORGIVEN = 3
# Beyond this many seconds of patience a request is none of InvokeEndpoint's, and its process is
# left as long to answer it.
_REAL_TIME = 60.0
_EXIT_NOTICE = 1.0
_ON_THE_WAY = 0.5
Headers = Sequence[tuple[str, str]]


class Fleet:
    """Serving processes that share one model and one queue.

    Parameters
    ----------
    plan
        How to start them.
    on_trouble
        Told why no process serves any more and none can be started, and None once one does again.
        From a thread, without the fleet's lock.
    reserve
        When a process is held in reserve.
    """

    def __init__(
        self,
        plan: WorkerPlan,
        on_trouble: Callable[[str | None], None] = lambda _: None,
        reserve: ReservePolicy | None = None,
    ) -> None:
        self._plan = plan
        self._on_trouble = on_trouble
        self._reserve = Reserve(reserve or ReservePolicy(), self._launch)
        self._lock = threading.Condition()
        self._workers: set[Worker] = set()
        self._idle: deque[Worker] = deque()
        self._waiting: deque[Waiter] = deque()
        # With the one in reserve, which is about to serve for as long as it lives.
        self._starting: set[Worker] = set()
        self._numbers: set[int] = set()
        self._busy = 0
        self._closed = False
        self._stopping = threading.Event()
        self._broken: str | None = None
        self._deaths = 0
        self.replaced = 0

    @property
    def size(self) -> int:
        """How many processes serve now."""
        return len(self._workers)

    @property
    def queued(self) -> int:
        """How many requests wait for a process."""
        return len(self._waiting)

    @property
    def trouble(self) -> str | None:
        """Why no process serves; None while one does, or is about to."""
        return None if self._workers else self._broken

    def start(self, count: int) -> None:
        """Start that many more processes and wait until all of them serve.

        Raises
        ------
        WorkerFailed
            When one does not come up; then none of these is left running.
        """
        started = [self._launch() for _ in range(count)]
        try:
            for worker in started:
                worker.wait_healthy()
            for worker in started:
                self._admit(worker)
        except WorkerFailed:
            with self._lock:
                for worker in started:
                    self._forget(worker)
            for worker in started:
                worker.kill()
            raise
        if started:
            self._reserve.keep(started[0])

    def resize(self, count: int) -> None:
        """Start or stop processes until there are that many.

        A process that is stopped first answers the request it has.

        Raises
        ------
        WorkerFailed
            When a new one does not come up; then there are as many as before.
        """
        if count > self.size:
            self.start(count - self.size)
            return
        with self._lock:
            surplus = sorted(self._workers, key=lambda worker: worker.number)[count:]
            for worker in surplus:
                self._forget(worker)
        for worker in surplus:
            worker.stop()

    def get(self, target: str, timeout: float) -> tuple[int, bytes]:
        """Return the status and the body of one process's answer to a GET; blocks until then.

        Raises
        ------
        WorkerDied
            If there is no process, or no answer within some seconds.
        """
        with self._lock:
            worker = next(iter(self._workers), None)
        if worker is None:
            raise WorkerDied(self._broken or "No process serves.")
        try:
            return worker.get(target, timeout)
        except (OSError, HTTPException) as error:
            raise WorkerDied(f"GET {target} was not answered: {error}.") from error

    async def invoke(
        self,
        headers: Headers,
        body: bytes,
        *,
        timeout: float,
        gone: HangUp,
        parts: Parts | None = None,
        queue_timeout: float | None = None,
    ) -> HTTPAnswer:
        """Send a request to the next free process and return its answer.

        Parameters
        ----------
        headers, body
            The request.
        timeout
            Seconds for all of it, waiting in the queue included unless that has its own.
        gone
            Ends when the client hangs up; watched while the request waits in the queue.
        parts
            Gets the body while it comes, unless the answer is an error.
        queue_timeout
            Seconds for waiting in the queue; then `timeout` is for the answer alone.

        Raises
        ------
        FleetClosed
            If the fleet is closing; nothing was sent.
        WorkerDied
            If the process ended before its answer was complete. The request may have been
            worked on, so it is never sent again.
        InvocationTimeout, ClientGone
            If it took too long, or nobody waits any more.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (timeout if queue_timeout is None else queue_timeout)
        worker, answer = await self._send(headers, body, deadline, gone, parts)
        if queue_timeout is not None:
            deadline = loop.time() + timeout
        patience = max(self._plan.request_timeout, timeout if timeout > _REAL_TIME else 0.0)
        overdue = loop.call_later(patience, self._kill_overdue, worker, patience)

        def answered(done: asyncio.Future[HTTPAnswer]) -> None:
            overdue.cancel()
            lost = done.cancelled() or done.exception() is not None
            if lost:
                # Its end may not have been noticed yet; nobody else may come to it meanwhile.
                worker.kill()
            self._release(worker, usable=not lost)

        answer.add_done_callback(answered)
        try:
            async with asyncio.timeout_at(deadline):
                # The process works on, and is busy, even when nobody waits any more.
                return await asyncio.shield(answer)
        except TimeoutError as error:
            raise InvocationTimeout from error
        except ConnectionLost as error:
            # The end of the process is noticed a moment after that of its connection.
            await asyncio.to_thread(worker.wait, _EXIT_NOTICE)
            raise WorkerDied(f"Worker died: {worker.how_it_ended()}") from error

    async def _send(
        self,
        headers: Headers,
        body: bytes,
        deadline: float,
        gone: HangUp,
        parts: Parts | None,
    ) -> tuple[Worker, asyncio.Future[HTTPAnswer]]:
        while True:
            worker = await self._acquire(deadline, gone)
            try:
                connection = await worker.connect()
                return worker, connection.send("POST", "/invocations", headers, body, parts)
            except OSError:
                # Nothing was sent, so another process may have it. This one is of no use.
                worker.kill()
                self._release(worker, usable=False)
            except BaseException:
                self._release(worker)
                raise

    async def _acquire(self, deadline: float, gone: HangUp) -> Worker:
        with self._lock:
            if self._closed:
                raise FleetClosed
            if not self._workers and self._broken:
                raise WorkerDied(self._broken)
            if self._idle:
                self._busy += 1
                return self._idle.popleft()
            waiter = Waiter()
            self._waiting.append(waiter)
        try:
            await waiter.wait(deadline, gone)
        except BaseException:
            with self._lock:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
            if waiter.worker is not None:
                self._release(waiter.worker)
            raise
        if waiter.worker is None:
            raise waiter.error or FleetClosed()
        return waiter.worker

    def _release(self, worker: Worker, *, usable: bool = True) -> None:
        with self._lock:
            self._busy -= 1
            if usable:
                self._deaths = 0
                if worker in self._workers:
                    self._offer(worker)
            self._lock.notify_all()

    def _offer(self, worker: Worker) -> None:
        if self._waiting:
            self._busy += 1
            self._waiting.popleft().give(worker)
        else:
            self._idle.append(worker)

    def _kill_overdue(self, worker: Worker, patience: float) -> None:
        worker.log.write(
            f"A request took longer than {patience:g} s "
            "(SAGEMAKER_MODEL_SERVER_TIMEOUT, or InvocationsTimeoutInSeconds in a batch "
            "transform): the process is replaced."
        )
        worker.kill()

    def _launch(self) -> Worker:
        with self._lock:
            taken = {worker.number for worker in self._workers | self._starting} | self._numbers
            number = next(n for n in range(1, len(taken) + 2) if n not in taken)
            self._numbers.add(number)
        try:
            worker = Worker(self._plan, number, self._ended)
            with self._lock:
                if not worker.ended:
                    self._starting.add(worker)
        finally:
            self._numbers.discard(number)
        if self._stopping.is_set():
            worker.kill()
        return worker

    def _admit(self, worker: Worker) -> None:
        with self._lock:
            self._starting.discard(worker)
            if worker.ended:
                raise WorkerFailed(f"{worker.how_it_ended()}{worker.last_words()}")
            self._workers.add(worker)
            recovered, self._broken = self._broken is not None, None
            self._offer(worker)
        if self._stopping.is_set():
            worker.kill()
        elif recovered:
            self._on_trouble(None)

    def _forget(self, worker: Worker) -> bool:
        self._starting.discard(worker)
        if worker not in self._workers:
            return False
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        return True

    def _ended(self, worker: Worker) -> None:
        in_reserve = self._reserve.lost(worker)
        with self._lock:
            served = self._forget(worker)
            if served:
                self._deaths += 1
                self.replaced += 1
        if self._stopping.is_set():
            return
        if served:
            worker.log.write(f"Local SageMaker: {worker.how_it_ended()} A new one is started.")
            threading.Thread(
                target=self._replace, args=(worker,), name="replace worker", daemon=True
            ).start()
        elif in_reserve:
            worker.log.write(f"Local SageMaker: in reserve, {worker.how_it_ended()}")
            self._reserve.keep(worker)

    def _replace(self, dead: Worker) -> None:
        excess = self._deaths - _DEATHS_FORGIVEN
        if excess > 0:
            pause = min(2.0**excess, _LONGEST_BACKOFF)
            self._note_broken(
                f"Worker died {self._deaths} times without an answer in between; the next one is "
                f"started in {pause:.0f} s. The last time, {dead.how_it_ended()}{dead.last_words()}"
            )
            self._stopping.wait(pause)
        failures = 0
        while not self._stopping.is_set():
            worker = self._reserve.take()
            try:
                if worker is None:
                    worker = self._launch()
                    worker.wait_healthy()
                self._admit(worker)
            except (WorkerFailed, OSError) as error:
                failures += 1
                self._note_broken(f"Worker died, and cannot be started again: {error}")
                self._stopping.wait(min(2.0**failures, _LONGEST_BACKOFF))
            else:
                self._reserve.keep(worker)
                return

    def _note_broken(self, reason: str) -> None:
        with self._lock:
            self._broken = reason
            if self._workers:
                return
            while self._waiting:
                self._waiting.popleft().fail(WorkerDied(reason))
        if not self._stopping.is_set():
            self._on_trouble(reason)

    @property
    def _requests(self) -> int:
        return self._busy + len(self._waiting)

    def drain(self, timeout: float) -> bool:
        """Take no new requests and wait until those that are here are answered.

        Returns
        -------
        bool
            False when some were still unanswered after `timeout` seconds.
        """
        with self._lock:
            self._closed = True
            self._lock.wait_for(lambda: not self._requests or self._stopping.is_set(), timeout)
            return not self._requests

    def stop(self, grace: float = STOP_GRACE) -> None:
        """End all processes; each may first answer the request it has. Waits for their end.

        Parameters
        ----------
        grace
            Seconds from SIGTERM to SIGKILL.
        """
        self._stopping.set()
        self._reserve.stop()
        with self._lock:
            self._closed = True
            self._lock.notify_all()
            while self._waiting:
                self._waiting.popleft().fail(FleetClosed())
            # A process that was told to end takes no request, not even one on its way to it.
            self._lock.wait_for(lambda: not self._busy, _ON_THE_WAY)
            left = self._workers | self._starting
        for worker in left:
            worker.stop(grace)
        for worker in left:
            worker.wait(grace + STOP_GRACE)
