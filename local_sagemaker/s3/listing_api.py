"""S3's listings of objects: ListObjects, ListObjectsV2, ListObjectVersions.

It turns queries into pages of the index and pages into XML; it must not know how the index finds
them.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from starlette.responses import Response

from local_sagemaker.s3.bucket_api import Handler, read_limit
from local_sagemaker.s3.model import ObjectInfo, invalid_argument
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.request import Call
from local_sagemaker.s3.xml import document, group, iso_time, owner, text, url_encode

_MAX_KEYS = 1000


@dataclass(frozen=True)
class Page:
    """One page: objects, common prefixes, and the last of them if there is more behind it."""

    objects: list[ObjectInfo]
    prefixes: list[str]
    last: str | None


class ListingApi:
    """The operations, by name."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def operations(self) -> dict[str, Handler]:
        """Return the handlers."""
        return {
            "ListObjects": self.list_objects,
            "ListObjectsV2": self.list_objects_v2,
            "ListObjectVersions": self.list_object_versions,
        }

    def list_objects(self, call: Call) -> Response:
        """Answer ListObjects."""
        marker = call.query.get("marker", "")
        page = self._page(call, marker)
        encode = encoder(call)
        children = [*self._common(call, page, encode), text("Marker", encode(marker))]
        if page.last is not None and call.query.get("delimiter"):
            children.append(text("NextMarker", encode(page.last)))
        children += [_contents(info, encode, owner(call.account)) for info in page.objects]
        return document("ListBucketResult", *children)

    def list_objects_v2(self, call: Call) -> Response:
        """Answer ListObjectsV2."""
        start = call.query.get("start-after", "")
        token = call.query.get("continuation-token")
        page = self._page(call, start if token is None else _read_token(token))
        encode = encoder(call)
        count = len(page.objects) + len(page.prefixes)
        children = [*self._common(call, page, encode), text("KeyCount", count)]
        if token is not None:
            children.append(text("ContinuationToken", token))
        if page.last is not None:
            children.append(text("NextContinuationToken", _write_token(page.last)))
        if start:
            children.append(text("StartAfter", encode(start)))
        whose = owner(call.account) if call.query.get("fetch-owner") == "true" else ""
        children += [_contents(info, encode, whose) for info in page.objects]
        return document("ListBucketResult", *children)

    def list_object_versions(self, call: Call) -> Response:
        """Answer ListObjectVersions: each object is its only version, called ``null``."""
        marker = call.query.get("key-marker", "")
        page = self._page(call, marker)
        encode = encoder(call)
        children = [
            *self._common(call, page, encode),
            text("KeyMarker", encode(marker)),
            text("VersionIdMarker", call.query.get("version-id-marker", "")),
        ]
        if page.last is not None:
            children += [text("NextKeyMarker", encode(page.last))]
            children += [text("NextVersionIdMarker", "null")]
        version = text("VersionId", "null") + text("IsLatest", True)
        children += [
            _contents(info, encode, version + owner(call.account), "Version")
            for info in page.objects
        ]
        return document("ListVersionsResult", *children)

    def _page(self, call: Call, after: str) -> Page:
        bucket = self._objects.buckets.readable(call.account, call.bucket)
        limit = read_limit(call.query, "max-keys", _MAX_KEYS)
        prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
        entries = self._objects.index.list(bucket.name, prefix, delimiter, after, limit + 1)
        found = list(islice(entries, limit + 1)) if limit else []
        shown = found[:limit]
        last = None
        if len(found) > limit:
            final = shown[-1]
            last = final if isinstance(final, str) else final.key
        return Page(
            [entry for entry in shown if isinstance(entry, ObjectInfo)],
            [entry for entry in shown if isinstance(entry, str)],
            last,
        )

    def _common(self, call: Call, page: Page, encode: Callable[[str], str]) -> list[str]:
        query = call.query
        children = [
            text("Name", call.bucket),
            text("Prefix", encode(query.get("prefix", ""))),
            text("MaxKeys", read_limit(query, "max-keys", _MAX_KEYS)),
            text("IsTruncated", page.last is not None),
        ]
        if query.get("delimiter"):
            children.append(text("Delimiter", encode(query["delimiter"])))
        if "encoding-type" in query:
            children.append(text("EncodingType", "url"))
        children += [
            group("CommonPrefixes", text("Prefix", encode(prefix))) for prefix in page.prefixes
        ]
        return children


def encoder(call: Call) -> Callable[[str], str]:
    """Return how names are written: as they are, or URL-encoded where the call asks for it."""
    value = call.query.get("encoding-type")
    if value is None:
        return str
    if value.lower() != "url":
        raise invalid_argument(
            "Invalid Encoding Method specified in Request", "encoding-type", value
        )
    return url_encode


def _contents(
    info: ObjectInfo, encode: Callable[[str], str], extra: str, name: str = "Contents"
) -> str:
    checksum = ""
    if info.checksum_algorithm:
        checksum = text("ChecksumAlgorithm", info.checksum_algorithm)
        checksum += text("ChecksumType", info.checksum_kind)
    return group(
        name,
        text("Key", encode(info.key)),
        text("LastModified", iso_time(info.modified)),
        text("ETag", f'"{info.etag}"'),
        checksum,
        text("Size", info.size),
        extra,
        text("StorageClass", info.storage_class),
    )


def _write_token(last: str) -> str:
    return urlsafe_b64encode(last.encode()).decode()


def _read_token(token: str) -> str:
    try:
        last = urlsafe_b64decode(token.encode()).decode()
    except (Base64Error, ValueError):
        last = ""
    # Decoding skips over characters that are not Base64.
    if not last or _write_token(last) != token:
        raise invalid_argument(
            "The continuation token provided is incorrect", "continuation-token", token
        )
    return last
