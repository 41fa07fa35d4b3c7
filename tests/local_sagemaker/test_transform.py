"""Batch transform through boto3: a job's way from its request to its output."""

from collections.abc import Iterator

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.transform_support import UPPER, Transformer

LINES = {
    "source": {"SplitType": "Line", "ContentType": "text/csv"},
    "output": {"AssembleWith": "Line"},
}


@pytest.fixture(scope="module")
def transformer(local: LocalSageMaker) -> Iterator[Transformer]:
    """Return what runs jobs."""
    return Transformer(Deployer(local))


@pytest.fixture(scope="module")
def upper(transformer: Transformer) -> str:
    """Return a model that answers each line in capital letters."""
    return transformer.deployer.model(UPPER)


def test_each_object_gets_an_output(transformer: Transformer, upper: str) -> None:
    uri = transformer.prefix({"a.csv": b"one\ntwo\n", "below/b.csv": b"three"})
    outputs = transformer.completed(upper, uri, **LINES)
    assert outputs == {"a.csv.out": b"ONE\nTWO\n", "below/b.csv.out": b"THREE\n"}
