"""Starts, finds and stops the server's process from another one.

The server outlives whoever starts it. It tells its starter over a pipe that it is ready or why
it is not, so that nobody polls. This module must not import the server itself: it is what a
notebook loads.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import site
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from local_sagemaker.control import StartError, status
from local_sagemaker.home import Home, HomeError, ServerInfo
from local_sagemaker.settings import Place, default_run_dir

__all__ = ["Place", "StartError", "Started", "reachable", "reset", "start", "status", "stop"]

# A server with thousands of records and endpoints to bring back is up long before that.
_START_SECONDS = 120.0
_STOP_SECONDS = 150.0
_MAX_LOG = 64 * 1024 * 1024


@dataclass(frozen=True)
class Started:
    """A running server, and whether this call started it."""

    info: ServerInfo
    fresh: bool


def start(home: Home, port: int | None = None, place: Place | None = None) -> Started:
    """Start the server of a home in the background, or attach to the one that runs.

    Parameters
    ----------
    home
        Whose server.
    port
        The TCP port; the home's own if None.
    place
        Where its people and answers are; whatever the running server has if None, and a laptop
        otherwise.

    Raises
    ------
    StartError, HomeError
        With the reason and the remedy.
    """
    home.prepare()
    with home.starting():
        info = _attached(home)
        if info is not None:
            if port is not None and urlsplit(info.url).port != port:
                raise StartError(
                    f"the local SageMaker of {home.path} already runs at {info.url}. Stop it "
                    f"first to move it to port {port}."
                )
            _check_place(home, info, place)
            return Started(info, fresh=False)
        _launch(home, port, place or Place())
        info = _attached(home)
        if info is None:
            raise StartError(f"the server ended right after it started:\n{_tail(home)}")
        return Started(info, fresh=True)


def _check_place(home: Home, info: ServerInfo, place: Place | None) -> None:
    """Refuse a running server that is another account's, or that a proxy cannot lead to."""
    if place is None:
        return
    state = status(info)
    found = (state["account"], state["region"], state["review"]["answers_to_account"])
    missing = [name for name in place.portal_hosts if name not in state["review"]["hosts"]]
    if found != (place.account, place.region, place.answers_to_account) or missing:
        raise StartError(
            f"the local SageMaker of {home.path} already runs for account {found[0]} in {found[1]} "
            "with other settings. Stop it first, or name another home."
        )


def _launch(home: Home, port: int | None, place: Place) -> None:
    """Start the process and return when it is ready."""
    _rotate(home)
    # -P: a file in the user's working directory must not pass for a module of the server.
    command = [sys.executable, "-P", "-m", "local_sagemaker", "serve", "--home", str(home.path)]
    if port is not None:
        command += ["--port", str(port)]
    command += _options(place)
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as pipe:
        try:
            with home.log.open("ab") as log:
                told = log.tell()
                process = subprocess.Popen(
                    [*command, "--ready-fd", str(write_end)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(write_end,),
                    cwd=home.path,
                    env=_server_environment(os.environ, with_aws=place.answers_to_account),
                )
        except OSError as error:
            raise HomeError(f"cannot start a server in {home.path}: {error}.") from error
        finally:
            os.close(write_end)
        # It leaves its place to a child of its own at once.
        process.wait()
        answer = _answer(pipe.fileno(), time.monotonic() + _START_SECONDS)
    if answer is None:
        raise StartError(
            f"the server is not ready after {_START_SECONDS:.0f} s. Look at {home.log}; "
            "`python -m local_sagemaker stop` ends it."
        )
    if not answer:
        raise StartError(f"the server ended while it started:\n{_tail(home, told)}")
    message = json.loads(answer)
    if "error" in message:
        raise StartError(message["error"])


def _answer(pipe: int, deadline: float) -> bytes | None:
    """Return the line that a server says, nothing if it ended before, None if it says nothing."""
    answer = b""
    while not answer.endswith(b"\n"):
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not select.select([pipe], [], [], remaining)[0]:
            return None
        chunk = os.read(pipe, 65536)
        if not chunk:
            return b""
        answer += chunk
    return answer


def _options(place: Place) -> list[str]:
    options = ["--account", place.account, "--region", place.region]
    for name in place.portal_hosts:
        options += ["--allow-host", name]
    return options + (["--answers-to-account"] if place.answers_to_account else [])


def _server_environment(environment: Mapping[str, str], *, with_aws: bool) -> dict[str, str]:
    """Return the server's environment: this one, with this package where Python finds it.

    The user's keys and settings for AWS stay out of it, unless answers go to the user's account.
    """
    package = str(Path(__file__).resolve().parent.parent)
    # Entries may be relative, and the server works in its home.
    path = [str(Path(entry).absolute()) for entry in _entries(environment.get("PYTHONPATH", ""))]
    if package not in (*path, *site.getsitepackages(), site.getusersitepackages()):
        path.insert(0, package)
    kept = {
        name: value
        for name, value in environment.items()
        if with_aws or not name.startswith(("AWS_", "BOTOCORE_"))
    }
    return kept | {"PYTHONPATH": os.pathsep.join(path)}


def _entries(path: str) -> list[str]:
    return [entry for entry in path.split(os.pathsep) if entry]


def _rotate(home: Home) -> None:
    if home.log.exists() and home.log.stat().st_size > _MAX_LOG:
        home.log.replace(home.log.with_suffix(".log.1"))


def _attached(home: Home) -> ServerInfo | None:
    """Return the running server; None when there is none, or it was just about to end."""
    # Between taking the lock and writing server.json a starting server needs some milliseconds,
    # one with endpoints to bring back more.
    deadline = time.monotonic() + 15
    while home.running():
        info = home.server()
        if info is not None and reachable(info):
            return info
        if time.monotonic() > deadline:
            raise StartError(
                f"a server holds {home.path / 'lock'} but does not answer. Look at {home.log}; if "
                "it hangs, end it with `python -m local_sagemaker stop`."
            )
        time.sleep(0.05)
    return None


def reachable(info: ServerInfo) -> bool:
    """Tell whether the server answers."""
    try:
        status(info)
    except (StartError, HomeError):
        return False
    return True


def stop(home: Home) -> bool:
    """Stop the server of a home; return whether one ran.

    Running jobs and endpoints end with it: jobs are Failed with a reason, endpoints come back
    with the next start.
    """
    number = signal.SIGTERM
    server: psutil.Process | None = None
    deadline = time.monotonic() + _STOP_SECONDS
    while home.running():
        # The lock is the proof that this process is the server: a file alone may be stale.
        pid = home.holder()
        if pid is not None and (server is None or server.pid != pid):
            server = _signalled(pid, number)
        if time.monotonic() > deadline:
            if number == signal.SIGKILL:
                raise StartError(f"the server of {home.path} (process {pid}) cannot be ended.")
            number, server = signal.SIGKILL, None
            deadline += 10
        time.sleep(0.02)
    if home.is_one():
        home.forget_server()
    if server is None:
        return False
    _wait(server)
    return True


def _signalled(pid: int, number: signal.Signals) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        process.send_signal(number)
        # Suspended by Ctrl-Z or a debugger, it would not notice.
        process.resume()
    except psutil.NoSuchProcess:
        return None
    return process


def _wait(process: psutil.Process) -> None:
    # It gave up its lock, and has only to go. Whose child it is, that has to notice, is not known.
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.005)
                continue
        return


def reset(home: Home) -> None:
    """Stop the server and remove everything it kept."""
    if not home.path.exists():
        return
    if not home.is_one():
        raise HomeError(f"{home.path} is not the home of a local SageMaker; nothing was removed.")
    with home.starting():
        stop(home)
        shutil.rmtree(default_run_dir(home.path), ignore_errors=True)
        folder = home.path.resolve()
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise HomeError(f"{folder} cannot be removed: {error}.") from error
    if home.path.is_symlink():
        home.path.unlink()


def _tail(home: Home, start: int = 0, lines: int = 15) -> str:
    try:
        with home.log.open("rb") as log:
            log.seek(max(start, home.log.stat().st_size - 65536))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(its log {home.log} cannot be read: {error})"
