"""The operations of ``sagemaker-runtime``: answered at once, part by part, or later.

It turns what the model answers into HTTP responses; it must not know how processes are run, or
which of them is asked.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local_sagemaker.errors import AWSError
from local_sagemaker.hosting import event_stream
from local_sagemaker.hosting.async_inference import AsyncInference
from local_sagemaker.hosting.dispatch import Dispatch
from local_sagemaker.hosting.invocation import (
    ASYNC,
    ATTRIBUTES,
    STREAM,
    TOO_LARGE,
    Invocation,
)
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Route, Routes, Variant
from local_sagemaker.hosting.unix_http import HTTPAnswer, Parts
from local_sagemaker.hosting.waiting import ClientGone
from local_sagemaker.identity import Caller
from local_sagemaker.protocol import RestJsonProtocol, request_id, service_model

# Seconds from the request to the whole answer (AWS's developer guide, real-time inference).
INVOCATION_TIMEOUT = 60.0
_CLIENT_CLOSED_REQUEST = 499
_VARIANT = "x-Amzn-Invoked-Production-Variant"


class Runtime:
    """The operations of ``sagemaker-runtime``.

    Parameters
    ----------
    routes
        Where the current generation of each endpoint is.
    asynchronous
        Takes the requests that are answered later.
    timeout
        Seconds that one invocation may take.
    """

    def __init__(
        self,
        routes: Routes,
        asynchronous: AsyncInference,
        timeout: float = INVOCATION_TIMEOUT,
    ) -> None:
        self._dispatch = Dispatch(routes)
        self._asynchronous = asynchronous
        self._timeout = timeout
        self._protocol = RestJsonProtocol(service_model("sagemaker-runtime"))

    async def invoke(self, request: Request, caller: Caller, body: bytes) -> Response:
        """Answer a request below ``/endpoints/``.

        Parameters
        ----------
        request
            The request; its body was read.
        caller
            Who asks.
        body
            The body.
        """
        identifier = {"x-amzn-RequestId": request_id()}
        try:
            invocation = Invocation.read(request, caller, body)
            route = await self._dispatch.route(invocation.key, self._timeout)
            if invocation.operation == ASYNC:
                return await self._later(request, route, invocation, identifier)
            if route.asynchronous is not None:
                raise _only_asynchronous(invocation.key)
            if invocation.operation == STREAM:
                return await self._stream(request, invocation, identifier)
            return await self._whole(request, invocation, identifier)
        except ClientGone:
            return Response(status_code=_CLIENT_CLOSED_REQUEST)
        except AWSError as error:
            if error.code == TOO_LARGE:
                # No JSON: the service's front end refuses it before the service sees it.
                return Response(error.message, error.status, identifier, "text/plain")
            reply = self._protocol.error(error)
            return Response(reply.body, reply.status, reply.headers | identifier)

    async def _whole(
        self, request: Request, invocation: Invocation, headers: dict[str, str]
    ) -> Response:
        variants: list[Variant] = []

        async def gone() -> None:
            await request.receive()

        answer = await self._dispatch.answer(invocation, self._timeout, gone, variants)
        headers |= {_VARIANT: variants[-1].name, **_told(answer, "content-type")}
        return Response(answer.body, headers=headers)

    async def _later(
        self, request: Request, route: Route, invocation: Invocation, headers: dict[str, str]
    ) -> Response:
        label = {"EndpointName": invocation.key.endpoint}
        operation = self._protocol.model.operation_model("InvokeEndpointAsync")
        try:
            params = self._protocol.parse(
                operation, label, {}, dict(request.headers), invocation.body
            )
        except AWSError as error:
            raise AWSError("ValidationError", error.message) from error
        reply = await self._asynchronous.accept(route, invocation, params)
        return Response(reply.body, reply.status, reply.headers | headers)

    async def _stream(
        self, request: Request, invocation: Invocation, headers: dict[str, str]
    ) -> Response:
        variants: list[Variant] = []
        parts = Parts()

        async def gone() -> None:
            await request.receive()

        async def ask() -> HTTPAnswer:
            try:
                return await self._dispatch.answer(invocation, self._timeout, gone, variants, parts)
            finally:
                parts.end()

        asked = asyncio.create_task(ask())
        await asyncio.wait({asked, parts.head}, return_when=asyncio.FIRST_COMPLETED)
        if not parts.head.done():
            # It ended without one: what it raises is an answer of its own.
            await asked
        head = parts.head.result()
        headers |= {_VARIANT: variants[-1].name, **_told(head, "x-amzn-sagemaker-content-type")}
        return StreamingResponse(
            _frames(parts, asked), headers=headers, media_type=event_stream.CONTENT_TYPE
        )


def _only_asynchronous(key: RouteKey) -> AWSError:
    return AWSError(
        "ValidationError",
        f"Endpoint {key.endpoint} of account {key.account} is asynchronous: use "
        "InvokeEndpointAsync.",
    )


async def _frames(parts: Parts, asked: asyncio.Task[HTTPAnswer]) -> AsyncIterator[bytes]:
    """Yield the events of a streamed answer; whatever ends it early is its last one."""
    try:
        async for part in parts.each():
            yield event_stream.event("PayloadPart", part)
        await asked
    except AWSError as error:
        yield event_stream.exception("ModelStreamError", _stream_error(error))
    finally:
        # The process goes on, but nobody listens any more.
        parts.discard()
        asked.cancel()
        with suppress(asyncio.CancelledError, AWSError):
            await asked


def _stream_error(error: AWSError) -> dict[str, str]:
    """Return the members of ModelStreamError; the codes are those of its documentation."""
    timed_out = error.members.get("OriginalStatusCode") == 0
    code = "ModelInvocationTimeExceeded" if timed_out else "StreamBroken"
    return {"Message": error.members.get("OriginalMessage", error.message), "ErrorCode": code}


def _told(answer: HTTPAnswer, content_type: str) -> dict[str, str]:
    """Return the answer's headers that are passed on, its content type under a name."""
    names = {"content-type": content_type, ATTRIBUTES.lower(): ATTRIBUTES.lower()}
    return {told: answer.headers[name] for name, told in names.items() if name in answer.headers}
