"""What large and many objects cost: the local SageMaker's S3 against moto's server.

One object goes up and down by a single request and in parts, its bytes are compared, and the
server's memory is watched; then many small objects are written and listed::

    python benchmarks/objects.py

moto keeps objects in memory, or large ones in temporary files, until it ends; the local SageMaker
has everything on disk before it answers. moto's large object is smaller, for it reads all of an
object for each range that a parallel download asks for: 1 GiB took five minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config
from local_server_start import local_sagemaker, moto

from benchmarks.peers.machine import machine_and_python

MB = 1 << 20
BUCKET = "objects"
MANY = "many"
# Issue bars: the server's memory in 10^6 bytes, and seconds for listing 10,000 objects.
BAR_MEGABYTES = 400
BAR_SECONDS = 2.0
Row = tuple[str, float, float]


def client_of(environment: dict[str, str]) -> Any:
    """Return an S3 client that goes where an environment points."""
    return boto3.Session().client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        region_name=environment["AWS_DEFAULT_REGION"],
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=16, read_timeout=600),
    )


@contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """Give a list whose only item becomes the most memory, in 10^6 bytes, that a process had."""
    process = psutil.Process(pid)
    most = [0.0]
    stop = threading.Event()

    def watch() -> None:
        while True:
            family = [process, *process.children(recursive=True)]
            most[0] = max(most[0], sum(one.memory_info().rss for one in family) / 1e6)
            if stop.wait(0.02):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        stop.set()
        watcher.join()


def random_file(path: Path, size: int) -> str:
    """Write random bytes; return their digest."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size // MB):
            block = os.urandom(MB)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measure(server: Any, source: Path, digest: str, count: int) -> list[Row]:
    """Return what was done, in how many seconds, with how much of the server's memory."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (pid, environment):
        s3 = client_of(environment)
        target = Path(folder) / "target"
        wait_for(s3)

        def timed(what: str, call: Callable[[], object]) -> None:
            with watched(pid) as most:
                began = time.perf_counter()
                call()
                seconds = time.perf_counter() - began
            print(f"  {what}: {seconds:.2f} s, {most[0]:.0f} MB", file=sys.stderr)
            rows.append((what, seconds, most[0]))

        def put() -> None:
            with source.open("rb") as body:
                s3.put_object(Bucket=BUCKET, Key="one", Body=body)

        def get() -> None:
            with target.open("wb") as file:
                for chunk in s3.get_object(Bucket=BUCKET, Key="one")["Body"].iter_chunks(MB):
                    file.write(chunk)

        timed("put_object", put)
        timed("get_object", get)
        check(target, digest)
        timed("upload_file", lambda: s3.upload_file(str(source), BUCKET, "parts"))
        timed("download_file", lambda: s3.download_file(BUCKET, "parts", str(target)))
        check(target, digest)
        s3.create_bucket(Bucket=MANY)
        timed(f"put_object x {count:,}", lambda: put_many(s3, count))
        timed(f"list {count:,}", lambda: list_all(s3, count))
    return rows


def wait_for(s3: Any) -> None:
    """Wait until a server makes a bucket."""
    while True:
        try:
            s3.create_bucket(Bucket=BUCKET)
        except s3.exceptions.ClientError:
            raise
        except Exception:  # noqa: BLE001  (of whatever kind while it starts)
            time.sleep(0.05)
        else:
            return


def check(path: Path, digest: str) -> None:
    """Raise if a file does not have these bytes."""
    if digest_of(path) != digest:
        raise RuntimeError(f"{path} is not what was uploaded")


def put_many(s3: Any, count: int) -> None:
    """Write many small objects over eight connections."""
    with ThreadPoolExecutor(8) as pool:
        keys = (f"folder-{number % 10}/object-{number:06}" for number in range(count))
        for done in pool.map(lambda key: s3.put_object(Bucket=MANY, Key=key, Body=b"x"), keys):
            done["ETag"]


def list_all(s3: Any, count: int) -> None:
    """List them all; raise if one is missing."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=MANY)
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    if len(set(keys)) != count or keys != sorted(keys):
        raise RuntimeError(f"{len(keys)} keys were listed instead of {count}")


def main() -> int:
    """Measure, print a table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="of the large one, in MiB (1024)")
    parser.add_argument("--peer-size", type=int, default=128, help="of moto's, in MiB (128)")
    parser.add_argument("--count", type=int, default=10_000, help="of small ones (10,000)")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTOCORE_"))]:
        del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        print(f"local_sagemaker, {options.size} MiB", file=sys.stderr)
        digest = random_file(source, options.size * MB)
        ours = measure(local_sagemaker, source, digest, options.count)
        print(f"moto server, {options.peer_size} MiB", file=sys.stderr)
        digest = random_file(source, options.peer_size * MB)
        peer = measure(moto, source, digest, options.count)
    print(
        f"Large: {options.size} MiB, of moto {options.peer_size} MiB.\n"
        f"{machine_and_python()}\n\n"
        "| | local_sagemaker, s | moto server, s | local_sagemaker, MB | moto server, MB |\n"
        "| --- | --- | --- | --- | --- |"
    )
    for (what, seconds, memory), (_, peer_seconds, peer_memory) in zip(ours, peer, strict=True):
        print(f"| {what} | {seconds:.2f} | {peer_seconds:.2f} | {memory:.0f} | {peer_memory:.0f} |")
    memory = max(row[2] for row in ours)
    reached = memory < BAR_MEGABYTES and ours[-1][1] < BAR_SECONDS
    print(
        f"\nBar: under {BAR_MEGABYTES} MB, listing under {BAR_SECONDS:.0f} s: "
        f"{'reached' if reached else 'missed'} ({memory:.0f} MB, {ours[-1][1]:.2f} s)."
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
