"""A process group of a job or an endpoint, as the server sees it.

The command runs under `local_sagemaker.containers.supervisor`, one supervisor per process group.
This module knows pipes and signals; it must not know what a command is for.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from local_sagemaker.containers import orphans

MARKER = "LOCAL_SAGEMAKER_PROCESS"
"""The environment variable by which leftovers are found; children inherit it."""

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
# Where descendants could escape (macOS has no subreaper), one of them may hold the output open.
_LAST_WORDS = 1.0


@dataclass(frozen=True)
class Exit:
    """How a process group ended.

    Attributes
    ----------
    code
        The command's exit code; None when a signal ended it or it could not be started.
    signal
        The signal that ended the command, or None.
    error
        Why the command could not be started or watched, or None.
    """

    code: int | None = None
    signal: int | None = None
    error: str | None = None

    @property
    def status(self) -> int:
        """The exit code as a shell and Docker count it: 128 and the signal's number for those."""
        if self.signal is not None:
            return 128 + self.signal
        return 127 if self.code is None else self.code


class SupervisedProcess:
    """A running command with everything it starts.

    Parameters
    ----------
    command
        Program and arguments; the program is looked up on the environment's ``PATH``.
    environment
        All of its variables; nothing is inherited.
    directory
        Its working directory.
    marker
        Value of the variable `MARKER`.
    on_output
        Called with what it writes to its standard output and standard error, in chunks as they
        come, from a thread of this object. A slow callback slows the command down.
    on_exit
        Called once, after the last output and after all descendants have ended.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: Path,
        marker: str,
        on_output: Callable[[bytes], None],
        on_exit: Callable[[Exit], None] | None = None,
    ) -> None:
        self._marker = marker
        self._on_output = on_output
        self._on_exit = on_exit
        self._control = threading.Lock()
        self._ended = threading.Event()
        self._exit = Exit(error="its supervisor died")
        self.pid: int | None = None
        specification = {
            "command": list(command),
            "environment": {**environment, MARKER: marker},
            "directory": str(directory),
        }
        self._output, output = os.pipe()
        try:
            self._supervisor = orphans.started(
                lambda: subprocess.Popen(
                    [sys.executable, "-I", "-S", str(_SUPERVISOR), str(output)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    pass_fds=(output,),
                    # The marker finds the supervisor too. Its own libraries stay the server's.
                    env={**os.environ, MARKER: marker},
                    start_new_session=True,
                )
            )
        except BaseException:
            os.close(self._output)
            raise
        finally:
            os.close(output)
        self._tell(json.dumps(specification))
        self._thread = threading.Thread(target=self._watch, name=f"watch {marker}", daemon=True)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Wait until all of it has ended.

        Parameters
        ----------
        timeout
            Seconds; None for ever.

        Returns
        -------
        Exit or None
            How it ended, or None when it still runs.
        """
        return self._exit if self._ended.wait(timeout) else None

    def terminate(self, grace: float) -> None:
        """Send SIGTERM to all of it, and SIGKILL to what is left after a grace.

        Returns at once. Asking again can shorten the grace, never lengthen it.

        Parameters
        ----------
        grace
            Seconds.
        """
        self._tell(f"terminate {grace}")

    def kill(self) -> None:
        """Send SIGKILL to all of it; returns at once."""
        self._tell("kill")

    def _tell(self, line: str) -> None:
        pipe = self._supervisor.stdin
        with self._control:
            if pipe is None or pipe.closed:
                return
            try:
                pipe.write(line.encode() + b"\n")
                pipe.flush()
            except BrokenPipeError:
                # The supervisor has ended; `_watch` says how.
                return

    def _watch(self) -> None:
        events = self._supervisor.stdout
        if events is None:
            raise RuntimeError("the supervisor has no pipe for its events")
        try:
            self._follow(events)
        finally:
            # Also when a callback failed: closing the pipes ends the process group.
            self._finish()

    def _follow(self, events: IO[bytes]) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            selector.register(events, selectors.EVENT_READ)
            pending, timeout = b"", None
            while selector.get_map():
                ready = selector.select(timeout)
                if timeout is not None and not ready:
                    break
                for key, _ in ready:
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                        if key.fileobj is events:
                            # Who lost the supervisor might go on talking for ever.
                            self._end_rest()
                            timeout = _LAST_WORDS
                    elif key.fd == self._output:
                        self._on_output(data)
                    else:
                        *lines, pending = (pending + data).split(b"\n")
                        for line in lines:
                            self._take(json.loads(line))

    def _take(self, event: dict[str, object]) -> None:
        if event["event"] == "started":
            self.pid = int(str(event["pid"]))
        elif event["event"] == "failed":
            self._exit = Exit(error=str(event["error"]))
        else:
            code = int(str(event["code"]))
            self._exit = Exit(signal=-code) if code < 0 else Exit(code=code)

    def _finish(self) -> None:
        os.close(self._output)
        with self._control:
            for pipe in (self._supervisor.stdin, self._supervisor.stdout):
                if pipe is not None:
                    # An order that came too late is still in it, and cannot be flushed.
                    with suppress(BrokenPipeError):
                        pipe.close()
        self._end_rest()
        self._ended.set()
        if self._on_exit is not None:
            self._on_exit(self._exit)

    def _end_rest(self) -> None:
        """Wait for the supervisor; end what it did not, if it was killed."""
        killed = self._supervisor.wait() != 0
        if sys.platform != "linux" or killed:
            sweep(self._marker)
        orphans.ended(self._supervisor.pid, killed=killed)


def sweep(marker: str) -> int:
    """Kill the processes of a marker, or of all markers below it; return how many there were.

    Parameters
    ----------
    marker
        A whole marker, or its beginning up to a slash.
    """
    own = os.getpid()
    found = [process for process in psutil.process_iter() if _carries(process, marker)]
    found = [process for process in found if process.pid != own]
    for process in found:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.Error:
            continue
    psutil.wait_procs(found, timeout=5)
    return len(found)


def _carries(process: psutil.Process, marker: str) -> bool:
    try:
        value = process.environ().get(MARKER, "")
    except (psutil.Error, OSError):
        # Somebody else's process, or one that ended meanwhile.
        return False
    return value == marker or value.startswith(f"{marker}/")
