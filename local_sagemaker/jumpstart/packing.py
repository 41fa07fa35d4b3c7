"""From a model's folder or archive to the archive that is published: checked and complete.

Nothing of an upload is believed: archives are extracted by `local_sagemaker.archives` only. It
must not know the server.
"""

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from local_sagemaker import archives
from local_sagemaker.jumpstart.aws_models import script_of
from local_sagemaker.jumpstart.entry import PIPELINES, ZERO_SHOT, Entry
from local_sagemaker.jumpstart.progress import reporting
from local_sagemaker.jumpstart.published import Archives, PublishError

Report = Callable[[str], None]
_SCRIPT = Path("code") / "inference.py"
_CHUNK = 1 << 20
_SHOWN = 8


@contextmanager
def packed(source: Path, entry: Entry, report: Report) -> Iterator[tuple[Entry, Archives]]:
    """Pack a model for as long as a ``with`` block lasts.

    What is said about it comes back with the task of its pipeline, where it has no script.

    Parameters
    ----------
    source
        The model's folder, or a tar archive of it.
    entry
        What is said about it.
    report
        Called with what is being done.

    Raises
    ------
    PublishError
        When there is no model in it, or the archive is damaged or not safe to extract.
    """
    with tempfile.TemporaryDirectory(prefix="publish-") as name:
        try:
            made = _packed(source, entry, report, Path(name))
        except OSError as error:
            raise PublishError(f"{source} cannot be packed: {error}{_remedy(error)}") from error
        yield made


def _packed(source: Path, entry: Entry, report: Report, temporary: Path) -> tuple[Entry, Archives]:
    folder = _opened(source, temporary / "extracted", report)
    _check(folder, source, entry)
    staged = _staged(folder, temporary / "model", entry)
    size = sum(path.stat().st_size for path in staged.rglob("*") if path.is_file())
    model = temporary / "model.tar.gz"
    with reporting("packing", lambda: _written(model), size, report):
        left_out = archives.create(staged, model)
    if left_out:
        raise PublishError(
            f"{source} holds what cannot be packed: {', '.join(left_out[:_SHOWN])} (a link to "
            "nothing or to a folder outside, a socket or a pipe); remove it or copy what it leads "
            "to"
        )
    script = temporary / "sourcedir.tar.gz" if (staged / _SCRIPT).is_file() else None
    if script is not None:
        archives.create(staged / "code", script)
    with reporting("reading", lambda: 0, size, report):
        digest = _digest(staged)
    own = (folder / _SCRIPT).is_file()
    return entry if own else _with_task(entry), Archives(model, script, digest)


def _opened(source: Path, destination: Path, report: Report) -> Path:
    """Return a folder of the model's files."""
    if source.is_dir():
        return source
    if not source.exists():
        raise PublishError(f"there is no {source}")
    size = source.stat().st_size
    try:
        with reporting("checking the archive", lambda: 0, size, report):
            archives.extract(source, destination)
    except archives.ArchiveError as error:
        raise PublishError(f"{source} cannot be published: {error}") from error
    return destination


def _check(folder: Path, source: Path, entry: Entry) -> None:
    """Raise `PublishError` unless a Hugging Face container could serve what is there."""
    if (folder / _SCRIPT).is_file() or entry.environment.get("HF_MODEL_ID"):
        return
    if (folder / "config.json").is_file():
        return
    inner = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    found = [p.name for p in inner if (p / _SCRIPT).is_file() or (p / "config.json").is_file()]
    hint = f" It lies in {found[0]}/: publish what is in there." if found else ""
    names = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
    raise PublishError(
        f"there is no model in {source}: neither {_SCRIPT.as_posix()} nor a config.json of "
        f"transformers is at its top, but {shown or 'nothing'}.{hint}"
    )


def _staged(folder: Path, staging: Path, entry: Entry) -> Path:
    """Return a folder of what is to be packed: the model's files, and a script where it needs one.

    The files are links, so nothing is copied, and the model's own folder stays as it is.
    """
    if entry.task != ZERO_SHOT or (folder / _SCRIPT).is_file():
        return folder
    root = folder.resolve()
    for parent, folders, files in os.walk(root, onerror=_raise):
        below = staging / Path(parent).relative_to(root)
        below.mkdir(parents=True, exist_ok=True)
        for name in files:
            (below / name).symlink_to(Path(parent, name))
        for name in folders:
            if Path(parent, name).is_symlink():
                (below / name).symlink_to(Path(parent, name))
    script = staging / _SCRIPT
    # What is written through a link would land in somebody's own folder.
    if script.parent.is_symlink() or os.path.lexists(script):
        raise PublishError(
            f"{folder} has no {_SCRIPT.as_posix()}, and none can be put there: a link or something "
            "else is in its place; remove it"
        )
    script.parent.mkdir(exist_ok=True)
    script.write_bytes(script_of(entry.task))
    return staging


def _remedy(error: OSError) -> str:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ""
    return (
        f". The model and its archive need room in {tempfile.gettempdir()}: free some, or name "
        "another folder in TMPDIR"
    )


def _raise(error: OSError) -> None:
    raise error


def _with_task(entry: Entry) -> Entry:
    pipeline = PIPELINES.get(entry.task)
    if pipeline is None:
        return entry
    return replace(entry, environment={"HF_TASK": pipeline} | dict(entry.environment))


def _digest(folder: Path) -> str:
    """Return what tells whether two folders have the same files, whenever those were written."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        # Python writes there whenever somebody tries the script.
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        name = os.fsencode(path.relative_to(folder).as_posix())
        content = hashlib.sha256()
        with path.open("rb") as file:
            runs = bool(os.fstat(file.fileno()).st_mode & stat.S_IXUSR)
            while chunk := file.read(_CHUNK):
                content.update(chunk)
        digest.update(name + f"\0{runs}\0{content.hexdigest()}\n".encode())
    return digest.hexdigest()


def _written(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
