"""The store itself: durable, collected, whole for every reader whatever others do."""

import hashlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError
from local_sagemaker.s3.model import Description
from local_sagemaker.s3.multipart import Claim, Completion, Uploads
from local_sagemaker.s3.objects import Objects
from tests.local_sagemaker.core_support import ACCOUNT, REGION
from tests.local_sagemaker.s3_support import OTHER_ACCOUNT, blobs, server_process

MB = 1 << 20
BUCKET = "bucket"


class Store:
    """A store in a folder, to be closed and opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open()

    def open(self) -> None:
        self.database = Database(self.folder / "state.db")
        self.objects = Objects(self.database, self.folder / "s3")

    def close(self) -> None:
        self.objects.close()
        self.database.close()

    def blobs(self) -> list[str]:
        """Return the blobs, once what was asked to be collected is."""
        self.close()
        found = blobs(self.folder / "s3")
        self.open()
        return found

    def put(self, key: str, data: bytes) -> None:
        self.objects.put_bytes(ACCOUNT, REGION, BUCKET, key, data)

    def get(self, key: str) -> bytes:
        with self.objects.open(ACCOUNT, BUCKET, key) as stream:
            return stream.read()

    def find(self, key: str) -> bytes | None:
        try:
            return self.get(key)
        except AWSError as error:
            if error.code != "NoSuchKey":
                raise
            return None

    def upload(self, key: str, parts: list[bytes]) -> None:
        uploads = Uploads(self.objects)
        upload = uploads.create(ACCOUNT, BUCKET, key, "me", Description(), None, None)
        claims = []
        for number, data in enumerate(parts, 1):
            with self.objects.receive() as incoming:
                incoming.write(data)
                part = uploads.put_part(ACCOUNT, upload, number, incoming, None)
                claims.append(Claim(number, part.etag))
        uploads.complete(ACCOUNT, BUCKET, key, upload.id, Completion(claims))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path)
    opened.objects.ensure_bucket(ACCOUNT, REGION, BUCKET)
    yield opened
    opened.close()


def test_the_surface_that_other_rooms_use(store: Store, tmp_path: Path) -> None:
    objects = store.objects
    source, target = tmp_path / "source", tmp_path / "new" / "target"
    source.write_bytes(b"file")
    written = objects.put_file(ACCOUNT, REGION, BUCKET, "a/file", source)
    source.write_bytes(b"changed")
    read = objects.download(ACCOUNT, BUCKET, "a/file", target)
    assert written == read
    assert (target.read_bytes(), read.size) == (b"file", 4)
    assert read.blob == hashlib.sha256(b"file").hexdigest()
    store.put("a/b", b"bytes")
    assert [info.key for info in objects.list(ACCOUNT, BUCKET, "a/")] == ["a/b", "a/file"]
    assert objects.exists(ACCOUNT, BUCKET, "a/b")
    objects.delete(ACCOUNT, BUCKET, "a/b")
    assert not objects.exists(ACCOUNT, BUCKET, "a/b")
    assert not objects.exists(ACCOUNT, "no-such-bucket", "a/b")
    assert not objects.exists(OTHER_ACCOUNT, BUCKET, "a/file")


def test_a_stream_can_be_sought(store: Store) -> None:
    first, second = os.urandom(5 * MB), os.urandom(100)
    store.upload("k", [first, second])
    with store.objects.open(ACCOUNT, BUCKET, "k") as stream:
        assert stream.seek(-3, os.SEEK_END) == 5 * MB + 97
        assert stream.read() == second[-3:]
        stream.seek(5 * MB - 2)
        assert stream.read(5) == (first + second)[5 * MB - 2 : 5 * MB + 3]
        assert stream.tell() == 5 * MB + 3
        stream.seek(0)
        assert hashlib.sha256(stream.read()).digest() == hashlib.sha256(first + second).digest()


@pytest.mark.parametrize(
    ("account", "bucket", "key", "code"),
    [
        (ACCOUNT, BUCKET, "none", "NoSuchKey"),
        (ACCOUNT, "none", "k", "NoSuchBucket"),
        (OTHER_ACCOUNT, BUCKET, "k", "AccessDenied"),
    ],
)
def test_errors_have_s3_s_codes(
    store: Store, tmp_path: Path, account: str, bucket: str, key: str, code: str
) -> None:
    with pytest.raises(AWSError) as caught:
        store.objects.open(account, bucket, key)
    assert caught.value.code == code
    with pytest.raises(AWSError) as caught:
        store.objects.download(account, bucket, key, tmp_path / "target")
    assert caught.value.code == code
    assert not (tmp_path / "target").exists()


def test_outputs_go_to_a_bucket_of_the_region(store: Store) -> None:
    with pytest.raises(AWSError) as caught:
        store.objects.put_bytes(ACCOUNT, "eu-west-1", BUCKET, "k", b"x")
    assert caught.value.code == "PermanentRedirect"
    assert REGION in caught.value.message


def test_a_restart_keeps_everything(store: Store) -> None:
    store.put("k", b"one")
    store.upload("parts", [b"a" * 5 * MB, b"b"])
    uploads = Uploads(store.objects)
    upload = uploads.create(ACCOUNT, BUCKET, "later", "me", Description(), None, None)
    with store.objects.receive() as incoming:
        incoming.write(b"part")
        part = uploads.put_part(ACCOUNT, upload, 1, incoming, None)
    store.close()
    store.open()
    assert store.get("k") == b"one"
    assert store.get("parts") == b"a" * 5 * MB + b"b"
    claims = [Claim(1, part.etag)]
    Uploads(store.objects).complete(ACCOUNT, BUCKET, "later", upload.id, Completion(claims))
    assert store.get("later") == b"part"


def test_blobs_go_with_the_last_that_refers_to_them(store: Store) -> None:
    store.put("a", b"same")
    store.put("b", b"same")
    (name,) = store.blobs()
    assert name == hashlib.sha256(b"same").hexdigest()
    store.objects.delete(ACCOUNT, BUCKET, "a")
    assert store.blobs() == [name]
    store.put("b", b"other")
    assert store.blobs() == [hashlib.sha256(b"other").hexdigest()]
    store.objects.delete(ACCOUNT, BUCKET, "b")
    assert store.blobs() == []
    store.upload("k", [b"x" * 5 * MB, b"y"])
    assert len(store.blobs()) == 2
    store.objects.delete_many(ACCOUNT, BUCKET, ["k", "never there"])
    assert store.blobs() == []


def test_uploads_let_go_of_their_blobs(store: Store) -> None:
    uploads = Uploads(store.objects)
    upload = uploads.create(ACCOUNT, BUCKET, "k", "me", Description(), None, None)
    for data in (b"one", b"two"):
        with store.objects.receive() as incoming:
            incoming.write(data)
            uploads.put_part(ACCOUNT, upload, 1, incoming, None)
    assert store.blobs() == [hashlib.sha256(b"two").hexdigest()]
    Uploads(store.objects).abort(ACCOUNT, BUCKET, "k", upload.id)
    assert store.blobs() == []


def test_a_start_removes_what_a_crash_left(store: Store) -> None:
    store.put("k", b"kept")
    kept = store.blobs()
    name = hashlib.sha256(b"orphan").hexdigest()
    orphan = store.folder / "s3" / name[:2] / name
    orphan.write_bytes(b"orphan")
    (store.folder / "s3" / "incoming" / "1-0").write_bytes(b"unfinished")
    store.close()
    store.open()
    assert store.blobs() == kept
    assert store.get("k") == b"kept"


def test_a_write_that_fails_leaves_nothing(store: Store) -> None:
    with store.objects.receive() as incoming:
        incoming.write(b"x")
    with pytest.raises(AWSError):
        store.put("k" * 1025, b"y")

    def put_nowhere() -> None:
        with store.objects.receive() as incoming:
            incoming.write(b"z")
            store.objects.put(ACCOUNT, "none", "k", incoming, Description())

    with pytest.raises(AWSError):
        put_nowhere()
    assert store.blobs() == []


@pytest.mark.parametrize("parts", [1, 3], ids=["one blob", "three blobs"])
def test_a_reader_sees_one_whole_object(store: Store, parts: int) -> None:
    """Readers run while the object is overwritten and deleted, and blobs are collected."""

    def version(number: int) -> list[bytes]:
        return [bytes([number]) * 5 * MB] * (parts - 1) + [bytes([number]) * (MB + number)]

    def write(number: int) -> None:
        if parts == 1:
            store.put("k", version(number)[0])
        else:
            store.upload("k", version(number))

    write(1)
    stop = threading.Event()
    seen: set[int] = set()

    def read() -> None:
        while not stop.is_set():
            if (data := store.find("k")) is None:
                continue
            number = data[0]
            assert data == b"".join(version(number))
            seen.add(number)

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for number in range(2, 12):
            write(number)
            if number % 3 == 0:
                store.objects.delete(ACCOUNT, BUCKET, "k")
        stop.set()
        for reader in readers:
            reader.result()
    assert len(seen) > 1
    assert store.get("k") == b"".join(version(11))
    expected = {hashlib.sha256(part).hexdigest() for part in version(11)}
    assert set(store.blobs()) == expected


def test_writers_of_one_key_do_not_mix(store: Store) -> None:
    bodies = [bytes([number]) * (MB + number) for number in range(8)]

    def write(data: bytes) -> None:
        for _ in range(5):
            store.put("k", data)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, bodies))
    last = store.get("k")
    assert last in bodies
    assert store.blobs() == [hashlib.sha256(last).hexdigest()]


def test_the_same_bytes_come_and_go(store: Store) -> None:
    """Blobs are shared by content: one key's deletion must never take another's bytes."""

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(60):
            key = f"{number}-{chance.randrange(3)}"
            data = b"shared %d" % chance.randrange(2)
            store.put(key, data)
            assert store.get(key) == data
            store.objects.delete(ACCOUNT, BUCKET, key)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert store.blobs() == []


def test_an_open_stream_outlives_its_object(store: Store) -> None:
    store.upload("k", [b"a" * 5 * MB, b"b" * MB])
    stream = store.objects.open(ACCOUNT, BUCKET, "k")
    assert stream.read(1) == b"a"
    store.objects.delete(ACCOUNT, BUCKET, "k")
    store.put("k", b"new")
    rest = stream.read()
    assert len(rest) == 6 * MB - 1
    assert rest.endswith(b"b" * MB)
    stream.close()
    assert store.blobs() == [hashlib.sha256(b"new").hexdigest()]


def test_a_full_disk_can_still_be_emptied(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put("k", b"data")
    # Deleting writes to the database's log: with not a block left, nothing could be freed.
    monkeypatch.setattr("local_sagemaker.s3.blobs.RESERVE", 1 << 62)
    with pytest.raises(OSError, match="No space left on device"):
        store.put("k", b"more")
    assert store.get("k") == b"data"
    store.objects.delete(ACCOUNT, BUCKET, "k")
    assert store.blobs() == []


def test_a_missing_file_is_told_and_not_waited_for(store: Store) -> None:
    store.put("k", b"gone")
    for path in (store.folder / "s3").rglob(hashlib.sha256(b"gone").hexdigest()):
        path.unlink()
    with pytest.raises(AWSError) as caught:
        store.get("k")
    assert caught.value.code == "InternalError"
    assert "removed there by hand" in caught.value.message


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(fresh: LocalSageMaker) -> None:
    acknowledged: dict[str, bytes] = {}
    sent: dict[str, bytes] = {}

    def write(s3: Any, worker: int, stop: threading.Event) -> None:
        chance = random.Random(worker)
        number = 0
        while not stop.is_set():
            key = f"{worker}/{number % 7}"
            data = chance.randbytes(chance.choice([10, 2000, 3 * MB]))
            sent[key] = data
            try:
                s3.put_object(Bucket="ledger", Key=key, Body=data)
            except (ClientError, BotoCoreError):
                return
            acknowledged[key] = data
            del sent[key]
            number += 1

    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="ledger")
    for _ in range(3):
        stop = threading.Event()
        server = server_process(fresh)
        with ThreadPoolExecutor(3) as pool:
            workers = [pool.submit(write, s3, worker, stop) for worker in range(3)]
            threading.Event().wait(1.0)
            os.kill(server.pid, signal.SIGKILL)
            server.wait()
            stop.set()
            for worker in workers:
                worker.result()
        fresh.close()
        fresh.start()
        s3 = boto3.client("s3")
        assert acknowledged
        for key, data in acknowledged.items():
            found = s3.get_object(Bucket="ledger", Key=key)["Body"].read()
            # What was being written when the server died is there or not.
            assert found == data or found == sent.get(key)
            acknowledged[key] = found
        sent.clear()


def test_who_stores_within_a_transaction_does_not_wait_for_the_collector(store: Store) -> None:
    def replace_many_times() -> None:
        for _ in range(20):
            with store.database.transaction():
                for _ in range(20):
                    store.put("key", os.urandom(16))

    writer = threading.Thread(target=replace_many_times, daemon=True)
    writer.start()
    writer.join(60)
    assert not writer.is_alive(), "the writer and the collector wait for each other"
    assert len(store.blobs()) == 1
