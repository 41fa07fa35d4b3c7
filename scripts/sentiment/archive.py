"""Unpacking a ``model.tar.gz`` that somebody else packed, without trusting it.

This module must not know what is in a model.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path

from rows import DataError

# A model that is larger has no place in this lab, and a small archive can unpack to anything.
MAX_BYTES = 4_000_000_000
MAX_MEMBERS = 10_000
CONFIG = "config.json"


def find_model(folder: Path, scratch: Path) -> Path | None:
    """Return the folder of the model that an input of a processing job holds.

    Parameters
    ----------
    folder : Path
        Holds one ``*.tar.gz``, or the unpacked files of a model, or may be absent.
    scratch : Path
        An archive is unpacked in here.

    Returns
    -------
    Path or None
        None when there is no model at all.

    Raises
    ------
    DataError
        If there are several archives, or the archive cannot be unpacked or holds no model.
    """
    if (folder / CONFIG).is_file():
        return folder
    archives = sorted(folder.rglob("*.tar.gz")) if folder.is_dir() else []
    if len(archives) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in archives)
        raise DataError(f"{folder} holds {len(archives)} archives ({names}). Send one model.")
    if not archives:
        return None
    unpack(archives[0], scratch)
    if not (scratch / CONFIG).is_file():
        present = ", ".join(sorted(path.name for path in scratch.iterdir())) or "nothing"
        raise DataError(f"{archives[0]} holds no model: {CONFIG} is missing; it holds {present}.")
    return scratch


def unpack(archive: Path, target: Path) -> None:
    """Unpack regular files and folders into `target`, and nothing outside of it.

    Raises
    ------
    DataError
        If the archive is broken, too large, or holds links, devices or paths that leave `target`.
    """
    target.mkdir(parents=True, exist_ok=True)
    total = 0
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            for count, member in enumerate(tar, 1):
                total += member.size
                if count > MAX_MEMBERS or total > MAX_BYTES:
                    raise DataError(
                        f"{archive} unpacks to more than {MAX_MEMBERS:,} files or "
                        f"{MAX_BYTES:,} bytes; that is no model of this lab."
                    )
                _unpack(tar, member, target, archive)
            _read_to_the_end(stream)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}.") from error


def _read_to_the_end(stream: gzip.GzipFile) -> None:
    """Read what follows the last member: only then is the checksum of all of it compared."""
    rest = MAX_BYTES
    while rest > 0 and (block := stream.read(1 << 20)):
        rest -= len(block)


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, archive: Path) -> None:
    path = (target / member.name).resolve()
    inside = path.is_relative_to(target.resolve()) and not Path(member.name).is_absolute()
    if not inside or not (member.isfile() or member.isdir()):
        raise DataError(
            f"{archive} holds {member.name!r}, which is a link, a device or lies outside the "
            "archive; a model has files and folders only."
        )
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    source = tar.extractfile(member)
    if source is not None:
        with source, path.open("wb") as file:
            shutil.copyfileobj(source, file)
