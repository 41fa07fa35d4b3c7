"""What a request to S3 says: bucket, key, headers, tags, conditions.

It turns text from the wire into the nouns of `model` and refuses what cannot be honoured. It
must not know what is stored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from local_sagemaker.canonical import parse_query
from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.s3.checksums import ALGORITHMS
from local_sagemaker.s3.model import (
    Description,
    Precondition,
    access_denied,
    check_key,
    invalid_argument,
    invalid_request,
    not_implemented,
)
from local_sagemaker.s3.xml import child, parse

MAX_METADATA = 2048
"""Bytes of user metadata, names and values together."""

_META = "x-amz-meta-"
_SSE = "x-amz-server-side-encryption"
# Kept and returned. Encryption is recorded only: nothing is encrypted on this machine's disk.
_KEPT = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    _SSE,
    f"{_SSE}-aws-kms-key-id",
    f"{_SSE}-bucket-key-enabled",
)
_STORAGE_CLASSES = {
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
}
# Reading from these needs a restore first.
_ARCHIVES = {"GLACIER", "DEEP_ARCHIVE", "SNOW", "OUTPOSTS", "EXPRESS_ONEZONE"}
_REFUSED = (
    (f"{_SSE}-customer-", "encryption with a customer's key"),
    ("x-amz-copy-source-server-side-encryption-customer-", "encryption with a customer's key"),
    ("x-amz-object-lock-", "object lock"),
    ("x-amz-bucket-object-lock-", "object lock"),
    ("x-amz-grant-", "an access control list"),
    ("x-amz-bucket-namespace", "a namespace of buckets"),
    ("x-amz-write-offset-bytes", "appending to an object"),
    ("x-amz-if-match-", "deletion on condition of a time or a size"),
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ACLS = {"private", "bucket-owner-full-control"}


@dataclass(frozen=True)
class Call:
    """One request, its path and query decoded.

    Attributes
    ----------
    method, bucket, key
        ``bucket`` and ``key`` are empty where the path has none.
    query, headers
        The first value of each name; header names in lower case.
    caller
        Who signed it.
    request_id
        Goes into the answer.
    body
        The verified body, of operations that take XML.
    """

    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    caller: Caller
    request_id: str
    body: bytes = field(default=b"", repr=False)

    @property
    def account(self) -> str:
        """The caller's account."""
        return self.caller.account

    @property
    def resource(self) -> str:
        """The path as errors name it."""
        return f"/{self.bucket}" + (f"/{self.key}" if self.key else "")


def read_call(request: Request, caller: Caller, request_id: str) -> Call:
    """Return the call that a request is.

    The key comes from the raw path, decoded exactly once: ``%2541`` is the key ``%41``.
    """
    raw: bytes = request.scope["raw_path"].partition(b"?")[0]
    bucket, _, key = raw.removeprefix(b"/").partition(b"/")
    query: dict[str, str] = {}
    for name, value in parse_query(request.scope["query_string"]):
        if not (_is_text(name) and _is_text(value)):
            raise _invalid_uri()
        query.setdefault(name, value)
    return Call(
        method=request.method,
        bucket=_decode(bucket),
        key=_decode(key),
        query=query,
        headers=dict(request.headers) | _headers_in(query),
        caller=caller,
        request_id=request_id,
    )


def check_call(call: Call) -> None:
    """Refuse what no operation here can honour."""
    check_key(call.key)
    for name in call.headers:
        for prefix, what in _REFUSED:
            # An object lock that is expressly off asks for nothing.
            if name.startswith(prefix) and call.headers[name].lower() not in ("false", "off"):
                raise not_implemented(f"{what} ({name})")
    ownership = call.headers.get("x-amz-object-ownership", "BucketOwnerEnforced")
    if ownership != "BucketOwnerEnforced":
        raise not_implemented(f"object ownership {ownership}")
    acl = call.headers.get("x-amz-acl")
    if acl is not None and acl not in _ACLS:
        raise AWSError("AccessControlListNotSupported", "The bucket does not allow ACLs")
    for name in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
        if call.headers.get(name, call.account) != call.account:
            raise access_denied()
    version = call.query.get("versionId", "null")
    if version != "null":
        raise _no_such_version(call.key, version)


def read_description(headers: Mapping[str, str]) -> Description:
    """Return what the headers of a write say about the object."""
    kept = {name: headers[name] for name in _KEPT if headers.get(name)}
    if "aws-chunked" in kept.get("content-encoding", ""):
        encoding = [part.strip() for part in kept.pop("content-encoding").split(",")]
        if encoding := [part for part in encoding if part != "aws-chunked"]:
            kept["content-encoding"] = ", ".join(encoding)
    kept.setdefault("content-type", "binary/octet-stream")
    _check_storage_class(kept)
    if kept.get(_SSE, "AES256") not in ("AES256", "aws:kms", "aws:kms:dsse"):
        raise invalid_argument("The encryption method specified is not supported", _SSE, kept[_SSE])
    metadata = {
        name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)
    }
    for value in (*kept.values(), *metadata.values()):
        if _CONTROL.search(value):
            raise invalid_request("A header's value holds a line break or a control character.")
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > MAX_METADATA:
        raise AWSError(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            400,
            Size=size,
            MaxSizeAllowed=MAX_METADATA,
        )
    return Description(kept, metadata, parse_tagging_header(headers.get("x-amz-tagging", "")))


def read_precondition(headers: Mapping[str, str]) -> Precondition:
    """Return the conditions of a write."""
    return Precondition(headers.get("if-match"), headers.get("if-none-match"))


def read_copy_source(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the bucket and key that ``x-amz-copy-source`` names."""
    value = headers["x-amz-copy-source"]
    path, _, version = value.partition("?versionId=")
    bucket, _, key = _decode(path.encode("latin-1")).removeprefix("/").partition("/")
    if not bucket or not key:
        raise invalid_argument(
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            "x-amz-copy-source",
            value,
        )
    if version not in ("", "null"):
        raise _no_such_version(key, version)
    return bucket, key


def read_algorithm(
    headers: Mapping[str, str], name: str = "x-amz-checksum-algorithm"
) -> str | None:
    """Return the checksum algorithm that a header asks for, or None."""
    value = headers.get(name)
    if value is None:
        return None
    if value.upper() not in ALGORITHMS:
        raise invalid_request(f"Checksum algorithm provided is unsupported: {value}")
    return value.upper()


def parse_tagging_header(value: str) -> dict[str, str]:
    """Return the tags of a URL-encoded header ``key=value&…``."""
    tags: dict[str, str] = {}
    for pair in value.split("&") if value else ():
        name, _, content = pair.partition("=")
        _add_tag(tags, _decode_form(name), _decode_form(content))
    return check_tags(tags)


def parse_tagging(body: bytes, limit: int = 10) -> dict[str, str]:
    """Return the tags of a ``Tagging`` document."""
    tags: dict[str, str] = {}
    for tag in parse(body, "Tagging").iterfind("TagSet/Tag"):
        _add_tag(tags, child(tag, "Key"), child(tag, "Value"))
    return check_tags(tags, limit)


def check_tags(tags: dict[str, str], limit: int = 10) -> dict[str, str]:
    """Return tags that S3 takes; ``InvalidTag`` or ``BadRequest`` otherwise.

    Source: "Categorizing your objects using tags" in the S3 user guide.
    """
    if len(tags) > limit:
        raise AWSError("BadRequest", f"Object tags cannot be greater than {limit}")
    for name, value in tags.items():
        if not name or len(name) > 128:
            raise AWSError("InvalidTag", "The TagKey you have provided is invalid", TagKey=name)
        if len(value) > 256:
            raise AWSError("InvalidTag", "The TagValue you have provided is invalid", TagKey=name)
        if name.lower().startswith("aws:"):
            raise AWSError(
                "InvalidTag", "System tags cannot be added/updated by requester", TagKey=name
            )
    return tags


def _add_tag(tags: dict[str, str], name: str, value: str) -> None:
    if name in tags:
        raise AWSError("InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=name)
    tags[name] = value


def _check_storage_class(headers: Mapping[str, str]) -> None:
    value = headers.get("x-amz-storage-class", "STANDARD")
    if value in _ARCHIVES:
        raise not_implemented(f"storage class {value}")
    if value not in _STORAGE_CLASSES:
        raise AWSError(
            "InvalidStorageClass",
            "The storage class you specified is not valid",
            400,
            StorageClassRequested=value,
        )


def _no_such_version(key: str, version: str) -> AWSError:
    return AWSError(
        "NoSuchVersion", "The specified version does not exist.", 404, Key=key, VersionId=version
    )


def _decode(raw: bytes) -> str:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise _invalid_uri() from error


def _headers_in(query: Mapping[str, str]) -> dict[str, str]:
    # A presigned URL may carry headers in its query, where the signature covers them. Bytes
    # that Latin-1 lacks are kept as Starlette keeps those of real headers.
    return {
        name.lower(): value.encode().decode("latin-1")
        for name, value in query.items()
        if name.lower().startswith("x-amz-")
    }


def _is_text(value: str) -> bool:
    # What was not UTF-8 is there as lone surrogates, which nothing can be named with.
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _invalid_uri() -> AWSError:
    return AWSError("InvalidURI", "Couldn't parse the specified URI.", 400)


def _decode_form(text: str) -> str:
    return _decode(text.replace("+", " ").encode("latin-1"))
