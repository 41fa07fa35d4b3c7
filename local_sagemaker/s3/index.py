"""Rows of the object store: which objects there are, of which blobs, and what is known of them.

It knows SQL and turns rows into the nouns of `model`; it must not know who may see what, nor
touch files. A method that writes takes the connection of a transaction which its caller opened.
"""

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from local_sagemaker.database import Database
from local_sagemaker.s3.blobs import Segment
from local_sagemaker.s3.checksums import Checksum
from local_sagemaker.s3.model import Description, NewObject, ObjectInfo, StoredObject

TABLES = (
    """
    CREATE TABLE s3_buckets (
        name TEXT PRIMARY KEY, account TEXT NOT NULL, region TEXT NOT NULL, created REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE s3_bucket_settings (
        bucket TEXT NOT NULL REFERENCES s3_buckets (name) ON DELETE CASCADE,
        name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (bucket, name)
    ) WITHOUT ROWID;
    CREATE TABLE s3_objects (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        bucket TEXT NOT NULL REFERENCES s3_buckets (name), key TEXT NOT NULL,
        size INTEGER NOT NULL, etag TEXT NOT NULL, modified REAL NOT NULL, content TEXT NOT NULL,
        storage_class TEXT NOT NULL, headers TEXT NOT NULL, metadata TEXT NOT NULL,
        tags TEXT NOT NULL, checksum_algorithm TEXT, checksum TEXT, checksum_kind TEXT,
        parts INTEGER, upload TEXT, UNIQUE (bucket, key)
    );
    CREATE TABLE s3_segments (
        object INTEGER NOT NULL REFERENCES s3_objects (number) ON DELETE CASCADE,
        position INTEGER NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL,
        checksum_algorithm TEXT, checksum TEXT, PRIMARY KEY (object, position)
    ) WITHOUT ROWID;
    CREATE INDEX s3_segments_by_blob ON s3_segments (blob);
    CREATE TABLE s3_uploads (
        id TEXT PRIMARY KEY, bucket TEXT NOT NULL REFERENCES s3_buckets (name) ON DELETE CASCADE,
        key TEXT NOT NULL, initiated REAL NOT NULL, initiator TEXT NOT NULL,
        headers TEXT NOT NULL, metadata TEXT NOT NULL, tags TEXT NOT NULL,
        algorithm TEXT, kind TEXT
    ) WITHOUT ROWID;
    CREATE INDEX s3_uploads_by_key ON s3_uploads (bucket, key, id);
    CREATE TABLE s3_parts (
        upload TEXT NOT NULL REFERENCES s3_uploads (id) ON DELETE CASCADE,
        number INTEGER NOT NULL, blob TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
        modified REAL NOT NULL, checksum_algorithm TEXT, checksum TEXT,
        PRIMARY KEY (upload, number)
    ) WITHOUT ROWID;
    CREATE INDEX s3_parts_by_blob ON s3_parts (blob)
    """,
)

_LISTED = (
    "SELECT key, size, etag, modified, content, storage_class, checksum_algorithm, checksum_kind "
    "FROM s3_objects WHERE bucket = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?"
)
_LAST = "\U0010ffff" * 257
"""Sorts after every key: no key of 1,024 bytes has so many four-byte characters."""


class Index:
    """The object store's tables in the server's database.

    Attributes
    ----------
    listener
        Told of the bucket and the key of each object that is being written or removed, within
        the transaction.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.listener: Callable[[tuple[str, str]], object] = _nobody
        database.migrate("s3", TABLES)

    def find(self, bucket: str, key: str) -> StoredObject | None:
        """Return an object, or None."""
        rows = self.database.query(
            "SELECT * FROM s3_objects WHERE bucket = ? AND key = ?", (bucket, key)
        )
        return _stored(rows[0]) if rows else None

    def completed(self, bucket: str, key: str, upload: str) -> StoredObject | None:
        """Return the object that a multipart upload became, if it is still there."""
        rows = self.database.query(
            "SELECT * FROM s3_objects WHERE bucket = ? AND key = ? AND upload = ?",
            (bucket, key, upload),
        )
        return _stored(rows[0]) if rows else None

    def segments(self, number: int) -> "list[tuple[Segment, Checksum | None]]":
        """Return an object's segments in order, each with the checksum of its part."""
        rows = self.database.query(
            "SELECT * FROM s3_segments WHERE object = ? ORDER BY position", (number,)
        )
        return [(Segment(row["blob"], row["size"]), checksum_of(row)) for row in rows]

    def replace(self, connection: sqlite3.Connection, new: NewObject) -> StoredObject:
        """Write an object's row in place of the one with its key."""
        self.remove(connection, new.bucket, new.key)
        blobs = [segment.blob for segment, _ in new.segments]
        description = new.description
        checksum = new.checksum
        info = ObjectInfo(
            key=new.key,
            size=sum(segment.size for segment, _ in new.segments),
            etag=new.etag,
            modified=time.time(),
            blob=blobs[0] if len(blobs) == 1 else _joint_name(new.segments),
            storage_class=description.storage_class,
            checksum_algorithm=checksum.algorithm if checksum else None,
            checksum_kind=checksum.kind if checksum else None,
        )
        cursor = connection.execute(
            "INSERT INTO s3_objects (bucket, key, size, etag, modified, content, storage_class, "
            "headers, metadata, tags, checksum_algorithm, checksum, checksum_kind, parts, upload) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(new.bucket, new.key, info.size, info.etag, info.modified, info.blob),
                *(info.storage_class, *description_columns(description)),
                *(info.checksum_algorithm, checksum.value if checksum else None),
                *(info.checksum_kind, new.parts, new.upload),
            ),
        )
        number = cursor.lastrowid
        assert number is not None
        connection.executemany(
            "INSERT INTO s3_segments (object, position, blob, size, checksum_algorithm, checksum) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [
                (number, position, segment.blob, segment.size, *checksum_columns(part))
                for position, (segment, part) in enumerate(new.segments)
            ],
        )
        return StoredObject(number, new.bucket, info, description, checksum, new.parts)

    def remove(self, connection: sqlite3.Connection, bucket: str, key: str) -> None:
        """Delete an object's rows, if it is there; its blobs are the caller's to discard."""
        connection.execute("DELETE FROM s3_objects WHERE bucket = ? AND key = ?", (bucket, key))
        self.listener((bucket, key))

    def blobs_of(self, bucket: str, keys: Sequence[str]) -> "list[str]":
        """Return the names of the blobs that some objects (at most 1,000) consist of."""
        marks = ", ".join("?" * len(keys))
        rows = self.database.query(
            "SELECT DISTINCT blob FROM s3_segments JOIN s3_objects ON object = number "  # noqa: S608  (only question marks are put in)
            f"WHERE bucket = ? AND key IN ({marks})",
            (bucket, *keys),
        )
        return [row["blob"] for row in rows]

    def part_blobs(self, bucket: str) -> "list[str]":
        """Return the names of the blobs of all unfinished uploads of a bucket."""
        rows = self.database.query(
            "SELECT DISTINCT blob FROM s3_parts JOIN s3_uploads ON upload = id WHERE bucket = ?",
            (bucket,),
        )
        return [row["blob"] for row in rows]

    def set_tags(
        self, connection: sqlite3.Connection, number: int, tags: Mapping[str, str]
    ) -> None:
        """Replace an object's tags."""
        connection.execute(
            "UPDATE s3_objects SET tags = ? WHERE number = ?", (json.dumps(dict(tags)), number)
        )

    def referenced(self, blobs: Sequence[str]) -> set[str]:
        """Return those of some blobs (at most 1,000) that an object or a part consists of."""
        marks = ", ".join("?" * len(blobs))
        rows = self.database.query(
            f"SELECT blob FROM s3_segments WHERE blob IN ({marks}) "  # noqa: S608  (only question marks are put in)
            f"UNION SELECT blob FROM s3_parts WHERE blob IN ({marks})",
            (*blobs, *blobs),
        )
        return {row["blob"] for row in rows}

    def empty(self, bucket: str) -> bool:
        """Tell whether a bucket holds no object."""
        return not self.database.query(
            "SELECT 1 FROM s3_objects WHERE bucket = ? LIMIT 1", (bucket,)
        )

    def list(
        self,
        bucket: str,
        prefix: str = "",
        delimiter: str = "",
        after: str = "",
        batch: int = 1000,
    ) -> "Iterator[ObjectInfo | str]":
        """Yield objects and common prefixes (as strings) in the order of their UTF-8 bytes.

        Parameters
        ----------
        bucket, prefix
            Where to look.
        delimiter
            Keys that have it behind the prefix are yielded as one string, up to and with it.
        after
            Yield only what sorts after this key or common prefix.
        batch
            How many rows to read at a time: somewhat more than are wanted.
        """
        start = max(prefix, after + "\0") if after else prefix
        if delimiter and after.startswith(prefix) and after.endswith(delimiter) and after != prefix:
            start = successor(after)
        end = successor(prefix)
        while start < end:
            rows = self.database.query(_LISTED, (bucket, start, end, batch))
            group = None
            for row in rows:
                key = row["key"]
                if group is not None and key.startswith(group):
                    continue
                cut = key.find(delimiter, len(prefix)) if delimiter else -1
                if cut >= 0:
                    group = key[: cut + len(delimiter)]
                    yield group
                else:
                    group = None
                    yield _info(row)
            if len(rows) < batch:
                return
            # A group may have many more keys: seek behind them all rather than read them.
            start = successor(group) if group is not None else rows[-1]["key"] + "\0"


def _nobody(_: tuple[str, str]) -> None:
    """Listen to nothing."""


def successor(prefix: str) -> str:
    """Return the first string that sorts, as UTF-8, after all that start with a prefix."""
    for position in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[position]) + 1
        if code <= 0x10FFFF:
            # Surrogates have no UTF-8; no key holds one.
            code = 0xE000 if 0xD800 <= code <= 0xDFFF else code
            return prefix[:position] + chr(code)
    return _LAST


def description_of(row: sqlite3.Row) -> Description:
    """Read a description from its columns."""
    return Description(
        headers=json.loads(row["headers"]),
        metadata=json.loads(row["metadata"]),
        tags=json.loads(row["tags"]),
    )


def description_columns(description: Description) -> tuple[str, str, str]:
    """Return the columns ``headers``, ``metadata``, ``tags``."""
    return (
        json.dumps(dict(description.headers)),
        json.dumps(dict(description.metadata)),
        json.dumps(dict(description.tags)),
    )


def checksum_of(row: sqlite3.Row) -> Checksum | None:
    """Read a part's checksum from its columns."""
    if row["checksum"] is None:
        return None
    return Checksum(row["checksum_algorithm"], row["checksum"])


def checksum_columns(checksum: Checksum | None) -> tuple[str | None, str | None]:
    """Return the columns ``checksum_algorithm``, ``checksum``."""
    return (checksum.algorithm, checksum.value) if checksum else (None, None)


def _info(row: sqlite3.Row) -> ObjectInfo:
    return ObjectInfo(
        key=row["key"],
        size=row["size"],
        etag=row["etag"],
        modified=row["modified"],
        blob=row["content"],
        storage_class=row["storage_class"],
        checksum_algorithm=row["checksum_algorithm"],
        checksum_kind=row["checksum_kind"],
    )


def _stored(row: sqlite3.Row) -> StoredObject:
    checksum = None
    if row["checksum"] is not None:
        checksum = Checksum(row["checksum_algorithm"], row["checksum"], row["checksum_kind"])
    return StoredObject(
        number=row["number"],
        bucket=row["bucket"],
        info=_info(row),
        description=description_of(row),
        checksum=checksum,
        parts=row["parts"],
    )


def _joint_name(segments: Sequence[tuple[Segment, Any]]) -> str:
    joined = "".join(segment.blob for segment, _ in segments)
    return hashlib.sha256(joined.encode()).hexdigest()
