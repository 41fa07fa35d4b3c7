"""Input channels: the objects that a job's request means, as files in the container.

It knows channels and files; it must not know what a job does with them.
"""

import errno
import gzip
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.jobs import s3_source
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.jobs.s3_source import Item, SourceError
from local_sagemaker.s3.objects import Objects

# What a name or another input is to blame for, and not the machine.
_NO_NAMES = (errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR)


class ChannelError(Exception):
    """A channel cannot be staged; the message is the job's failure reason."""


def check(objects: Objects, account: str, region: str, role: str, request: dict[str, Any]) -> None:
    """Refuse a request whose channels have no objects, as the service does; see `s3_source.check`.

    Parameters
    ----------
    request
        The parameters of a job; only ``InputDataConfig`` is read.
    """
    channels = request.get("InputDataConfig", [])
    names = [channel["ChannelName"] for channel in channels]
    for name in names:
        if names.count(name) > 1:
            raise validation_exception(f"The channel name {name!r} is given more than once.")
    sources = [channel["DataSource"].get("S3DataSource") for channel in channels]
    uris = [source["S3Uri"] for source in sources if source is not None]
    s3_source.check(objects, account, region, role, uris)


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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _blamed(error, f"the folder {folder.name!r} cannot be made") from error
    unzip = channel.get("CompressionType", "None") == "Gzip"
    try:
        items = s3_source.items(objects, account, channel["DataSource"]["S3DataSource"])
    except SourceError as error:
        raise ChannelError(str(error)) from error
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
        except OSError as error:
            raise _blamed(error, f"{item.location} cannot be a file of its channel") from error
    return len(items)


def _blamed(error: OSError, what: str) -> Exception:
    """Return the error itself, or what the job's request is to blame for."""
    if error.errno not in _NO_NAMES:
        return error
    return ChannelError(f"{what}: {error.strerror}")


def _check_names(items: Sequence[Item]) -> None:
    """Refuse keys that would leave the folder, and such as cannot all be files of one folder."""
    files: dict[PurePosixPath, S3Location] = {}
    for item in items:
        name = PurePosixPath(item.name)
        if name.is_absolute() or ".." in name.parts or not name.parts or "\0" in item.name:
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
