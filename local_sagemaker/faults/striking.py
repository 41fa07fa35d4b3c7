"""Lets a fault strike a request: before the operation's effect, or after it.

It knows requests and answers; it must not know which requests are struck.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from local_sagemaker.asked import Asked
from local_sagemaker.errors import AWSError
from local_sagemaker.faults.catalog import CONNECTION_CLOSED, Answer
from local_sagemaker.faults.rules import Faults
from local_sagemaker.identity import Caller

_NOBODY_READS = 499


async def answered(
    faults: Faults,
    request: Request,
    asked: Asked,
    caller: Caller,
    body: bytes,
    operation: Callable[[], Awaitable[Response]],
) -> Response:
    """Answer a request, with the fault that it meets.

    Parameters
    ----------
    faults
        Those that are set.
    request, asked, caller, body
        What is asked, and by whom.
    operation
        Does what was asked.

    Raises
    ------
    AWSError
        The fault's error.
    """
    strike = await run_in_threadpool(faults.strike, asked, caller, body) if faults else None
    if strike is None:
        return await operation()
    fault = strike.fault
    request.state.fault = fault.id
    answer = await operation() if fault.after else None
    if fault.latency:
        await asyncio.sleep(fault.latency)
    if fault.answer is None:
        return answer or await operation()
    if answer is not None:
        if answer.status_code >= 400:
            # Nothing took effect, so there is nothing to lose the news of.
            return answer
        await _discarded(request, answer)
    return await _failed(request, fault.answer, strike.message)


async def _failed(request: Request, answer: Answer, message: str) -> Response:
    if answer.code != CONNECTION_CLOSED:
        raise AWSError(answer.code, message, answer.status, **answer.members)
    request.state.unanswered = True
    for connection in request.app.state.connections:
        if connection.client == tuple(request.scope["client"]):
            connection.transport.abort()
    # Once the loop has closed it, what is answered goes nowhere.
    await asyncio.sleep(0)
    return Response(status_code=_NOBODY_READS)


async def _discarded(request: Request, answer: Response) -> None:
    """Give up an answer; one that streams closes its file at its end only."""

    async def nowhere(_: Any) -> None:
        pass

    await answer(request.scope, request.receive, nowhere)
