"""Content-addressed files: what objects are made of.

A blob is a file named after the SHA-256 of its bytes. It appears under its name complete and on
disk, never changes, and is deleted once nothing refers to it and nobody holds it. This module
knows files and names; it must not know buckets, keys, or where references are kept.
"""

import errno
import fcntl
import hashlib
import itertools
import logging
import os
import queue
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

CHUNK = 1 << 20
"""How many bytes are read, hashed or written at a time."""

RESERVE = 16 << 20
"""Bytes that blobs leave free on the disk: deleting needs room in the database's log."""

_BATCH = 200
_NAME = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger(__name__)


class BlobMissing(Exception):
    """A blob is not there (any more)."""


@dataclass(frozen=True)
class Segment:
    """A blob as part of a longer content; ``size`` is in bytes."""

    blob: str
    size: int


class Blobs:
    """A folder of blobs, and the thread that removes those which nothing needs.

    Parameters
    ----------
    folder
        Where the files lie; created, private to the user, when it is not there. Only one
        process may use it at a time.
    referenced
        Given names of blobs, returns those of them that something durable refers to. Called by
        the collecting thread only.

    Notes
    -----
    A blob is safe from collection while it is *held*: a writer holds what it wrote until its
    ``with`` block ends, a reader of several segments holds them until it is closed. Releasing
    is a message to the collecting thread, so it needs no lock and may happen anywhere, even
    while the interpreter finalises a forgotten reader in the middle of a transaction.
    """

    def __init__(self, folder: Path, referenced: Callable[[Sequence[str]], set[str]]) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        self._referenced = referenced
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()
        self._doomed: set[str] = set()
        self._numbers = itertools.count()
        self._messages: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for leftover in self._incoming.iterdir():
            leftover.unlink()
        for number in range(256):
            (folder / f"{number:02x}").mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder)
        self._collector = threading.Thread(
            target=self._collect_forever, name="s3-collector", daemon=True
        )
        self._collector.start()

    def writer(self) -> "BlobWriter":
        """Return a context that takes the bytes of one new blob."""
        return BlobWriter(self, self._incoming / f"{os.getpid()}-{next(self._numbers)}")

    def hold(self, names: Iterable[str]) -> "Hold":
        """Keep blobs from being collected until the returned hold is released.

        Raises
        ------
        BlobMissing
            When one of them is not there.
        """
        wanted = tuple(set(names))
        with self._lock:
            for name in wanted:
                if not self.path(name).exists():
                    raise BlobMissing(name)
            self._held.update(wanted)
        return Hold(self, wanted)

    def path(self, name: str) -> Path:
        """Return the file of a blob, whether it is there or not."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a blob")
        return self.folder / name[:2] / name

    def discard(self, names: Iterable[str]) -> None:
        """Have blobs removed, soon, unless something refers to them or holds them."""
        wanted = tuple(names)
        if wanted:
            self._messages.put(lambda: self._collect(wanted))

    def sweep(self) -> None:
        """Have every blob removed, soon, that nothing refers to: what a killed server left."""
        self._messages.put(self._sweep)

    def close(self) -> None:
        """Finish the collecting that was asked for, and stop."""
        self._messages.put(None)
        self._collector.join()

    def adopt(self, temporary: Path, name: str) -> "Hold":
        """Make a finished temporary file the blob of this name; it is held from then on."""
        target = self.path(name)
        with self._lock:
            self._held[name] += 1
        hold = Hold(self, (name,))
        try:
            # Replacing an equal blob is harmless: readers keep the file they opened.
            temporary.replace(target)
            sync_folder(target.parent)
        except BaseException:
            hold.release()
            raise
        return hold

    def release(self, names: Sequence[str]) -> None:
        """End one hold on each of the blobs; for `Hold`."""
        self._messages.put(lambda: self._release(names))

    def _collect_forever(self) -> None:
        while (message := self._messages.get()) is not None:
            try:
                message()
            except Exception:  # noqa: BLE001  (the thread must outlive one failure; a sweep tries again)
                _log.exception("collecting blobs in %s failed", self.folder)

    def _release(self, names: Sequence[str]) -> None:
        with self._lock:
            self._held.subtract(names)
            free = [name for name in names if self._held[name] <= 0]
            for name in free:
                del self._held[name]
            doomed = self._doomed.intersection(free)
            self._doomed -= doomed
        self._collect(tuple(doomed))

    def _collect(self, names: Sequence[str]) -> None:
        for start in range(0, len(names), _BATCH):
            with self._lock:
                batch = set(names[start : start + _BATCH])
                held = {name for name in batch if name in self._held}
                self._doomed |= held
            # Not under the lock: whoever is in a transaction may be waiting for it.
            free = batch - held
            unreferenced = free - self._referenced(sorted(free))
            with self._lock:
                # Whoever referred to a blob since then held it first, and still does: holds end
                # in this thread only.
                for name in unreferenced - self._held.keys():
                    self.path(name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        for number in range(256):
            folder = self.folder / f"{number:02x}"
            self._collect([entry.name for entry in folder.iterdir() if _NAME.fullmatch(entry.name)])


class Hold:
    """Keeps blobs from being collected; ends with `release` or a ``with`` block."""

    def __init__(self, blobs: Blobs, names: Sequence[str]) -> None:
        self._blobs = blobs
        self._names = names

    def release(self) -> None:
        """Let go; doing so again is harmless."""
        names, self._names = self._names, ()
        if names:
            self._blobs.release(names)

    def __enter__(self) -> "Hold":
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


class BlobWriter:
    """Takes the bytes of one blob, inside a ``with`` block.

    The blob exists once `keep` has returned. It stays only if something refers to it by the end
    of the block; after an exception it is discarded.

    Attributes
    ----------
    size
        Bytes written so far.
    """

    def __init__(self, blobs: Blobs, path: Path) -> None:
        self._blobs = blobs
        self._path = path
        self._file = path.open("xb", buffering=0)
        path.chmod(0o600)
        self._hash = hashlib.sha256()
        self._hold: Hold | None = None
        self._name = ""
        self.size = 0

    @property
    def sha256(self) -> str:
        """The hexadecimal SHA-256 of what was written so far."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes; `OSError` when the disk cannot take them."""
        disk = os.statvfs(self._blobs.folder)
        if disk.f_bavail * disk.f_frsize < RESERVE + len(data):
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} (all but a reserve is used)")
        rest = memoryview(data)
        while rest:
            # A raw write may take less than it was given, for instance on a filling disk.
            rest = rest[self._file.write(rest) :]
        self._hash.update(data)
        self.size += len(data)

    def keep(self) -> Segment:
        """Put the blob on disk under its name, durably, and hold it until the block ends."""
        sync_file(self._file.fileno())
        self._file.close()
        self._name = self.sha256
        self._hold = self._blobs.adopt(self._path, self._name)
        return Segment(self._name, self.size)

    def __enter__(self) -> "BlobWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()
        if self._hold is None:
            self._path.unlink(missing_ok=True)
            return
        if error is not None:
            self._blobs.discard([self._name])
        self._hold.release()


def sync_file(descriptor: int) -> None:
    """Force a file's bytes onto the disk."""
    if hasattr(fcntl, "F_FULLFSYNC"):
        # On macOS fsync leaves the bytes in the drive's cache (fsync(2)).
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Force a folder's entries onto the disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        sync_file(descriptor)
    finally:
        os.close(descriptor)
