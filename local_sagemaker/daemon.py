"""Starts, finds and stops the server's process from another one.

The server outlives whoever starts it. It tells its starter over a pipe that it is ready or why
it is not, so that nobody polls. This module must not import the server itself: it is what a
notebook loads.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from local_sagemaker.home import Home, HomeError, ServerInfo
from local_sagemaker.settings import default_run_dir

_STOP_SECONDS = 150.0
# The servers that this process started. They outlive the call that did, and those that ended
# must be waited for, lest they stay as zombies.
_STARTED: list[subprocess.Popen[bytes]] = []
_CREDENTIALS = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")
# Variables that would lead a client past the local server, and are taken out of its environment.
MISLEADING = (
    *_CREDENTIALS,
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL_SAGEMAKER",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class StartError(Exception):
    """The server did not start; the message says why and what to do."""


@dataclass(frozen=True)
class Started:
    """A running server, and whether this call started it."""

    info: ServerInfo
    fresh: bool


def start(home: Home, port: int | None = None) -> Started:
    """Start the server of a home in the background, or attach to the one that runs.

    Parameters
    ----------
    home
        Whose server.
    port
        The TCP port; the home's own if None.

    Raises
    ------
    StartError, HomeError
        With the reason and the remedy.
    """
    home.prepare()
    if home.running():
        info = _attached(home)
        if port is not None and urlsplit(info.url).port != port:
            raise StartError(
                f"the local SageMaker of {home.path} already runs at {info.url}. Stop it first to "
                f"move it to port {port}."
            )
        return Started(info, fresh=False)
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "local_sagemaker", "serve", "--home", str(home.path)]
    command += ["--ready-fd", str(write_end)]
    if port is not None:
        command += ["--port", str(port)]
    try:
        with home.log.open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(write_end,),
            )
    except OSError as error:
        os.close(read_end)
        raise HomeError(f"cannot write to {home.log}: {error.strerror or error}.") from error
    finally:
        os.close(write_end)
    _STARTED[:] = [*(server for server in _STARTED if server.poll() is None), process]
    with os.fdopen(read_end) as pipe:
        answer = pipe.readline()
    if not answer:
        process.wait()
        raise StartError(f"the server ended while it started:\n{_tail(home)}")
    message = json.loads(answer)
    if "error" in message:
        process.wait()
        # Another process may have been faster by a moment.
        if message.get("running"):
            return Started(_attached(home), fresh=False)
        raise StartError(message["error"])
    return Started(_attached(home), fresh=True)


def _attached(home: Home) -> ServerInfo:
    # Between taking the lock and writing server.json a starting server needs some milliseconds.
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        info = home.server()
        if info is not None and reachable(info):
            return info
        if not home.running():
            break
        time.sleep(0.05)
    raise StartError(
        f"a server holds {home.path}/lock but does not answer. Look at {home.log}; if it hangs, "
        "end it with `python -m local_sagemaker stop`."
    )


def reachable(info: ServerInfo) -> bool:
    """Tell whether the server answers."""
    try:
        status(info)
    except (OSError, HomeError, ValueError):
        return False
    return True


def status(info: ServerInfo) -> dict[str, Any]:
    """Ask a running server for its state."""
    target = urlsplit(info.url)
    connection = HTTPConnection(target.hostname or "", target.port, timeout=10)
    try:
        headers = {"Authorization": f"Bearer {info.token}"}
        connection.request("GET", "/_local/status", headers=headers)
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            raise HomeError(f"{info.url} answered {response.status}: another server has its port.")
        answer: dict[str, Any] = json.loads(content)
        return answer
    finally:
        connection.close()


def stop(home: Home) -> bool:
    """Stop the server of a home; return whether one ran.

    Running jobs and endpoints end with it: jobs are Failed with a reason, endpoints come back
    with the next start.
    """
    if not home.running():
        home.forget_server()
        return False
    info = home.server()
    if info is None:
        raise StartError(f"a server holds {home.path}/lock but left no server.json; look for it.")
    _signal(info.pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while home.running():
        if time.monotonic() > deadline:
            _signal(info.pid, signal.SIGKILL)
            deadline += 10
        time.sleep(0.02)
    for server in _STARTED:
        if server.pid == info.pid:
            server.wait()
    home.forget_server()
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def reset(home: Home) -> None:
    """Stop the server and remove everything it kept."""
    if not home.path.exists():
        return
    if not home.is_one():
        raise HomeError(f"{home.path} is not the home of a local SageMaker; nothing was removed.")
    stop(home)
    shutil.rmtree(default_run_dir(home.path), ignore_errors=True)
    shutil.rmtree(home.path)


def _tail(home: Home, lines: int = 15) -> str:
    try:
        return "\n".join(home.log.read_text(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(its log {home.log} cannot be read: {error})"
