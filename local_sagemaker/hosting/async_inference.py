"""InvokeEndpointAsync: requests that are accepted now, answered in order, and written to S3.

They are answered in an event loop of their own, whose thread begins with the first of them, so
that no other request waits for S3. It knows requests and objects; it must not know processes.
"""

import asyncio
import json
import logging
import sqlite3
import threading
import uuid
from collections.abc import Callable, Coroutine, Mapping
from io import BytesIO
from typing import Any, TypeVar

from local_sagemaker.errors import AWSError
from local_sagemaker.hosting.async_requests import AsyncRequest, AsyncRequests
from local_sagemaker.hosting.dispatch import Dispatch
from local_sagemaker.hosting.invocation import ASYNC, Invocation
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Route, Routes, Variant
from local_sagemaker.hosting.unix_http import HTTPAnswer
from local_sagemaker.hosting.variants import ASYNC_PAYLOAD
from local_sagemaker.protocol import Reply
from local_sagemaker.s3.model import Description
from local_sagemaker.s3.objects import Objects

_LOG = logging.getLogger(__name__)
Argument = TypeVar("Argument")
Kept = TypeVar("Kept")
# Defaults of InvokeEndpointAsync, in botocore's documentation of these members.
_TIME_TO_LIVE = 6 * 3600
_TIMEOUT = 15 * 60
# An endpoint that was in service comes back after a restart.
_RETURN_PATIENCE = 600.0
_MAX_BODY = 128_000  # Body of InvokeEndpointAsync, in botocore's model
_CLOSE_PATIENCE = 5.0
_RETRY_SECONDS = 1.0


class AsyncInference:
    """Asynchronous inference of all endpoints.

    Parameters
    ----------
    requests
        The queues.
    objects
        Where inputs are read and outputs written.
    routes
        Where the current generation of each endpoint is.
    """

    def __init__(self, requests: AsyncRequests, objects: Objects, routes: Routes) -> None:
        self._requests = requests
        self._objects = objects
        self._routes = routes
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._wake: dict[RouteKey, asyncio.Event] = {}
        self._closed = False

    # In the server's event loop

    async def accept(
        self, route: Route, invocation: Invocation, params: Mapping[str, Any]
    ) -> Reply:
        """Queue a request and return the answer to it, 202.

        Parameters
        ----------
        route
            Of its endpoint.
        invocation
            The request.
        params
            The parameters of InvokeEndpointAsync.

        Raises
        ------
        AWSError
            ``ValidationError`` when the endpoint is not asynchronous or the request is not valid.
        """
        if route.asynchronous is None:
            raise AWSError(
                "ValidationError",
                f"Endpoint {invocation.key.endpoint} of account {invocation.key.account} is not "
                "asynchronous: its configuration has no AsyncInferenceConfig. Use InvokeEndpoint.",
            )
        if ("InputLocation" in params) == bool(invocation.body):
            raise AWSError("ValidationError", "Give either InputLocation or Body.")
        if "InputLocation" in params:
            _location(params["InputLocation"])
        if len(invocation.body) > _MAX_BODY:
            raise AWSError(
                "ValidationError", f"Body has more than {_MAX_BODY} bytes; use InputLocation."
            )
        output, failure = route.asynchronous.locations(
            params.get("S3OutputPathExtension"), params.get("Filename")
        )
        request = AsyncRequest(
            key=invocation.key,
            inference_id=params.get("InferenceId") or str(uuid.uuid4()),
            headers=tuple(invocation.headers),
            output=output,
            failure=failure,
            timeout=float(params.get("InvocationTimeoutSeconds", _TIMEOUT)),
            expires=self._requests.now() + params.get("RequestTTLSeconds", _TIME_TO_LIVE),
            source=params.get("InputLocation"),
            body=invocation.body or None,
        )
        await asyncio.to_thread(self._requests.add, request)
        self._serve(request.key)
        locations = {"X-Amzn-SageMaker-OutputLocation": output}
        if failure is not None:
            locations["X-Amzn-SageMaker-FailureLocation"] = failure
        body = json.dumps({"InferenceId": request.inference_id}).encode()
        return Reply(202, body, {"Content-Type": "application/json", **locations})

    # From any thread

    def recover(self) -> None:
        """Go on with what waits; say of what was under way that it was lost."""
        for request in self._requests.begun():
            self._write_failure(
                request,
                "The local SageMaker was stopped while the model worked on this request. It is not "
                "sent a second time.",
            )
            self._requests.finish(request)
        for key in self._requests.waiting():
            self._serve(key)

    def close(self) -> None:
        """Stop; what waits, waits for the next start."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLOSE_PATIENCE)

    def _serve(self, key: RouteKey) -> None:
        """See to it that an endpoint's queue is worked on."""
        with self._lock:
            if self._closed:
                return
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="asynchronous inference", daemon=True
                )
                self._thread.start()
            loop = self._loop
        loop.call_soon_threadsafe(self._notify, key)

    # In the event loop of its own

    def _notify(self, key: RouteKey) -> None:
        wake = self._wake.get(key)
        if wake is None:
            wake = self._wake[key] = asyncio.Event()
            _spawn(self._work(key, wake))
        wake.set()

    async def _work(self, key: RouteKey, wake: asyncio.Event) -> None:
        dispatch = Dispatch(self._routes)
        under_way: set[asyncio.Task[None]] = set()
        while True:
            wake.clear()
            while len(under_way) < self._capacity(key):
                request = await _kept(self._requests.begin, key)
                if request is None:
                    break
                under_way.add(_spawn(self._complete(dispatch, request)))
            waiting = asyncio.create_task(wake.wait())
            await asyncio.wait({waiting, *under_way}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            under_way = {task for task in under_way if not task.done()}

    def _capacity(self, key: RouteKey) -> int:
        """Return how many of an endpoint's requests may be under way."""
        route = self._routes.get(key)
        if route is None:
            # Begun now, it waits until the endpoint is back, or fails because it is not there.
            return 1
        each = route.asynchronous.concurrency if route.asynchronous else None
        sizes = [
            min(variant.fleet.size, each * variant.instances) if each else variant.fleet.size
            for variant in route.variants
        ]
        return max(1, sum(sizes))

    async def _complete(self, dispatch: Dispatch, request: AsyncRequest) -> None:
        try:
            answer = await self._answer(dispatch, request)
            await asyncio.to_thread(self._write_output, request, answer)
        except AWSError as error:
            await asyncio.to_thread(self._write_failure, request, error.message)
        except Exception as error:  # noqa: BLE001 - nobody else would ever hear of it
            _LOG.exception("An asynchronous request to %s failed", request.key.endpoint)
            await asyncio.to_thread(
                self._write_failure,
                request,
                f"The local SageMaker failed: {type(error).__name__}: {error}",
            )
        await _kept(self._requests.finish, request)

    async def _answer(self, dispatch: Dispatch, request: AsyncRequest) -> HTTPAnswer:
        if self._requests.expired(request):
            raise AWSError("ValidationError", "The request waited longer than its time to live.")
        await dispatch.route(request.key, _RETURN_PATIENCE)
        body = request.body
        if body is None:
            body = await asyncio.to_thread(self._read, request)
        variants: list[Variant] = []
        invocation = Invocation(ASYNC, request.key, list(request.headers), body)
        return await dispatch.answer(invocation, request.timeout, _never, variants)

    # In threads of their own

    def _read(self, request: AsyncRequest) -> bytes:
        bucket, key = _location(request.source or "")
        size = self._objects.head(request.key.account, bucket, key).size
        if size > ASYNC_PAYLOAD:
            # Before any of it is in memory.
            raise AWSError(
                "ValidationError",
                f"The input {request.source} has {size} bytes; at most {ASYNC_PAYLOAD} can be sent "
                "to a model.",
            )
        with self._objects.open(request.key.account, bucket, key) as stream:
            return stream.read()

    def _write_output(self, request: AsyncRequest, answer: HTTPAnswer) -> None:
        kind = answer.headers.get("content-type", "application/octet-stream")
        self._write(request, request.output, answer.body, kind)

    def _write_failure(self, request: AsyncRequest, message: str) -> None:
        _LOG.warning("Asynchronous request %s: %s", request.inference_id, message)
        if request.failure is None:
            return
        try:
            self._write(request, request.failure, message.encode(), "text/plain")
        except (AWSError, OSError) as error:
            _LOG.warning("Its failure cannot be written to %s: %s", request.failure, error)

    def _write(self, request: AsyncRequest, uri: str, body: bytes, kind: str) -> None:
        bucket, key = _location(uri)
        with self._objects.receive() as incoming:
            incoming.write_all(BytesIO(body))
            self._objects.put(
                request.key.account, bucket, key, incoming, Description({"content-type": kind})
            )


def _location(uri: str) -> tuple[str, str]:
    # No URL to be parsed as one: '?', '#' and '[' may be part of a key.
    scheme, _, place = uri.partition("://")
    bucket, _, key = place.partition("/")
    if scheme != "s3" or not bucket:
        raise AWSError("ValidationError", f"{uri!r} does not have the form s3://bucket/key.")
    return bucket, key


async def _kept(write: Callable[[Argument], Kept], argument: Argument) -> Kept:
    """Write to the queue; on a full disk again and again: a worker that gives up never wakes."""
    while True:
        try:
            return await asyncio.to_thread(write, argument)
        except sqlite3.OperationalError:
            _LOG.exception("the queue of asynchronous requests cannot be written yet")
            await asyncio.sleep(_RETRY_SECONDS)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        # One round, in which what was cancelled ends.
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


_tasks: set[asyncio.Task[None]] = set()


def _spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    # The loop itself holds tasks weakly.
    task = asyncio.get_running_loop().create_task(work)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


async def _never() -> None:
    await asyncio.Event().wait()
