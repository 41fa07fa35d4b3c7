"""A readable tree of the objects, for people: a view, never the truth.

``<folder>/<account>/<bucket>/<key>`` holds copies, so that whoever edits a file there changes no
object. A hard or symbolic link to a blob would be free, but writing through it would change every
object of that content without a trace; file permissions do not stop an owner, let alone root. A
thread follows the store, behind it by a moment, and makes the tree anew after a killed server.
This module reads the store through its public face; nothing may depend on the tree.
"""

import errno
import fcntl
import logging
import os
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.blobs import CHUNK
from local_sagemaker.s3.content import ContentReader
from local_sagemaker.s3.model import Bucket, ObjectInfo
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.tree_names import NOTE, OBJECT_AND_FOLDER, path_of

LARGEST = 32 << 20
"""Bytes of the largest object that is copied where the file system cannot share them."""

_FREE = 1 << 30
# Seconds without a change after which the tree follows, and after which it does in any case: a
# client that writes much is not to share the processor with it.
_QUIET = 1.0
_LATEST = 20.0
# Who stops the server does not wait for more files than this.
_AT_THE_END = 500
_CURRENT = ".current"
_NOTHING = ("", "")
_FICLONE = 0x40049409  # linux/fs.h: share a file's blocks until one of both is written
_LOG = logging.getLogger(__name__)

_README = f"""\
These are copies of the objects in the local SageMaker's S3, for looking at:
ACCOUNT/BUCKET/KEY. They follow the store, a moment behind it. Whatever is changed, added or
removed here changes no object, and is undone when the object changes or the tree is made anew
(`python -m local_sagemaker tree`). Use boto3 or the SageMaker SDK to write.

Keys are not file names:
- Characters that a file system may not take are written as % and their code: ".." is ".%2E".
- An object whose key is also the beginning of others ("a" beside "a/b") ends with
  "{OBJECT_AND_FOLDER}".
- An empty part of a key, as in "a//b" or at the end of "a/", is "%empty".
- Very long parts are cut, and end with "%long-" and a digest.
- Objects over {LARGEST >> 20} MiB are copied only where the file system can share the bytes; a
  file that ends with "{NOTE}" says how to get others.
- A key whose path is too long for this machine is left out. Of keys that differ only in case
  one is seen where the file system does not care for case.
"""


@dataclass(frozen=True)
class TreeReport:
    """What a tree made anew holds: files, notes in place of large objects, keys left out."""

    folder: Path
    files: int
    notes: int
    left_out: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "folder": str(self.folder)}


class Tree:
    """The view of one store, and the thread that keeps it.

    Parameters
    ----------
    objects
        The store.
    folder
        Where the tree is made.
    """

    def __init__(self, objects: Objects, folder: Path) -> None:
        self.folder = folder
        self._objects = objects
        self._changes: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._stale = folder.is_symlink() or not (folder / _CURRENT).exists()
        (folder / _CURRENT).unlink(missing_ok=True)
        objects.index.listener = self._changes.put
        if self._stale:
            self._changes.put(_NOTHING)
        self._thread = threading.Thread(target=self._follow, name="s3-tree", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop following; must come before the store is closed."""
        self._closing.set()
        self._changes.put(None)
        self._thread.join()
        if not self._stale and self.folder.is_dir():
            with suppress(OSError):
                (self.folder / _CURRENT).touch()

    def rebuild(self) -> TreeReport:
        """Make the tree what the store is now, whatever it was.

        Raises
        ------
        OSError
            When the folder cannot be written.
        """
        with self._lock:
            if self.folder.is_symlink():
                # What lies where somebody made it lead is no tree, and not to be cleared away.
                self.folder.unlink()
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.folder / "README.txt").write_text(_README)
            wanted: set[Path] = {self.folder / "README.txt"}
            files = notes = left_out = 0
            for bucket in self._objects.buckets.every():
                objects = self._objects.list(bucket.account, bucket.name)
                # First, for they decide what those files are called whose keys are folders too.
                for folder in {self._path(bucket, info.key).parent for info in objects}:
                    with suppress(OSError):
                        self._make_folders(folder)
                for info in objects:
                    if self._closing.is_set():
                        # Nobody waits for it; the next server makes it anew.
                        self._stale = True
                        return TreeReport(self.folder, files, notes, left_out)
                    path = self._show(bucket, info)
                    if path is None:
                        left_out += 1
                        continue
                    wanted.add(path)
                    notes += path.name.endswith(NOTE)
                    files += not path.name.endswith(NOTE)
            self._prune(wanted)
            self._stale = False
            return TreeReport(self.folder, files, notes, left_out)

    def _follow(self) -> None:
        going_on = True
        while going_on:
            changes, going_on = self._gathered()
            if not going_on and (self._stale or len(changes) > _AT_THE_END):
                # The next server makes it anew.
                self._stale = self._stale or bool(changes)
                return
            try:
                if self._stale:
                    self.rebuild()
                else:
                    self._update(sorted(changes - {_NOTHING}))
            except (OSError, sqlite3.Error, AWSError):
                self._stale = True
                _LOG.warning("the tree in %s cannot follow the objects", self.folder, exc_info=True)

    def _gathered(self) -> tuple[set[tuple[str, str]], bool]:
        """Wait for changes until there are no more for a moment; tell whether to go on."""
        changes: set[tuple[str, str]] = set()
        change = self._changes.get()
        latest = time.monotonic() + _LATEST
        while change is not None:
            changes.add(change)
            try:
                change = self._changes.get(timeout=min(_QUIET, latest - time.monotonic()))
            except (queue.Empty, ValueError):
                return changes, True
        return changes, False

    def _update(self, changes: Sequence[tuple[str, str]]) -> None:
        with self._lock:
            for name, key in changes:
                if self._closing.is_set() and len(changes) > _AT_THE_END:
                    self._stale = True
                    return
                bucket = self._objects.buckets.find(name)
                stored = None if bucket is None else self._objects.index.find(name, key)
                if bucket is not None and stored is not None:
                    self._show(bucket, stored.info)
                else:
                    self._hide(name, key)

    def _show(self, bucket: Bucket, info: ObjectInfo) -> Path | None:
        """Have the file of an object be as the object is; return it, None if it cannot be."""
        path = self._path(bucket, info.key)
        try:
            self._make_folders(path.parent)
            shown = path
            if path.is_dir():
                shown = path.with_name(path.name + OBJECT_AND_FOLDER)
            note = shown.with_name(shown.name + NOTE)
            current = [found for found in (shown, note) if _is_current(found, info)]
            shown = current[0] if current else self._copy(bucket, info, shown, note)
            for other in _candidates(path) - {shown}:
                with suppress(OSError):
                    other.unlink()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            # Such as a path that is too long for this machine.
            return None
        except AWSError:
            # It was removed a moment ago.
            return None
        return shown

    def _path(self, bucket: Bucket, key: str) -> Path:
        return self.folder / bucket.account / bucket.name / path_of(key)

    def _make_folders(self, folder: Path) -> None:
        below = self.folder
        for part in folder.relative_to(below).parts:
            below /= part
            if below.is_symlink():
                # Somebody put it there, and it leads out of the tree.
                below.unlink()
            elif below.is_file():
                # An object has this key, and from now on a folder too.
                below.replace(below.with_name(below.name + OBJECT_AND_FOLDER))
            below.mkdir(mode=0o700, exist_ok=True)

    def _copy(self, bucket: Bucket, info: ObjectInfo, path: Path, note: Path) -> Path:
        temporary = self.folder / ".incoming"
        temporary.unlink(missing_ok=True)
        stored, reader = self._objects.read(bucket.account, bucket.name, info.key)
        with reader, temporary.open("xb") as target:
            shared = self._share(stored.number, target.fileno())
            if not shared and (stored.size > LARGEST or self._scarce(stored.size)):
                target.write(_note(bucket.name, stored.info))
                path = note
            elif not shared:
                _copy_bytes(reader, target.fileno())
        temporary.chmod(0o400)
        os.utime(temporary, (stored.info.modified, stored.info.modified))
        temporary.replace(path)
        return path

    def _share(self, number: int, target: int) -> bool:
        segments = self._objects.index.segments(number)
        if os.name != "posix" or len(segments) != 1:
            return False
        try:
            with self._objects.blobs.path(segments[0][0].blob).open("rb") as blob:
                fcntl.ioctl(target, _FICLONE, blob.fileno())
        except OSError:
            return False
        return True

    def _scarce(self, size: int) -> bool:
        return shutil.disk_usage(self.folder).free < _FREE + size

    def _hide(self, bucket: str, key: str) -> None:
        """Remove the file of an object that is gone, and folders that are empty then."""
        for root in self.folder.glob(f"*/{bucket}"):
            path = root / path_of(key)
            for shown in _candidates(path):
                with suppress(OSError):
                    shown.unlink()
            with suppress(OSError):
                for parent in path.parents:
                    if parent == self.folder:
                        break
                    parent.rmdir()

    def _prune(self, wanted: set[Path]) -> None:
        for parent, folders, names in os.walk(self.folder, topdown=False):
            for name in names:
                path = Path(parent, name)
                if path not in wanted:
                    path.unlink(missing_ok=True)
            for name in folders:
                path = Path(parent, name)
                with suppress(OSError):
                    path.unlink() if path.is_symlink() else path.rmdir()


def _candidates(path: Path) -> set[Path]:
    """Return the files that may show an object, of which one does."""
    ends = ("", OBJECT_AND_FOLDER, NOTE, OBJECT_AND_FOLDER + NOTE)
    return {path.with_name(path.name + end) for end in ends}


def _is_current(path: Path, info: ObjectInfo) -> bool:
    try:
        state = path.lstat()
    except OSError:
        return False
    fits = path.name.endswith(NOTE) or state.st_size == info.size
    return fits and not path.is_symlink() and abs(state.st_mtime - info.modified) < 1e-3


def _copy_bytes(reader: ContentReader, target: int) -> None:
    while data := reader.read(CHUNK):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(target, rest) :]


def _note(bucket: str, info: ObjectInfo) -> bytes:
    return (
        f"s3://{bucket}/{info.key} has {info.size:,} bytes and is not copied here.\n"
        f"boto3.client('s3').download_file({bucket!r}, {info.key!r}, 'file') gets it.\n"
    ).encode(errors="backslashreplace")
