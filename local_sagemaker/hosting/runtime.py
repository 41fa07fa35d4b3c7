"""InvokeEndpoint: an HTTP request to an endpoint becomes one to a serving process.

This is the path that must be fast, so it reads headers itself instead of going through the
general parser. It knows the runtime's headers, limits and errors; it must not know how processes
are run.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import Response

from local_sagemaker.coverage import refusal
from local_sagemaker.errors import AWSError
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Routes, Variant
from local_sagemaker.hosting.unix_http import HTTPAnswer
from local_sagemaker.hosting.waiting import ClientGone, FleetClosed, InvocationTimeout, WorkerDied
from local_sagemaker.identity import Caller
from local_sagemaker.protocol import RestJsonProtocol, request_id, service_model
from local_sagemaker.serving.errors import INTERNAL_SERVER, error_body

# Seconds from the request to the whole answer (AWS's developer guide, real-time inference).
INVOCATION_TIMEOUT = 60.0
_MAX_ATTRIBUTES = 1024  # CustomAttributesHeader in botocore's model
_CLIENT_CLOSED_REQUEST = 499
_RETURN_POLL = 0.05
_PATH = re.compile(
    r"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)"
)
_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
# What the container gets to see of a request; AWS strips everything else.
_FORWARDED = {
    "content-type": "Content-Type",
    "accept": "Accept",
    _ATTRIBUTES.lower(): _ATTRIBUTES,
    "x-amzn-sagemaker-inference-id": "X-Amzn-SageMaker-Inference-Id",
}
_TARGET_VARIANT = "x-amzn-sagemaker-target-variant"
_REFUSED_HEADERS = {
    "x-amzn-sagemaker-target-model": "TargetModel (multi-model endpoints)",
    "x-amzn-sagemaker-target-container-hostname": "TargetContainerHostname (several containers)",
    "x-amzn-sagemaker-inference-component": "InferenceComponentName",
    "x-amzn-sagemaker-session-id": "SessionId (stateful sessions)",
    "x-amzn-sagemaker-enable-explanations": "EnableExplanations",
}
_REFUSED_OPERATIONS = {
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
_TOO_LARGE = "RequestEntityTooLarge"
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the "
    "latency metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)


class Runtime:
    """The operations of ``sagemaker-runtime``.

    Parameters
    ----------
    routes
        Where the current generation of each endpoint is.
    timeout
        Seconds that one invocation may take.
    """

    def __init__(self, routes: Routes, timeout: float = INVOCATION_TIMEOUT) -> None:
        self._routes = routes
        self._timeout = timeout
        self._protocol = RestJsonProtocol(service_model("sagemaker-runtime"))
        self._concurrent: dict[Fleet, int] = {}

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
            endpoint = _endpoint(request)
            key = RouteKey(caller.account, caller.region, endpoint)
            variant, answer = await self._answer(key, request, body)
            if answer.status >= HTTPStatus.BAD_REQUEST:
                raise _model_error(key, answer.status, answer.body.decode("utf-8", "replace"))
        except ClientGone:
            return Response(status_code=_CLIENT_CLOSED_REQUEST)
        except AWSError as error:
            if error.code == _TOO_LARGE:
                # No JSON: the service's front end refuses it before the service sees it.
                return Response(error.message, error.status, identifier, "text/plain")
            reply = self._protocol.error(error)
            return Response(reply.body, reply.status, reply.headers | identifier)
        headers = identifier | {"x-Amzn-Invoked-Production-Variant": variant.name}
        for name in ("content-type", _ATTRIBUTES.lower()):
            if name in answer.headers:
                headers[name] = answer.headers[name]
        return Response(answer.body, headers=headers)

    async def _answer(
        self, key: RouteKey, request: Request, body: bytes
    ) -> tuple[Variant, HTTPAnswer]:
        headers = _forwarded(request.headers)
        target = request.headers.get(_TARGET_VARIANT)

        async def gone() -> None:
            await request.receive()

        await self._until_back(key)
        while True:
            variant = self._variant(key, target)
            _check_size(variant, body)
            started = time.perf_counter()
            status: int | None = None
            variant.statistics.begin()
            try:
                self._enter(variant)
                try:
                    answer = await variant.fleet.invoke(
                        headers, body, timeout=self._timeout, gone=gone
                    )
                finally:
                    self._leave(variant)
                status = answer.status
            except FleetClosed:
                # Its generation was replaced after it was chosen, and nothing was sent to it.
                await asyncio.sleep(0)
            except InvocationTimeout:
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                raise _model_error(key, 0, _TIMED_OUT) from None
            except WorkerDied as error:
                status = HTTPStatus.INTERNAL_SERVER_ERROR
                told = error_body(500, INTERNAL_SERVER, str(error)).decode()
                raise _model_error(key, 500, told) from error
            except AWSError as error:
                status = error.status
                raise
            else:
                return variant, answer
            finally:
                variant.statistics.end(status, time.perf_counter() - started)

    async def _until_back(self, key: RouteKey) -> None:
        """Wait for an endpoint that comes back after a restart of the server."""
        deadline = time.monotonic() + self._timeout
        while self._routes.expected(key) and time.monotonic() < deadline:
            await asyncio.sleep(_RETURN_POLL)

    def _variant(self, key: RouteKey, target: str | None) -> Variant:
        route = self._routes.get(key)
        if route is None:
            raise AWSError(
                "ValidationError", f"Endpoint {key.endpoint} of account {key.account} not found."
            )
        variant = route.choose(target)
        if variant is None:
            raise AWSError(
                "ValidationError",
                f"Variant {target} of endpoint {key.endpoint} of account {key.account} not found.",
            )
        return variant

    def _enter(self, variant: Variant) -> None:
        if variant.max_concurrency is None:
            return
        now = self._concurrent.get(variant.fleet, 0)
        if now >= variant.max_concurrency:
            raise AWSError("ThrottlingException", "Rate exceeded", 429)
        self._concurrent[variant.fleet] = now + 1

    def _leave(self, variant: Variant) -> None:
        if variant.max_concurrency is None:
            return
        self._concurrent[variant.fleet] -= 1
        if not self._concurrent[variant.fleet]:
            del self._concurrent[variant.fleet]


def _endpoint(request: Request) -> str:
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    path = unquote(raw.partition(b"?")[0].decode("latin-1"))
    found = _PATH.fullmatch(path)
    if found is None or request.method != "POST":
        raise AWSError("UnknownOperationException", f"There is no {request.method} {path}.", 404)
    endpoint, operation = found.groups()
    if operation in _REFUSED_OPERATIONS:
        raise refusal(_REFUSED_OPERATIONS[operation])
    return endpoint


def _forwarded(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    for name, member in _REFUSED_HEADERS.items():
        if name in headers:
            raise AWSError(
                "ValidationError",
                f"{member} is not supported by the local SageMaker. Leave it out, or use AWS.",
            )
    attributes = headers.get(_ATTRIBUTES.lower(), "")
    if len(attributes) > _MAX_ATTRIBUTES or not attributes.isascii():
        raise AWSError(
            "ValidationError",
            f"CustomAttributes may have at most {_MAX_ATTRIBUTES} characters of ASCII.",
        )
    return [(name, headers[lower]) for lower, name in _FORWARDED.items() if lower in headers]


def _check_size(variant: Variant, body: bytes) -> None:
    if len(body) <= variant.max_payload:
        return
    if variant.max_concurrency is not None:
        raise AWSError("ValidationError", f"Request {request_id()} has oversize body.")
    raise AWSError(_TOO_LARGE, f"HTTP content length exceeded {variant.max_payload} bytes.", 413)


def _model_error(key: RouteKey, status: int, message: str) -> AWSError:
    """Return what InvokeEndpoint answers when the model did not answer 2xx."""
    client = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    kind = "client" if client else "server"
    region, account = key.region, key.account
    group = f"/aws/sagemaker/Endpoints/{key.endpoint}"
    return AWSError(
        "ModelError",
        f'Received {kind} error ({status}) from primary with message "{message}". See '
        f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
        f"#logEventViewer:group={group} in account {account} for more information.",
        HTTPStatus.FAILED_DEPENDENCY,
        OriginalStatusCode=status,
        OriginalMessage=message,
        LogStreamArn=f"arn:aws:logs:{region}:{account}:log-group:{group}",
        ErrorCode="CLIENT_ERROR_FROM_MODEL" if client else "SERVER_ERROR_FROM_MODEL",
    )
