"""Which task pages are open, told by their heartbeats.

A page says every few seconds that it is there, and says so when it closes; of one that just
vanishes, nothing is heard any more. It is kept in memory only: after a restart every page gets
its time anew. It must not know what is on a page.
"""

import threading
import time
from collections.abc import Callable

# Browsers let a hidden page run once a minute only: two of its heartbeats may get lost.
PATIENCE = 180.0
# A reload closes the page and opens it again.
GRACE = 8.0


class Presence:
    """The pages that are open.

    Parameters
    ----------
    patience
        Seconds without a heartbeat after which a page is gone.
    grace
        Seconds after which a page that said it closes is gone.
    clock
        Returns seconds that never go back.
    wall
        Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        patience: float = PATIENCE,
        grace: float = GRACE,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._patience = patience
        self._grace = grace
        self._clock = clock
        self._wall = wall
        self._lock = threading.Lock()
        # When each is gone, unless it is heard of again.
        self._until: dict[str, float] = {}

    def seen(self, page: str) -> None:
        """Note that a page is open."""
        with self._lock:
            self._until[page] = self._clock() + self._patience

    def left(self, page: str) -> None:
        """Note that a page says it closes."""
        with self._lock:
            self._until[page] = self._clock() + self._grace

    def forget(self, page: str) -> None:
        """Expect nothing more of a page."""
        with self._lock:
            self._until.pop(page, None)

    def gone(self) -> list[str]:
        """Return the pages that are gone, and forget them."""
        with self._lock:
            moment = self._clock()
            pages = [page for page, until in self._until.items() if until <= moment]
            for page in pages:
                del self._until[page]
            return pages

    def next_check(self) -> float:
        """Return when the next page may be gone, in seconds since the epoch; infinity for none."""
        with self._lock:
            if not self._until:
                return float("inf")
            return self._wall() + min(self._until.values()) - self._clock()
