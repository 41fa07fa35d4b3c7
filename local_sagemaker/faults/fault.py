"""One thing that goes wrong on purpose, as it was asked for and checked.

It knows what a fault may say; it must not know which requests met it, nor HTTP.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from local_sagemaker.faults.catalog import (
    CAPACITY_ERROR,
    EVERY,
    Answer,
    FaultRefused,
    find_error,
    find_operation,
)

MAX_LATENCY = 600.0


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong on purpose.

    Attributes
    ----------
    id
        Its name in lists.
    service, operation
        Which requests it strikes; the operation may be ``*``.
    error
        The error as it was asked for, or None for a fault that is only slow.
    answer
        How the error is answered.
    message
        The sentence that a client reads instead of the usual one, or None.
    times
        How many requests it strikes, or None for no limit.
    probability
        The share of the requests that it strikes, in (0, 1].
    latency
        Seconds that a struck request waits.
    instance_type, account
        Strike only requests for this instance type, and of this account, or None.
    after
        Whether the operation takes effect first.
    seed
        Of the draws by `probability`, or None.
    created
        Seconds since the epoch.
    """

    id: str
    service: str
    operation: str
    error: str | None = None
    answer: Answer | None = None
    message: str | None = None
    times: int | None = None
    probability: float = 1.0
    latency: float = 0.0
    instance_type: str | None = None
    account: str | None = None
    after: bool = False
    seed: int | None = None
    created: float = field(default_factory=time.time)

    @classmethod
    def read(cls, identifier: str, asked: Mapping[str, Any]) -> Self:
        """Return the fault that a request for one describes.

        Raises
        ------
        FaultRefused
            With what is wrong and what would be right.
        """
        given = {name: value for name, value in asked.items() if value is not None}
        if unknown := given.keys() - _MEMBERS.keys():
            raise FaultRefused(f"a fault has no {', '.join(sorted(unknown))}")
        for name, value in given.items():
            if not isinstance(value, _MEMBERS[name]) or (
                isinstance(value, bool) and _MEMBERS[name] is not bool
            ):
                raise FaultRefused(f"{name} cannot be {value!r}")
        if "operation" not in given:
            raise FaultRefused("a fault needs an operation")
        error = given.get("error")
        service, operation = find_operation(given["operation"], given.get("service"))
        answer = find_error(service, operation, error) if error is not None else None
        given |= {"service": service, "operation": operation}
        fault = cls(id=identifier, answer=answer, **given)
        fault._check()
        return fault

    def _check(self) -> None:
        if self.error is None and not self.latency:
            raise FaultRefused("a fault needs an error, a latency, or both")
        if self.times is not None and self.times < 1:
            raise FaultRefused(f"times must be at least 1, not {self.times}")
        if not 0 < self.probability <= 1:
            raise FaultRefused(f"probability must be above 0 and at most 1, not {self.probability}")
        if not 0 <= self.latency <= MAX_LATENCY:
            raise FaultRefused(
                f"latency must be from 0 to {MAX_LATENCY:.0f} seconds, not {self.latency}"
            )
        if self.account is not None and not (self.account.isdecimal() and len(self.account) == 12):
            raise FaultRefused(f"an account has 12 digits, {self.account!r} has not")
        if self.error == CAPACITY_ERROR and (self.after or self.latency):
            raise FaultRefused(f"{CAPACITY_ERROR} strikes after the answer: no after, no latency")

    def concerns(self, service: str, operation: str, account: str) -> bool:
        """Tell whether a request may be struck, its parameters aside."""
        return (
            self.service == service
            and self.operation in (operation, EVERY)
            and self.account in (account, None)
        )


# What a request for a fault may hold, by type.
_MEMBERS: dict[str, type | tuple[type, ...]] = {
    "service": str,
    "operation": str,
    "error": str,
    "message": str,
    "times": int,
    "probability": (int, float),
    "latency": (int, float),
    "instance_type": str,
    "account": str,
    "after": bool,
    "seed": int,
}
