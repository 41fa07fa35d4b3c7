"""S3's operations on objects: put, get, copy, delete, tags.

It turns calls into work on `Objects` and answers as S3 does; listings and multipart uploads have
modules of their own.
"""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from xml.etree.ElementTree import Element

from starlette.responses import Response

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.blobs import CHUNK
from local_sagemaker.s3.body import read_checksum
from local_sagemaker.s3.bucket_api import Handler, check_acl, owner_acl, tagging
from local_sagemaker.s3.content import Incoming
from local_sagemaker.s3.download import (
    ContentResponse,
    check_conditions,
    checksum_headers,
    object_headers,
    overrides,
    parse_range,
    part_range,
)
from local_sagemaker.s3.model import (
    Description,
    Precondition,
    StoredObject,
    check_key,
    invalid_argument,
    invalid_request,
    malformed_xml,
    not_implemented,
)
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.request import (
    Call,
    parse_tagging,
    read_algorithm,
    read_copy_source,
    read_description,
    read_precondition,
)
from local_sagemaker.s3.xml import checksum_elements, child, document, group, iso_time, parse, text

_MAX_DELETED = 1000
_SSE = "x-amz-server-side-encryption"
# These a copy takes from the request, never from its source.
_OWN = (
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
    _SSE,
    f"{_SSE}-aws-kms-key-id",
    f"{_SSE}-bucket-key-enabled",
)


class ObjectApi:
    """The operations, by name.

    Parameters
    ----------
    objects
        The store.
    workers
        Where large objects are read.
    """

    def __init__(self, objects: Objects, workers: Executor) -> None:
        self._objects = objects
        self._workers = workers

    def operations(self) -> dict[str, Handler]:
        """Return the handlers of operations whose body, if any, is XML."""
        return {
            "GetObject": self.get_object,
            "HeadObject": self.head_object,
            "CopyObject": self.copy_object,
            "DeleteObject": self.delete_object,
            "DeleteObjects": self.delete_objects,
            "GetObjectTagging": self.get_tagging,
            "PutObjectTagging": self.put_tagging,
            "DeleteObjectTagging": self.delete_tagging,
            "GetObjectAcl": self.get_acl,
            "PutObjectAcl": self.put_acl,
        }

    def check_put(self, call: Call) -> None:
        """Raise what can be known to be wrong before the body has come."""
        self._objects.buckets.require(call.account, call.bucket)
        read_description(call.headers)
        condition = read_precondition(call.headers)
        if condition != Precondition():
            current = self._objects.index.find(call.bucket, call.key)
            condition.check(call.key, current.info.etag if current else None)

    def put_object(self, call: Call, incoming: Incoming) -> Response:
        """Answer PutObject, given the received body."""
        stored = self._objects.put(
            call.account,
            call.bucket,
            call.key,
            incoming,
            read_description(call.headers),
            read_checksum(call.headers),
            read_precondition(call.headers),
        )
        return Response(headers=written_headers(stored) | checksum_headers(stored))

    def get_object(self, call: Call) -> Response:
        """Answer GetObject."""
        replaced = overrides(call.query)
        stored, reader = self._objects.read(call.account, call.bucket, call.key)
        try:
            span, headers = self._selected(call, stored)
            headers |= replaced
            status = 206 if "content-range" in headers else 200
            if span[1] - span[0] > CHUNK:
                return ContentResponse(reader, span, status, headers, self._workers)
            reader.seek(span[0])
            data = b""
            while len(data) < span[1] - span[0]:
                data += reader.read(span[1] - span[0] - len(data))
        except BaseException:
            reader.close()
            raise
        reader.close()
        return Response(data, status, headers)

    def head_object(self, call: Call) -> Response:
        """Answer HeadObject."""
        stored = self._objects.head(call.account, call.bucket, call.key)
        span, headers = self._selected(call, stored)
        headers["content-length"] = str(span[1] - span[0])
        return Response(
            status_code=206 if "content-range" in headers else 200,
            headers=headers | overrides(call.query),
        )

    def copy_object(self, call: Call) -> Response:
        """Answer CopyObject."""
        source, target = read_copy_source(call.headers), (call.bucket, call.key)
        algorithm = read_algorithm(call.headers)

        def describe(stored: StoredObject) -> Description:
            check_conditions(call.headers, stored, "x-amz-copy-source-", 412)
            description = _copied(call.headers, stored.description)
            kept = _directive(call.headers, "x-amz-metadata-directive") == "COPY"
            changed = algorithm or any(name in call.headers for name in _OWN)
            if source == target and kept and not changed:
                raise invalid_request(
                    "This copy request is illegal because it is trying to copy an object to "
                    "itself without changing the object's metadata, storage class, website "
                    "redirect location or encryption attributes."
                )
            return description

        condition = read_precondition(call.headers)
        stored = self._objects.copy(call.account, source, target, describe, algorithm, condition)
        response = document(
            "CopyObjectResult",
            text("LastModified", iso_time(stored.info.modified)),
            text("ETag", f'"{stored.info.etag}"'),
            checksum_elements(stored.checksum),
        )
        response.headers.update(encryption_headers(stored.description.headers))
        return response

    def delete_object(self, call: Call) -> Response:
        """Answer DeleteObject."""
        condition = Precondition(if_match=call.headers.get("if-match"))
        self._objects.delete(call.account, call.bucket, call.key, condition)
        return Response(status_code=204)

    def delete_objects(self, call: Call) -> Response:
        """Answer DeleteObjects."""
        self._objects.buckets.require(call.account, call.bucket)
        root = parse(call.body, "Delete")
        entries = root.findall("Object")
        if not 1 <= len(entries) <= _MAX_DELETED:
            raise malformed_xml()
        plain: list[str] = []
        deleted: list[str] = []
        failed: list[str] = []
        for entry in entries:
            key = child(entry, "Key")
            try:
                if self._delete_entry(call, key, entry):
                    plain.append(key)
            except AWSError as error:
                failed.append(_delete_error(key, error))
            else:
                version = entry.findtext("VersionId")
                members = text("Key", key) + (text("VersionId", version) if version else "")
                deleted.append(group("Deleted", members))
        self._objects.delete_many(call.account, call.bucket, plain)
        quiet = root.findtext("Quiet", "false").lower() == "true"
        return document("DeleteResult", *([] if quiet else deleted), *failed)

    def _delete_entry(self, call: Call, key: str, entry: Element) -> bool:
        """Check one entry of a bulk deletion; True if it is to go with the others."""
        if not key:
            raise malformed_xml()
        check_key(key)
        if entry.findtext("VersionId", "null") not in ("null", ""):
            raise AWSError("NoSuchVersion", "The specified version does not exist.", 404)
        if entry.find("LastModifiedTime") is not None or entry.find("Size") is not None:
            raise not_implemented("deletion on condition of a time or a size")
        etag = entry.findtext("ETag")
        if etag is not None:
            self._objects.delete(call.account, call.bucket, key, Precondition(if_match=etag))
        return etag is None

    def get_tagging(self, call: Call) -> Response:
        """Answer GetObjectTagging."""
        stored = self._objects.head(call.account, call.bucket, call.key)
        return tagging(stored.description.tags)

    def put_tagging(self, call: Call) -> Response:
        """Answer PutObjectTagging."""
        self._objects.set_tags(call.account, call.bucket, call.key, parse_tagging(call.body))
        return Response()

    def delete_tagging(self, call: Call) -> Response:
        """Answer DeleteObjectTagging."""
        self._objects.set_tags(call.account, call.bucket, call.key, {})
        return Response(status_code=204)

    def get_acl(self, call: Call) -> Response:
        """Answer GetObjectAcl: the owner has full control, nobody else any."""
        self._objects.buckets.require(call.account, call.bucket)
        self._objects.head(call.account, call.bucket, call.key)
        return owner_acl(call.account)

    def put_acl(self, call: Call) -> Response:
        """Answer PutObjectAcl: only a canned list that says what holds anyway."""
        self._objects.buckets.require(call.account, call.bucket)
        self._objects.head(call.account, call.bucket, call.key)
        check_acl(call)
        return Response()

    def _selected(self, call: Call, stored: StoredObject) -> tuple[tuple[int, int], dict[str, str]]:
        """Return which bytes a call asks for, and the headers that go with them."""
        check_conditions(call.headers, stored)
        headers = object_headers(stored)
        number = call.query.get("partNumber")
        if number is not None:
            if "range" in call.headers:
                raise invalid_request("Cannot specify both Range header and partNumber query")
            sizes = [segment.size for segment, _ in self._objects.index.segments(stored.number)]
            span: tuple[int, int] | None = part_range(number, stored, sizes)
            if stored.parts is not None:
                headers["x-amz-mp-parts-count"] = str(stored.parts)
        else:
            span = parse_range(call.headers.get("range"), stored.size)
        if span is not None and span[1] > span[0]:
            headers["content-range"] = f"bytes {span[0]}-{span[1] - 1}/{stored.size}"
        elif call.headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            headers |= checksum_headers(stored)
        return span or (0, stored.size), headers


def written_headers(stored: StoredObject) -> dict[str, str]:
    """Return the headers that answer a write."""
    return {"etag": f'"{stored.info.etag}"'} | encryption_headers(stored.description.headers)


def encryption_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that repeat what a client asked of encryption."""
    return {name: value for name, value in headers.items() if name.startswith(_SSE)}


def _copied(headers: Mapping[str, str], source: Description) -> Description:
    asked = read_description(headers)
    if _directive(headers, "x-amz-metadata-directive") == "COPY":
        kept = {name: value for name, value in source.headers.items() if name not in _OWN}
        own = {name: value for name, value in asked.headers.items() if name in _OWN}
        asked = Description(kept | own, source.metadata, asked.tags)
    if _directive(headers, "x-amz-tagging-directive") == "COPY":
        asked = replace(asked, tags=source.tags)
    return asked


def _directive(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name, "COPY")
    if value not in ("COPY", "REPLACE"):
        what = name.removeprefix("x-amz-").removesuffix("-directive")
        raise invalid_argument(f"Unknown {what} directive.", name, value)
    return value


def _delete_error(key: str, error: AWSError) -> str:
    return group(
        "Error", text("Key", key), text("Code", error.code), text("Message", error.message)
    )
