"""The HTTP face: one ASGI application that finds out which service a request is for.

It checks the Host header and the signature, then hands the request on by the signature's
service scope, the target header or the path. It must not know what an operation does.
"""

import hashlib
import logging
import time
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from local_sagemaker.asked import read_asked
from local_sagemaker.canonical import Signed, parse_query
from local_sagemaker.decompression import inflated
from local_sagemaker.dispatch import JsonDispatcher, QueryDispatcher, RestJsonDispatcher, defect
from local_sagemaker.errors import AWSError
from local_sagemaker.faults.rules import Faults
from local_sagemaker.faults.striking import answered
from local_sagemaker.hosts import Hosts
from local_sagemaker.identity import Caller, Identity
from local_sagemaker.own_pages import PREFIX, OwnPages
from local_sagemaker.portal.pages import Portal
from local_sagemaker.protocol import Reply
from local_sagemaker.request_log.observer import Observer
from local_sagemaker.signatures import (
    UNSIGNED_PAYLOAD,
    Claim,
    Refused,
    Verified,
    authenticate,
)
from local_sagemaker.wire import error_response, expected_format, refusal, response

_LOG = logging.getLogger("local_sagemaker.requests")
# Requests are small but for S3's, which are streamed, and InvokeEndpoint's, whose limit is lower.
MAX_BODY = 32 * 1024 * 1024
# A client that still sends does not read: what is too large is read on, and thrown away.
_MAX_DISCARDED = 16 * MAX_BODY


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
    """

    json: Mapping[str, JsonDispatcher]
    query: Mapping[str, QueryDispatcher]
    rest: Mapping[str, RestJsonDispatcher]
    s3: Streamed
    runtime: Invocations


def create_app(
    services: Services,
    identity: Identity,
    port: int,
    *,
    hosts: Collection[str] = (),
    pages: OwnPages,
    portal: Portal,
    faults: Faults,
    observer: Observer,
) -> Starlette:
    """Return the application.

    Its ``state.connections`` are the connections that are open, for faults that close one;
    whoever serves the application puts them there.

    Parameters
    ----------
    services
        What can be asked.
    identity
        Whose signatures count.
    port
        The port that a Host header must name.
    hosts
        Further names under which a proxy leads people to the portal, and to nothing else;
        ``.example.com`` is every name below it.
    pages
        The server's own.
    portal
        Where people answer.
    faults
        What goes wrong on purpose.
    observer
        Takes note of each request.
    """
    router = _Router(services, identity, Hosts(port, hosts), pages, portal, faults)
    # An object and not a function: Starlette then leaves methods and errors to it.
    application = Starlette(routes=[Route("/{path:any}", _Front(router, observer))])
    application.state.connections = set()
    return application


class _Front:
    """Sends what the router answers, and has it noted."""

    def __init__(self, router: "_Router", observer: Observer) -> None:
        self._router = router
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        started = time.perf_counter()
        answer = await self._router(request)
        if answer.status_code >= 400 and "expect" in request.headers:
            # Refused before it was told to go on, botocore sends no body, and its next request
            # on this connection would be taken for one.
            answer.headers["connection"] = "close"
        try:
            await answer(scope, receive, send)
        finally:
            # Its own pages are for people: the log is for what programs ask.
            if not getattr(request.state, "own_page", False):
                self._observer.note(
                    request, raw_path(request), answer, time.perf_counter() - started
                )


class _Router:
    def __init__(
        self,
        services: Services,
        identity: Identity,
        hosts: Hosts,
        pages: OwnPages,
        portal: Portal,
        faults: Faults,
    ) -> None:
        self._services = services
        self._identity = identity
        self._hosts = hosts
        self._pages = pages
        self._portal = portal
        self._faults = faults

    async def __call__(self, request: Request) -> Response:
        path = raw_path(request)
        expected = expected_format(request, path)
        try:
            portal = self._hosts.portal_path(path)
            # A bucket may be called "portal" too: its requests are signed.
            if portal is not None and not _is_signed(request):
                request.state.own_page = True
                self._hosts.check_portal(request)
                return await self._portal(request, portal)
            self._hosts.check(request)
            if path.startswith(PREFIX):
                request.state.own_page = True
                return await self._pages(request, path)
            claim = authenticate(_signed(request), self._identity)
            # A body is read only when a key, its token and the time are good. S3 reads its own.
            body = b"" if claim.service == "s3" else await _body(request)
            verified = _verified(claim, body)
            asked = read_asked(request, verified.service, path, body)
            request.state.caller, request.state.asked = verified.caller, asked
            return await answered(
                self._faults,
                request,
                asked,
                verified.caller,
                body,
                lambda: self._dispatch(request, path, verified, body),
            )
        except Refused as refused:
            return refusal(refused, request, expected)
        except AWSError as error:
            return error_response(error, request, expected)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001  (a client must never see a bare text or HTML)
            _LOG.exception("%s %s failed", request.method, path)
            return error_response(defect(error), request, expected)

    async def _dispatch(
        self, request: Request, path: str, verified: Verified, body: bytes
    ) -> Response:
        services = self._services
        service, caller = verified.service, verified.caller
        if service == "s3":
            return await services.s3(request, verified)
        target = request.headers.get("x-amz-target", "")
        headers = dict(request.headers)
        answer: Callable[[], Reply]
        if target:
            dispatcher = services.json.get(target.partition(".")[0])
            if dispatcher is None:
                raise _unknown(service, target)
            _check_scope(service, dispatcher.signing_name)
            answer = _bound(dispatcher, caller, target, _plain(body, headers))
        elif service in services.query:
            answer = _bound(services.query[service], caller, body)
        else:
            head = path.split("/", 2)[1]
            if head == "endpoints":
                _check_scope(service, "sagemaker")
                return await services.runtime.invoke(request, caller, body)
            rest = services.rest.get(head)
            if rest is None:
                raise _unknown(service, f"{request.method} {path}")
            _check_scope(service, rest.signing_name)
            query = dict(parse_query(request.scope["query_string"]))
            answer = _bound(rest, caller, request.method, path, query, headers, body)
        return response(await run_in_threadpool(answer))


def _is_signed(request: Request) -> bool:
    query: bytes = request.scope["query_string"]
    presigned = b"X-Amz-Signature=" in query or b"AWSAccessKeyId=" in query
    return presigned or request.headers.get("authorization", "").startswith("AWS")


def raw_path(request: Request) -> str:
    """Return the path as it came over the wire: percent-encoded, without the query."""
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    return raw.partition(b"?")[0].decode("latin-1")


def _bound(call: Callable[..., Reply], *arguments: Any) -> Callable[[], Reply]:
    return lambda: call(*arguments)


async def _body(request: Request) -> bytes:
    chunks = bytearray()
    discarded = 0
    async for chunk in request.stream():
        if len(chunks) <= MAX_BODY:
            chunks += chunk
            continue
        discarded += len(chunk)
        if discarded > _MAX_DISCARDED:
            break
    if len(chunks) > MAX_BODY:
        raise _too_large()
    return bytes(chunks)


def _plain(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a body of AWS JSON; clients compress the large ones of some services."""
    if headers.get("content-encoding") != "gzip":
        return body
    try:
        found = inflated(body, MAX_BODY)
    except zlib.error as error:
        raise AWSError("SerializationException", f"The body is not gzip: {error}") from error
    if len(found) > MAX_BODY:
        raise _too_large()
    return found


def _too_large() -> AWSError:
    return AWSError(
        "RequestEntityTooLargeException", f"The request is larger than {MAX_BODY} bytes.", 413
    )


def _signed(request: Request) -> Signed:
    headers: dict[str, str] = {}
    for name, raw in request.headers.items():
        # Starlette reads headers as Latin-1; clients sign, and send, UTF-8.
        value = raw.encode("latin-1").decode("utf-8", "surrogateescape")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return Signed(
        method=request.method,
        raw_path=raw_path(request).encode("latin-1"),
        query=parse_query(request.scope["query_string"]),
        headers=headers,
    )


def _verified(claim: Claim, body: bytes) -> Verified:
    @cache
    def body_hash() -> str:
        return hashlib.sha256(body).hexdigest()

    verified = claim.verify(body_hash)
    if verified.service != "s3":
        if verified.payload_hash == UNSIGNED_PAYLOAD:
            raise Refused("mismatch", "The body of this service's requests must be signed.")
        if body_hash() != verified.payload_hash:
            raise Refused("mismatch", "The body is not the one that was signed.")
    return verified


def _check_scope(signed: str, asked: str) -> None:
    if signed != asked:
        raise Refused("mismatch", f"Credential should be scoped to correct service: '{asked}'.")


def _unknown(service: str, what: str) -> AWSError:
    return AWSError(
        "NotImplemented",
        f"{what[:200]} of {service!r} is not part of the local SageMaker. What it answers is "
        "listed in docs/local-sagemaker.md; use AWS for the rest.",
    )
