"""The object store: buckets and objects, on disk before anything is acknowledged.

An object is a row in the index and one or several blobs; a reader sees one whole version of it,
whatever is written or deleted meanwhile. Training, endpoints and other rooms use this module
directly, clients through `local_sagemaker.s3.service`. It must not know HTTP.
"""

import io
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError
from local_sagemaker.s3.blobs import CHUNK, BlobMissing, Blobs
from local_sagemaker.s3.buckets import Buckets
from local_sagemaker.s3.checksums import COMPOSITE, Checksum, Digests
from local_sagemaker.s3.content import ContentReader, Incoming
from local_sagemaker.s3.index import Index
from local_sagemaker.s3.model import (
    Bucket,
    Description,
    NewObject,
    ObjectInfo,
    Precondition,
    StoredObject,
    check_key,
    no_such_key,
)

ANY = Precondition()
_TRIES = 100
_DELETED_AT_ONCE = 500

__all__ = ["ANY", "Incoming", "ObjectInfo", "Objects"]


class Objects:
    """Buckets and objects of all accounts.

    Every method that takes an account raises `AWSError` with S3's code: ``NoSuchBucket``,
    ``AccessDenied`` for another account's bucket, ``NoSuchKey``. A method that writes returns
    once the bytes and the index are on disk.

    Parameters
    ----------
    database
        Where the index is kept.
    folder
        Where the blobs are kept.

    Attributes
    ----------
    database, buckets, index, blobs
        The parts it is made of.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.index = Index(database)
        self.buckets = Buckets(database)
        self.blobs = Blobs(folder, self.index.referenced)
        self.blobs.sweep()

    def close(self) -> None:
        """Stop; must come before the database is closed."""
        self.blobs.close()

    def ensure_bucket(self, account: str, region: str, bucket: str) -> Bucket:
        """Return the account's bucket of this name, made now if it is not there.

        Raises
        ------
        AWSError
            ``BucketAlreadyExists`` when another account has it.
        """
        with self.database.transaction():
            found = self.buckets.find(bucket)
            if found is not None and found.account == account:
                return found
            return self.buckets.create(account, region, bucket)

    def delete_bucket(self, account: str, bucket: str) -> None:
        """Remove an empty bucket; ``BucketNotEmpty`` otherwise."""
        with self.database.transaction() as connection:
            self.buckets.require(account, bucket)
            if not self.index.empty(bucket):
                raise AWSError(
                    "BucketNotEmpty",
                    "The bucket you tried to delete is not empty",
                    409,
                    BucketName=bucket,
                )
            blobs = self.index.part_blobs(bucket)
            self.buckets.delete(connection, bucket)
        self.blobs.discard(blobs)

    def put_bytes(
        self, account: str, region: str, bucket: str, key: str, data: bytes
    ) -> ObjectInfo:
        """Write an object; see `put_file`."""
        return self._put_stream(account, region, bucket, key, io.BytesIO(data))

    def put_file(self, account: str, region: str, bucket: str, key: str, path: Path) -> ObjectInfo:
        """Write a file's bytes as an object.

        Parameters
        ----------
        account, region
            Whose bucket, and where: SageMaker writes only to buckets of its own region.
        bucket, key
            The object.
        path
            What to copy; the file may change or go afterwards.

        Raises
        ------
        AWSError
            Also ``PermanentRedirect`` when the bucket is in another region.
        OSError
            When the file cannot be read or the disk is full; an object of this key that was
            there before is then untouched.
        """
        with path.open("rb") as source:
            return self._put_stream(account, region, bucket, key, source)

    def open(self, account: str, bucket: str, key: str) -> BinaryIO:
        """Return a seekable stream of an object's bytes, as they are now, to the end.

        The caller closes it.
        """
        _, reader = self.read(account, bucket, key)
        return io.BufferedReader(reader, CHUNK)

    def download(self, account: str, bucket: str, key: str, path: Path) -> ObjectInfo:
        """Copy an object's bytes to a file; folders on the way are made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        stored, reader = self.read(account, bucket, key)
        with reader, path.open("wb") as target:
            shutil.copyfileobj(reader, target, CHUNK)
        return stored.info

    def list(self, account: str, bucket: str, prefix: str = "") -> "list[ObjectInfo]":
        """Return the objects whose keys start with a prefix, in the order of their UTF-8 bytes."""
        entries = self.index.list(self.buckets.readable(account, bucket).name, prefix)
        return [entry for entry in entries if isinstance(entry, ObjectInfo)]

    def exists(self, account: str, bucket: str, key: str) -> bool:
        """Tell whether the account has this object; False too when the bucket is not there."""
        try:
            kept = self.buckets.readable(account, bucket).name
        except AWSError:
            return False
        return self.index.find(kept, key) is not None

    def delete(self, account: str, bucket: str, key: str, condition: Precondition = ANY) -> None:
        """Remove an object; one that is not there is no error."""
        with self.replacing(account, bucket, key, condition) as connection:
            self.index.remove(connection, bucket, key)

    def delete_many(self, account: str, bucket: str, keys: Sequence[str]) -> None:
        """Remove several objects together; those that are not there are no error."""
        self.buckets.require(account, bucket)
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            batch = keys[start : start + _DELETED_AT_ONCE]
            with self.database.transaction() as connection:
                blobs = self.index.blobs_of(bucket, batch)
                for key in batch:
                    self.index.remove(connection, bucket, key)
            self.blobs.discard(blobs)

    def head(self, account: str, bucket: str, key: str) -> StoredObject:
        """Return what is known of an object."""
        found = self.index.find(self.buckets.readable(account, bucket).name, key)
        if found is None:
            raise no_such_key(key)
        return found

    def read(self, account: str, bucket: str, key: str) -> tuple[StoredObject, ContentReader]:
        """Return an object and an open reader of its bytes, which the caller closes."""
        for _ in range(_TRIES):
            stored = self.head(account, bucket, key)
            segments = [segment for segment, _ in self.index.segments(stored.number)]
            try:
                if segments:
                    return stored, ContentReader(self.blobs, segments)
            except BlobMissing:
                # Overwritten or deleted since it was looked up: look again.
                current = self.index.find(stored.bucket, key)
                if current is not None and current.number == stored.number:
                    break
        raise AWSError(
            "InternalError",
            f"The content of s3://{bucket}/{key} is not in {self.blobs.folder} any more: files "
            "were removed there by hand. Delete the object or write it again.",
            500,
        )

    @contextmanager
    def receive(self, algorithms: Iterable[str] = ()) -> Iterator[Incoming]:
        """Take the bytes of an object or a part, before they are stored under a key.

        Parameters
        ----------
        algorithms
            Checksums to compute on the way, beside the MD5.
        """
        with self.blobs.writer() as writer:
            yield Incoming(writer, Digests(algorithms))

    def put(
        self,
        account: str,
        bucket: str,
        key: str,
        incoming: Incoming,
        description: Description,
        checksum: Checksum | None = None,
        condition: Precondition = ANY,
    ) -> StoredObject:
        """Store received bytes under a key, replacing the object that is there.

        Parameters
        ----------
        account, bucket, key
            The object.
        incoming
            The bytes, complete and verified.
        description, checksum
            What is kept beside them.
        condition
            What must hold of the object that is there.
        """
        check_key(key)
        segment = incoming.keep()
        new = NewObject(
            bucket, key, incoming.digests.etag, description, [(segment, None)], checksum
        )
        with self.replacing(account, bucket, key, condition) as connection:
            return self.index.replace(connection, new)

    def copy(
        self,
        account: str,
        source: tuple[str, str],
        target: tuple[str, str],
        describe: Callable[[StoredObject], Description],
        algorithm: str | None = None,
        condition: Precondition = ANY,
    ) -> StoredObject:
        """Store an object's bytes under another key, without writing them again.

        Parameters
        ----------
        account
            Who owns both buckets.
        source, target
            Bucket and key of each.
        describe
            Given the source, returns the description of the copy, or raises to refuse.
        algorithm
            The checksum that the copy is to have; the source's if left out.
        condition
            What must hold of the object that the copy replaces.

        Notes
        -----
        The copy of a multipart object is not one: its ETag is the MD5 of all bytes, which are
        read for it.
        """
        check_key(target[1])
        self.buckets.require(account, target[0])
        stored, reader = self.read(account, *source)
        with reader:
            description = describe(stored)
            # An open single blob may lose its name before the copy refers to it.
            segments = [segment for segment, _ in self.index.segments(stored.number)]
            try:
                hold = self.blobs.hold(segment.blob for segment in segments)
            except BlobMissing as error:
                raise no_such_key(source[1]) from error
            with hold:
                if not segments:
                    raise no_such_key(source[1])
                etag, checksum = _digest_for_copy(stored, reader, algorithm)
                new = NewObject(
                    *target, etag, description, [(segment, None) for segment in segments], checksum
                )
                with self.replacing(account, *target, condition) as connection:
                    return self.index.replace(connection, new)

    def set_tags(self, account: str, bucket: str, key: str, tags: Mapping[str, str]) -> None:
        """Replace an object's tags."""
        with self.database.transaction() as connection:
            self.buckets.require(account, bucket)
            stored = self.head(account, bucket, key)
            self.index.set_tags(connection, stored.number, tags)

    @contextmanager
    def replacing(
        self, account: str, bucket: str, key: str, condition: Precondition
    ) -> Iterator[sqlite3.Connection]:
        """Open a transaction that writes or removes an object, if the condition allows it.

        The blobs of the object that was there are discarded at the end.
        """
        with self.database.transaction() as connection:
            self.buckets.require(account, bucket)
            current = self.index.find(bucket, key)
            condition.check(key, current.info.etag if current else None)
            blobs = self.index.blobs_of(bucket, [key]) if current else []
            yield connection
        self.blobs.discard(blobs)

    def _put_stream(
        self, account: str, region: str, bucket: str, key: str, source: BinaryIO
    ) -> ObjectInfo:
        found = self.buckets.require(account, bucket)
        if found.region != region:
            raise AWSError(
                "PermanentRedirect",
                f"The bucket {bucket} is in {found.region}, and this comes from {region}: use a "
                f"bucket in {region}.",
                301,
                Bucket=bucket,
            )
        with self.receive() as incoming:
            incoming.write_all(source)
            return self.put(account, bucket, key, incoming, Description()).info


def _digest_for_copy(
    stored: StoredObject, reader: ContentReader, algorithm: str | None
) -> tuple[str, Checksum | None]:
    """Return the ETag and the checksum of a copy, reading the bytes only where it must."""
    checksum = stored.checksum
    wanted = algorithm or (checksum.algorithm if checksum else None)
    fits = wanted is None or (
        checksum is not None and checksum.algorithm == wanted and checksum.kind != COMPOSITE
    )
    if stored.parts is None and fits:
        return stored.info.etag, checksum
    digests = Digests([wanted] if wanted else [])
    while data := reader.read(CHUNK):
        digests.update(data)
    return digests.etag, digests.checksum(wanted) if wanted else None
