"""What an error of AWS means for somebody who deletes: gone, denied, worth another try, or final.

It must not know kinds of resources.
"""

import random
import re
import time
from collections.abc import Callable
from enum import Enum
from threading import Event
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

_GONE = {
    "ResourceNotFound",
    "ResourceNotFoundException",
    "NoSuchBucket",
    "NoSuchUpload",
    "NotFound",
    "404",
}
_GONE_WORDS = re.compile(r"could not find|cannot find|does not exist|not found|no such", re.I)
_DENIED = re.compile(
    r"AccessDenied|Unauthorized|ExpiredToken|UnrecognizedClient|InvalidClientToken"
)
_BUSY = {
    "ConflictException",
    "OperationAborted",
    "OperationAbortedException",
    "ResourceInUse",
    "ResourceInUseException",
}
_BUSY_WORDS = re.compile(
    r"in[- ]progress|in use|status|state|still|being|associated|belongs|must be|while", re.I
)
_PASSING = re.compile(
    r"Throttl|TooManyRequests|RequestLimitExceeded|SlowDown|LimitExceededException|Internal|"
    r"ServiceUnavailable|ServiceUnavailableException|RequestTimeout|ServiceException"
)
_Result = TypeVar("_Result")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0


class Meaning(Enum):
    """What to do about an error."""

    GONE = "there is nothing to delete any more"
    DENIED = "asking again will not help, for this kind at all"
    BUSY = "something else has to end first"
    PASSING = "the same request may work in a moment"
    FINAL = "asking again will not help"


class Busy(Exception):
    """Something is on its way and not there yet; the message says what."""


class GaveUp(Exception):
    """It did not work; the message has the last reason."""


def meaning(error: Exception) -> Meaning:
    """Return what an error means."""
    if isinstance(error, ClientError):
        return _of_answer(error)
    if isinstance(error, Busy):
        return Meaning.BUSY
    # No answer at all; anything else that botocore raises is wrong before a request is sent.
    return Meaning.PASSING if isinstance(error, HTTPClientError) else Meaning.FINAL


def _of_answer(error: ClientError) -> Meaning:
    code = code_of(error)
    message = str(error.response.get("Error", {}).get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _GONE:
        return Meaning.GONE
    if _DENIED.search(code):
        return Meaning.DENIED
    if code in _BUSY:
        return Meaning.BUSY
    if _PASSING.search(code) or status >= 500:
        return Meaning.PASSING
    if code == "ValidationException":
        # The code that SageMaker has for everything else: only its words tell.
        if _GONE_WORDS.search(message):
            return Meaning.GONE
        if _BUSY_WORDS.search(message):
            return Meaning.BUSY
    return Meaning.FINAL


def code_of(error: ClientError) -> str:
    """Return the code of an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def reason(error: Exception) -> str:
    """Return an error in one line for a person."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return f"{said.get('Code', '')}: {said.get('Message', '')}".strip(": ")
    return str(error) or type(error).__name__


def gone(error: Exception) -> bool:
    """Tell whether an error says that there is no such thing."""
    return meaning(error) is Meaning.GONE


def persist(
    work: Callable[[], _Result],
    *,
    passing: float,
    busy: float = 0.0,
    stop: Event | None = None,
) -> _Result:
    """Do something that AWS may refuse for a while, until it works.

    Parameters
    ----------
    work
        What to do; does no harm when it is done twice.
    passing, busy
        Seconds for which throttling and faults, and what is in use or on its way, are waited for.
    stop
        Ends the waiting.

    Raises
    ------
    ClientError
        Where asking again does not help, also when there is no such thing.
    GaveUp
        When the time is over, with the last reason.
    """
    stopped = stop or Event()
    started = time.monotonic()
    pause = _FIRST_PAUSE
    while True:
        try:
            return work()
        except (Busy, BotoCoreError, ClientError) as error:
            patience = {Meaning.PASSING: passing, Meaning.BUSY: busy}.get(meaning(error))
            if patience is None:
                raise
            waited = time.monotonic() - started
            if waited >= patience:
                raise GaveUp(f"after {waited:.0f} s still: {reason(error)}") from error
        # Callers that were refused together must not come back together.
        if stopped.wait(pause * random.uniform(0.5, 1.0)):
            raise GaveUp("it was interrupted")
        pause = min(pause * 1.6, _LONGEST_PAUSE)
