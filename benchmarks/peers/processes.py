"""What a process and all it started have used: processor time and memory."""

from __future__ import annotations

import contextlib

import psutil


def family(pid: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants, those that ended included."""
    total = 0.0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
            total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def memory_mb(pid: int) -> float:
    """Return the memory of a process and its descendants in MB; shared pages count once."""
    total = 0
    for process in family(pid):
        with contextlib.suppress(psutil.Error):
            found = process.memory_full_info()
            total += getattr(found, "pss", found.rss)
    return total / 1e6
