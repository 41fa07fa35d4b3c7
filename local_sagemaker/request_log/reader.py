"""Reads the request log, also while a server writes it.

It knows the files; it must not know how lines are shown.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from local_sagemaker.request_log.writer import FILE_NAME, KEPT_FILES

Line = dict[str, Any]

_POLL_SECONDS = 0.2


def last_lines(home: Path, count: int | None, wanted: Callable[[Line], bool]) -> list[Line]:
    """Return the latest entries.

    Parameters
    ----------
    home
        The folder of the files.
    count
        How many at most; all if None.
    wanted
        Tells which entries count.
    """
    newest_last = [f"{FILE_NAME}.{number}" for number in range(KEPT_FILES, 0, -1)] + [FILE_NAME]
    found: deque[Line] = deque(maxlen=count)
    for name in newest_last:
        path = home / name
        if path.exists():
            with path.open("rb") as file:
                found.extend(line for line in map(_parsed, file) if line and wanted(line))
    return list(found)


def follow(home: Path, wanted: Callable[[Line], bool]) -> Iterator[Line]:
    """Yield entries as they are written from now on; it never ends by itself."""
    path = home / FILE_NAME
    position, inode = _end(path)
    while True:
        state = path.stat() if path.exists() else None
        if state is None or (state.st_ino == inode and state.st_size == position):
            time.sleep(_POLL_SECONDS)
            continue
        if state.st_ino != inode:
            # A full file was put aside: what was added to it since is read first.
            aside = path.with_name(f"{FILE_NAME}.1")
            if inode and aside.exists() and aside.stat().st_ino == inode:
                yield from filter(wanted, _new_lines(aside, position)[0])
            position, inode = 0, state.st_ino
        lines, position = _new_lines(path, position)
        yield from filter(wanted, lines)


def _end(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except FileNotFoundError:
        return 0, 0
    return state.st_size, state.st_ino


def _new_lines(path: Path, position: int) -> tuple[list[Line], int]:
    """Return the whole lines behind a position, and where they end."""
    with path.open("rb") as file:
        file.seek(position)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    if not whole:
        time.sleep(_POLL_SECONDS)
    parsed = [line for line in map(_parsed, whole.split(b"\n")) if line]
    return parsed, position + len(whole)


def _parsed(text: bytes) -> Line | None:
    try:
        line = json.loads(text)
    except ValueError:
        # Half a line, of a server that was killed.
        return None
    return line if isinstance(line, dict) else None
