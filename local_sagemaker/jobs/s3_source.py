"""S3DataSource: which objects of S3 a job's request means, and what each is called in the job.

It knows prefixes and manifests; it must not know files, nor what a job does with the objects.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.s3.objects import Objects


class SourceError(Exception):
    """A manifest cannot be read; the message is the job's failure reason."""


@dataclass(frozen=True)
class Item:
    """An object, and its name relative to the prefix that led to it."""

    location: S3Location
    name: str


def check(objects: Objects, account: str, region: str, role: str, uris: Iterable[str]) -> None:
    """Refuse addresses below which there are no objects, as the service does.

    Parameters
    ----------
    objects, account
        Where to look, and as whom.
    region, role
        What the service's sentence names.
    uris
        Prefixes, or manifests.

    Raises
    ------
    AWSError
        ``ValidationException``.
    """
    for uri in uris:
        location = S3Location.parse(uri)
        if not _listed(objects, account, location):
            raise validation_exception(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please '
                f"ensure that the bucket exists in the selected region ({region}), that objects "
                f'exist under that S3 prefix, and that the role "{role}" has "s3:ListBucket" '
                f'permissions on bucket "{location.bucket}".'
            )


def items(objects: Objects, account: str, source: dict[str, Any]) -> list[Item]:
    """Return the objects of a source, in the order of their keys or of the manifest.

    Parameters
    ----------
    objects, account
        Where to read, and as whom.
    source
        An ``S3DataSource`` with ``S3DataType`` S3Prefix or ManifestFile.

    Raises
    ------
    SourceError
        When the manifest is not there or is none.
    """
    location = S3Location.parse(source["S3Uri"])
    if source["S3DataType"] == "ManifestFile":
        return _manifest(objects, account, location)
    return [
        Item(found, _relative(location.key, found.key))
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


def _relative(prefix: str, key: str) -> str:
    """Return an object's name: relative to the prefix, if that is a folder.

    A prefix may also be an object's own key, or end in the middle of a name; then names are
    relative to its parent.
    """
    if key == prefix or not (prefix.endswith("/") or key.startswith(f"{prefix}/") or not prefix):
        return key[prefix.rfind("/") + 1 :]
    return key[len(prefix) :].lstrip("/")


def _manifest(objects: Objects, account: str, location: S3Location) -> list[Item]:
    """Read ``[{"prefix": "s3://bucket/folder/"}, "name", …]``."""
    try:
        with objects.open(account, location.bucket, location.key) as stream:
            head, *names = json.loads(stream.read())
        prefix = S3Location.parse(str(head["prefix"]))
    except AWSError as error:
        raise SourceError(f"cannot read the manifest {location}: {error.message}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SourceError(
            f'the manifest {location} is not of the form [{{"prefix": "s3://…/"}}, "name", …]'
        ) from error
    if not all(isinstance(name, str) for name in names):
        raise SourceError(f"the manifest {location} names something that is not a string")
    return [Item(S3Location(prefix.bucket, prefix.key + name), name) for name in names]
