"""Buckets: who owns which name, and the settings kept for them.

It knows names, owners and opaque settings; it must not know what a setting means.
"""

import re
import sqlite3
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError
from local_sagemaker.s3.model import Bucket, access_denied, no_such_bucket

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d")


@dataclass(frozen=True)
class SharedBucket:
    """A bucket that every account may read, and that has a name in every region.

    Attributes
    ----------
    name
        What it is kept under; no client can make or name a bucket so.
    prefix
        What its names begin with; a region's name follows.
    account
        Whose it is.
    """

    name: str
    prefix: str
    account: str

    def region(self, name: str) -> str | None:
        """Return the region whose name for this bucket it is, or None."""
        region = name.removeprefix(self.prefix)
        return region if region != name and _REGION.fullmatch(region) else None


class Buckets:
    """The buckets of all accounts; their names share one space, as on AWS."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._shared: SharedBucket | None = None

    def share(self, shared: SharedBucket, region: str) -> None:
        """Have a bucket, made now if it is not there, that all accounts may read.

        Parameters
        ----------
        shared
            The bucket.
        region
            Where its owner writes to it.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO s3_buckets (name, account, region, created) "
                "VALUES (?, ?, ?, ?)",
                (shared.name, shared.account, region, time.time()),
            )
        self._shared = shared

    def find(self, name: str) -> Bucket | None:
        """Return a bucket, whoever owns it, or None.

        The ``name`` of the returned one is what its objects are kept under.
        """
        region = self._shared.region(name) if self._shared else None
        kept = self._shared.name if self._shared and region else name
        rows = self._database.query("SELECT * FROM s3_buckets WHERE name = ?", (kept,))
        if not rows:
            return None
        return replace(_bucket(rows[0]), region=region) if region else _bucket(rows[0])

    def require(self, account: str, name: str) -> Bucket:
        """Return an account's bucket; `AWSError` when it is not there or somebody else's."""
        bucket = self.find(name)
        if bucket is None:
            raise no_such_bucket(name)
        if bucket.account != account:
            raise access_denied()
        return bucket

    def readable(self, account: str, name: str) -> Bucket:
        """Return an account's bucket or one for everybody; `AWSError` otherwise."""
        bucket = self.find(name)
        shared = bucket is not None and self._shared and bucket.name == self._shared.name
        return bucket if bucket is not None and shared else self.require(account, name)

    def every(self) -> list[Bucket]:
        """Return the buckets of all accounts by name."""
        rows = self._database.query("SELECT * FROM s3_buckets ORDER BY name")
        return [_bucket(row) for row in rows]

    def list(self, account: str) -> "list[Bucket]":
        """Return an account's buckets by name."""
        rows = self._database.query(
            "SELECT * FROM s3_buckets WHERE account = ? ORDER BY name", (account,)
        )
        return [_bucket(row) for row in rows]

    def create(self, account: str, region: str, name: str) -> Bucket:
        """Make a bucket.

        Raises
        ------
        AWSError
            ``InvalidBucketName``, ``BucketAlreadyOwnedByYou`` or ``BucketAlreadyExists``.
        """
        check_name(name)
        with self._database.transaction() as connection:
            taken = self.find(name)
            if taken is not None:
                raise _taken(replace(taken, name=name), account)
            bucket = Bucket(name, account, region, time.time())
            connection.execute(
                "INSERT INTO s3_buckets (name, account, region, created) VALUES (?, ?, ?, ?)",
                (bucket.name, bucket.account, bucket.region, bucket.created),
            )
        return bucket

    def delete(self, connection: sqlite3.Connection, name: str) -> None:
        """Remove a bucket with its settings and uploads; it must hold no object."""
        connection.execute("DELETE FROM s3_buckets WHERE name = ?", (name,))

    def changing(self) -> AbstractContextManager[object]:
        """Return a context in which what is read stays so until it is changed."""
        return self._database.transaction()

    def setting(self, bucket: str, name: str) -> str | None:
        """Return what was put under a name, or None."""
        rows = self._database.query(
            "SELECT value FROM s3_bucket_settings WHERE bucket = ? AND name = ?", (bucket, name)
        )
        return str(rows[0]["value"]) if rows else None

    def put_setting(self, account: str, bucket: str, name: str, value: str) -> None:
        """Keep a text for a bucket."""
        with self._database.transaction() as connection:
            self.require(account, bucket)
            connection.execute(
                "INSERT INTO s3_bucket_settings (bucket, name, value) VALUES (?, ?, ?) "
                "ON CONFLICT (bucket, name) DO UPDATE SET value = excluded.value",
                (bucket, name, value),
            )

    def delete_setting(self, account: str, bucket: str, name: str) -> None:
        """Forget what was put under a name."""
        with self._database.transaction() as connection:
            self.require(account, bucket)
            connection.execute(
                "DELETE FROM s3_bucket_settings WHERE bucket = ? AND name = ?", (bucket, name)
            )


def check_name(name: str) -> None:
    """Raise ``InvalidBucketName`` for a name that no bucket can have.

    Source: "General purpose bucket naming rules" in the S3 user guide.
    """
    wrong = not _NAME.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name)
    if wrong or name.startswith(("xn--", "sthree-")) or name.endswith(("-s3alias", "--ol-s3")):
        raise AWSError(
            "InvalidBucketName", "The specified bucket is not valid.", 400, BucketName=name
        )


def _taken(bucket: Bucket, account: str) -> AWSError:
    if bucket.account == account:
        return AWSError(
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
            409,
            BucketName=bucket.name,
        )
    return AWSError(
        "BucketAlreadyExists",
        "The requested bucket name is not available. The bucket namespace is shared by all users "
        "of the system. Please select a different name and try again.",
        409,
        BucketName=bucket.name,
    )


def _bucket(row: sqlite3.Row) -> Bucket:
    return Bucket(row["name"], row["account"], row["region"], row["created"])
