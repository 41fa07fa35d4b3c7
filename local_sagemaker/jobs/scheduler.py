"""Runs jobs in threads, a limited number at once; the rest wait in the order they came.

It knows slots and threads; it must not know what a job is.
"""

import threading
from collections import deque
from collections.abc import Callable


class Ticket:
    """A place in the queue, until its job has started."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self.name = name
        self.run = run
        self.started = False


class Scheduler:
    """Gives slots to jobs, first come, first served.

    Parameters
    ----------
    slots
        How many run at once.
    """

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise ValueError(f"slots must be at least 1, not {slots}")
        self._slots = slots
        self._lock = threading.Lock()
        self._waiting: deque[Ticket] = deque()
        self._running: set[threading.Thread] = set()
        self._closed = False

    @property
    def slots(self) -> int:
        """How many run at once."""
        return self._slots

    def counts(self) -> dict[str, int]:
        """Return the number of ``slots``, and of jobs that are ``running`` and ``waiting``."""
        with self._lock:
            return {
                "slots": self._slots,
                "running": len(self._running),
                "waiting": len(self._waiting),
            }

    def submit(
        self, name: str, run: Callable[[], None], on_wait: Callable[[], None] | None = None
    ) -> Ticket:
        """Run a job in a thread of its own, now or when a slot is free.

        Parameters
        ----------
        name
            The thread's name.
        run
            The job; it must not raise.
        on_wait
            Called before this returns when no slot is free; `run` starts after it only.

        Raises
        ------
        RuntimeError
            After `close`.
        """
        ticket = Ticket(name, run)
        with self._lock:
            if self._closed:
                raise RuntimeError("the scheduler is closed")
            if len(self._running) < self._slots:
                self._start(ticket)
            else:
                if on_wait is not None:
                    on_wait()
                self._waiting.append(ticket)
        return ticket

    def cancel(self, ticket: Ticket) -> bool:
        """Take a waiting job out of the queue; False when it has started."""
        with self._lock:
            if ticket not in self._waiting:
                return False
            self._waiting.remove(ticket)
            return True

    def close(self) -> None:
        """Start nothing more; what runs, runs on."""
        with self._lock:
            self._closed = True
            self._waiting.clear()

    def _start(self, ticket: Ticket) -> None:
        thread = threading.Thread(target=self._work, args=(ticket,), name=ticket.name, daemon=True)
        self._running.add(thread)
        try:
            thread.start()
            ticket.started = True
        except BaseException:
            self._running.discard(thread)
            raise

    def _work(self, ticket: Ticket) -> None:
        try:
            ticket.run()
        finally:
            with self._lock:
                self._running.discard(threading.current_thread())
                if self._waiting and not self._closed:
                    self._start(self._waiting.popleft())
