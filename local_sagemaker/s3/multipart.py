"""Multipart uploads: parts on disk, and how they become one object without being copied.

It knows uploads and parts and the checks S3 makes on completion; it must not know HTTP or XML.

Source of limits and messages: "Amazon S3 multipart upload limits" (user guide) and the API
reference of CompleteMultipartUpload.
"""

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.blobs import CHUNK, Segment
from local_sagemaker.s3.checksums import COMPOSITE, Checksum, Digests, of_parts
from local_sagemaker.s3.content import ContentReader, Incoming
from local_sagemaker.s3.index import (
    checksum_columns,
    checksum_of,
    description_columns,
    description_of,
    successor,
)
from local_sagemaker.s3.model import (
    Description,
    NewObject,
    Part,
    Precondition,
    StoredObject,
    Upload,
    check_key,
    invalid_argument,
    invalid_request,
    no_such_upload,
)
from local_sagemaker.s3.objects import ANY, Objects

MAX_PARTS = 10_000
MIN_PART = 5 << 20
"""Smallest part but the last, in bytes."""


@dataclass(frozen=True)
class Claim:
    """A part as the client lists it on completion; ``etag`` without quotes."""

    number: int
    etag: str
    checksum: Checksum | None = None


@dataclass(frozen=True)
class Completion:
    """What the client says about the whole object on completion."""

    parts: Sequence[Claim]
    checksum: Checksum | None = None
    size: int | None = None
    condition: Precondition = ANY


class Uploads:
    """The multipart uploads of all buckets."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._database = objects.database

    def create(
        self,
        account: str,
        bucket: str,
        key: str,
        initiator: str,
        description: Description,
        algorithm: str | None,
        kind: str | None,
    ) -> Upload:
        """Begin an upload; ``algorithm`` and ``kind`` of its checksum may be None."""
        check_key(key)
        upload = Upload(
            secrets.token_hex(32), bucket, key, time.time(), initiator, description, algorithm, kind
        )
        with self._database.transaction() as connection:
            self._objects.buckets.require(account, bucket)
            connection.execute(
                "INSERT INTO s3_uploads (id, bucket, key, initiated, initiator, headers, metadata, "
                "tags, algorithm, kind) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(upload.id, bucket, key, upload.initiated, initiator),
                    *(*description_columns(description), algorithm, kind),
                ),
            )
        return upload

    def find(self, account: str, bucket: str, key: str, upload: str) -> Upload:
        """Return an upload in progress; ``NoSuchUpload`` otherwise."""
        self._objects.buckets.require(account, bucket)
        rows = self._database.query(
            "SELECT * FROM s3_uploads WHERE id = ? AND bucket = ? AND key = ?",
            (upload, bucket, key),
        )
        if not rows:
            raise no_such_upload(upload)
        return _upload(rows[0])

    def put_part(
        self,
        account: str,
        upload: Upload,
        number: int,
        incoming: Incoming,
        checksum: Checksum | None,
    ) -> Part:
        """Store received bytes as a part, replacing the one of this number."""
        segment = incoming.keep()
        if checksum is None and upload.algorithm:
            checksum = self._checksum(segment, upload.algorithm)
        part = Part(number, segment, incoming.digests.etag, time.time(), checksum)
        with self._database.transaction() as connection:
            self.find(account, upload.bucket, upload.key, upload.id)
            replaced = self._database.query(
                "SELECT blob FROM s3_parts WHERE upload = ? AND number = ?", (upload.id, number)
            )
            connection.execute(
                "INSERT OR REPLACE INTO s3_parts (upload, number, blob, size, etag, modified, "
                "checksum_algorithm, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(upload.id, number, segment.blob, segment.size, part.etag, part.modified),
                    *checksum_columns(checksum),
                ),
            )
        self._objects.blobs.discard([row["blob"] for row in replaced])
        return part

    def parts(self, upload: str) -> list[Part]:
        """Return the parts of an upload by number."""
        rows = self._database.query(
            "SELECT * FROM s3_parts WHERE upload = ? ORDER BY number", (upload,)
        )
        return [_part(row) for row in rows]

    def list(self, account: str, bucket: str, prefix: str) -> "list[Upload]":
        """Return the uploads in progress whose keys start with a prefix, by key and id."""
        self._objects.buckets.require(account, bucket)
        rows = self._database.query(
            "SELECT * FROM s3_uploads WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key, id",
            (bucket, prefix, successor(prefix)),
        )
        return [_upload(row) for row in rows]

    def abort(self, account: str, bucket: str, key: str, upload: str) -> None:
        """Give an upload up, and its parts."""
        with self._database.transaction() as connection:
            self.find(account, bucket, key, upload)
            self._remove(connection, upload)

    def complete(
        self, account: str, bucket: str, key: str, upload: str, completion: Completion
    ) -> StoredObject:
        """Make the listed parts one object.

        A client that never got the answer may ask again: as on AWS, completing a second time is
        answered like the first as long as the object is there.
        """
        with self._database.transaction() as connection:
            self._objects.buckets.require(account, bucket)
            done = self._objects.index.completed(bucket, key, upload)
            if done is not None:
                return done
            found = self.find(account, bucket, key, upload)
            new = self._assemble(found, completion)
            with self._objects.replacing(account, bucket, key, completion.condition):
                stored = self._objects.index.replace(connection, new)
            self._remove(connection, upload)
        return stored

    def _checksum(self, segment: Segment, algorithm: str) -> Checksum | None:
        digests = Digests([algorithm])
        with ContentReader(self._objects.blobs, [segment]) as reader:
            while data := reader.read(CHUNK):
                digests.update(data)
        return digests.checksum(algorithm)

    def _assemble(self, upload: Upload, completion: Completion) -> NewObject:
        parts = _select(upload.id, self.parts(upload.id), completion.parts)
        size = sum(part.segment.size for part in parts)
        if completion.size is not None and completion.size != size:
            raise invalid_request(
                f"The provided 'x-amz-mp-object-size' header value {completion.size} does not "
                f"match what was computed: {size}"
            )
        etags = b"".join(bytes.fromhex(part.etag) for part in parts)
        checksum = None
        if upload.algorithm:
            pairs = [(part.checksum, part.segment.size) for part in parts]
            checksum = of_parts(upload.algorithm, upload.kind or COMPOSITE, pairs)
        claimed = completion.checksum
        if (
            claimed
            and checksum
            and claimed.value.partition("-")[0] != checksum.value.partition("-")[0]
        ):
            raise AWSError(
                "BadDigest",
                f"The {claimed.algorithm} you specified did not match the calculated checksum.",
            )
        return NewObject(
            bucket=upload.bucket,
            key=upload.key,
            etag=f"{hashlib.md5(etags, usedforsecurity=False).hexdigest()}-{len(parts)}",
            description=upload.description,
            segments=[(part.segment, part.checksum) for part in parts],
            checksum=checksum,
            parts=len(parts),
            upload=upload.id,
        )

    def _remove(self, connection: sqlite3.Connection, upload: str) -> None:
        blobs = [part.segment.blob for part in self.parts(upload)]
        connection.execute("DELETE FROM s3_uploads WHERE id = ?", (upload,))
        self._objects.blobs.discard(blobs)


def check_number(text: str) -> int:
    """Return a part number, or raise S3's error for one that is none."""
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= MAX_PARTS:
        return int(text)
    raise invalid_argument(
        f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive", "partNumber", text
    )


def _select(upload: str, parts: Sequence[Part], claims: Sequence[Claim]) -> list[Part]:
    numbers = [claim.number for claim in claims]
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise AWSError(
            "InvalidPartOrder",
            "The list of parts was not in ascending order. The parts list must be specified in "
            "order by part number.",
            UploadId=upload,
        )
    known = {part.number: part for part in parts}
    chosen = []
    for claim in claims:
        part = known.get(claim.number)
        differs = (
            part is not None
            and claim.checksum is not None
            and part.checksum is not None
            and claim.checksum != part.checksum
        )
        if part is None or part.etag != claim.etag or differs:
            raise AWSError(
                "InvalidPart",
                "One or more of the specified parts could not be found. The part may not have "
                "been uploaded, or the specified entity tag may not match the part's entity tag.",
                UploadId=upload,
                PartNumber=claim.number,
                ETag=claim.etag,
            )
        chosen.append(part)
    for part in chosen[:-1]:
        if part.segment.size < MIN_PART:
            raise AWSError(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                ETag=part.etag,
                MinSizeAllowed=MIN_PART,
                PartNumber=part.number,
                ProposedSize=part.segment.size,
            )
    return chosen


def _upload(row: sqlite3.Row) -> Upload:
    return Upload(
        id=row["id"],
        bucket=row["bucket"],
        key=row["key"],
        initiated=row["initiated"],
        initiator=row["initiator"],
        description=description_of(row),
        algorithm=row["algorithm"],
        kind=row["kind"],
    )


def _part(row: sqlite3.Row) -> Part:
    return Part(
        number=row["number"],
        segment=Segment(row["blob"], row["size"]),
        etag=row["etag"],
        modified=row["modified"],
        checksum=checksum_of(row),
    )
