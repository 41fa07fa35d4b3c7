"""Reads the request log, also while a server writes it.

It knows the files; it must not know how lines are shown.
"""

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

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
    found: deque[Line] = deque(maxlen=count)
    with _opened(home) as files:
        for file in reversed(files):
            found.extend(line for line in map(_parsed, file) if line and wanted(line))
    return list(found)


def follow(home: Path, wanted: Callable[[Line], bool]) -> Iterator[Line]:
    """Yield entries as they are written from now on; it never ends by itself."""
    with _opened(home) as files:
        inode, position = (_inode(files[0]), files[0].seek(0, os.SEEK_END)) if files else (0, 0)
    while True:
        lines: list[Line] = []
        with _opened(home) as files:
            inodes = [_inode(file) for file in files]
            if inode not in inodes:
                # Of files that are all newer than what was read, everything is new.
                position = 0
            unread = files[: inodes.index(inode) + 1] if inode in inodes else files
            for file in reversed(unread):
                file.seek(position)
                data = file.read()
                whole = data[: data.rfind(b"\n") + 1]
                lines += [line for line in map(_parsed, whole.splitlines()) if line]
                inode, position = _inode(file), position + len(whole)
                if file is not files[0]:
                    position = 0
        yield from filter(wanted, lines)
        if not lines:
            time.sleep(_POLL_SECONDS)


@contextmanager
def _opened(home: Path) -> Iterator[list[BinaryIO]]:
    """Open all files of a log, the newest first."""
    files: list[BinaryIO] = []
    with ExitStack() as stack:
        # In this order a file that is put aside meanwhile is met twice, and not missed.
        for name in [FILE_NAME, *(f"{FILE_NAME}.{n}" for n in range(1, KEPT_FILES + 1))]:
            with suppress(FileNotFoundError):
                file = stack.enter_context((home / name).open("rb"))
                if _inode(file) not in map(_inode, files):
                    files.append(file)
        yield files


def _inode(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_ino


def _parsed(text: bytes) -> Line | None:
    try:
        line = json.loads(text)
    except ValueError:
        # Half a line, of a server that was killed.
        return None
    return line if isinstance(line, dict) else None
