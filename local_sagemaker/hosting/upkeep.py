"""Who decides how many processes serve a variant: the interface that a crew and a fleet know."""

from typing import Protocol

from local_sagemaker.hosting.workers import Worker


class Upkeep(Protocol):
    """Decides how many processes there are. Every method may be called from any thread."""

    @property
    def patience(self) -> float | None:
        """Seconds that a request waits between two calls of `wanted_still`; None for never."""

    @property
    def waking(self) -> bool:
        """Whether no process serves and one is being started for the requests that wait."""

    def start(self, count: int) -> None:
        """See `Fleet.start`."""

    @property
    def extent(self) -> tuple[int, int]:
        """See `Fleet.extent`."""

    def resize(self, least: int, most: int) -> None:
        """See `Fleet.resize`."""

    def wanted(self) -> None:
        """Hear that a request begins to wait."""

    def wanted_still(self) -> None:
        """Hear that a request has waited for long."""

    def ended(self, worker: Worker, *, served: bool) -> None:
        """Hear that a process has ended, and whether it served until then."""

    def stop(self) -> None:
        """Start nothing any more."""
