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
# Objects, in MB of 1,000,000 bytes.
SMALL, LARGE = 16, 320
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
    greatest: dict[int, int] = {}
    # The first jobs load what all jobs need, and give the allocator what it keeps between them:
    # about 10 MB more or less from one job to the next. So what is compared are high-water marks.
    for megabytes in (SMALL, SMALL, SMALL, LARGE):
        content = line * (megabytes * 1000)
        content = gzip.compress(content, 1) if packed else content
        uri = transformer.prefix({"a": content})
        del content
        with greatest_memory(fresh) as memory:
            job = transformer.run(
                model, uri, source=source, output=LINES["output"], MaxPayloadInMB=1
            )
        assert job["TransformJobStatus"] == "Completed", job["FailureReason"]
        greatest[megabytes] = max(memory[0], *greatest.values(), 0)
        size = transformer.s3.head_object(
            Bucket=transformer.bucket, Key=f"out/{job['TransformJobName']}/a.out"
        )["ContentLength"]
        assert size == megabytes * 1_000_000
    # A server that kept even a tenth of the object would be above this.
    assert greatest[LARGE] - greatest[SMALL] < (LARGE - SMALL) * 1_000_000 / 10


def test_the_largest_payload_and_the_largest_answer_pass(fresh: LocalSageMaker) -> None:
    transformer = Transformer(Deployer(fresh))
    model = transformer.deployer.model(ECHO)
    content = b"x" * (100 * MEGABYTE)
    uri = transformer.prefix({"a": content})
    (answer,) = transformer.completed(model, uri, MaxPayloadInMB=100).values()
    assert answer == content
