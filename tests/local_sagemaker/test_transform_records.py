"""Batch transform: how objects become records, mini-batches and requests, and answers an output."""

import gzip
import json
from collections.abc import Iterator

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.transform_support import LINES, UPPER, Transformer

MEGABYTE = 1024 * 1024
# Answers how many lines a request had and how many bytes, and echoes what is short.
COUNT = """
    def model_fn(model_dir): return None

    def transform_fn(model, data, content_type, accept):
        data = data.encode() if isinstance(data, str) else bytes(data)
        shown = data if len(data) < 100 else b""
        return f"{len(data.splitlines())} {len(data)} {shown!r}\\n", accept
"""


@pytest.fixture(scope="module")
def transformer(local: LocalSageMaker) -> Iterator[Transformer]:
    """Return what runs jobs."""
    return Transformer(Deployer(local))


@pytest.fixture(scope="module")
def upper(transformer: Transformer) -> str:
    """Return a model that answers each line in capital letters."""
    return transformer.deployer.model(UPPER)


@pytest.fixture(scope="module")
def count(transformer: Transformer) -> str:
    """Return a model that answers how much it was sent."""
    return transformer.deployer.model(COUNT)


FILES = {
    "crlf": b"one\r\ntwo\r\n",
    "no end": b"one\ntwo",
    "empty lines": b"\none\n\r\n\ntwo\n\n",
    "mark": b"\xef\xbb\xbfone\ntwo\n",
    "separators": "one\u2028same line\x0bsame line\ntwo\n".encode(),
    "unicode": "ärger\nδέκα\n中文 \N{WATERMELON}\n".encode(),
    "empty": b"",
    "nothing but ends": b"\n\n\r\n",
}
RECORDS = {
    "crlf": ["ONE", "TWO"],
    "no end": ["ONE", "TWO"],
    "empty lines": ["ONE", "TWO"],
    "mark": ["ONE", "TWO"],
    "separators": ["ONE\u2028SAME LINE\x0bSAME LINE", "TWO"],
    "unicode": ["ÄRGER", "ΔΈΚΑ", "中文 \N{WATERMELON}"],
    "empty": [],
    "nothing but ends": [],
}


@pytest.mark.parametrize("strategy", ["SingleRecord", "MultiRecord"])
def test_every_kind_of_line_is_a_record(
    transformer: Transformer, upper: str, strategy: str
) -> None:
    uri = transformer.prefix(FILES)
    outputs = transformer.completed(upper, uri, BatchStrategy=strategy, **LINES)
    found = {name.removesuffix(".out"): body.decode() for name, body in outputs.items()}
    assert found == {
        name: "".join(f"{record}\n" for record in records) for name, records in RECORDS.items()
    }


def test_mini_batches_are_as_large_as_fits_and_never_mix_objects(
    transformer: Transformer, count: str
) -> None:
    line = b"x" * 1023 + b"\n"
    uri = transformer.prefix({"a": line * 2500, "b": b"one\ntwo\n"})
    outputs = transformer.completed(count, uri, MaxPayloadInMB=1, **LINES)
    sizes = [tuple(map(int, line.split()[:2])) for line in outputs["a.out"].splitlines()]
    # Without the newline behind its last line, a mini-batch of 1,024 lines fits.
    assert sizes == [(1024, MEGABYTE - 1), (1024, MEGABYTE - 1), (452, 452 * 1024 - 1)]
    assert outputs["b.out"] == b"2 7 b'one\\ntwo'\n"


def test_an_object_that_is_not_split_is_one_request_with_its_bytes(
    transformer: Transformer, count: str
) -> None:
    content = b"\xef\xbb\xbfone\r\n\n\xff\n"
    uri = transformer.prefix({"a": content, "empty": b""})
    outputs = transformer.completed(count, uri)
    assert outputs == {"a.out": f"3 {len(content)} {content!r}\n".encode(), "empty.out": b""}


def test_assembling_with_nothing_adds_nothing(transformer: Transformer) -> None:
    model = transformer.deployer.model(
        "def model_fn(d): pass\ndef transform_fn(m, data, c, a): return f'<{data}>', a"
    )
    uri = transformer.prefix({"a": b"1\n2\n3"})
    source = LINES["source"]
    assert transformer.completed(model, uri, source=source, BatchStrategy="SingleRecord") == {
        "a.out": b"<1><2><3>"
    }
    assert transformer.completed(model, uri, BatchStrategy="SingleRecord", **LINES) == {
        "a.out": b"<1>\n<2>\n<3>\n"
    }


def test_what_is_larger_than_a_payload_is_said(transformer: Transformer, count: str) -> None:
    large = b"x" * (MEGABYTE + 1)
    fits = b"x" * MEGABYTE
    uri = transformer.prefix({"a": b"one\n" + large + b"\nthree", "b": fits + b"\r\n"})
    job = transformer.run(count, uri, MaxPayloadInMB=1, **LINES)
    assert job["FailureReason"].startswith(
        f"ClientError: {uri}a: line 2 has more than {MEGABYTE} bytes, which is the largest payload "
        "(1 MB). Set a larger MaxPayloadInMB."
    )
    assert transformer.outputs(job) == {"b.out": f"1 {MEGABYTE} b''\n".encode()}
    reason = transformer.failed(count, uri, MaxPayloadInMB=1)
    assert f"{uri}a: it has more than {MEGABYTE} bytes" in reason
    assert "SplitType Line" in reason


def test_compressed_objects_are_decompressed(transformer: Transformer, upper: str) -> None:
    packed = gzip.compress(b"one\n") + gzip.compress(b"two\n")
    uri = transformer.prefix({"a.gz": packed, "cut.gz": packed[:-6], "plain": b"one\n"})
    source = {**LINES["source"], "CompressionType": "Gzip"}
    job = transformer.run(upper, uri, source=source, output=LINES["output"])
    assert transformer.outputs(job) == {"a.gz.out": b"ONE\nTWO\n"}
    assert job["FailureReason"].startswith(f"ClientError: {uri}cut.gz: it is not a whole gzip file")
    assert "2 of 3 input files failed" in job["FailureReason"]


def test_answers_may_be_larger_than_requests(transformer: Transformer) -> None:
    model = transformer.deployer.model(
        "def model_fn(d): pass\ndef transform_fn(m, data, c, a): return 'x' * 8_000_000, a"
    )
    uri = transformer.prefix({"a": b"one"})
    (answer,) = transformer.completed(model, uri, MaxPayloadInMB=1).values()
    assert len(answer) == 8_000_000


def test_records_are_in_order_whatever_their_answers_take(transformer: Transformer) -> None:
    model = transformer.deployer.model(
        """
        import os, time

        def model_fn(model_dir): return None

        def transform_fn(model, data, content_type, accept):
            # The earlier in its group of four, the later it is answered.
            time.sleep(0.01 * (3 - int(data) % 4))
            return f"{data} {os.getpid()}", accept
        """
    )
    uri = transformer.prefix({"a": b"".join(b"%d\n" % number for number in range(60))})
    (output,) = transformer.completed(
        model, uri, BatchStrategy="SingleRecord", MaxConcurrentTransforms=2, **LINES
    ).values()
    numbers, processes = zip(*(line.split() for line in output.splitlines()), strict=True)
    assert [int(number) for number in numbers] == list(range(60))
    # The requests that may be sent at once are worked on at once.
    assert len(set(processes)) == 2


def test_json_lines_of_a_thousand_rows_come_back_one_for_one(transformer: Transformer) -> None:
    model = transformer.deployer.model(
        """
        import json

        def model_fn(model_dir): return None

        def transform_fn(model, data, content_type, accept):
            rows = [json.loads(line) for line in bytes(data).decode().splitlines()]
            return "\\n".join(json.dumps({"id": row["id"]}) for row in rows), accept
        """
    )
    rows = "".join(json.dumps({"id": number, "text": "é" * 50}) + "\n" for number in range(1000))
    uri = transformer.prefix({"a.jsonl": rows.encode()})
    (output,) = transformer.completed(
        model,
        uri,
        source={"SplitType": "Line", "ContentType": "application/jsonlines"},
        output={"AssembleWith": "Line", "Accept": "application/jsonlines"},
    ).values()
    assert [json.loads(line)["id"] for line in output.splitlines()] == list(range(1000))
