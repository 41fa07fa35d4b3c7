"""The nouns of the object store, and the errors S3 has for them.

It knows what a bucket, an object, a part and an upload are; it must not know SQL, files or HTTP.

Source of codes and messages: "Error responses" in the S3 API reference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.blobs import Segment
from local_sagemaker.s3.checksums import Checksum

MAX_KEY = 1024
"""Longest key in bytes of UTF-8."""

STANDARD = "STANDARD"


@dataclass(frozen=True)
class Bucket:
    """A bucket; ``created`` is in seconds since the epoch."""

    name: str
    account: str
    region: str
    created: float


@dataclass(frozen=True)
class Description:
    """What a client says about an object besides its bytes.

    Attributes
    ----------
    headers
        Headers to be returned as they came, by lower-case name (``content-type``...).
    metadata
        User metadata by lower-case name, without ``x-amz-meta-``.
    tags
        Object tags.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def storage_class(self) -> str:
        """The storage class; ``STANDARD`` unless another was named."""
        return self.headers.get("x-amz-storage-class", STANDARD)


@dataclass(frozen=True)
class ObjectInfo:
    """An object as a listing shows it.

    Attributes
    ----------
    key, size, etag, modified
        Name, bytes, ETag without quotes, seconds since the epoch.
    blob
        Name of the content: objects of the same name have the same bytes.
    storage_class, checksum_algorithm, checksum_kind
        As S3 lists them; the last two may be None.
    """

    key: str
    size: int
    etag: str
    modified: float
    blob: str
    storage_class: str = STANDARD
    checksum_algorithm: str | None = None
    checksum_kind: str | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object with all that is known of it; ``number`` is never given to another one."""

    number: int
    bucket: str
    info: ObjectInfo
    description: Description
    checksum: Checksum | None
    parts: int | None

    @property
    def size(self) -> int:
        """Bytes."""
        return self.info.size


@dataclass(frozen=True)
class NewObject:
    """An object about to be written: its segments are on disk, its row is not."""

    bucket: str
    key: str
    etag: str
    description: Description
    segments: Sequence[tuple[Segment, Checksum | None]]
    checksum: Checksum | None = None
    parts: int | None = None
    upload: str | None = None


@dataclass(frozen=True)
class Upload:
    """A multipart upload in progress."""

    id: str
    bucket: str
    key: str
    initiated: float
    initiator: str
    description: Description
    algorithm: str | None
    kind: str | None


@dataclass(frozen=True)
class Part:
    """An uploaded part; its content is one blob."""

    number: int
    segment: Segment
    etag: str
    modified: float
    checksum: Checksum | None


@dataclass(frozen=True)
class Precondition:
    """What must hold of the object that a write replaces or a delete removes."""

    if_match: str | None = None
    if_none_match: str | None = None

    def check(self, key: str, etag: str | None) -> None:
        """Raise S3's error unless the current ETag (None: no object) is as demanded."""
        if self.if_none_match is not None:
            if self.if_none_match != "*":
                raise not_implemented("If-None-Match with anything but * on a write")
            if etag is not None:
                raise precondition_failed("If-None-Match")
        if self.if_match is not None:
            if etag is None:
                raise no_such_key(key)
            if self.if_match.strip('"') not in ("*", etag):
                raise precondition_failed("If-Match")


def no_such_bucket(bucket: str) -> AWSError:
    """Return the error for a bucket that is not there."""
    return AWSError("NoSuchBucket", "The specified bucket does not exist", 404, BucketName=bucket)


def no_such_key(key: str) -> AWSError:
    """Return the error for an object that is not there."""
    return AWSError("NoSuchKey", "The specified key does not exist.", 404, Key=key)


def no_such_upload(upload: str) -> AWSError:
    """Return the error for a multipart upload that is not there."""
    return AWSError(
        "NoSuchUpload",
        "The specified upload does not exist. The upload ID may be invalid, or the upload may "
        "have been aborted or completed.",
        404,
        UploadId=upload,
    )


def access_denied(message: str = "Access Denied") -> AWSError:
    """Return the error for what belongs to somebody else."""
    return AWSError("AccessDenied", message, 403)


def precondition_failed(condition: str) -> AWSError:
    """Return the error for a failed ``If-…`` header."""
    return AWSError(
        "PreconditionFailed",
        "At least one of the pre-conditions you specified did not hold",
        412,
        Condition=condition,
    )


def invalid_argument(message: str, name: str, value: str) -> AWSError:
    """Return the error for a parameter with a bad value."""
    return AWSError("InvalidArgument", message, 400, ArgumentName=name, ArgumentValue=value)


def invalid_request(message: str) -> AWSError:
    """Return the error for a request that contradicts itself."""
    return AWSError("InvalidRequest", message, 400)


def malformed_xml() -> AWSError:
    """Return the error for a body that is not what the operation takes."""
    return AWSError(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
        400,
    )


def not_implemented(what: str) -> AWSError:
    """Return the honest answer to a request for something that is not there."""
    return AWSError(
        "NotImplemented", f"{what} is not implemented by the local SageMaker's S3.", 501
    )


def check_key(key: str) -> None:
    """Raise S3's error for a key that no object can have."""
    size = len(key.encode())
    if size > MAX_KEY:
        members: dict[str, Any] = {"Size": size, "MaxSizeAllowed": MAX_KEY}
        raise AWSError("KeyTooLongError", "Your key is too long", 400, **members)
