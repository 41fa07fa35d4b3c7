"""A fixed number of processes: one that dies is replaced, by one in reserve where there is one.

It knows processes and what becomes of them; it must not know requests.
"""

import threading
from collections.abc import Callable

from local_sagemaker.hosting.crew import Crew
from local_sagemaker.hosting.reserve import Reserve, ReservePolicy
from local_sagemaker.hosting.workers import Worker, WorkerFailed

LONGEST_BACKOFF = 30.0
# A process may die of a request that was too much for it; several that answer nothing before they
# die are a crash loop.
_DEATHS_FORGIVEN = 3


class Replacement:
    """Keeps as many processes as were started.

    Parameters
    ----------
    crew
        The processes.
    on_trouble
        See `Fleet`.
    policy
        When a process is held in reserve.
    """

    def __init__(
        self, crew: Crew, on_trouble: Callable[[str | None], None], policy: ReservePolicy
    ) -> None:
        self._crew = crew
        self._on_trouble = on_trouble
        self._reserve = Reserve(policy, crew.launch)
        crew.report_to(self)

    @property
    def patience(self) -> None:
        """However long requests wait, there are not more processes."""
        return

    @property
    def waking(self) -> bool:
        """A process is started because there shall be one, and not because requests wait."""
        return False

    @property
    def extent(self) -> tuple[int, int]:
        """See `Fleet.extent`."""
        return self._crew.size, self._crew.size

    def start(self, count: int) -> None:
        """See `Fleet.start`."""
        started = start_all(self._crew, self._crew.launch, count)
        try:
            for worker in started:
                self._admit(worker)
        except WorkerFailed:
            self._crew.dismiss(started)
            for worker in started:
                worker.kill()
            raise
        if started:
            self._reserve.keep(started[0])

    def resize(self, least: int, most: int) -> None:
        """See `Fleet.resize`."""
        if least > self._crew.size:
            self.start(least - self._crew.size)
            return
        surplus = self._crew.surplus(most)
        self._crew.dismiss(surplus)
        for worker in surplus:
            worker.stop()

    def wanted(self) -> None:
        """Let it wait for what there is."""

    def wanted_still(self) -> None:
        """Let it wait for what there is."""

    def ended(self, worker: Worker, *, served: bool) -> None:
        """Replace a process that died, or the one in reserve."""
        in_reserve = self._reserve.lost(worker)
        if self._crew.stopping.is_set():
            return
        if served:
            worker.log.write(f"Local SageMaker: {worker.how_it_ended()} A new one is started.")
            threading.Thread(
                target=self._replace, args=(worker,), name="replace worker", daemon=True
            ).start()
        elif in_reserve:
            worker.log.write(f"Local SageMaker: in reserve, {worker.how_it_ended()}")
            self._reserve.keep(worker)

    def stop(self) -> None:
        """Hold nothing in reserve any more."""
        self._reserve.stop()

    def _admit(self, worker: Worker) -> None:
        if self._crew.admit(worker):
            self._on_trouble(None)

    def _replace(self, dead: Worker) -> None:
        stopping = self._crew.stopping
        excess = self._crew.deaths - _DEATHS_FORGIVEN
        if excess > 0:
            pause = min(2.0**excess, LONGEST_BACKOFF)
            self._note_broken(
                f"Worker died {self._crew.deaths} times without an answer in between; the next one "
                f"is started in {pause:.0f} s. The last time, "
                f"{dead.how_it_ended()}{dead.last_words()}"
            )
            stopping.wait(pause)
        failures = 0
        while not stopping.is_set():
            worker = self._reserve.take()
            try:
                if worker is None:
                    worker = self._crew.launch()
                    worker.wait_healthy()
                self._admit(worker)
            except (WorkerFailed, OSError) as error:
                failures += 1
                self._note_broken(f"Worker died, and cannot be started again: {error}")
                stopping.wait(min(2.0**failures, LONGEST_BACKOFF))
            else:
                self._reserve.keep(worker)
                return

    def _note_broken(self, reason: str) -> None:
        if self._crew.note_broken(reason) and not self._crew.stopping.is_set():
            self._on_trouble(reason)


def start_all(crew: Crew, launch: Callable[[], Worker], count: int) -> list[Worker]:
    """Start several processes together and wait until all of them are healthy.

    Raises
    ------
    WorkerFailed
        When one is not; then none of them is left running.
    """
    started = [launch() for _ in range(count)]
    try:
        for worker in started:
            worker.wait_healthy()
    except WorkerFailed:
        crew.dismiss(started)
        for worker in started:
            worker.kill()
        raise
    return started
