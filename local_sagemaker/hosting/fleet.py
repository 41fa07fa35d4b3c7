"""The serving processes of one variant, seen from outside: asked, sized, drained, stopped.

It knows requests only as headers and bytes, and nothing of endpoints. How a request gets a process
is the crew's matter, and how many processes there are that of its upkeep.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from http.client import HTTPException

from local_sagemaker.hosting.crew import Crew
from local_sagemaker.hosting.demand import Demand, DemandPolicy
from local_sagemaker.hosting.replacement import Replacement
from local_sagemaker.hosting.reserve import ReservePolicy
from local_sagemaker.hosting.unix_http import ConnectionLost, HTTPAnswer, Parts
from local_sagemaker.hosting.upkeep import Upkeep
from local_sagemaker.hosting.waiting import (
    HangUp,
    InvocationTimeout,
    NotReady,
    WorkerDied,
)
from local_sagemaker.hosting.workers import STOP_GRACE, Worker, WorkerPlan

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
        From a thread, without a lock. Never told of processes on demand: who asks is told.
    reserve
        When a process is held in reserve.
    demand
        Has processes on demand, as a serverless variant does; None for a fixed number of them.
    """

    def __init__(
        self,
        plan: WorkerPlan,
        on_trouble: Callable[[str | None], None] = lambda _: None,
        reserve: ReservePolicy | None = None,
        demand: DemandPolicy | None = None,
    ) -> None:
        self._plan = plan
        self._upkeep: Upkeep
        if demand is None:
            self._crew = Crew(plan, deque.popleft)
            self._upkeep = Replacement(self._crew, on_trouble, reserve or ReservePolicy())
        else:
            # The one that was busy last, so that the others become idle for long.
            self._crew = Crew(plan, deque.pop)
            self._upkeep = Demand(self._crew, demand)

    @property
    def size(self) -> int:
        """How many processes serve now."""
        return self._crew.size

    @property
    def extent(self) -> tuple[int, int]:
        """How many processes there are at least, as far as they come up, and at most."""
        return self._upkeep.extent

    @property
    def queued(self) -> int:
        """How many requests wait for a process."""
        return self._crew.queued

    @property
    def replaced(self) -> int:
        """How many processes died while they served."""
        return self._crew.replaced

    @property
    def trouble(self) -> str | None:
        """Why no process serves; None while one does, or is about to."""
        return self._crew.broken

    def start(self, count: int) -> None:
        """Start that many more processes and wait until all of them serve.

        On demand, 0 means one that shows that it can serve and is ended again.

        Raises
        ------
        WorkerFailed
            When one does not come up; then none of these is left running.
        """
        self._upkeep.start(count)

    def resize(self, least: int, most: int | None = None) -> None:
        """Start or stop processes until there are that many.

        A process that is stopped first answers the request it has.

        Parameters
        ----------
        least
            How many there shall be.
        most
            How many there may be on demand; as many as at least if None.

        Raises
        ------
        WorkerFailed
            When a new one does not come up; then there are as many as before.
        """
        self._upkeep.resize(least, least if most is None else most)

    def get(self, target: str, timeout: float) -> tuple[int, bytes]:
        """Return the status and the body of one process's answer to a GET; blocks until then.

        Raises
        ------
        WorkerDied
            If there is no process, or no answer within some seconds.
        """
        worker = self._crew.any()
        if worker is None:
            raise WorkerDied(self._crew.broken or "No process serves.")
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
        NotReady
            If it took too long because the first process is still being started.
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
            self._crew.release(worker, usable=not lost)

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
                self._crew.release(worker, usable=False)
            except BaseException:
                self._crew.release(worker)
                raise

    async def _acquire(self, deadline: float, gone: HangUp) -> Worker:
        try:
            return await self._crew.acquire(deadline, gone)
        except InvocationTimeout as error:
            if self._upkeep.waking:
                raise NotReady from error
            raise

    def _kill_overdue(self, worker: Worker, patience: float) -> None:
        worker.log.write(
            f"A request took longer than {patience:g} s "
            "(SAGEMAKER_MODEL_SERVER_TIMEOUT, or InvocationsTimeoutInSeconds in a batch "
            "transform): the process is replaced."
        )
        worker.kill()

    def drain(self, timeout: float) -> bool:
        """Take no new requests and wait until those that are here are answered.

        Returns
        -------
        bool
            False when some were still unanswered after `timeout` seconds.
        """
        return self._crew.drain(timeout)

    def stop(self, grace: float = STOP_GRACE) -> None:
        """End all processes; each may first answer the request it has. Waits for their end.

        Parameters
        ----------
        grace
            Seconds from SIGTERM to SIGKILL.
        """
        self._crew.stopping.set()
        self._upkeep.stop()
        self._crew.close(_ON_THE_WAY)
        left = self._crew.every()
        for worker in left:
            worker.stop(grace)
        for worker in left:
            worker.wait(grace + STOP_GRACE)
