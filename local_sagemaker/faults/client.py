"""Sets faults of a running server from another process.

It must not import the server: it is part of what a notebook loads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from local_sagemaker.control import ControlError, ask
from local_sagemaker.home import ServerInfo

_PATH = "/_local/faults"


class FaultError(ValueError):
    """A fault cannot be set or found; the message says what is wrong and what would be right."""


@dataclass(frozen=True)
class SetFault:
    """A fault of a running server; as a context manager it is removed at the end of the block.

    Attributes
    ----------
    id
        Its name in lists.
    """

    id: str
    _faults: "FaultClient"

    @property
    def struck(self) -> int:
        """How many requests it has struck."""
        for fault in self._faults.list():
            if fault["id"] == self.id:
                return int(fault["struck"])
        raise FaultError(f"there is no fault {self.id} any more")

    def remove(self) -> None:
        """Remove it."""
        self._faults.remove(self.id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Whoever cleared all faults within the block has done this already.
        if any(fault["id"] == self.id for fault in self._faults.list()):
            self.remove()


class FaultClient:
    """The faults of a running server.

    Parameters
    ----------
    server
        Returns the server to ask.
    """

    def __init__(self, server: Callable[[], ServerInfo]) -> None:
        self._server = server

    def add(
        self,
        operation: str,
        error: str | None = None,
        *,
        service: str | None = None,
        times: int | None = None,
        probability: float = 1.0,
        latency: float = 0.0,
        instance_type: str | None = None,
        account: str | None = None,
        message: str | None = None,
        after: bool = False,
        seed: int | None = None,
    ) -> SetFault:
        """Make an operation go wrong on purpose.

        Parameters
        ----------
        operation
            Its name, for instance ``CreateTrainingJob``; ``*`` for all of `service`.
        error
            A modelled error of the operation, one that every service has
            (``ThrottlingException``, ``InternalFailure``, ``ServiceUnavailable``,
            ``ExpiredToken``, ``AccessDenied``, ``ValidationException``, ``RequestTimeout``),
            ``ConnectionClosed`` for no answer at all, or ``CapacityError`` for a job or endpoint
            that is accepted and then fails. None for a fault that is only slow.
        service
            botocore's name of the service; needed where several have the operation.
        times
            How many requests it strikes; all if None.
        probability
            The share of requests that it strikes, in (0, 1].
        latency
            Seconds that a struck request waits, at most 600.
        instance_type
            Strike only requests for this instance type, named in the request or in the endpoint
            configuration that it names.
        account
            Strike only requests of this account.
        message
            What the client reads instead of the usual sentence.
        after
            Let the operation take effect first; only the news of it is lost.
        seed
            Makes the draws by `probability` the same each time.

        Raises
        ------
        FaultError
            When there is no such operation or error, with those whose names are near; or when a
            value is out of its range.
        """
        asked = {
            "operation": operation,
            "error": error,
            "service": service,
            "times": times,
            "probability": probability,
            "latency": latency,
            "instance_type": instance_type,
            "account": account,
            "message": message,
            "after": after,
            "seed": seed,
        }
        return SetFault(self._ask("POST", _PATH, asked)["id"], self)

    def list(self) -> list[dict[str, Any]]:
        """Return all faults in the order in which they were set.

        Returns
        -------
        list of dict
            What `add` was given, and ``id``, ``created`` (seconds since the epoch), ``struck`` and
            ``active``: whether it can still strike.
        """
        found: list[dict[str, Any]] = self._ask("GET", _PATH)["faults"]
        return found

    def remove(self, identifier: str) -> None:
        """Remove one; `FaultError` when there is none of this name."""
        self._ask("DELETE", f"{_PATH}/{identifier}")

    def clear(self) -> int:
        """Remove all and return how many there were."""
        return int(self._ask("DELETE", _PATH)["removed"])

    def _ask(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        try:
            return ask(self._server(), method, path, content)
        except ControlError as error:
            raise FaultError(str(error)) from None
