"""The listening side of a serving process: sockets, and the thread that serves HTTP on them.

The event loop runs in a thread of its own, so that `/ping` is answered while the model loads or
predicts on the main thread.
"""

import asyncio
import contextlib
import logging
import socket
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

from local_sagemaker.serving.connection import Connection, Invocation, Service

_logger = logging.getLogger(__name__)

_BACKLOG = 128
# The shortest limit of Unix socket paths among the platforms (macOS; Linux has 108).
_MAX_SOCKET_PATH = 104


def bind_unix(path: Path) -> socket.socket:
    """Return a socket that listens at a path that only this user can connect to.

    Raises
    ------
    OSError
        If the path is too long, its folder is missing, or another process listens there.
    """
    if len(str(path).encode()) >= _MAX_SOCKET_PATH:
        raise OSError(f"The socket's path is longer than {_MAX_SOCKET_PATH - 1} bytes: {path}")
    if path.is_socket():
        # Left behind by a process that was killed, unless somebody answers.
        with (
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe,
            contextlib.suppress(ConnectionRefusedError),
        ):
            probe.connect(str(path))
            raise OSError(f"Another process already listens on {path}")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(_BACKLOG)
    return listener


def bind_local_port(port: int) -> socket.socket:
    """Return a socket that listens on a port of 127.0.0.1 (0: any free one)."""
    # asyncio switches Nagle's algorithm off only where the protocol is named.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(_BACKLOG)
    return listener


class Server:
    """HTTP on one socket, in a thread.

    Parameters
    ----------
    listener
        Listening socket.
    service
        What its connections share.
    """

    def __init__(self, listener: socket.socket, service: Service) -> None:
        self._listener = listener
        self._service = service
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._server: asyncio.Server | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()

    async def _listen(self) -> None:
        is_unix = self._listener.family == socket.AF_UNIX
        create = self._loop.create_unix_server if is_unix else self._loop.create_server
        self._server = await create(
            lambda: Connection(self._service), sock=self._listener, backlog=_BACKLOG
        )

    def reply(
        self,
        invocation: Invocation,
        status: int,
        content_type: str,
        body: bytes,
        headers: dict[str, str],
    ) -> None:
        """Answer an invocation, from any thread."""
        reply = invocation.connection.reply
        self._loop.call_soon_threadsafe(reply, status, content_type, body, headers)

    def stream(
        self,
        invocation: Invocation,
        status: int,
        content_type: str,
        parts: Iterator[bytes],
        headers: dict[str, str],
    ) -> None:
        """Answer an invocation part by part, as they come, and no faster than they are read.

        An error that ends the parts is told in the answer's trailer. When the client hangs up, no
        more parts are taken.
        """
        connection, schedule = invocation.connection, self._loop.call_soon_threadsafe
        schedule(connection.begin, status, content_type, headers)
        error: str | None = None
        try:
            for part in parts:
                connection.room.acquire()
                if connection.closed:
                    return
                schedule(connection.send_part, part)
        except Exception as raised:  # noqa: BLE001 - whatever user code raises ends its answer
            _logger.error("The streamed answer broke off\n%s", traceback.format_exc().rstrip())
            error = str(raised)
        schedule(connection.finish, error)

    def stop(self, patience: float = 5.0) -> None:
        """Close the socket and every connection, once what was answered has been sent.

        Parameters
        ----------
        patience
            Seconds to wait for clients that read slowly.
        """
        self._service.healthy = False
        with contextlib.suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(patience)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._service.connections):
            connection.hang_up()
        while self._service.connections:
            await asyncio.sleep(0.005)
