"""One serving process of an endpoint: started, watched for health, spoken to, stopped.

It knows the process, its socket and its log. Who sends it requests, and what happens when it
dies, is its fleet's matter.
"""

import asyncio
import itertools
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import psutil

from local_sagemaker.containers.container import Container
from local_sagemaker.containers.process import Exit
from local_sagemaker.hosting.unix_http import UnixConnection, get, ping
from local_sagemaker.logs.lines import LineSplitter

# From SIGTERM to SIGKILL (AWS's developer guide, "How containers serve requests").
STOP_GRACE = 30.0
_PING_TIMEOUT = 2.0  # of the same guide
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
_REMEMBERED_LINES = 80
_TRACEBACK = "Traceback (most recent call last):"
_LINES_WITHOUT_TRACEBACK = 5
_STARTS = itertools.count(1)


class WorkerFailed(Exception):
    """A serving process ended, or stayed unhealthy, before it could serve; the text says why."""


class LineSink(Protocol):
    """Where the lines of a process go."""

    def write(self, line: str) -> None:
        """Take one line, without its end."""


@dataclass(frozen=True)
class WorkerPlan:
    """What all serving processes of a fleet have in common.

    Attributes
    ----------
    container
        Its folder holds the unpacked model, as ``model``, and their sockets.
    environment
        All of their variables.
    startup_timeout
        Seconds within which ``/ping`` must answer 200.
    request_timeout
        Seconds that one request may take before its process is killed.
    open_log
        Returns the log of a numbered process.
    """

    container: Container
    environment: Mapping[str, str]
    startup_timeout: float
    request_timeout: float
    open_log: Callable[[int], LineSink]


class Worker:
    """A serving process from its start to its end.

    Parameters
    ----------
    plan
        What it shares with its fleet.
    number
        Its place in the fleet; a replacement has the number of the one it replaces.
    on_exit
        Called once, from a thread, when it has ended.

    Attributes
    ----------
    log
        Where its lines go.
    started_in, start_cost
        Seconds until it served, and the seconds of processor time that this took; 0 before.
    idle_since
        When it last became idle, in monotonic time; its crew's to set.
    """

    def __init__(self, plan: WorkerPlan, number: int, on_exit: Callable[["Worker"], None]) -> None:
        self.plan = plan
        self.number = number
        self.log = plan.open_log(number)
        # A new path for each: nothing can ever reach a successor by mistake.
        self._socket = plan.container.root / f"{next(_STARTS)}.sock"
        self._lines = LineSplitter()
        self._tail: deque[str] = deque(maxlen=_REMEMBERED_LINES)
        self._connections: dict[asyncio.AbstractEventLoop, UnixConnection] = {}
        self._began = time.monotonic()
        self._exit: Exit | None = None
        self._killed_because = ""
        self.started_in = 0.0
        self.start_cost = 0.0
        self.idle_since = self._began

        def ended(how: Exit) -> None:
            self._exit = how
            for line in self._lines.finish():
                self._write(line)
            self._socket.unlink(missing_ok=True)
            on_exit(self)

        model_dir = plan.container.root / "model"
        command = [sys.executable, "-P", "-m", "local_sagemaker.serving"]
        command += ["--model-dir", str(model_dir), "--socket", str(self._socket)]
        self._process = plan.container.start(
            command,
            environment=plan.environment,
            # As in AWS's containers, whose model server works in the model's folder.
            directory=model_dir,
            on_output=self._take,
            on_exit=ended,
        )

    def wait_healthy(self) -> None:
        """Wait until it serves.

        Raises
        ------
        WorkerFailed
            With the end of its traceback, or its last lines, when it ended or took too long.
        """
        deadline = time.monotonic() + self.plan.startup_timeout
        pause = _FIRST_PAUSE
        while not ping(self._socket, _PING_TIMEOUT):
            ended = self._process.wait(pause)
            if ended is not None:
                raise WorkerFailed(f"{self._told(ended)}{self.last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise WorkerFailed(
                    f"its process did not answer /ping with 200 within "
                    f"{self.plan.startup_timeout:g} seconds.{self.last_words()}"
                )
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        self.started_in = time.monotonic() - self._began
        with suppress(psutil.Error):
            if (process := self._running()) is not None:
                used = process.cpu_times()
                self.start_cost = used.user + used.system

    def memory(self) -> int:
        """Return how many bytes of memory it holds; 0 before it runs and once it has ended."""
        with suppress(psutil.Error):
            if (process := self._running()) is not None:
                return int(process.memory_info().rss)
        return 0

    def _running(self) -> psutil.Process | None:
        # Without a number psutil takes this very process, which is the server.
        pid = self._process.pid
        return None if pid is None else psutil.Process(pid)

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._exit is not None

    def how_it_ended(self) -> str:
        """Return a sentence on how its process ended."""
        return self._told(self._exit) if self._exit else "its process still runs."

    def last_words(self) -> str:
        """Return the last traceback it wrote, or its last lines; empty when it wrote nothing."""
        lines = list(self._tail)
        starts = [index for index, line in enumerate(lines) if _TRACEBACK in line]
        end = lines[starts[-1] :] if starts else lines[-_LINES_WITHOUT_TRACEBACK:]
        return "\n" + "\n".join(end) if end else ""

    async def connect(self) -> UnixConnection:
        """Return the event loop's connection to it; `OSError` when it does not listen."""
        loop = asyncio.get_running_loop()
        connection = self._connections.get(loop)
        if connection is None or connection.closed:
            connection = self._connections[loop] = await UnixConnection.open(self._socket)
        return connection

    def get(self, target: str, timeout: float) -> tuple[int, bytes]:
        """Return the status and the body of the answer to a GET; blocks until then.

        Raises
        ------
        OSError, http.client.HTTPException
            When there is no answer within some seconds.
        """
        return get(self._socket, target, timeout)

    def stop(self, grace: float = STOP_GRACE) -> None:
        """Let it answer the request it has, and end; returns at once."""
        self._process.terminate(grace)

    def kill(self, reason: str = "") -> None:
        """End it now; returns at once.

        Parameters
        ----------
        reason
            For whoever asks how it ended.
        """
        self._killed_because = self._killed_because or reason
        self._process.kill()

    def wait(self, timeout: float) -> bool:
        """Wait until it has ended, seconds at most; tell whether it has."""
        return self._process.wait(timeout) is not None

    def _told(self, ended: Exit) -> str:
        how = _how(ended)
        return f"{how.removesuffix('.')}: {self._killed_because}." if self._killed_because else how

    def _take(self, data: bytes) -> None:
        for line in self._lines.feed(data):
            self._write(line)

    def _write(self, line: str) -> None:
        self._tail.append(line)
        self.log.write(line)


def _how(ended: Exit) -> str:
    if ended.error:
        return f"its process could not be run: {ended.error}."
    if ended.signal:
        return f"its process was ended by signal {ended.signal}."
    return f"its process ended with exit code {ended.code}."
