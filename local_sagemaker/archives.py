"""Tar archives: made from a folder, and extracted with every member checked first.

A model archive is somebody's upload, so nothing in it is believed: no member may lie, point or
lead outside the destination. Both directions stream, so memory does not grow with the archive.
It knows files and links; it must not know where an archive comes from.
"""

import gzip
import lzma
import os
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO

from local_sagemaker.decompression import decompressed

# Weights hardly compress, and even zlib's fastest level takes 2 s per 100 MB to find that out.
_WORTH_COMPRESSING = 0.8
_SAMPLED_FILES = 8
_SAMPLE = 256 * 1024
# Far more than any model has, and far less than Python's functions on trees of folders can bear.
_DEEPEST = 100
_BLOCK = 1 << 20


class ArchiveError(Exception):
    """The archive cannot be used; the message names the member and what is wrong with it."""


def create(folder: Path, archive: Path) -> list[str]:
    """Write the content of a folder into a new ``.tar.gz``.

    Members are sorted and owned by nobody, so the same files give the same bytes. A link that
    stays inside the folder is kept as a relative link; a link to a file outside is replaced by
    that file.

    Parameters
    ----------
    folder
        What to pack; its own name is not part of the members' names.
    archive
        The file to write.

    Returns
    -------
    list of str
        Names that were left out: sockets, pipes, devices, and links to folders outside or to
        nothing.
    """
    left_out: list[str] = []
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(
            filename="", mode="wb", compresslevel=_level(folder), fileobj=raw, mtime=0
        ) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for path in _walk(folder):
            name = path.relative_to(folder).as_posix()
            member = _member(folder, path, name)
            if member is None:
                left_out.append(name)
            elif member.isreg():
                with path.open("rb") as content:
                    # The size that was promised in the header must be the size that is written.
                    member.size = os.fstat(content.fileno()).st_size
                    tar.addfile(member, content)
            else:
                tar.addfile(member)
    return left_out


def _level(folder: Path) -> int:
    """Return zlib's fastest level, or 0 where samples of the largest files do not shrink."""
    files = [path for path in _walk(folder) if path.is_file()]
    files.sort(key=lambda path: path.stat().st_size, reverse=True)
    before = after = 0.0
    for path in files[:_SAMPLED_FILES]:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - _SAMPLE) // 2)
            sample = file.read(_SAMPLE)
        before += size
        after += size * len(zlib.compress(sample, 1)) / max(1, len(sample))
    return 1 if after < before * _WORTH_COMPRESSING else 0


def _walk(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))


def _member(folder: Path, path: Path, name: str) -> tarfile.TarInfo | None:
    status = path.lstat()
    member = tarfile.TarInfo(name)
    member.mtime = int(status.st_mtime)
    if stat.S_ISDIR(status.st_mode):
        member.type = tarfile.DIRTYPE
        member.mode = 0o755
        return member
    if stat.S_ISLNK(status.st_mode):
        target = _inner_target(folder, path)
        if target is not None:
            member.type = tarfile.SYMTYPE
            member.linkname = target
            return member
        if not path.is_file():
            return None
        status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        return None
    member.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    return member


def _inner_target(folder: Path, link: Path) -> str | None:
    """Return a link's target relative to the link, or None when it leads out or to nothing."""
    try:
        target = link.resolve()
    except RuntimeError:
        # It leads to itself.
        return None
    root = folder.resolve()
    if not target.exists() or not target.is_relative_to(root):
        return None
    return os.path.relpath(target, link.parent.resolve())


def extract(
    archive: Path | IO[bytes], destination: Path, *, max_bytes: int | None = None
) -> list[str]:
    """Extract a tar archive, compressed or not, into an empty folder.

    Parameters
    ----------
    archive
        A file, or a stream that is read once from where it stands.
    destination
        An empty folder, made if it is not there.
    max_bytes
        Refuse archives whose files are larger than this together.

    Returns
    -------
    list of str
        Names of the files and links, in the archive's order.

    Raises
    ------
    ArchiveError
        When it is no tar archive, is cut off, does not fit its checksum, or has a member with an
        absolute name, with ``..`` in its name or more than a hundred folders, of a kind other
        than file, folder or link, or a link that leads out of the destination. Then nothing of
        the destination should be used.
    """
    destination.mkdir(parents=True, exist_ok=True)
    if any(destination.iterdir()):
        raise ValueError(f"{destination} is not empty")
    try:
        if isinstance(archive, Path):
            with archive.open("rb") as stream:
                return _Extraction(destination, max_bytes).run(stream)
        return _Extraction(destination, max_bytes).run(archive)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(error) from error
    except OSError as error:
        # What gzip and bz2 say of a damaged file is one without a number; others are the disk's.
        if error.errno is not None:
            raise
        raise _damaged(error) from error


def _damaged(error: Exception) -> ArchiveError:
    return ArchiveError(f"not a tar archive, or damaged: {error}")


class _Extraction:
    """One pass over an archive.

    Links are made only after all files are written. So no file is ever written through a link,
    and a link's real target can be judged when everything it may pass through is there.
    """

    def __init__(self, destination: Path, max_bytes: int | None) -> None:
        self._root = destination.resolve()
        self._max_bytes = max_bytes
        self._bytes = 0
        self._links: dict[PurePosixPath, str] = {}
        self._names: dict[str, None] = {}

    def run(self, stream: IO[bytes]) -> list[str]:
        with ExitStack() as closing:
            content = decompressed(stream, closing)
            tar = closing.enter_context(tarfile.open(fileobj=content, mode="r|"))
            for member in tar:
                name = _safe_name(member.name, member.name)
                if name.parts:
                    self._take(tar, member, name)
            self._read_to_the_end(content)
        for name, target in self._links.items():
            try:
                (self._root / name).symlink_to(target)
            except FileExistsError as error:
                # Files were cleared from the links' places, so this is a folder.
                raise ArchiveError(f"{name} is both a link and a folder") from error
        for name in self._links:
            self._check_link(name)
        return list(self._names)

    def _read_to_the_end(self, content: IO[bytes]) -> None:
        """Read what follows the last member: only then is the checksum of all of it compared."""
        rest = 0
        while block := content.read(_BLOCK):
            rest += len(block)
            if self._max_bytes is not None and rest > self._max_bytes:
                raise ArchiveError(f"more than {self._max_bytes} bytes follow its last file")

    def _take(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: PurePosixPath) -> None:
        if member.isdir():
            self._folder(name)
            return
        if member.issym():
            if PurePosixPath(member.linkname).is_absolute():
                raise ArchiveError(f"the link {name} has the absolute target {member.linkname}")
            self._place(name)
            self._links[name] = member.linkname
        elif member.islnk():
            self._hard_link(name, _safe_name(member.linkname, member.name))
        elif member.isreg():
            self._file(tar, member, name)
        else:
            raise ArchiveError(f"{name} is neither a file, nor a folder, nor a link")
        self._names[str(name)] = None

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, name: PurePosixPath) -> None:
        self._bytes += member.size
        if self._max_bytes is not None and self._bytes > self._max_bytes:
            raise ArchiveError(f"its files are larger than {self._max_bytes} bytes together")
        content = tar.extractfile(member)
        if content is None:
            raise ArchiveError(f"{name} has no content")
        path = self._place(name)
        with content, path.open("xb") as target:
            shutil.copyfileobj(content, target, _BLOCK)
        path.chmod(0o755 if member.mode & stat.S_IXUSR else 0o644)
        os.utime(path, (member.mtime, member.mtime))

    def _hard_link(self, name: PurePosixPath, target: PurePosixPath) -> None:
        source = self._root / target
        if str(target) not in self._names or not source.is_file():
            raise ArchiveError(f"the hard link {name} names {target}, which is no file before it")
        path = self._place(name)
        os.link(source, path)

    def _folder(self, name: PurePosixPath) -> None:
        try:
            (self._root / name).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise ArchiveError(f"{name} is both a file and a folder") from error

    def _place(self, name: PurePosixPath) -> Path:
        """Return a free path for a file or link; as in tar, a later member replaces an earlier."""
        self._folder(name.parent)
        path = self._root / name
        self._links.pop(name, None)
        if path.is_dir():
            raise ArchiveError(f"{name} is both a file and a folder")
        path.unlink(missing_ok=True)
        return path

    def _check_link(self, name: PurePosixPath) -> None:
        try:
            target = (self._root / name).resolve()
        except (OSError, RuntimeError) as error:
            raise ArchiveError(f"the link {name} leads nowhere: {error}") from error
        if not target.is_relative_to(self._root):
            raise ArchiveError(f"the link {name} leads out of the archive")


def _safe_name(name: str, member: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute():
        raise ArchiveError(f"the member {member!r} has an absolute name")
    if ".." in path.parts:
        raise ArchiveError(f"the member {member!r} has '..' in its name")
    if len(path.parts) > _DEEPEST:
        raise ArchiveError(f"a member lies in more than {_DEEPEST} folders: {member[:80]!r}...")
    return path
