"""What has been spent since a moment, deleted endpoints included, and an alarm above a budget.

It looks at the bill again and again, because a deleted endpoint leaves no trace of its cost. It
must not know what is being run meanwhile.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.running import running, spent
from workshop_utils.session import Session

_EVERY = 30.0


class Watch:
    """Adds up what the workshop's resources cost while something runs.

    Parameters
    ----------
    session
        Whose account and region.
    max_usd
        Above this `on_over` is called, once.
    every
        Seconds between two looks; what lives for less may be missed.
    """

    def __init__(self, session: Session, max_usd: float, every: float = _EVERY) -> None:
        self.over = False
        self.on_over: Callable[[], object] = lambda: None
        self.problems: set[str] = set()
        self._session = session
        self._max_usd = max_usd
        self._every = every
        self._began = datetime.now(UTC)
        self._endpoints: dict[tuple[str, str], float] = {}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="spending")

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join()

    def spent(self) -> float:
        """Look now, and return what all has cost until now in USD, as far as prices are known."""
        with self._lock:
            try:
                bill = running(self._session)
                jobs = spent(self._session, self._began)
            except (BotoCoreError, ClientError) as error:
                self.problems.add(str(error))
                return sum(self._endpoints.values())
            self.problems.update(bill.problems, jobs.problems)
            pools = 0.0
            for charge in bill.charges:
                so_far = charge.usd_so_far(bill.now) or 0.0
                if charge.ours and "endpoint" in charge.kind:
                    key = (charge.name, f"{charge.since} {charge.kind}")
                    self._endpoints[key] = max(self._endpoints.get(key, 0.0), so_far)
                elif charge.ours and charge.kind == "warm pool":
                    pools += so_far
            return sum(self._endpoints.values()) + jobs.usd_so_far + pools

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            if self.spent() > self._max_usd and not self.over:
                self.over = True
                self.on_over()
