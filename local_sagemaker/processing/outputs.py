"""What a processing job leaves behind: the files of its output folders, written to S3.

A job's private folder is called /opt/ml again in what it wrote, so that an output neither holds
rewritten code nor tells where the job ran. It knows folders and keys; it must not know a job's
states.
"""

import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from local_sagemaker import archives
from local_sagemaker.containers.container import ROOT, Container
from local_sagemaker.errors import AWSError
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.processing import code
from local_sagemaker.processing.request import Output
from local_sagemaker.s3.objects import Objects

# How often folders are looked at whose files are written while the job runs.
_CONTINUOUS_SECONDS = 1.0
# Texts and archives beyond this size are data that no code was copied into.
_LARGEST_RESTORED = 64 * 1024 * 1024

_Stamp = tuple[int, int]


class OutputError(Exception):
    """Outputs cannot be written; the message is the job's failure reason."""


class Outputs:
    """Writes the outputs of one job.

    Parameters
    ----------
    objects, account, region
        Where to write, and as whom.
    container
        The job's; the folders of its outputs are made.
    outputs
        What to write.
    """

    def __init__(
        self,
        objects: Objects,
        account: str,
        region: str,
        container: Container,
        outputs: Sequence[Output],
    ) -> None:
        self._objects = objects
        self._account = account
        self._region = region
        self._container = container
        self._outputs = outputs
        self._uploaded: dict[tuple[str, Path], _Stamp] = {}

    def prepare(self) -> None:
        """Make the folders; refuse buckets that are not there before the job runs."""
        for output in self._outputs:
            try:
                self._objects.list(self._account, output.target.bucket, output.target.key)
            except AWSError as error:
                raise OutputError(f"cannot write to {output.target}: {error.message}") from error
            self._folder(output).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Write continuous outputs while the block runs."""
        continuous = [output for output in self._outputs if output.continuous]
        if not continuous:
            yield
            return
        over = threading.Event()
        name = f"outputs of {self._container.root.name}"
        thread = threading.Thread(target=self._follow, args=(continuous, over), name=name)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def upload(self) -> None:
        """Write all that was not written yet; `OutputError` when S3 refuses."""
        for output in self._outputs:
            if self._folder(output).is_symlink():
                raise OutputError(
                    f"the folder of the output {output.name!r} was replaced by a link, and what "
                    "it leads to is not written"
                )
            for path, _ in self._files(output):
                try:
                    self._upload(output, path)
                except AWSError as error:
                    raise OutputError(
                        f"cannot write the output {output.name!r} to {output.target}: "
                        f"{error.message}"
                    ) from error

    def _follow(self, outputs: Sequence[Output], over: threading.Event) -> None:
        before: dict[Path, _Stamp] = {}
        while not over.wait(_CONTINUOUS_SECONDS):
            now: dict[Path, _Stamp] = {}
            for output in outputs:
                for path, stamp in self._files(output):
                    now[path] = stamp
                    # A file that still grows is not sent yet.
                    if before.get(path) == stamp:
                        self._try(output, path)
            before = now

    def _try(self, output: Output, path: Path) -> None:
        try:
            self._upload(output, path)
        except (AWSError, OutputError, OSError, sqlite3.Error):
            # Gone meanwhile, or refused: `upload` tries again and says so.
            return

    def _files(self, output: Output) -> list[tuple[Path, _Stamp]]:
        found = []
        for path in sorted(self._folder(output).rglob("*")):
            try:
                if path.is_file():
                    found.append((path, _stamp(path)))
            except OSError:
                # Gone meanwhile.
                continue
        return found

    def _folder(self, output: Output) -> Path:
        return self._container.inside(output.path)

    def _upload(self, output: Output, path: Path) -> None:
        stamp = _stamp(path)
        if self._uploaded.get((output.name, path)) == stamp:
            return
        name = path.relative_to(self._folder(output)).as_posix()
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise OutputError(
                f"the output {output.name!r} has a file whose name is not UTF-8: {name!r}"
            ) from error
        with self._restored(path) as content:
            self._put(content, output.target.below(name))
        self._uploaded[output.name, path] = stamp

    def _put(self, path: Path, target: S3Location) -> None:
        self._objects.put_file(self._account, self._region, target.bucket, target.key, path)

    @contextmanager
    def _restored(self, path: Path) -> Iterator[Path]:
        """Give a file as it would be on AWS: itself, or a copy without the job's own folder."""
        root = self._container.root
        if not 0 < path.stat().st_size <= _LARGEST_RESTORED:
            yield path
            return
        with tempfile.TemporaryDirectory(dir=root / "tmp") as folder:
            copy = Path(folder, "restored")
            if path.name.endswith((".tar.gz", ".tgz")):
                made = self._restore_archive(path, Path(folder, "content"), copy)
            else:
                made = self._restore_text(path, copy)
            yield copy if made else path

    def _restore_text(self, path: Path, copy: Path) -> bool:
        root = self._container.root
        # Not mapped: the job may cut the file meanwhile, and SIGBUS would end the server.
        with path.open("rb") as file:
            content = file.read(_LARGEST_RESTORED + 1)
        if len(content) > _LARGEST_RESTORED or bytes(root) not in content:
            return False
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return False
        if "\0" in text:
            return False
        copy.write_bytes(text.replace(str(root), ROOT).encode())
        return True

    def _restore_archive(self, path: Path, tree: Path, copy: Path) -> bool:
        try:
            archives.extract(path, tree, max_bytes=4 * _LARGEST_RESTORED)
        except (archives.ArchiveError, OSError):
            # No archive but by its name, or one that does not fit here: it goes as it is.
            return False
        root = self._container.root
        if not code.rewrite_texts(tree, lambda text: text.replace(str(root), ROOT)):
            return False
        archives.create(tree, copy)
        return True


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
