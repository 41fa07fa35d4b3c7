"""Ends in time what has a time limit: one thread that sleeps until something is due.

It looks at the clock when a limit is reached or when somebody sets a nearer one, and never in
between. It must not know what the limits are.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

_LOG = logging.getLogger(__name__)
# Clocks are set and laptops sleep: a wait is never longer than this.
_LONGEST_WAIT = 60.0
_AFTER_A_FAILURE = 5.0
# What takes longer than this, S3 far away for instance, is tried again at the next start.
_CLOSE_PATIENCE = 5.0


class Alarm(Protocol):
    """Wakes somebody at a moment, in seconds since the epoch."""

    def at(self, moment: float) -> None:
        """See to it that somebody is woken then, or before."""


class TimeKeeper:
    """Calls what is due.

    Parameters
    ----------
    name
        The thread's.
    clock
        Returns the time in seconds since the epoch.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._work: Sequence[Callable[[], float]] = ()
        self._wake = threading.Condition()
        self._next = float("inf")
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self, work: Sequence[Callable[[], float]]) -> None:
        """Begin.

        Parameters
        ----------
        work
            Each does what is due and returns when there is something again, in seconds since the
            epoch; infinity for never.
        """
        self._work = work
        self._thread.start()

    def at(self, moment: float) -> None:
        """See to it that the work is done at a moment, if not before."""
        with self._wake:
            if moment < self._next:
                self._next = moment
                self._wake.notify()

    def close(self) -> None:
        """Stop; work that is under way is waited for, a while."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_PATIENCE)

    def _run(self) -> None:
        while True:
            moment = self._do()
            with self._wake:
                self._next = min(self._next, moment)
                while not self._closed and (wait := self._next - self._clock()) > 0:
                    self._wake.wait(min(wait, _LONGEST_WAIT))
                if self._closed:
                    return
                self._next = float("inf")

    def _do(self) -> float:
        moments = []
        for work in self._work:
            try:
                moments.append(work())
            except Exception:  # noqa: BLE001 - a full disk must not end all time limits
                _LOG.exception("what was due could not be done")
                moments.append(self._clock() + _AFTER_A_FAILURE)
        return min(moments, default=float("inf"))
