"""When a step is tried again: what went wrong, and the policies that a definition has for it.

It must not know steps, nor wait: it says how long to.

Sources: "Retry Policy for Pipeline Steps" of the developer guide; the SDK's caps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception

SERVICE_FAULT = "Step.SERVICE_FAULT"
THROTTLING = "Step.THROTTLING"
RESOURCE_LIMIT = "SageMaker.RESOURCE_LIMIT"
INTERNAL_ERROR = "SageMaker.JOB_INTERNAL_ERROR"
CAPACITY_ERROR = "SageMaker.CAPACITY_ERROR"
EXCEPTIONS = (SERVICE_FAULT, THROTTLING, RESOURCE_LIMIT, INTERNAL_ERROR, CAPACITY_ERROR)

# The longest interval, the most attempts and the longest time, as the service limits them.
_LIMITS: Mapping[str, float] = {
    "IntervalSeconds": 43200,
    "BackoffRate": 1e6,
    "MaxAttempts": 20,
    "ExpireAfterMin": 14400,
}
_MOST = 5
# Waits grow so many times at most: further powers are too large for a number.
_STEEPEST = 50
# The SDK lets through an interval of 0 and a rate below 1. Where only time ends the retries, these
# would ask without a pause for days.
_SHORTEST_WAIT_OF_MANY = 1.0
LONGEST_WAIT = 10 * 365 * 86400.0
"""The longest wait before a retry, in seconds."""

_THROTTLING_CODES = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException"})
_FAILURES = {"InternalServerError": INTERNAL_ERROR, "CapacityError": CAPACITY_ERROR}


@dataclass(frozen=True)
class RetryPolicy:
    """How often and when to try again.

    Attributes
    ----------
    exceptions
        What it is for, of `EXCEPTIONS`.
    interval
        Seconds before the first retry.
    backoff
        What each further wait is multiplied by. No wait is below one second if `most` is None.
    most
        The greatest number of retries, or None for no limit but the time.
    expires
        Seconds after the step's start within which a retry must begin, or None.
    """

    exceptions: frozenset[str]
    interval: float = 1.0
    backoff: float = 2.0
    most: int | None = _MOST
    expires: float | None = None

    @classmethod
    def read(cls, document: Any) -> "RetryPolicy":
        """Read one from a definition; ``ValidationException`` for what is none."""
        if not isinstance(document, dict):
            raise validation_exception(f"{document!r} is not a retry policy.")
        exceptions = document.get("ExceptionType")
        if not isinstance(exceptions, list) or not exceptions:
            raise validation_exception(
                "A retry policy needs a list of at least one ExceptionType: "
                f"{', '.join(EXCEPTIONS)}."
            )
        for name in exceptions:
            if name not in EXCEPTIONS:
                raise validation_exception(
                    f"There is no ExceptionType {name!r}: use one of {', '.join(EXCEPTIONS)}."
                )
        numbers = {
            name: _number(name, document[name])
            for name in _LIMITS
            if document.get(name) is not None
        }
        if "MaxAttempts" in numbers and "ExpireAfterMin" in numbers:
            raise validation_exception(
                "A retry policy can have MaxAttempts or ExpireAfterMin, not both."
            )
        expires = numbers.get("ExpireAfterMin")
        most = int(numbers.get("MaxAttempts", _MOST)) if expires is None else None
        return cls(
            frozenset(exceptions),
            numbers.get("IntervalSeconds", cls.interval),
            numbers.get("BackoffRate", cls.backoff),
            most,
            None if expires is None else expires * 60.0,
        )

    def delay(self, retries: int, elapsed: float) -> float | None:
        """Return how long to wait before the next retry, or None when there is none.

        Parameters
        ----------
        retries
            How many there were by this policy.
        elapsed
            Seconds since the step's start.
        """
        if self.most is not None and retries >= self.most:
            return None
        wait = min(self.interval * self.backoff ** min(retries, _STEEPEST), LONGEST_WAIT)
        if self.most is None:
            wait = max(wait, _SHORTEST_WAIT_OF_MANY)
        if self.expires is not None and elapsed + wait > self.expires:
            return None
        return wait


# "By default … regardless of the step's type": how often is not said.
DEFAULT = RetryPolicy(frozenset({SERVICE_FAULT, THROTTLING}))


def policy_for(policies: Sequence[RetryPolicy], exception: str) -> tuple[int, RetryPolicy] | None:
    """Return the first policy for an exception and its number, the default's last, or None."""
    for number, policy in enumerate((*policies, DEFAULT)):
        if exception in policy.exceptions:
            return number, policy
    return None


def of_refusal(error: AWSError) -> str | None:
    """Return which exception it is that a job could not be created; None if no policy helps."""
    if error.code in _THROTTLING_CODES:
        return THROTTLING
    if error.code == "ResourceLimitExceeded":
        return RESOURCE_LIMIT
    return SERVICE_FAULT if error.status >= 500 else None


def of_failure(reason: str) -> str | None:
    """Return which exception it is that a job has failed for a reason; None if no policy helps."""
    return _FAILURES.get(reason.partition(":")[0])


def why_not(exception: str, execution_arn: str, step: str, exhausted: int | None) -> str:
    """Return why nothing is tried again, as the service explains it behind a refusal.

    Parameters
    ----------
    exception
        Of `EXCEPTIONS`.
    execution_arn, step
        Of which step.
    exhausted
        The number of attempts after which its policy ended; None if there is no policy.
    """
    kind = exception.upper().replace(".", "_")
    why = (
        f"No retry policy configured for the exception type {kind}."
        if exhausted is None
        else f"The retry policy for the exception type {kind} is exhausted after {exhausted} "
        "attempts."
    )
    return (
        "\nRetry not appropriate on execution of step with PipelineExecutionArn "
        f"{execution_arn.lower()} and StepId {step}. {why}"
    )


def _number(name: str, value: Any) -> float:
    whole = name != "BackoffRate"
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not fits or not 0 <= value <= _LIMITS[name]:
        raise validation_exception(
            f"{name} of a retry policy must be a number from 0 to {_LIMITS[name]:.0f}, "
            f"not {value!r}."
        )
    return float(value)
