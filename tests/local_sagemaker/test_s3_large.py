"""Large objects pass through the server without filling its memory."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.s3_support import server_process

MB = 1 << 20
# Two chunks of a megabyte for each of the ten connections that s3transfer opens, and as much
# again of what the network and the allocator hold.
MAX_GROWTH = 60 * MB


@contextmanager
def growth(local: LocalSageMaker) -> Iterator[list[int]]:
    """Measure by how many bytes the server's resident memory grows at most."""
    server = server_process(local)
    before = server.memory_info().rss
    peak = [0]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.01):
            peak[0] = max(peak[0], server.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    yield peak
    stop.set()
    watcher.join()


def timed(what: str, size: int, started: float) -> None:
    print(f"{what}: {size / MB / (time.perf_counter() - started):.0f} MB/s")


@pytest.mark.slow
def test_memory_stays_flat(fresh: LocalSageMaker, tmp_path: Path) -> None:
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket="large")
    s3.put_object(Bucket="large", Key="warm", Body=b"x" * 2 * MB)
    s3.get_object(Bucket="large", Key="warm")["Body"].read()
    source = tmp_path / "source"
    size = 300 * MB
    digest = hashlib.sha256()
    with source.open("wb") as file:
        for _ in range(size // MB):
            block = os.urandom(MB)
            digest.update(block)
            file.write(block)
    with growth(fresh) as peak:
        started = time.perf_counter()
        with source.open("rb") as body:
            s3.put_object(Bucket="large", Key="one", Body=body)
        timed("put_object", size, started)
        started = time.perf_counter()
        s3.upload_file(str(source), "large", "parts")
        timed("upload_file", size, started)
        started = time.perf_counter()
        s3.copy_object(Bucket="large", Key="copy", CopySource="large/parts")
        timed("copy_object", size, started)
        for key in ("one", "parts", "copy"):
            started = time.perf_counter()
            found = hashlib.sha256()
            for chunk in s3.get_object(Bucket="large", Key=key)["Body"].iter_chunks(MB):
                found.update(chunk)
            timed(f"get_object {key}", size, started)
            assert found.digest() == digest.digest()
    print(f"the server grew by {peak[0] / MB:.0f} MB")
    assert peak[0] < MAX_GROWTH
