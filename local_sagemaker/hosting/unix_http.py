"""HTTP/1.1 over a Unix domain socket: how the server talks to a serving process.

A connection carries one request at a time and is never used again after anything went wrong on
it. It knows bytes and HTTP; it must not know what is asked, nor retry.
"""

import asyncio
import http.client
import socket
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import h11

from local_sagemaker.serving.errors import STREAM_ERROR

_HOST = ("Host", "localhost")
_STREAM_ERROR = STREAM_ERROR.lower().encode()
_MOST_WAITING = 256 * 1024  # bytes of an answer that nobody has taken yet


class ConnectionLost(Exception):
    """The other side went away, or spoke no HTTP, before the answer was complete."""


@dataclass(frozen=True)
class HTTPAnswer:
    """One answer; header names are lower case.

    Attributes
    ----------
    status, headers
        Of its head.
    body
        What was not given to `Parts`.
    broken
        What ended an answer that was sent in parts before it was complete, or None.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    broken: str | None = None


class UnixConnection(asyncio.Protocol):
    """A connection that is kept open between requests; made by `open`."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._answer: asyncio.Future[HTTPAnswer] | None = None
        self._head: h11.Response | None = None
        self._body: list[bytes] = []
        self._parts: Parts | None = None
        self.closed = False

    @classmethod
    async def open(cls, path: Path) -> "UnixConnection":
        """Connect; `OSError` when nobody listens there."""
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_unix_connection(cls, str(path))
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport to write to."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"a connection needs a stream transport, not {transport!r}")
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the request that still waits."""
        self._lose(f"the connection was closed: {exc}" if exc else "the connection was closed")

    def send(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        parts: "Parts | None" = None,
    ) -> asyncio.Future[HTTPAnswer]:
        """Send a request; the future ends with the answer or `ConnectionLost`.

        Parameters
        ----------
        method, target
            As in the request line.
        headers
            Without ``Host`` and ``Content-Length``.
        body
            All of it.
        parts
            Gets the body of an answer that is no error, while it comes.
        """
        if self.closed or self._answer is not None:
            raise RuntimeError("the connection is closed or still waits for an answer")
        length = ("Content-Length", str(len(body)))
        # As they came in; h11 would take ASCII only.
        encoded = [
            (name.encode(), value.encode("latin-1")) for name, value in (_HOST, length, *headers)
        ]
        request = h11.Request(method=method, target=target, headers=encoded)
        # Not before: a request that cannot be sent is not waited for.
        self._answer = asyncio.get_running_loop().create_future()
        self._head, self._body, self._parts = None, [], parts
        events = (request, h11.Data(data=body), h11.EndOfMessage())
        self._transport.writelines([self._http.send(event) or b"" for event in events])
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Take bytes of the answer."""
        self._http.receive_data(data)
        try:
            while True:
                event = self._http.next_event()
                if isinstance(event, h11.Response):
                    self._begin(event)
                elif isinstance(event, h11.Data):
                    self._take(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._complete(event)
                    return
                elif not isinstance(event, h11.InformationalResponse):
                    return
        except h11.RemoteProtocolError as error:
            self._lose(f"the answer is no HTTP: {error}")

    def close(self) -> None:
        """Hang up."""
        self._lose("the connection was closed by this side")

    def _begin(self, head: h11.Response) -> None:
        self._head = head
        if self._parts is not None and head.status_code < http.client.BAD_REQUEST:
            self._parts.begin(HTTPAnswer(head.status_code, _headers(head), b""), self._transport)
        else:
            self._parts = None

    def _take(self, data: bytes) -> None:
        if self._parts is None:
            self._body.append(data)
        else:
            self._parts.put(data)

    def _complete(self, end: h11.EndOfMessage) -> None:
        head, answer = self._head, self._answer
        if head is None or answer is None:
            self._lose("an answer came that nobody asked for")
            return
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.closed = True
            self._transport.close()
        self._answer = None
        broken = next((unquote(v.decode()) for k, v in end.headers if k == _STREAM_ERROR), None)
        if not answer.done():
            body = b"".join(self._body)
            answer.set_result(HTTPAnswer(head.status_code, _headers(head), body, broken))

    def _lose(self, reason: str) -> None:
        self.closed = True
        self._transport.close()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(ConnectionLost(reason))


class Parts:
    """The body of an answer while it comes, part by part; used in one event loop.

    Reading stops while nobody takes the parts, so that a slow client costs no memory.
    """

    def __init__(self) -> None:
        self.head: asyncio.Future[HTTPAnswer] = asyncio.get_running_loop().create_future()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._more = asyncio.Event()
        self._ended = False
        self._discarding = False
        self._transport: asyncio.Transport | None = None

    def begin(self, head: HTTPAnswer, transport: asyncio.Transport) -> None:
        """Take the head, and the transport whose reading may be paused."""
        self._transport = transport
        if not self.head.done():
            self.head.set_result(head)

    def put(self, data: bytes) -> None:
        """Take a part."""
        if self._discarding:
            return
        self._waiting.append(data)
        self._size += len(data)
        if self._size > _MOST_WAITING and self._transport is not None:
            self._transport.pause_reading()
        self._more.set()

    def end(self) -> None:
        """Note that no part follows."""
        self._ended = True
        self._more.set()

    def discard(self) -> None:
        """Drop what is there and what still comes: nobody wants it any more."""
        self._discarding = True
        self._waiting.clear()
        self._go_on()

    async def each(self) -> AsyncIterator[bytes]:
        """Yield the parts, each as soon as it is there, until `end`."""
        while True:
            while self._waiting:
                part = self._waiting.popleft()
                self._size -= len(part)
                if not self._waiting:
                    self._go_on()
                yield part
            if self._ended:
                return
            self._more.clear()
            await self._more.wait()

    def _go_on(self) -> None:
        self._size = sum(map(len, self._waiting))
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


def _headers(head: h11.Response) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}


class _BlockingConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def get(path: Path, target: str, timeout: float) -> tuple[int, bytes]:
    """Return the status and the body of the answer to a GET; blocks until then.

    Raises
    ------
    OSError, http.client.HTTPException
        When there is no answer within some seconds.
    """
    connection = _BlockingConnection(path, timeout)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def ping(path: Path, timeout: float) -> bool:
    """Tell whether ``GET /ping`` answers 200 within some seconds; blocks until then."""
    try:
        status, _ = get(path, "/ping", timeout)
    except (OSError, http.client.HTTPException):
        return False
    return status == http.client.OK
