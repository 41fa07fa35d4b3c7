"""Keeps the request log: lines of JSON in files of bounded size, written by a thread of its own.

Requests only put an entry into a queue. It must not know what an entry says.
"""

import contextlib
import logging
import os
import queue
import threading
from pathlib import Path

from local_sagemaker.request_log.entry import Entry

FILE_NAME = "requests.jsonl"
KEPT_FILES = 4
"""How many full files are kept besides the one that is written; ``.1`` is the newest."""

_MAX_BYTES = 16 << 20
_MAX_WAITING = 100_000
# Entries that come within this time are written together: a thread that wakes for each request
# would take the interpreter from the next one.
_GATHER_SECONDS = 0.1
_LOG = logging.getLogger(__name__)


class RequestLog:
    """Writes entries.

    Parameters
    ----------
    home
        The folder of the files.
    max_bytes
        When a file is full.
    """

    def __init__(self, home: Path, max_bytes: int = _MAX_BYTES) -> None:
        self._path = home / FILE_NAME
        self._max_bytes = max_bytes
        self._waiting: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._failed = False
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Have an entry written soon."""
        if self._waiting.qsize() < _MAX_WAITING:
            self._waiting.put(entry)
        else:
            self._lost += 1

    def close(self) -> None:
        """Write what is waiting, and end."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        ended = False
        while not ended:
            entries = [self._waiting.get()]
            self._closing.wait(_GATHER_SECONDS)
            with contextlib.suppress(queue.Empty):
                while True:
                    entries.append(self._waiting.get_nowait())
            ended = None in entries
            text = "".join(entry.line() for entry in entries if entry is not None)
            if text:
                self._write(text.encode())

    def _write(self, data: bytes) -> None:
        try:
            self._append(data)
        except OSError as error:
            # Requests go on without their log; a full disk has more important news.
            if not self._failed:
                _LOG.warning("the request log %s cannot be written: %s", self._path, error)
            self._failed = True
            return
        self._failed = False
        if self._lost:
            _LOG.warning("%d requests were too many for the request log", self._lost)
            self._lost = 0

    def _append(self, data: bytes) -> None:
        # Before and not after: the file of the latest entries is always there for readers.
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_size >= self._max_bytes:
                self._rotate()
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            # A server that was killed may have left half a line.
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                data = b"\n" + data
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)

    def _rotate(self) -> None:
        for number in range(KEPT_FILES - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                older = self._path.with_name(f"{FILE_NAME}.{number + 1}")
                self._path.with_name(f"{FILE_NAME}.{number}").replace(older)
        self._path.replace(self._path.with_name(f"{FILE_NAME}.1"))
