"""Input channels: which objects of S3 a job's request means, and their files in the container.

It knows prefixes, manifests and files; it must not know what a job does with them.
"""

import gzip
import json
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.s3.objects import Objects


class ChannelError(Exception):
    """A channel cannot be staged; the message is the job's failure reason."""


@dataclass(frozen=True)
class Item:
    """An object, and the name of its file relative to the channel's folder."""

    location: S3Location
    name: PurePosixPath


def check(objects: Objects, account: str, region: str, role: str, request: dict[str, Any]) -> None:
    """Refuse a request whose channels have no objects, as the service does.

    Parameters
    ----------
    objects, account
        Where to look, and as whom.
    region, role
        What the service's sentence names.
    request
        The parameters of a job; only ``InputDataConfig`` is read.

    Raises
    ------
    AWSError
        ``ValidationException``.
    """
    names = [channel["ChannelName"] for channel in request.get("InputDataConfig", [])]
    for name in names:
        if names.count(name) > 1:
            raise validation_exception(f"The channel name {name!r} is given more than once.")
    for channel in request.get("InputDataConfig", []):
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            continue
        uri = source["S3Uri"]
        location = S3Location.parse(uri)
        if not _listed(objects, account, location):
            raise validation_exception(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please '
                f"ensure that the bucket exists in the selected region ({region}), that objects "
                f'exist under that S3 prefix, and that the role "{role}" has "s3:ListBucket" '
                f'permissions on bucket "{location.bucket}".'
            )


def refusal(request: dict[str, Any]) -> str | None:
    """Return why the channels of a request cannot be staged here, or None."""
    default_mode = request.get("AlgorithmSpecification", {}).get("TrainingInputMode", "File")
    for channel in request.get("InputDataConfig", []):
        name = channel["ChannelName"]
        source = channel["DataSource"].get("S3DataSource")
        if source is None:
            kinds = ", ".join(channel["DataSource"]) or "no data source"
            return f"channel {name!r} has {kinds}; only S3DataSource is read locally"
        if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
            return f"channel {name!r} has S3DataType {source['S3DataType']}"
        if channel.get("InputMode", default_mode) == "Pipe":
            return f"channel {name!r} has input mode Pipe; use File or FastFile"
        if channel.get("RecordWrapperType", "None") != "None":
            return f"channel {name!r} has RecordWrapperType {channel['RecordWrapperType']}"
    return None


def stage(objects: Objects, account: str, channel: dict[str, Any], folder: Path) -> int:
    """Write the objects of a channel as files.

    Files are copies: a job may change them.

    Parameters
    ----------
    objects, account
        Where to read, and as whom.
    channel
        One entry of ``InputDataConfig``.
    folder
        The channel's folder, made if it is not there.

    Returns
    -------
    int
        How many files there are.

    Raises
    ------
    ChannelError
        When an object is gone or its key cannot be the name of a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unzip = channel.get("CompressionType", "None") == "Gzip"
    items = _items(objects, account, channel["DataSource"]["S3DataSource"])
    _check_names(items)
    for item in items:
        path = folder / item.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            objects.download(account, item.location.bucket, item.location.key, path)
            if unzip:
                _unzip(path)
        except AWSError as error:
            raise ChannelError(f"cannot read {item.location}: {error.message}") from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ChannelError(f"{item.location} is not a whole gzip file: {error}") from error
    return len(items)


def _items(objects: Objects, account: str, source: dict[str, Any]) -> list[Item]:
    location = S3Location.parse(source["S3Uri"])
    if source["S3DataType"] == "ManifestFile":
        return _manifest(objects, account, location)
    return [
        Item(found, _local_name(location.key, found.key))
        for found in _listed(objects, account, location)
    ]


def _listed(objects: Objects, account: str, location: S3Location) -> list[S3Location]:
    """Return the objects under a prefix; keys that end in a slash stand for folders."""
    try:
        found = objects.list(account, location.bucket, location.key)
    except AWSError:
        # No such bucket, or somebody else's: to the service both are "no objects found".
        return []
    return [S3Location(location.bucket, info.key) for info in found if not info.key.endswith("/")]


def _local_name(prefix: str, key: str) -> PurePosixPath:
    """Return an object's name in the channel: relative to the prefix, if that is a folder.

    A prefix may also be an object's own key, or end in the middle of a name; then names are
    relative to its parent.
    """
    if key == prefix or not (prefix.endswith("/") or key.startswith(f"{prefix}/") or not prefix):
        return PurePosixPath(key[prefix.rfind("/") + 1 :])
    return PurePosixPath(key[len(prefix) :].lstrip("/"))


def _manifest(objects: Objects, account: str, location: S3Location) -> list[Item]:
    """Read ``[{"prefix": "s3://bucket/folder/"}, "name", …]``."""
    try:
        with objects.open(account, location.bucket, location.key) as stream:
            head, *names = json.loads(stream.read())
        prefix = S3Location.parse(head["prefix"])
    except AWSError as error:
        raise ChannelError(f"cannot read the manifest {location}: {error.message}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ChannelError(
            f'the manifest {location} is not of the form [{{"prefix": "s3://…/"}}, "name", …]'
        ) from error
    if not all(isinstance(name, str) for name in names):
        raise ChannelError(f"the manifest {location} names something that is not a string")
    return [
        Item(S3Location(prefix.bucket, prefix.key + name), PurePosixPath(name)) for name in names
    ]


def _check_names(items: Sequence[Item]) -> None:
    """Refuse keys that would leave the folder, and such as cannot all be files of one folder."""
    files: dict[PurePosixPath, S3Location] = {}
    for item in items:
        name = item.name
        if name.is_absolute() or ".." in name.parts or not name.parts or "\0" in str(name):
            raise ChannelError(f"the key of {item.location} cannot be the name of a file")
        if name in files:
            raise ChannelError(f"{files[name]} and {item.location} would be the same file")
        files[name] = item.location
    for name, location in files.items():
        for parent in name.parents:
            if parent in files:
                raise ChannelError(
                    f"{files[parent]} would be a file and {location} a file below it"
                )


def _unzip(path: Path) -> None:
    target = path.with_suffix("") if path.suffix == ".gz" else path
    unzipped = path.with_name(f".{path.name}.unzipped")
    with gzip.open(path) as source, unzipped.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    path.unlink()
    unzipped.replace(target)
