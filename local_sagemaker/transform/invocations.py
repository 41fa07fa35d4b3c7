"""One request to the model, repeated as ModelClientConfig says, and its answer.

It knows which answers are worth another try; it must not know what a request carries.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.variants import STARTUP_TIMEOUT
from local_sagemaker.hosting.waiting import FleetClosed, InvocationTimeout, WorkerDied

# Seconds before the first repetition; each further one waits twice as long.
_FIRST_PAUSE = 0.5
_LONGEST_MESSAGE = 4096


class InvocationFailed(Exception):
    """The model did not answer a request.

    Attributes
    ----------
    blame
        ``ClientError`` or ``AlgorithmError``, as FailureReason begins.
    status
        The HTTP status, or None without an answer.
    """

    def __init__(self, blame: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.blame = blame
        self.status = status


@dataclass(frozen=True)
class ClientConfig:
    """How requests are sent.

    Attributes
    ----------
    headers
        Of each.
    timeout
        Seconds that an answer may take.
    retries
        How often a request is repeated.
    concurrent
        How many may be under way at once.
    """

    headers: Sequence[tuple[str, str]]
    timeout: float
    retries: int
    concurrent: int


class Invocations:
    """Asks the processes of a job; used in one event loop.

    Parameters
    ----------
    fleet
        The processes.
    config
        How.
    say
        Takes lines for the job's log.
    """

    def __init__(self, fleet: Fleet, config: ClientConfig, say: Callable[[str], None]) -> None:
        self._fleet = fleet
        self._config = config
        self._say = say
        # Here requests wait for each other; in the fleet's queue, only for a process that starts.
        self._free = asyncio.Semaphore(config.concurrent)

    async def answer(self, payload: bytes, where: str) -> bytes:
        """Return the body of the model's answer.

        Parameters
        ----------
        payload
            What is sent.
        where
            Of which input, for the log.

        Raises
        ------
        InvocationFailed
            When the model refused it (4xx), or did not answer it in all tries.
        """
        tries = 0
        while True:
            try:
                async with self._free:
                    return await self._once(payload)
            except InvocationFailed as error:
                tries += 1
                client = error.blame == "ClientError"
                if client or tries > self._config.retries:
                    raise _told(error, tries) from error
                pause = _FIRST_PAUSE * 2 ** (tries - 1)
                self._say(
                    f"{where}: {error} Retry {tries} of {self._config.retries} in {pause:g} s."
                )
            await asyncio.sleep(pause)

    async def _once(self, payload: bytes) -> bytes:
        timeout = self._config.timeout
        try:
            answer = await self._fleet.invoke(
                self._config.headers,
                payload,
                timeout=timeout,
                gone=_never,
                queue_timeout=STARTUP_TIMEOUT,
            )
        except InvocationTimeout as error:
            raise InvocationFailed(
                "AlgorithmError", f"the container did not answer within {timeout:g} seconds."
            ) from error
        except WorkerDied as error:
            raise InvocationFailed("AlgorithmError", str(error)) from error
        except FleetClosed as error:
            raise asyncio.CancelledError from error
        if answer.status < HTTPStatus.BAD_REQUEST and answer.broken is None:
            return answer.body
        client = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
        broken = answer.broken is not None
        raise InvocationFailed(
            "ClientError" if client or broken else "AlgorithmError",
            f"the container answered {answer.status}: {answer.broken or _message(answer.body)}",
            answer.status,
        )


def _told(error: InvocationFailed, tries: int) -> InvocationFailed:
    after = f" ({tries} tries)" if tries > 1 else ""
    return InvocationFailed(error.blame, f"{error}{after}", error.status)


def _message(body: bytes) -> str:
    """Return what a container says in an error's body."""
    text = body.decode("utf-8", "replace").strip()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and isinstance(content.get("message"), str):
        text = content["message"]
    return text[:_LONGEST_MESSAGE]


async def _never() -> None:
    await asyncio.Event().wait()
