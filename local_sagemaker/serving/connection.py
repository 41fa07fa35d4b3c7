"""One HTTP/1.1 connection of a serving process: reads a request, hands it on, sends the answer.

All of it runs on the event loop's thread. It knows routes and limits, and nothing of models.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote

import h11

from local_sagemaker.serving.context import RequestHeaders
from local_sagemaker.serving.errors import (
    BAD_REQUEST,
    INTERNAL_SERVER,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    STREAM_ERROR,
    TOO_LARGE,
    UNAVAILABLE,
    error_body,
)

_METHODS = {"/ping": b"GET", "/invocations": b"POST"}
_PARAMETERS = "/execution-parameters"
_JSON = "application/json"
# Ours to say, whatever user code set.
_RESERVED_HEADERS = frozenset({"content-type", "content-length", "transfer-encoding", "connection"})
# How long the rest of a refused body is read before hanging up, in seconds: closing with unread
# bytes would reset the connection, and the client would never see why.
_DISCARD_PATIENCE = 5.0
# How many parts of a streamed answer may be on their way to the connection.
_PARTS_UNDER_WAY = 16
_LONGEST_TRAILER = 2048


@dataclass
class Service:
    """What all connections of a process share.

    Parameters
    ----------
    on_invocation
        Called with each invocation; must return at once.
    max_payload
        Largest request body in bytes; larger ones are answered 413.
    healthy
        Whether the model is loaded: what `/ping` says.
    execution_parameters
        What `/execution-parameters` says, as JSON; None where there is no such path.
    connections
        The open connections.
    """

    on_invocation: Callable[[Invocation], None]
    max_payload: int
    healthy: bool = False
    execution_parameters: bytes | None = None
    connections: set[Connection] = field(default_factory=set)


@dataclass(frozen=True)
class Invocation:
    """One request to the model, with the connection that waits for its answer."""

    headers: RequestHeaders
    body: bytes
    connection: Connection


class Connection(asyncio.Protocol):
    """A client's connection, which may carry any number of requests one after the other."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._http = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._body: list[bytes] = []
        self._size = 0
        self._refused = False
        self._full = False
        self._owed = 0
        self.room = threading.Semaphore(_PARTS_UNDER_WAY)
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to answer on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._service.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Note that nobody waits for an answer any more."""
        self.closed = True
        # Whoever waits to send a part must see it.
        self.room.release()
        self._service.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request."""
        if not self._refused:
            self._http.receive_data(data)
            self._advance()

    def pause_writing(self) -> None:
        """Hold up the parts of an answer: the client reads them slowly."""
        self._full = True

    def resume_writing(self) -> None:
        """Let them come again."""
        self._full = False
        if self._owed:
            self.room.release(self._owed)
            self._owed = 0

    def hang_up(self) -> None:
        """Close once everything written has been sent."""
        self._transport.close()

    def _advance(self) -> None:
        try:
            while not (self.closed or self._refused) and self._next_event():
                pass
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint, BAD_REQUEST, str(error))

    def _next_event(self) -> bool:
        """Take one event of the request; False when more bytes, or the answer, must come first."""
        event = self._http.next_event()
        if isinstance(event, h11.Request):
            self._begin(event)
            return True
        if isinstance(event, h11.Data):
            self._body.append(bytes(event.data))
            self._size += len(event.data)
            self._check_size(self._size)
            return True
        if isinstance(event, h11.EndOfMessage):
            self._complete()
        elif isinstance(event, h11.ConnectionClosed):
            self._transport.close()
        return False

    def _begin(self, request: h11.Request) -> None:
        self._request, self._body, self._size = request, [], 0
        declared = next((v for k, v in request.headers if k == b"content-length"), b"0")
        self._check_size(int(declared))
        if self._http.they_are_waiting_for_100_continue and not self._refused:
            proceed = h11.InformationalResponse(status_code=100, headers=[])
            self._transport.write(self._http.send(proceed) or b"")

    def _check_size(self, size: int) -> None:
        limit = self._service.max_payload
        if size > limit:
            message = f"The body has {size} bytes or more; at most {limit} are taken."
            self._refuse(413, TOO_LARGE, message)

    def _complete(self) -> None:
        request = self._request
        assert request is not None
        path = request.target.partition(b"?")[0].decode("latin-1")
        methods = _METHODS
        if self._service.execution_parameters is not None:
            methods = _METHODS | {_PARAMETERS: b"GET"}
        if path not in methods:
            self._reject(404, NOT_FOUND, f"There is no {path} here, only {', '.join(methods)}.")
        elif request.method != methods[path]:
            allowed = methods[path].decode()
            self._reject(405, METHOD_NOT_ALLOWED, f"{path} takes {allowed} only.")
        elif path == "/ping":
            healthy = self._service.healthy
            status = "Healthy" if healthy else "Unhealthy"
            body = f'{{\n  "status": "{status}"\n}}\n'.encode()
            self.reply(200 if healthy else 503, _JSON, body)
        elif path == _PARAMETERS:
            self.reply(200, _JSON, self._service.execution_parameters or b"{}")
        elif not self._service.healthy:
            self._reject(503, UNAVAILABLE, "The model is being loaded or is stopping.")
        else:
            headers = RequestHeaders(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in request.headers.raw_items()
            )
            self._service.on_invocation(Invocation(headers, b"".join(self._body), self))

    def _reject(self, status: int, kind: str, message: str) -> None:
        self.reply(status, _JSON, error_body(status, kind, message))

    def _refuse(self, status: int, kind: str, message: str) -> None:
        """Answer before the request has ended, and hang up."""
        self._refused = True
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send(status, _JSON, error_body(status, kind, message), {"Connection": "close"})
        asyncio.get_running_loop().call_later(_DISCARD_PATIENCE, self._transport.close)

    def reply(
        self, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Send the answer to the current request and go on to the next one.

        Parameters
        ----------
        status
            HTTP status.
        content_type
            Content type of the body.
        body
            The whole body.
        headers
            Further headers, as user code set them.
        """
        if self.closed or self._transport.is_closing():
            return
        try:
            self._send(status, content_type, body, _own(headers or {}))
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            self._send_unsendable(error)
            return
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._http.start_next_cycle()
            self._advance()

    def begin(self, status: int, content_type: str, headers: dict[str, str]) -> None:
        """Send the head of an answer whose parts follow; see `reply` for the parameters."""
        fields = [("Content-Type", content_type), *_own(headers).items()]
        self._write_part(h11.Response(status_code=status, headers=fields))

    def send_part(self, part: bytes) -> None:
        """Send a part of the answer. Each part that is sent must first have taken `room`."""
        if part:
            self._write_part(h11.Data(data=part))
        if self._full:
            self._owed += 1
        else:
            self.room.release()

    def finish(self, error: str | None) -> None:
        """End an answer that was sent in parts, and say in its trailer what ended it early."""
        trailer = (
            []
            if error is None
            else [(STREAM_ERROR, quote(error.encode(errors="replace")[:_LONGEST_TRAILER]))]
        )
        self._write_part(h11.EndOfMessage(headers=trailer))
        if self.closed or self._transport.is_closing():
            return
        if self._http.our_state is h11.MUST_CLOSE:
            self._transport.close()
        else:
            self._http.start_next_cycle()
            self._advance()

    def _write_part(self, event: h11.Event) -> None:
        if self.closed or self._transport.is_closing():
            return
        try:
            self._transport.write(self._http.send(event) or b"")
        except (h11.LocalProtocolError, UnicodeEncodeError) as error:
            if self._http.our_state is h11.SEND_RESPONSE:
                self._send_unsendable(error)
            self._transport.close()

    def _send(self, status: int, content_type: str, body: bytes, headers: dict[str, str]) -> None:
        fields = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        head = h11.Response(status_code=status, headers=[*fields, *headers.items()])
        parts = (head, h11.Data(data=body), h11.EndOfMessage())
        self._transport.write(b"".join(self._http.send(part) or b"" for part in parts))

    def _send_unsendable(self, error: Exception) -> None:
        """Say that user code set a status or a header that HTTP has no form for."""
        message = f"The inference script's status or headers cannot be sent: {error}"
        body = error_body(500, INTERNAL_SERVER, message)
        self._transport.write(
            b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        self._transport.close()


def _own(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers that user code may set."""
    return {name: value for name, value in headers.items() if name.lower() not in _RESERVED_HEADERS}
