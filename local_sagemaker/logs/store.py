"""Log groups, streams and events, kept as files that a person can read too.

``<folder>/<account>/<region>/<group>/<stream>.jsonl``, names percent-encoded: a first line with
the stream's creation time, then one line ``[timestamp, ingestion time, message]`` per event,
times in milliseconds since the epoch. A line is written in one piece, so a killed server leaves
at most an unfinished last line, which readers ignore and the next writer removes. This module
must not know who writes, nor the API that reads.
"""

import errno
import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

_SUFFIX = ".jsonl"
# File systems take 255 bytes for a name.
_MAX_NAME = 255 - len(_SUFFIX)
_BLOCK = 64 * 1024
_GROUP_FILE = "group.json"
# Bytes that logs leave free on the disk: the server must be able to write down how a job ended.
_RESERVE = 16 << 20


class LogMissing(Exception):
    """There is no such group (``what`` is ``log group``) or stream (``log stream``)."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The specified {what} does not exist.")
        self.what = what


class LogNameTooLong(Exception):
    """A name does not fit a file name."""


@dataclass(frozen=True)
class GroupKey:
    """Whose log group, where, and its name."""

    account: str
    region: str
    name: str


@dataclass(frozen=True)
class Event:
    """One line of a log.

    Attributes
    ----------
    timestamp, ingestion
        Milliseconds since the epoch: when it happened, and when it was stored.
    message
        The text.
    start, end
        Its bytes in the stream's file; a reader that stopped here goes on from ``end``.
    """

    timestamp: int
    ingestion: int
    message: str
    start: int
    end: int


@dataclass(frozen=True)
class Stream:
    """A log stream; times are milliseconds since the epoch, None while there is no event."""

    name: str
    created: int
    first: int | None
    last: int | None
    last_ingestion: int | None


class LogStore:
    """All log groups of all accounts.

    Parameters
    ----------
    folder
        Where the files lie; created, private to the user, when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def writer(self, account: str, region: str, group: str, stream: str) -> "LogWriter":
        """Return a writer at the end of a stream; both are created when they are not there."""
        key = GroupKey(account, region, group)
        if not self.has_group(key):
            self.create_group(key)
        path = self._stream_path(key, stream)
        if not path.exists():
            self.create_stream(key, stream)
        return LogWriter(path)

    def create_group(self, key: GroupKey) -> bool:
        """Make a log group; return whether it is new."""
        folder = self._group_path(key)
        if self.has_group(key):
            return False
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_new(folder / _GROUP_FILE, json.dumps({"created": _now()}))
        return True

    def create_stream(self, key: GroupKey, stream: str) -> bool:
        """Make an empty stream; return whether it is new. Raises `LogMissing`."""
        self._check_group(key)
        path = self._stream_path(key, stream)
        if path.exists():
            return False
        _write_new(path, json.dumps({"created": _now()}) + "\n")
        return True

    def has_group(self, key: GroupKey) -> bool:
        """Tell whether there is such a log group."""
        return (self._group_path(key) / _GROUP_FILE).exists()

    def groups(self, account: str, region: str) -> dict[str, int]:
        """Return the log groups with their creation times in milliseconds, sorted by name."""
        folder = self._folder / _encode(account) / _encode(region)
        found = {}
        for path in folder.glob(f"*/{_GROUP_FILE}"):
            found[unquote(path.parent.name)] = int(json.loads(path.read_text())["created"])
        return dict(sorted(found.items()))

    def stream_names(self, key: GroupKey, prefix: str = "") -> list[str]:
        """Return the names of a group's streams, sorted. Raises `LogMissing`."""
        self._check_group(key)
        names = (
            unquote(path.name.removesuffix(_SUFFIX))
            for path in self._group_path(key).iterdir()
            if path.suffix == _SUFFIX
        )
        return sorted(name for name in names if name.startswith(prefix))

    def stream(self, key: GroupKey, name: str) -> Stream:
        """Describe one stream. Raises `LogMissing`."""
        first = next(self.forward(key, name), None)
        last = next(self.backward(key, name), None)
        with self._existing(key, name).open("rb") as file:
            created = int(json.loads(file.readline())["created"])
        return Stream(
            name,
            created,
            first.timestamp if first else None,
            last.timestamp if last else None,
            last.ingestion if last else None,
        )

    def forward(self, key: GroupKey, stream: str, start: int = 0) -> Iterator[Event]:
        """Yield events from a position on, oldest first.

        Parameters
        ----------
        key, stream
            Which stream.
        start
            The ``end`` of an event, or 0.

        Raises
        ------
        LogMissing
            When there is no such group or stream.
        """
        return _forward(self._existing(key, stream), start)

    def backward(self, key: GroupKey, stream: str, end: int | None = None) -> Iterator[Event]:
        """Yield events before a position, newest first.

        Parameters
        ----------
        key, stream
            Which stream.
        end
            The ``start`` of an event; None for the stream's end.
        """
        return _backward(self._existing(key, stream), end)

    def delete_group(self, key: GroupKey) -> None:
        """Remove a group with its streams. Raises `LogMissing`."""
        self._check_group(key)
        # Without this file it is no group any more, whatever happens to the rest.
        (self._group_path(key) / _GROUP_FILE).unlink()
        shutil.rmtree(self._group_path(key), ignore_errors=True)

    def delete_stream(self, key: GroupKey, stream: str) -> None:
        """Remove a stream. Raises `LogMissing`."""
        self._existing(key, stream).unlink()

    def _group_path(self, key: GroupKey) -> Path:
        return self._folder / _encode(key.account) / _encode(key.region) / _encode(key.name)

    def _stream_path(self, key: GroupKey, stream: str) -> Path:
        return self._group_path(key) / (_encode(stream) + _SUFFIX)

    def _check_group(self, key: GroupKey) -> None:
        if not self.has_group(key):
            raise LogMissing("log group")

    def _existing(self, key: GroupKey, stream: str) -> Path:
        self._check_group(key)
        path = self._stream_path(key, stream)
        if not path.exists():
            raise LogMissing("log stream")
        return path


class LogWriter:
    """Appends events to one stream; safe to use from several threads, and beside other writers."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        # Under the lock of the file: what another writer has just written is not unfinished.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        os.ftruncate(self._descriptor, _complete_end(self._descriptor))
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def write(self, message: str) -> None:
        """Append one event that happens now."""
        self.write_all([message])

    def write_all(self, messages: Iterable[str]) -> None:
        """Append events that happen now; they are in the file on return."""
        now = _now()
        self.append((now, message) for message in messages)

    def append(self, events: Iterable[tuple[int, str]]) -> None:
        """Append events with their own timestamps, in milliseconds since the epoch.

        Raises
        ------
        OSError
            When the disk is full but for a reserve; then none of the events is in the file.
        """
        now = _now()
        data = memoryview(b"".join(_line(at, now, message) for at, message in events))
        with self._lock:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                self._write(data)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _write(self, data: memoryview) -> None:
        disk = os.fstatvfs(self._descriptor)
        if disk.f_bavail * disk.f_frsize < _RESERVE + len(data):
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} (all but a reserve is used)")
        end = os.fstat(self._descriptor).st_size
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            # The next event must not be glued to a piece of this one.
            os.ftruncate(self._descriptor, end)
            raise

    def close(self) -> None:
        """Close the file; further writes raise ``OSError``."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1


def _encode(name: str) -> str:
    encoded = quote(name, safe=" +,@=")
    if encoded in (".", ".."):
        encoded = encoded.replace(".", "%2E")
    if len(encoded) > _MAX_NAME:
        raise LogNameTooLong(
            f"The name {name!r} takes {len(encoded)} bytes as a file name; the local SageMaker "
            f"keeps logs as files and can take {_MAX_NAME}."
        )
    return encoded


def _now() -> int:
    return int(time.time() * 1000)


def _write_new(path: Path, text: str) -> None:
    """Make a file that is seen only complete."""
    temporary = path.with_name(f".{path.name[:200]}.{threading.get_ident()}")
    temporary.write_text(text)
    temporary.replace(path)


def _complete_end(descriptor: int) -> int:
    """Return where the last complete line ends."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _forward(path: Path, start: int) -> Iterator[Event]:
    with path.open("rb") as file:
        header = len(file.readline())
        position = max(start, header)
        file.seek(position)
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield _event(line, position)
            position += len(line)


def _backward(path: Path, end: int | None) -> Iterator[Event]:
    with path.open("rb") as file:
        header = len(file.readline())
        position = _complete_end(file.fileno()) if end is None else end
        pending = b""
        while position > header:
            start = max(header, position - _BLOCK)
            file.seek(start)
            pending = file.read(position - start) + pending
            position = start
            # But for the first block, what stands before a newline began in an earlier block.
            cut = 0 if position == header else pending.find(b"\n") + 1
            yield from reversed(list(_events(pending[cut:], position + cut)))
            pending = pending[:cut]


def _events(data: bytes, position: int) -> Iterator[Event]:
    for line in data.split(b"\n")[:-1]:
        yield _event(line + b"\n", position)
        position += len(line) + 1


def _line(timestamp: int, ingestion: int, message: str) -> bytes:
    text = json.dumps([timestamp, ingestion, message], ensure_ascii=False)
    # JSON can carry half a surrogate pair, UTF-8 cannot.
    return text.encode(errors="replace") + b"\n"


def _event(line: bytes, start: int) -> Event:
    timestamp, ingestion, message = json.loads(line)
    return Event(timestamp, ingestion, message, start, start + len(line))
