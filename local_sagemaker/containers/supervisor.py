"""Runs one command and sees to it that nothing of it is left when it, or the server, ends.

The server starts it as ``python -I -S supervisor.py OUTPUT_FD`` and holds the other end of its
standard input: the first line is a JSON object with ``command``, ``environment`` and
``directory``; further lines are ``terminate SECONDS`` or ``kill``; the end of file means that the
server is gone. Standard output carries one JSON object per event. It runs alone: it must not
import anything but the standard library, and nothing of this package.
"""

import ctypes
import errno
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NoReturn

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
# When the server is gone nobody can take the job's results: just long enough to close files.
_ORPHAN_GRACE = 2.0
# A process in uninterruptible sleep cannot be killed; the supervisor does not wait for it forever.
_KILL_PATIENCE = 30.0


class Supervisor:
    """The command, its descendants, and what was asked of them."""

    def __init__(self, output: int) -> None:
        self._output = output
        self._pending = b""
        self._command = 0
        self._status: int | None = None
        self._deadline: float | None = None
        self._wakeup, wakeup = os.pipe()
        for end in (self._wakeup, wakeup):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda *_: self._terminate(_ORPHAN_GRACE))
        _become_subreaper()

    def run(self) -> None:
        """Start the command, and end when it and all its descendants have ended."""
        specification = json.loads(self._first_line())
        try:
            self._command = self._spawn(specification)
        except OSError as error:
            os.close(self._output)
            _report(event="failed", error=f"{error.strerror}: {error.filename}")
            return
        os.close(self._output)
        _report(event="started", pid=self._command)
        # An order may have come in one piece with the specification.
        self._obey(b"")
        while not self._done():
            self._wait()
        self._kill_rest()
        status = self._status if self._status is not None else signal.SIGKILL
        _report(event="exited", code=os.waitstatus_to_exitcode(status))

    def _first_line(self) -> bytes:
        while b"\n" not in self._pending:
            data = os.read(0, 65536)
            if not data:
                raise SystemExit("the server went away before it said what to run")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _spawn(self, specification: dict[str, Any]) -> int:
        command, environment = specification["command"], specification["environment"]
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._become(command, environment, specification["directory"], write)
        os.close(write)
        # The write end is closed by a successful exec, so silence is success.
        with os.fdopen(read, "rb") as stream:
            failure = stream.read()
        if failure:
            os.waitpid(pid, 0)
            number, _, name = failure.partition(b" ")
            raise OSError(int(number), os.strerror(int(number)), os.fsdecode(name))
        return pid

    def _become(
        self, command: list[str], environment: dict[str, str], directory: str, failure: int
    ) -> NoReturn:
        name = directory
        try:
            os.setsid()
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
            os.dup2(self._output, 1)
            os.dup2(self._output, 2)
            os.close(self._output)
            # Python ignores these two, and what is ignored stays ignored after exec.
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            if hasattr(signal, "SIGXFSZ"):
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            os.chdir(directory)
            name = command[0]
            os.execvpe(name, command, environment)
        except (OSError, ValueError) as error:
            # ValueError: a null byte in an argument or a variable.
            number = getattr(error, "errno", None) or errno.EINVAL
            os.write(failure, b"%d %s" % (number, os.fsencode(name)))
        finally:
            os._exit(127)

    def _done(self) -> bool:
        left = self._reap()
        if not left:
            return True
        if self._deadline is None:
            # As in a container: when the command ends, so does all that it started.
            return self._status is not None
        return time.monotonic() >= self._deadline

    def _wait(self) -> None:
        timeout = None
        if self._deadline is not None:
            timeout = max(0.0, self._deadline - time.monotonic())
        readable, _, _ = select.select([0, self._wakeup], [], [], timeout)
        if self._wakeup in readable:
            os.read(self._wakeup, 4096)
        if 0 in readable:
            self._read_orders()

    def _read_orders(self) -> None:
        data = os.read(0, 4096)
        if data:
            self._obey(data)
            return
        self._terminate(_ORPHAN_GRACE)
        # An end of file stays readable; a pipe that never is takes its place.
        silent, _ = os.pipe()
        os.dup2(silent, 0)

    def _obey(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            word, _, argument = line.partition(b" ")
            if word == b"terminate":
                self._terminate(float(argument))
            elif word == b"kill":
                self._deadline = time.monotonic()

    def _terminate(self, grace: float) -> None:
        if not self._command:
            raise SystemExit("told to end before the command was started")
        deadline = time.monotonic() + grace
        if self._deadline is not None:
            # SIGTERM was sent already; a second one could interrupt the saving of a model.
            self._deadline = min(self._deadline, deadline)
            return
        self._deadline = deadline
        _send(signal.SIGTERM, self._command)

    def _reap(self) -> bool:
        """Collect the ended; return whether any child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._command:
                self._status = status

    def _kill_rest(self) -> None:
        patience = time.monotonic() + _KILL_PATIENCE
        while self._reap() and time.monotonic() < patience:
            _send(signal.SIGKILL, self._command)
            if select.select([self._wakeup], [], [], 0.05)[0]:
                os.read(self._wakeup, 4096)


def _become_subreaper() -> None:
    """Make orphaned descendants children of this process, those that called setsid included."""
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl(PR_SET_CHILD_SUBREAPER): {os.strerror(number)}")


def _send(number: signal.Signals, group: int) -> None:
    """Signal each descendant once: the command's group, and those that left it."""
    others = [pid for pid, pgid in _descendants(os.getpid()) if pgid != group]
    # macOS answers EPERM for a group of zombies.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for pid in others:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _descendants(root: int) -> list[tuple[int, int]]:
    """Return (pid, process group) of everything below a process."""
    children: dict[int, list[tuple[int, int]]] = {}
    for pid, parent, group in _processes():
        children.setdefault(parent, []).append((pid, group))
    found: list[tuple[int, int]] = []
    parents = [root]
    while parents:
        below = children.get(parents.pop(), [])
        found += below
        parents += [pid for pid, _ in below]
    return found


def _processes() -> Iterable[tuple[int, int, int]]:
    """Yield (pid, parent, process group) of every process."""
    if sys.platform != "linux":
        import subprocess  # costs 10 ms, and only macOS needs it

        command = ["/bin/ps", "-axo", "pid=,ppid=,pgid="]
        for row in subprocess.run(command, capture_output=True, check=True).stdout.splitlines():
            pid, parent, group = map(int, row.split())
            yield pid, parent, group
        return
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(entry.path + "/stat", "rb") as file:  # noqa: PTH123  (pathlib costs 10 ms)
                # The command's name stands in parentheses and may itself hold any character.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        yield int(entry.name), int(fields[1]), int(fields[2])


def _report(**event: object) -> None:
    try:
        os.write(1, json.dumps(event).encode() + b"\n")
    except BrokenPipeError:
        return


if __name__ == "__main__":
    Supervisor(int(sys.argv[1])).run()
