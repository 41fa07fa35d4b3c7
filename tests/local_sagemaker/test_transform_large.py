"""Batch transform of more than fits into memory."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.transform_support import LINES, Transformer

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024
ECHO = """
    def model_fn(model_dir): return None
    def transform_fn(model, data, content_type, accept): return data, accept
"""


@contextmanager
def greatest_memory(local: LocalSageMaker) -> Iterator[list[int]]:
    """Put into a list how many bytes a server had at most meanwhile."""
    found = [0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            found[0] = max(found[0], local.status()["memory"]["server"])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_large_object_takes_no_more_memory_than_a_small_one(
    fresh: LocalSageMaker, *, packed: bool
) -> None:
    transformer = Transformer(Deployer(fresh))
    model = transformer.deployer.model(ECHO)
    line = b"x" * 999 + b"\n"
    source = {**LINES["source"], "CompressionType": "Gzip" if packed else "None"}
    found = {}
    # The first job of a server loads what all jobs need; the second one is compared.
    for megabytes in (16, 16, 160):
        content = line * (megabytes * 1000)
        content = gzip.compress(content, 1) if packed else content
        uri = transformer.prefix({"a": content})
        del content
        with greatest_memory(fresh) as memory:
            job = transformer.run(
                model, uri, source=source, output=LINES["output"], MaxPayloadInMB=1
            )
        assert job["TransformJobStatus"] == "Completed", job["FailureReason"]
        found[megabytes] = memory[0]
        size = transformer.s3.head_object(
            Bucket=transformer.bucket, Key=f"out/{job['TransformJobName']}/a.out"
        )["ContentLength"]
        assert size == megabytes * 1_000_000
    assert found[160] - found[16] < 16 * MEGABYTE


def test_the_largest_payload_and_the_largest_answer_pass(fresh: LocalSageMaker) -> None:
    transformer = Transformer(Deployer(fresh))
    model = transformer.deployer.model(ECHO)
    content = b"x" * (100 * MEGABYTE)
    uri = transformer.prefix({"a": content})
    (answer,) = transformer.completed(model, uri, MaxPayloadInMB=100).values()
    assert answer == content
