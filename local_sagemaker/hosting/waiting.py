"""A request that waits for a free process, and the ways in which that can end.

It knows event loops, for a request waits in one while processes come free in other threads; it
must not know processes.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_sagemaker.hosting.workers import Worker

HangUp = Callable[[], Coroutine[Any, Any, None]]
"""Ends when the client of a request has hung up."""


class FleetClosed(Exception):
    """The fleet takes no new requests; this one was not sent and may go elsewhere."""


class WorkerDied(Exception):
    """The process died while it had the request, or none can be started."""


class InvocationTimeout(Exception):
    """There was no answer in time."""


class NotReady(InvocationTimeout):
    """There was no answer in time, because a process is still being started."""


class ClientGone(Exception):
    """The client hung up before its request was sent to a process."""


class Waiter:
    """A request in the queue; all but `wait` happens under the fleet's lock."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()
        self.worker: Worker | None = None
        self.error: Exception | None = None

    def give(self, worker: "Worker") -> None:
        """Let it have a process."""
        self.worker = worker
        self._loop.call_soon_threadsafe(self._wake)

    def fail(self, error: Exception) -> None:
        """Let it wait no longer."""
        self.error = error
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self._woken.done():
            self._woken.set_result(None)

    async def wait(self, deadline: float, gone: HangUp) -> None:
        """Wait for `give` or `fail`.

        Parameters
        ----------
        deadline
            In the event loop's time.
        gone
            Watched meanwhile.

        Raises
        ------
        InvocationTimeout, ClientGone
            If nothing came in time, or nobody waits any more.
        """
        watch = asyncio.create_task(gone())
        try:
            patience = max(0.0, deadline - self._loop.time())
            await asyncio.wait(
                {self._woken, watch}, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            if self._woken.done():
                return
            raise ClientGone if watch.done() else InvocationTimeout
        finally:
            watch.cancel()
