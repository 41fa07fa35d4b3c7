"""Code that names /opt/ml/processing, made to run in a job's private folder.

On AWS that path is the container's own; here many jobs share one machine. So the staged copy of
the code is rewritten, and only of the code: what the command names, what lies beside it, and the
source tree that SDK's ``runproc.sh`` unpacks. Data stays as it is, byte for byte. It knows files
and texts; it must not know a job's request or states.
"""

import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from local_sagemaker import archives
from local_sagemaker.containers import requirements_check
from local_sagemaker.containers.container import Container

# The folders that a processing container has, and /opt/ml itself where a text joins it with more,
# as in "/opt/ml/" + name, f"/opt/ml/{name}" or BASE=/opt/ml.
_NAMED = re.compile(
    r"(?<![\w.-])/opt/ml(?=/(?:processing|config|output)(?![\w-])|/?(?:[\"'{%\s]|$))"
)
# A path as commands and scripts write it: up to a blank, a quote or a sign of the shell.
_PATH = re.compile(r"(?<![\w.-])/opt/ml/processing[^\s\"'`;:|&<>(){}$*?]*")
_CHANGE_DIRECTORY = re.compile(r"\bcd\s+[\"']?(/opt/ml/processing\S*)")
_SCRIPT_SUFFIXES = frozenset({".bash", ".py", ".r", ".sh"})
_CODE_SUFFIXES = _SCRIPT_SUFFIXES | {".cfg", ".conf", ".env", ".ini", ".ipynb", ".json", ".sql"}
_CODE_SUFFIXES |= {".toml", ".yaml", ".yml"}
# Larger files are data, whatever they are called.
_LARGEST = 4 * 1024 * 1024
_SOURCE_ARCHIVE = "sourcedir.tar.gz"
_RUNPROC = "runproc.sh"
_INSTALLER = "install_requirements.py"
_UNINSTALL = re.compile(r"^(\s*)pip3? uninstall --yes typing[ \t]*$", re.MULTILINE)
_INSTALL = re.compile(r"^(\s*)pip3? install -r (\S+)[ \t]*$", re.MULTILINE)
_REQUIREMENTS = re.compile(
    rf"^\s*(?:\S+ \S*{re.escape(_INSTALLER)}|pip3? install -r) (\S+)[ \t]*$", re.MULTILINE
)


class CodeError(Exception):
    """The code cannot be used; the message is the job's failure reason."""


def relocate(text: str, root: Path) -> str:
    """Return code with the folders of a processing container replaced by those below a root."""
    return _NAMED.sub(lambda _: str(root), text)


class Code:
    """The code of one job.

    Parameters
    ----------
    container
        Where the inputs were staged.
    folders
        The folders of the inputs in it.
    say
        Takes sentences for the job's log.
    """

    def __init__(
        self, container: Container, folders: Sequence[Path], say: Callable[[str], None]
    ) -> None:
        self._container = container
        self._folders = [folder.resolve() for folder in folders]
        self._say = say
        self._seen: set[Path] = set()

    def rewrite(
        self, entrypoint: Sequence[str], arguments: Sequence[str], python_path: str
    ) -> None:
        """Rewrite all of it.

        Parameters
        ----------
        entrypoint, arguments
            The words of the command: the scripts that they name, and ``cd``, say where the code
            is. Arguments count where the entry point names no script, as in ``bash -c``.
        python_path
            ``PYTHONPATH`` of the request; the folders that it names are code too.

        Raises
        ------
        CodeError
            When the source archive cannot be unpacked, or asks for packages that are not there.
        """
        for path in self._scripts(entrypoint) or self._scripts(arguments)[:1]:
            self._rewrite_file(path)
            self._rewrite_below(path.parent)
        for path in self._named(python_path):
            if path.is_dir():
                self._rewrite_below(path)
        for word in (*entrypoint, *arguments):
            for match in _CHANGE_DIRECTORY.finditer(word):
                for path in self._named(match[1]):
                    self._rewrite_below(path, _SCRIPT_SUFFIXES)

    def _scripts(self, words: Sequence[str]) -> list[Path]:
        """Return the files among what words name that can be run, unlike ``rows.json``."""
        return [
            path
            for word in words
            for path in self._named(word)
            if path.is_file()
            if path.suffix.lower() in _SCRIPT_SUFFIXES | {""} or _has_shebang(path)
        ]

    def _named(self, text: str) -> list[Path]:
        """Return what a text names and the inputs hold."""
        found = []
        for match in _PATH.finditer(text):
            try:
                path = self._container.inside(posixpath.normpath(match[0])).resolve()
            except ValueError:
                # It leads out with "..".
                continue
            if path.exists() and any(path.is_relative_to(folder) for folder in self._folders):
                found.append(path)
        return list(dict.fromkeys(found))

    def _rewrite_below(self, folder: Path, suffixes: frozenset[str] = _CODE_SUFFIXES) -> None:
        """Rewrite the code in a folder and below, but for other inputs that lie there."""
        others = [
            other for other in self._folders if other != folder and other.is_relative_to(folder)
        ]
        for path in _code_files(folder, suffixes):
            if not any(path.is_relative_to(other) for other in others):
                self._rewrite_file(path)

    def _rewrite_file(self, path: Path) -> None:
        if path in self._seen or not path.is_file():
            return
        self._seen.add(path)
        text = _text(path)
        if text is None:
            return
        new = relocate(text, self._container.root)
        if path.name == _RUNPROC:
            new = self._without_pip(new)
            self._unpack(text)
        if new != text:
            path.write_bytes(new.encode())
        for named in self._named(text):
            if named.name == _INSTALLER and path.name == _RUNPROC:
                self._seen.add(named)
                shutil.copyfile(requirements_check.__file__, named)
            elif named.suffix.lower() in _SCRIPT_SUFFIXES:
                self._rewrite_file(named)

    def _without_pip(self, script: str) -> str:
        """Let SDK's script check requirements: nothing changes the server's own environment."""
        checker = self._container.root / "tmp" / "requirements_check.py"
        shutil.copyfile(requirements_check.__file__, checker)
        script = _UNINSTALL.sub(r"\1:", script)
        return _INSTALL.sub(rf"\1python3 {checker} \2", script)

    def _unpack(self, runproc: str) -> None:
        """Rewrite the source tree that a script unpacks, and check what it requires."""
        if _SOURCE_ARCHIVE not in runproc:
            return
        requirements = [match[1] for match in _REQUIREMENTS.finditer(runproc)]
        for folder in self._named(runproc):
            archive = folder / _SOURCE_ARCHIVE
            if archive.is_file() and archive not in self._seen:
                self._seen.add(archive)
                self._rewrite_archive(archive, requirements)

    def _rewrite_archive(self, archive: Path, requirements: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory(dir=self._container.root / "tmp") as folder:
            tree = Path(folder, "source")
            try:
                archives.extract(archive, tree)
            except archives.ArchiveError as error:
                raise CodeError(f"cannot use the source code in {archive.name}: {error}") from error
            self._check(tree, requirements)
            if rewrite_texts(tree, lambda text: relocate(text, self._container.root)):
                archive.unlink()
                archives.create(tree, archive)

    def _check(self, tree: Path, requirements: Sequence[str]) -> None:
        for name in requirements:
            path = tree / name
            if path.resolve().is_relative_to(tree.resolve()) and path.is_file():
                report = requirements_check.check(path)
                for warning in report.warnings:
                    self._say(f"WARNING: {warning}")
                if report.missing:
                    raise CodeError(report.failure)


def rewrite_texts(folder: Path, change: Callable[[str], str]) -> bool:
    """Change the code in a folder and below; return whether anything changed."""
    changed = False
    for path in _code_files(folder, _CODE_SUFFIXES):
        text = _text(path)
        new = text if text is None else change(text)
        if new is not None and new != text:
            path.write_bytes(new.encode())
            changed = True
    return changed


def _text(path: Path) -> str | None:
    """Return a file's text; None where it is no text, or too large for code."""
    if path.stat().st_size > _LARGEST:
        return None
    try:
        # As bytes, so that line ends stay what they are.
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        return None


def _code_files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        if path.suffix.lower() in suffixes or _has_shebang(path)
    ]


def _has_shebang(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"
