"""Runs the server of a home as a process: the lock, the port, readiness, signals.

It must not know what a server is made of, nor answer a request.
"""

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

from local_sagemaker.containers import orphans
from local_sagemaker.database import StoreError
from local_sagemaker.home import Home, HomeError, ServerInfo
from local_sagemaker.run_folder import RunFolder, sweep
from local_sagemaker.server import Server
from local_sagemaker.settings import Place, Settings, write_client_files

_LOG = logging.getLogger(__name__)
_STOP_GRACE = 5

Tell = Callable[[dict[str, Any]], None]


def run(
    home: Home, port: int | None = None, ready_fd: int | None = None, place: Place | None = None
) -> int:
    """Run the server of a home in this process until it is told to stop.

    Parameters
    ----------
    home
        Where it lives.
    port
        The TCP port; the home's own if None.
    ready_fd
        A pipe on which to say, as one line of JSON, that the server is ready or why it is not.
    place
        Where its people and answers are; a laptop if None.

    Returns
    -------
    int
        The process's exit code.
    """
    tell = _say if ready_fd is None else _teller(ready_fd)
    orphans.adopt()
    try:
        home.prepare()
        if not home.lock():
            tell({"error": f"a local SageMaker already runs in {home.path}."})
            return 3
        # What a killed server left behind names a process that is not this one.
        home.forget_server()
        listener = home.listen(port)
        folder = RunFolder(home.path)
        try:
            server, token = _build(home, listener, folder, place or Place())
        except BaseException:
            folder.give_up()
            raise
    except (HomeError, StoreError, OSError) as error:
        # First, because whoever hears of it may try again at once.
        home.unlock()
        tell({"error": str(error)})
        return 2

    def ready() -> None:
        url = server.settings.url
        home.write_server(ServerInfo(os.getpid(), url, token))
        _LOG.info("Ready at %s (home: %s)", url, home.path)
        tell({"ready": True})
        # Nobody waits for it, and it may find a lot.
        threading.Thread(target=sweep, args=(folder.path.parent,), daemon=True).start()

    try:
        _serve(server, listener, ready)
    finally:
        server.close()
        # Nothing runs any more, and what is to be kept is in the home.
        folder.remove()
        home.forget_server()
        home.unlock()
    return 0


def _build(
    home: Home, listener: socket.socket, folder: RunFolder, place: Place
) -> tuple[Server, str]:
    settings = Settings(
        home=home.path, port=listener.getsockname()[1], run_dir=folder.path, **vars(place)
    )
    token = secrets.token_urlsafe(32)
    server = Server(settings, token)
    write_client_files(home.path)
    home.write_credentials(server.identity.root())
    return server, token


def _serve(server: Server, listener: socket.socket, ready: Callable[[], None]) -> None:
    application = server.application()
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=_STOP_GRACE,
        # S3 clients of ours keep many connections open; a job's client may be idle for long.
        timeout_keep_alive=75,
    )
    instance = _Announcing(config, ready)
    application.state.connections = instance.server_state.connections
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: setattr(instance, "should_exit", True))
    instance.run(sockets=[listener])


class _Announcing(uvicorn.Server):
    """Says so once it listens; leaves signals to its caller."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _say(message: dict[str, Any]) -> None:
    if "error" in message:
        print(f"local_sagemaker: {message['error']}", file=sys.stderr)


def _teller(descriptor: int) -> Tell:
    def tell(message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "w") as pipe:
            pipe.write(json.dumps(message) + "\n")

    return tell
