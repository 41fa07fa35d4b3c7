"""Processes that lost their supervisor: they become the server's, and are ended.

On Linux a process can ask to be given its descendants whose parents died (prctl(2),
PR_SET_CHILD_SUBREAPER). Supervisors do so for their jobs, and the server for its supervisors: if
one is killed, whatever it watched is handed to the server, even what left its session and cleared
its environment. This module knows processes; it must not know jobs.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import psutil

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

# Between a child's birth and the note of its pid it must not pass for an orphan.
_lock = threading.Lock()
_supervisors: set[int] = set()
_adopting = threading.Event()


def adopt() -> None:
    """Have this process be given the descendants of a supervisor that was killed.

    For the server only: it has no other children in sessions of their own.
    """
    if (
        sys.platform == "linux"
        and ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    ):
        _adopting.set()


def started(start: Callable[[], "subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    """Start a supervisor; it is no orphan until `ended` is told of it."""
    with _lock:
        process = start()
        _supervisors.add(process.pid)
    return process


def ended(supervisor: int, *, killed: bool) -> int:
    """Forget a supervisor; return how many orphans of killed ones were ended.

    Parameters
    ----------
    supervisor
        Its pid.
    killed
        Whether it ended other than by having done its work.
    """
    with _lock:
        _supervisors.discard(supervisor)
        if not (killed and _adopting.is_set()):
            return 0
        count = 0
        # The children of an orphan become the server's when it is killed.
        while orphans := _orphans():
            for process in orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process, 0)
            count += len(orphans)
        return count


def _orphans() -> list[int]:
    """Return the children that this process did not start; its own stay in its session."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(ProcessLookupError):
            if child.pid not in _supervisors and os.getsid(child.pid) != os.getsid(0):
                found.append(child.pid)
    return found
