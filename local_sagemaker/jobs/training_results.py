"""What a training job leaves behind: model, output data and checkpoints, written to S3.

It knows folders, archives and keys; it must not know a job's states.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from local_sagemaker import archives
from local_sagemaker.containers.container import Container
from local_sagemaker.errors import AWSError
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.jobs.training_launch import checkpoint_folder
from local_sagemaker.s3.objects import Objects


class ResultsError(Exception):
    """Results cannot be written; the message is the job's failure reason."""


def model_location(request: dict[str, Any]) -> S3Location:
    """Return where a job's model is, or will be: ``ModelArtifacts.S3ModelArtifacts``."""
    return _output(request).below("model/" if _uncompressed(request) else "model.tar.gz")


def _output(request: dict[str, Any]) -> S3Location:
    path = S3Location.parse(request["OutputDataConfig"]["S3OutputPath"])
    return path.below(request["TrainingJobName"], "output")


def _uncompressed(request: dict[str, Any]) -> bool:
    return bool(request["OutputDataConfig"].get("CompressionType", "GZIP") == "NONE")


class Results:
    """Writes the results of one job.

    Parameters
    ----------
    objects, account, region
        Where to write, and as whom.
    request
        The parameters of CreateTrainingJob.
    say
        Takes sentences for the job's log.
    """

    def __init__(
        self,
        objects: Objects,
        account: str,
        region: str,
        request: dict[str, Any],
        say: Callable[[str], None],
    ) -> None:
        self._objects = objects
        self._account = account
        self._region = region
        self._request = request
        self._say = say

    def check_buckets(self) -> None:
        """Refuse buckets that are not there before the job runs rather than after it."""
        locations = [_output(self._request)]
        if "CheckpointConfig" in self._request:
            locations.append(S3Location.parse(self._request["CheckpointConfig"]["S3Uri"]))
        for location in locations:
            try:
                self._objects.list(self._account, location.bucket, location.key)
            except AWSError as error:
                raise ResultsError(f"cannot write to {location}: {error.message}") from error

    def upload(self, container: Container, *, complete: bool) -> None:
        """Write what the container holds.

        Parameters
        ----------
        container
            The job's; nothing runs in it any more.
        complete
            Whether the job was not a failure. A failed job's empty model is not written.

        Raises
        ------
        ResultsError
            When S3 refuses.
        """
        root = container.root
        try:
            if complete or any((root / "model").iterdir()):
                self._write(container, root / "model", "model")
            if any((root / "output" / "data").iterdir()):
                self._write(container, root / "output" / "data", "output")
            if "CheckpointConfig" in self._request:
                target = S3Location.parse(self._request["CheckpointConfig"]["S3Uri"])
                self._write_files(checkpoint_folder(container, self._request), target)
        except AWSError as error:
            raise ResultsError(f"cannot write the results: {error.message}") from error

    def _write(self, container: Container, folder: Path, name: str) -> None:
        if _uncompressed(self._request):
            # The service names the folder of output data after it: output/data/.
            self._write_files(folder, _output(self._request).below(folder.name))
            return
        archive = container.root / "tmp" / f"{name}.tar.gz"
        archive.parent.mkdir(exist_ok=True)
        for left_out in archives.create(folder, archive):
            self._say(
                f"WARNING: {name}/{left_out} is neither a file, nor a folder, nor a link to "
                f"something in there: it is not in {archive.name}"
            )
        self._put(archive, _output(self._request).below(archive.name))
        archive.unlink()

    def _write_files(self, folder: Path, target: S3Location) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self._put(path, target.below(path.relative_to(folder).as_posix()))

    def _put(self, path: Path, target: S3Location) -> None:
        self._objects.put_file(self._account, self._region, target.bucket, target.key, path)
