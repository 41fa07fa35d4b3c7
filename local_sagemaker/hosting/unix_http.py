"""HTTP/1.1 over a Unix domain socket: how the server talks to a serving process.

A connection carries one request at a time and is never used again after anything went wrong on
it. It knows bytes and HTTP; it must not know what is asked, nor retry.
"""

import asyncio
import http.client
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h11

_HOST = ("Host", "localhost")


class ConnectionLost(Exception):
    """The other side went away, or spoke no HTTP, before the answer was complete."""


@dataclass(frozen=True)
class HTTPAnswer:
    """One answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class UnixConnection(asyncio.Protocol):
    """A connection that is kept open between requests; made by `open`."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT)
        self._answer: asyncio.Future[HTTPAnswer] | None = None
        self._head: h11.Response | None = None
        self._body: list[bytes] = []
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
        self, method: str, target: str, headers: Sequence[tuple[str, str]], body: bytes
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
        self._head, self._body = None, []
        parts = (request, h11.Data(data=body), h11.EndOfMessage())
        self._transport.writelines([self._http.send(part) or b"" for part in parts])
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Take bytes of the answer."""
        self._http.receive_data(data)
        try:
            while True:
                event = self._http.next_event()
                if isinstance(event, h11.Response):
                    self._head = event
                elif isinstance(event, h11.Data):
                    self._body.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    self._complete()
                    return
                elif not isinstance(event, h11.InformationalResponse):
                    return
        except h11.RemoteProtocolError as error:
            self._lose(f"the answer is no HTTP: {error}")

    def close(self) -> None:
        """Hang up."""
        self._lose("the connection was closed by this side")

    def _complete(self) -> None:
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
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        if not answer.done():
            answer.set_result(HTTPAnswer(head.status_code, headers, b"".join(self._body)))

    def _lose(self, reason: str) -> None:
        self.closed = True
        self._transport.close()
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(ConnectionLost(reason))


class _BlockingConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ping(path: Path, timeout: float) -> bool:
    """Tell whether ``GET /ping`` answers 200 within some seconds; blocks until then."""
    connection = _BlockingConnection(path, timeout)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
