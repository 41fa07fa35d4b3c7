"""What a room offers to the router: handlers by operation name.

It names the types that rooms share; it must not know any room.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from local_sagemaker.identity import Caller

Handler = Callable[[Caller, dict[str, Any]], dict[str, Any]]

Shortage = Callable[[Caller, str, Mapping[str, Any]], str | None]
"""Returns why there are no instances for what an operation was accepted for, or None."""


def no_shortage(caller: Caller, operation: str, params: Mapping[str, Any]) -> None:
    """Find that there are instances for everything."""


class Room(Protocol):
    """A part of the server that answers operations of one service."""

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
