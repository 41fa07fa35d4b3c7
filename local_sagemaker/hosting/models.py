"""From a Model record to a folder that a serving process can load.

It knows CreateModel's container definitions and where model data may lie in S3; it must not know
endpoints or processes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from local_sagemaker import archives
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.s3.objects import Objects

_DATA = ("ModelDataUrl", "ModelDataSource")
_SUBMIT_DIRECTORY = "SAGEMAKER_SUBMIT_DIRECTORY"


class ModelDataError(Exception):
    """A model's data cannot be brought here; the message is the service's."""


@dataclass(frozen=True)
class ModelSource:
    """What a model is made of.

    Attributes
    ----------
    model
        The Model's name.
    image
        The container image, which is recorded and not run.
    environment
        The container's variables as they were asked for.
    uri
        Where the model data lies, ``s3://bucket/key``; None for a model without any.
    kind
        ``archive`` (a tar file), ``object`` (one file) or ``prefix`` (all objects under it).
    role
        ARN of the role it runs as, or None.
    """

    model: str
    image: str
    environment: dict[str, str] = field(default_factory=dict)
    uri: str | None = None
    kind: str = "archive"
    role: str | None = None

    def positive(self, variable: str, default: int) -> int:
        """Return a variable that is a positive whole number, the default for anything else."""
        text = self.environment.get(variable, "")
        return int(text) if text.isdigit() and int(text) > 0 else default


def model_source(
    name: str, body: dict[str, Any], package: Callable[[str], dict[str, Any]]
) -> ModelSource:
    """Read a Model record.

    Parameters
    ----------
    name, body
        The record's.
    package
        Returns what DescribeModelPackage shows of a model package, by its name or ARN.

    Raises
    ------
    AWSError
        ``ValidationException`` naming what the local SageMaker does not serve: several
        containers, multi-model endpoints.
    """
    containers = body.get("Containers") or []
    if body.get("PrimaryContainer"):
        containers = [body["PrimaryContainer"]]
    if len(containers) != 1:
        raise _refused(name, f"has {len(containers)} containers; one is served")
    container = containers[0]
    if container.get("Mode") == "MultiModel":
        raise _refused(name, "is a multi-model container")
    if container.get("ModelPackageName"):
        container = _packaged(name, container, package(container["ModelPackageName"]))
    uri, kind = _data(name, container)
    return ModelSource(
        model=name,
        image=container.get("Image", ""),
        environment=dict(container.get("Environment") or {}),
        uri=uri,
        kind=kind,
        role=body.get("ExecutionRoleArn"),
    )


def _packaged(name: str, container: dict[str, Any], package: dict[str, Any]) -> dict[str, Any]:
    """Return the container that a model package defines; what the model says itself wins.

    That is how SDK v3 deploys packages: with an image or variables of its own beside the name.
    """
    wanted = container.get("InferenceSpecificationName")
    specifications = {
        specification["Name"]: specification
        for specification in package.get("AdditionalInferenceSpecifications", ())
    }
    specification = package.get("InferenceSpecification")
    if wanted is not None:
        specification = specifications.get(wanted)
    containers = (specification or {}).get("Containers", ())
    if len(containers) != 1:
        of = "its model package" if wanted is None else f"{wanted} of its model package"
        raise _refused(name, f"needs one container in {of}, and there are {len(containers)}")
    packaged = dict(containers[0])
    environment = {**packaged.get("Environment", {}), **container.get("Environment", {})}
    if any(member in container for member in _DATA):
        packaged = {key: value for key, value in packaged.items() if key not in _DATA}
    own = {key: container[key] for key in ("Image", *_DATA) if key in container}
    return {**packaged, **own, "Environment": environment}


def _refused(name: str, why: str) -> AWSError:
    return validation_exception(
        f"The local SageMaker cannot serve the model {name}: it {why}. Use AWS for it."
    )


def _data(name: str, container: dict[str, Any]) -> tuple[str | None, str]:
    if uri := container.get("ModelDataUrl"):
        return uri, "archive"
    source = (container.get("ModelDataSource") or {}).get("S3DataSource")
    if source is None:
        return None, "archive"
    if source.get("HubAccessConfig"):
        raise _refused(name, "takes its data from a hub")
    if source["CompressionType"] == "Gzip":
        return source["S3Uri"], "archive"
    return source["S3Uri"], "prefix" if source["S3DataType"] == "S3Prefix" else "object"


def stage(objects: Objects, account: str, source: ModelSource, root: Path) -> Path:
    """Bring a model's data, and code that lies in S3, into a folder laid out like ``/opt/ml``.

    Parameters
    ----------
    objects
        The object store.
    account
        Whose buckets.
    source
        The model.
    root
        The folder that stands for ``/opt/ml``; it is made.

    Returns
    -------
    Path
        The model's folder, ``root/model``.

    Raises
    ------
    ModelDataError
        If something is not there, or an archive is damaged or not safe to extract.
    """
    model_dir = root / "model"
    model_dir.mkdir(parents=True)
    if source.uri is not None:
        if source.kind == "archive":
            _extract(objects, account, source.uri, model_dir)
        else:
            _copy(objects, account, source.uri, model_dir, single=source.kind == "object")
    code = source.environment.get(_SUBMIT_DIRECTORY, "")
    if code.startswith("s3://"):
        _extract(objects, account, code, _code_dir(root))
    return model_dir


def container_environment(source: ModelSource, root: Path) -> dict[str, str]:
    """Return a model's variables as its processes get them.

    Parameters
    ----------
    source
        The model.
    root
        Where `stage` put it.
    """
    environment = dict(source.environment)
    if environment.get(_SUBMIT_DIRECTORY, "").startswith("s3://"):
        environment[_SUBMIT_DIRECTORY] = str(_code_dir(root))
    return environment


def requirements_file(source: ModelSource, root: Path) -> Path | None:
    """Return the requirements.txt beside a staged model's code, None where there is none."""
    brought = source.environment.get(_SUBMIT_DIRECTORY, "").startswith("s3://")
    folder = _code_dir(root) if brought else root / "model" / "code"
    path = folder / "requirements.txt"
    return path if path.is_file() else None


def _code_dir(root: Path) -> Path:
    return root / "code"


def _parse(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    # A '?' or '#' may be part of a key.
    key = uri.removeprefix(f"s3://{parts.netloc}").removeprefix("/")
    if parts.scheme != "s3" or not parts.netloc:
        raise ModelDataError(f'The model data URL "{uri}" does not have the form s3://bucket/key.')
    return parts.netloc, key


def _missing(uri: str, error: AWSError) -> ModelDataError:
    return ModelDataError(
        f'Failed to download model data for container "container_1" from URL: "{uri}". Please '
        "ensure that there is an object located at the URL and that the role passed to "
        f"CreateModel has permissions to download the object. ({error.code}: {error.message})"
    )


def _extract(objects: Objects, account: str, uri: str, destination: Path) -> None:
    bucket, key = _parse(uri)
    try:
        with objects.open(account, bucket, key) as stream:
            archives.extract(stream, destination)
    except AWSError as error:
        raise _missing(uri, error) from error
    except archives.ArchiveError as error:
        raise ModelDataError(
            f'Failed to extract model data archive from URL "{uri}". Please ensure that the '
            f"object located at the URL is a valid tar.gz archive: {error}."
        ) from error


def _copy(objects: Objects, account: str, uri: str, destination: Path, *, single: bool) -> None:
    bucket, prefix = _parse(uri)
    try:
        if single:
            objects.download(account, bucket, prefix, destination / PurePosixPath(prefix).name)
            return
        found = [item.key for item in objects.list(account, bucket, prefix)]
        if not found:
            raise AWSError("NoSuchKey", "There is no object under this prefix.", 404)
        folder = prefix if prefix.endswith("/") else prefix.rpartition("/")[0]
        for key in found:
            relative = key[len(folder) :].lstrip("/")
            if relative and not relative.endswith("/"):
                objects.download(account, bucket, key, _inside(destination, relative))
    except AWSError as error:
        raise _missing(uri, error) from error


def _inside(destination: Path, relative: str) -> Path:
    path = PurePosixPath(relative)
    # Keys are any text: one that leads out, or is both a file and a folder, has no place here.
    if ".." in path.parts or path.is_absolute():
        raise ModelDataError(f"The key {relative!r} cannot be a file name in the model's folder.")
    target = destination / path
    if target.is_dir() or any(parent.is_file() for parent in target.parents):
        raise ModelDataError(f"The key {relative!r} is both a file and a folder.")
    return target
