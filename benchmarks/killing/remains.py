"""What a killed server leaves on the machine: processes, and files that nothing needs.

It looks from outside: at the process table, the home's folders and its database, read-only.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from local_sagemaker.containers.process import MARKER
from local_sagemaker.settings import default_run_dir

_PATIENCE = 60.0


def descendants(pid: int) -> set[psutil.Process]:
    """Return the processes that a server has started, and theirs."""
    try:
        return set(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return set()


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those that still run: the same process, not one that got its number."""
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_until_gone(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Wait until no process is left; return those that do not go."""
    deadline = time.monotonic() + _PATIENCE
    left = alive(processes)
    while left and time.monotonic() < deadline:
        time.sleep(0.01)
        left = alive(left)
    return left


def marked(home: Path) -> list[psutil.Process]:
    """Return all processes that carry the marker of a home's containers."""
    folder = f"{default_run_dir(home)}/"
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER, "").startswith(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def needless_blobs(home: Path) -> list[str]:
    """Return the files of the object store that no object and no part refers to."""
    with sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT blob FROM s3_segments UNION SELECT blob FROM s3_parts")
        needed = {row[0] for row in rows}
    connection.close()
    there = [path for path in (home / "s3").rglob("*") if path.is_file()]
    return [path.name for path in there if path.name not in needed]


def missing_blobs(home: Path) -> set[str]:
    """Return the blobs that objects or parts refer to and that are not there."""
    with sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT blob FROM s3_segments UNION SELECT blob FROM s3_parts")
        needed = {row[0] for row in rows}
    connection.close()
    there = {
        path.name for path in (home / "s3").rglob("*") if re.fullmatch("[0-9a-f]{64}", path.name)
    }
    return needed - there


def containers(home: Path) -> int:
    """Return how many containers' folders there are."""
    folder = default_run_dir(home) / "c"
    return sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0


def size(home: Path) -> int:
    """Return the bytes of all files of a home."""
    total = 0
    for path in home.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
