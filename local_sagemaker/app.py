"""The HTTP face: one ASGI application that finds out which service a request is for.

It checks the Host header and the signature, then hands the request on by the signature's
service scope, the target header or the path. It must not know what an operation does.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from xml.sax.saxutils import escape

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local_sagemaker.dispatch import JsonDispatcher, QueryDispatcher, RestJsonDispatcher
from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller, Identity
from local_sagemaker.protocol import JsonProtocol, Reply, request_id
from local_sagemaker.signatures import (
    UNSIGNED_PAYLOAD,
    Refused,
    Signed,
    Verified,
    parse_query,
    verify,
)

_LOG = logging.getLogger("local_sagemaker.requests")
# Requests are small but for S3's and InvokeEndpoint's, whose own limits are lower than this.
MAX_BODY = 32 * 1024 * 1024
_METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
_FORM = "application/x-www-form-urlencoded"

# AWS's code for each reason to refuse a signature: JSON services, query services, S3.
_REFUSALS = {
    "missing": (
        "MissingAuthenticationTokenException",
        "MissingAuthenticationToken",
        "AccessDenied",
    ),
    "incomplete": (
        "IncompleteSignatureException",
        "IncompleteSignature",
        "AuthorizationHeaderMalformed",
    ),
    "unknown-key": ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId"),
    "token": ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidToken"),
    "expired": ("ExpiredTokenException", "ExpiredToken", "ExpiredToken"),
    "expired-url": ("InvalidSignatureException", "SignatureDoesNotMatch", "AccessDenied"),
    "mismatch": ("InvalidSignatureException", "SignatureDoesNotMatch", "SignatureDoesNotMatch"),
    "skewed": ("InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed"),
}


class _AnyPath(PathConvertor):
    # An object's key may hold line breaks, which Starlette's own convertor does not match.
    regex = "(?s:.*)"


register_url_convertor("any", _AnyPath())


class Streamed(Protocol):
    """A service that reads the request's body itself."""

    async def __call__(self, request: Request, verified: Verified) -> Response:
        """Answer a request whose signature is verified and whose body is not read yet."""


class Invocations(Protocol):
    """The runtime, whose calls are forwarded to serving processes."""

    async def invoke(self, request: Request, caller: Caller, body: bytes) -> Response:
        """Answer a request below ``/endpoints/``."""


@dataclass(frozen=True)
class Services:
    """Everything that requests can be for.

    Attributes
    ----------
    json
        AWS JSON 1.1 services by the prefix of their target header.
    query
        Query services by signing name.
    rest
        rest-json services by the first part of their paths.
    s3, runtime
        Those that stream.
    status
        What ``status`` shows.
    """

    json: Mapping[str, JsonDispatcher]
    query: Mapping[str, QueryDispatcher]
    rest: Mapping[str, RestJsonDispatcher]
    s3: Streamed | None
    runtime: Invocations | None
    status: Callable[[], dict[str, Any]]


def create_app(
    services: Services,
    identity: Identity,
    port: int,
    *,
    token: str,
    lifespan: Callable[[Any], Any] | None = None,
) -> Starlette:
    """Return the application.

    Parameters
    ----------
    services
        What can be asked.
    identity
        Whose signatures count.
    port
        The port that a Host header must name.
    token
        Opens the server's own pages below ``/_local/`` to the command line.
    lifespan
        Starlette's context of the running application.
    """
    router = _Router(services, identity, token)
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}

    async def handle(request: Request) -> Response:
        started = time.perf_counter()
        if request.headers.get("host", "") not in hosts:
            # A page whose name was pointed at this machine must not get any further.
            response: Response = JSONResponse(
                {"message": "This server answers to 127.0.0.1 and localhost only."}, 403
            )
        else:
            response = await router(request)
        _LOG.info(
            "%s %s%s %d %.1f ms",
            request.method,
            request.url.path,
            f" {request.headers['x-amz-target']}" if "x-amz-target" in request.headers else "",
            response.status_code,
            (time.perf_counter() - started) * 1000,
        )
        return response

    return Starlette(
        routes=[Route("/{path:any}", handle, methods=_METHODS)],
        lifespan=lifespan,
    )


class _Router:
    def __init__(self, services: Services, identity: Identity, token: str) -> None:
        self._services = services
        self._identity = identity
        self._token = token

    async def __call__(self, request: Request) -> Response:
        path = raw_path(request)
        if path.startswith("/_local/"):
            return self._own(request, path)
        wire = _wire(request)
        body = b""
        try:
            if not _streams(request):
                body = await _body(request)
            verified = verify(
                _signed(request), self._identity, lambda: hashlib.sha256(body).hexdigest()
            )
            _check_payload(verified, body)
        except Refused as refusal:
            return _refusal(refusal, wire)
        except AWSError as error:
            return _response(_error_reply(error, wire))
        except ClientDisconnect:
            return Response(status_code=499)
        return await self._dispatch(request, path, verified, body)

    async def _dispatch(
        self, request: Request, path: str, verified: Verified, body: bytes
    ) -> Response:
        services = self._services
        caller = verified.caller
        if verified.service == "s3" and services.s3:
            return await services.s3(request, verified)
        target = request.headers.get("x-amz-target", "")
        headers = dict(request.headers)
        answer: Callable[[], Reply]
        if target:
            dispatcher = services.json.get(target.partition(".")[0])
            if dispatcher is None:
                return self._unknown(verified, request)
            answer = _bound(dispatcher, caller, target, body)
        elif verified.service in services.query:
            answer = _bound(services.query[verified.service], caller, body, headers)
        else:
            head = path.split("/", 2)[1]
            if services.runtime and verified.service == "sagemaker" and head == "endpoints":
                return await services.runtime.invoke(request, caller, body)
            rest = services.rest.get(head)
            if rest is None:
                return self._unknown(verified, request)
            query = dict(parse_query(request.scope["query_string"]))
            answer = _bound(rest, caller, request.method, path, query, headers, body)
        return _response(await run_in_threadpool(answer))

    def _unknown(self, verified: Verified, request: Request) -> Response:
        error = AWSError(
            "NotImplemented",
            f"The local SageMaker has no service {verified.service!r}. What it answers is listed "
            "in docs/local-sagemaker.md; use AWS for the rest.",
        )
        return _response(_error_reply(error, _wire(request)))

    def _own(self, request: Request, path: str) -> Response:
        if request.headers.get("authorization") != f"Bearer {self._token}":
            return JSONResponse({"message": "The token of this server's home is needed."}, 403)
        if path == "/_local/status" and request.method == "GET":
            return JSONResponse(self._services.status())
        return JSONResponse({"message": f"There is no {request.method} {path}."}, 404)


def raw_path(request: Request) -> str:
    """Return the path as it came over the wire: percent-encoded, without the query."""
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    return raw.partition(b"?")[0].decode("latin-1")


def _bound(call: Callable[..., Reply], *arguments: Any) -> Callable[[], Reply]:
    return lambda: call(*arguments)


def _wire(request: Request) -> str:
    if "x-amz-target" in request.headers:
        return "json"
    if request.headers.get("content-type", "").startswith(_FORM) and request.method == "POST":
        return "query"
    scope = request.headers.get("authorization", "")
    path = raw_path(request)
    if "/s3/aws4_request" in scope or not scope:
        rest = path.startswith(("/endpoints/", "/human-loops", "/BatchPut", "/BatchGet"))
        return "rest" if rest else "s3"
    return "rest"


def _streams(request: Request) -> bool:
    # Without a header the signature, if there is any, is a presigned S3 URL's. The body of an
    # unsigned request is not worth reading.
    authorization = request.headers.get("authorization")
    return authorization is None or "/s3/aws4_request" in authorization


async def _body(request: Request) -> bytes:
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > MAX_BODY:
            raise AWSError(
                "RequestEntityTooLargeException",
                f"The request is larger than {MAX_BODY} bytes.",
                413,
            )
    return bytes(chunks)


def _signed(request: Request) -> Signed:
    return Signed(
        method=request.method,
        raw_path=raw_path(request).encode("latin-1"),
        query=parse_query(request.scope["query_string"]),
        headers=dict(request.headers.items()),
    )


def _check_payload(verified: Verified, body: bytes) -> None:
    if verified.service == "s3":
        return
    if verified.payload_hash == UNSIGNED_PAYLOAD:
        raise Refused("mismatch", "The body of this service's requests must be signed.")
    if hashlib.sha256(body).hexdigest() != verified.payload_hash:
        raise Refused("mismatch", "The body is not the one that was signed.")


def _refusal(refusal: Refused, wire: str) -> Response:
    json_code, query_code, s3_code = _REFUSALS[refusal.reason]
    code = {"json": json_code, "rest": json_code, "query": query_code, "s3": s3_code}[wire]
    return _response(_error_reply(AWSError(code, refusal.message, 403), wire))


def _error_reply(error: AWSError, wire: str) -> Reply:
    identifier = request_id()
    if wire == "json":
        content = JsonProtocol.error_body(error)
        return Reply(error.status, content, {"Content-Type": JsonProtocol.content_type})
    if wire == "rest":
        content = JsonProtocol.error_body(error)
        return Reply(
            error.status,
            content,
            {"Content-Type": "application/json", "x-amzn-ErrorType": error.code},
        )
    code, message = escape(error.code), escape(error.message)
    inner = f"<Code>{code}</Code><Message>{message}</Message>"
    if wire == "query":
        document = (
            f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error>"
            f"<RequestId>{identifier}</RequestId></ErrorResponse>"
        )
    else:
        document = f"<Error>{inner}<RequestId>{identifier}</RequestId></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'.encode()
    return Reply(error.status, body, {"Content-Type": "text/xml"})


def _response(reply: Reply) -> Response:
    headers = {"x-amzn-RequestId": request_id()} | reply.headers
    return Response(reply.body, reply.status, headers)
