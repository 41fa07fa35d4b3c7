"""S3's operations on multipart uploads.

It turns calls into work on `Uploads` and answers as S3 does.
"""

from xml.etree.ElementTree import Element

from starlette.responses import Response

from local_sagemaker.s3.blobs import CHUNK
from local_sagemaker.s3.body import read_checksum
from local_sagemaker.s3.bucket_api import Handler, read_limit
from local_sagemaker.s3.checksums import ALGORITHMS, Checksum, allowed_kind, default_kind
from local_sagemaker.s3.content import Incoming
from local_sagemaker.s3.download import check_conditions, parse_range
from local_sagemaker.s3.listing_api import encoder
from local_sagemaker.s3.model import (
    Part,
    Upload,
    invalid_argument,
    invalid_request,
    malformed_xml,
)
from local_sagemaker.s3.multipart import MAX_PARTS, Claim, Completion, Uploads, check_number
from local_sagemaker.s3.object_api import encryption_headers, written_headers
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.request import (
    Call,
    read_algorithm,
    read_copy_source,
    read_description,
    read_precondition,
)
from local_sagemaker.s3.xml import (
    canonical_id,
    checksum_elements,
    child,
    document,
    group,
    iso_time,
    owner,
    parse,
    text,
)

_MAX_LISTED = 1000


class MultipartApi:
    """The operations, by name."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._uploads = Uploads(objects)

    def operations(self) -> dict[str, Handler]:
        """Return the handlers of operations whose body, if any, is XML."""
        return {
            "CreateMultipartUpload": self.create,
            "UploadPartCopy": self.upload_part_copy,
            "CompleteMultipartUpload": self.complete,
            "AbortMultipartUpload": self.abort,
            "ListParts": self.list_parts,
            "ListMultipartUploads": self.list_uploads,
        }

    def create(self, call: Call) -> Response:
        """Answer CreateMultipartUpload."""
        algorithm = read_algorithm(call.headers)
        kind = call.headers.get("x-amz-checksum-type")
        if algorithm is not None:
            kind = kind or default_kind(algorithm)
            if not allowed_kind(algorithm, kind):
                raise invalid_request(
                    f"The {kind} checksum type cannot be used with the {algorithm.lower()} "
                    "checksum algorithm."
                )
        elif kind is not None:
            raise invalid_request("x-amz-checksum-type header can only be used with a checksum")
        upload = self._uploads.create(
            call.account,
            call.bucket,
            call.key,
            call.caller.arn,
            read_description(call.headers),
            algorithm,
            kind,
        )
        response = document(
            "InitiateMultipartUploadResult",
            text("Bucket", call.bucket),
            text("Key", call.key),
            text("UploadId", upload.id),
        )
        response.headers.update(encryption_headers(upload.description.headers))
        if algorithm and kind:
            response.headers["x-amz-checksum-algorithm"] = algorithm
            response.headers["x-amz-checksum-type"] = kind
        return response

    def check_part(self, call: Call) -> None:
        """Raise what can be known to be wrong before the body has come."""
        check_number(call.query.get("partNumber", ""))
        self._find(call)

    def upload_part(self, call: Call, incoming: Incoming) -> Response:
        """Answer UploadPart, given the received body."""
        number = check_number(call.query.get("partNumber", ""))
        upload = self._find(call)
        checksum = read_checksum(call.headers)
        if checksum and upload.algorithm not in (None, checksum.algorithm):
            raise invalid_request(
                "Checksum Type mismatch occurred, expected checksum Type: "
                f"{str(upload.algorithm).lower()}, actual checksum Type: "
                f"{checksum.algorithm.lower()}"
            )
        part = self._uploads.put_part(call.account, upload, number, incoming, checksum)
        headers = {"etag": f'"{part.etag}"'} | encryption_headers(upload.description.headers)
        if checksum is not None:
            headers[checksum.header] = checksum.value
        return Response(headers=headers)

    def upload_part_copy(self, call: Call) -> Response:
        """Answer UploadPartCopy."""
        number = check_number(call.query.get("partNumber", ""))
        upload = self._find(call)
        algorithms = [upload.algorithm] if upload.algorithm else []
        stored, reader = self._objects.read(call.account, *read_copy_source(call.headers))
        with reader, self._objects.receive(algorithms) as incoming:
            check_conditions(call.headers, stored, "x-amz-copy-source-", 412)
            start, stop = _copied_range(call, stored.size)
            reader.seek(start)
            while incoming.size < stop - start:
                incoming.write(reader.read(min(CHUNK, stop - start - incoming.size)))
            checksum = incoming.digests.checksum(upload.algorithm) if upload.algorithm else None
            part = self._uploads.put_part(call.account, upload, number, incoming, checksum)
        return document(
            "CopyPartResult",
            text("LastModified", iso_time(part.modified)),
            text("ETag", f'"{part.etag}"'),
            _part_checksum(part),
        )

    def complete(self, call: Call) -> Response:
        """Answer CompleteMultipartUpload."""
        root = parse(call.body, "CompleteMultipartUpload", "CompleteMultipartUploadRequest")
        parts = [_claim(entry) for entry in root.iterfind("Part")]
        if not parts:
            raise malformed_xml()
        size = call.headers.get("x-amz-mp-object-size")
        if size is not None and not size.isdecimal():
            raise invalid_argument(
                "x-amz-mp-object-size must be a number of bytes", "x-amz-mp-object-size", size
            )
        completion = Completion(
            parts,
            _claimed_checksum(call),
            int(size) if size is not None else None,
            read_precondition(call.headers),
        )
        upload = call.query["uploadId"]
        stored = self._uploads.complete(call.account, call.bucket, call.key, upload, completion)
        response = document(
            "CompleteMultipartUploadResult",
            text("Location", f"http://{call.headers['host']}{call.resource}"),
            text("Bucket", call.bucket),
            text("Key", call.key),
            text("ETag", f'"{stored.info.etag}"'),
            checksum_elements(stored.checksum),
        )
        headers = written_headers(stored)
        del headers["etag"]
        response.headers.update(headers)
        return response

    def abort(self, call: Call) -> Response:
        """Answer AbortMultipartUpload."""
        self._uploads.abort(call.account, call.bucket, call.key, call.query["uploadId"])
        return Response(status_code=204)

    def list_parts(self, call: Call) -> Response:
        """Answer ListParts."""
        upload = self._find(call)
        limit = read_limit(call.query, "max-parts", _MAX_LISTED)
        marker = read_limit(call.query, "part-number-marker", MAX_PARTS, default=0)
        found = [part for part in self._uploads.parts(upload.id) if part.number > marker]
        shown = found[:limit]
        elements = [
            group(
                "Part",
                text("PartNumber", part.number),
                text("LastModified", iso_time(part.modified)),
                text("ETag", f'"{part.etag}"'),
                text("Size", part.segment.size),
                _part_checksum(part),
            )
            for part in shown
        ]
        return document(
            "ListPartsResult",
            text("Bucket", call.bucket),
            text("Key", call.key),
            text("UploadId", upload.id),
            _initiator(upload, call),
            text("PartNumberMarker", marker),
            text("NextPartNumberMarker", shown[-1].number if shown else 0),
            text("MaxParts", limit),
            text("IsTruncated", len(found) > len(shown)),
            *elements,
        )

    def list_uploads(self, call: Call) -> Response:
        """Answer ListMultipartUploads."""
        query = call.query
        encode = encoder(call)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = read_limit(query, "max-uploads", _MAX_LISTED)
        marker = (query.get("key-marker", ""), query.get("upload-id-marker", "\U0010ffff"))
        uploads: dict[tuple[str, str], Upload | None] = {}
        for upload in self._uploads.list(call.account, call.bucket, prefix):
            cut = upload.key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                uploads.setdefault((upload.key[: cut + len(delimiter)], ""), None)
            else:
                uploads[upload.key, upload.id] = upload
        found = [
            entry
            for entry in uploads.items()
            if entry[0] > marker and (entry[1] is not None or entry[0][0] > marker[0])
        ]
        shown = found[:limit]
        truncated = bool(limit) and len(found) > limit
        children = [
            text("Bucket", call.bucket),
            text("KeyMarker", encode(marker[0])),
            text("UploadIdMarker", query.get("upload-id-marker", "")),
            text("Prefix", encode(prefix)),
            text("MaxUploads", limit),
            text("IsTruncated", truncated),
        ]
        if delimiter:
            children.append(text("Delimiter", encode(delimiter)))
        if "encoding-type" in query:
            children.append(text("EncodingType", "url"))
        if truncated:
            (key, upload_id), _ = shown[-1]
            children += [text("NextKeyMarker", encode(key)), text("NextUploadIdMarker", upload_id)]
        for (key, upload_id), found_upload in shown:
            if found_upload is None:
                children.append(group("CommonPrefixes", text("Prefix", encode(key))))
                continue
            children.append(
                group(
                    "Upload",
                    text("Key", encode(key)),
                    text("UploadId", upload_id),
                    _initiator(found_upload, call),
                    text("Initiated", iso_time(found_upload.initiated)),
                )
            )
        return document("ListMultipartUploadsResult", *children)

    def _find(self, call: Call) -> Upload:
        return self._uploads.find(call.account, call.bucket, call.key, call.query["uploadId"])


def _initiator(upload: Upload, call: Call) -> str:
    checksum = ""
    if upload.algorithm:
        checksum = text("ChecksumAlgorithm", upload.algorithm) + text("ChecksumType", upload.kind)
    initiator = group("Initiator", text("ID", upload.initiator or canonical_id(call.account)))
    storage_class = text("StorageClass", upload.description.storage_class)
    return initiator + owner(call.account) + storage_class + checksum


def _part_checksum(part: Part) -> str:
    return text(part.checksum.element, part.checksum.value) if part.checksum else ""


def _claim(entry: Element) -> Claim:
    number = child(entry, "PartNumber")
    etag = child(entry, "ETag").strip().strip('"')
    if not number.strip().isdecimal():
        raise malformed_xml()
    for algorithm in ALGORITHMS:
        value = entry.findtext(f"Checksum{algorithm}")
        if value:
            return Claim(int(number), etag, Checksum(algorithm, value))
    return Claim(int(number), etag)


def _claimed_checksum(call: Call) -> Checksum | None:
    for algorithm in ALGORITHMS:
        value = call.headers.get(f"x-amz-checksum-{algorithm.lower()}")
        if value:
            return Checksum(algorithm, value)
    return None


def _copied_range(call: Call, size: int) -> tuple[int, int]:
    value = call.headers.get("x-amz-copy-source-range")
    if value is None:
        return 0, size
    first, _, last = value.removeprefix("bytes=").partition("-")
    if not (value.startswith("bytes=") and first.isdecimal() and last.isdecimal()):
        raise invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
            "and last are the zero-based offsets of the first and last bytes to copy",
            "x-amz-copy-source-range",
            value,
        )
    found = parse_range(value, size)
    if found is None or int(last) >= size:
        raise invalid_argument(
            f"Range specified is not valid for source object of size: {size}",
            "x-amz-copy-source-range",
            value,
        )
    return found
