"""Batch transform: how requests are sent to a container, and what happens when it fails."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.transform.execution_parameters import ProposalError, read_proposal
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.transform_support import LINES, Transformer


@pytest.fixture(scope="module")
def transformer(local: LocalSageMaker) -> Iterator[Transformer]:
    """Return what runs jobs."""
    return Transformer(Deployer(local))


PROPOSING = """
    import os

    def model_fn(model_dir): return None

    def execution_parameters_fn():
        return {proposal}

    def transform_fn(model, data, content_type, accept):
        return f"{len(data.splitlines())} {os.getpid()}", accept
"""


def proposing(proposal: Any) -> str:
    """Return a script whose container proposes execution parameters."""
    return PROPOSING.replace("{proposal}", repr(proposal))


def test_the_container_is_asked_how_it_wants_its_requests(transformer: Transformer) -> None:
    model = transformer.deployer.model(
        proposing({"MaxConcurrentTransforms": 2, "BatchStrategy": "SINGLE_RECORD"})
    )
    uri = transformer.prefix({"a": b"1\n2\n" * 20})
    name = transformer.create(model, uri, **LINES)
    assert transformer.ended(name)["TransformJobStatus"] == "Completed"
    lines = transformer.outputs(name)["a.out"].splitlines()
    assert [line.split()[0] for line in lines] == [b"1"] * 40
    settled = "MaxConcurrentTransforms=2, MaxPayloadInMB=6, BatchStrategy=SINGLE_RECORD"
    assert settled in transformer.log(name)
    # What the request says goes before it.
    outputs = transformer.completed(
        model, uri, BatchStrategy="MultiRecord", MaxConcurrentTransforms=1, **LINES
    )
    assert outputs["a.out"].split()[0] == b"40"


@pytest.mark.parametrize(
    ("proposal", "told"),
    [
        ({"MaxConcurrentTransforms": 0}, "proposes MaxConcurrentTransforms 0"),
        ({"MaxConcurrentTransforms": True}, "proposes MaxConcurrentTransforms True"),
        ({"BatchStrategy": "Some"}, "proposes BatchStrategy 'Some'"),
        ({"MaxPayloadInMB": "6"}, "proposes MaxPayloadInMB '6'"),
        ({"MaxPayloadInMB": 101}, "proposes MaxPayloadInMB 101"),
        ([], "is not a JSON object"),
    ],
)
def test_a_proposal_that_cannot_be_is_said(proposal: Any, told: str) -> None:
    with pytest.raises(ProposalError, match=re.escape(told)):
        read_proposal(json.dumps(proposal).encode())


def test_an_endless_proposal_is_said() -> None:
    with pytest.raises(ProposalError, match="is not JSON"):
        read_proposal(b"[" * 100_000)


def test_a_proposal_beyond_the_limits_fails_the_job(transformer: Transformer) -> None:
    model = transformer.deployer.model(proposing({"MaxConcurrentTransforms": 20}))
    reason = transformer.failed(model, transformer.prefix({"a": b"1"}))
    assert reason.startswith("ClientError: MaxConcurrentTransforms * MaxPayloadInMB must be at")
    assert "20 * 6 = 120" in reason
    model = transformer.deployer.model(proposing(["not", "an", "object"]))
    reason = transformer.failed(model, transformer.prefix({"a": b"1"}))
    assert reason.startswith("AlgorithmError: the container: its answer to GET /execution-param")


FLAKY = """
    import pathlib, os, time

    def model_fn(model_dir): return pathlib.Path(model_dir).parent / "tmp"

    def transform_fn(tmp, data, content_type, accept, context):
        kind, _, times = data.partition(" ")
        counter = tmp / f"{kind}-count"
        tried = int(counter.read_text()) if counter.exists() else 0
        counter.write_text(str(tried + 1))
        if tried < int(times):
            if kind == "die":
                os._exit(3)
            if kind == "sleep":
                time.sleep(60)
            context.set_response_status(int(kind))
            return "not now", accept
        return f"{kind} after {tried}", accept
"""


def test_what_may_work_later_is_tried_again(transformer: Transformer) -> None:
    model = transformer.deployer.model(FLAKY)
    uri = transformer.prefix({"a": b"500 2", "b": b"503 1", "c": b"die 1"})
    name = transformer.create(
        model,
        uri,
        source={"ContentType": "text/csv"},
        ModelClientConfig={"InvocationsMaxRetries": 2},
    )
    job = transformer.ended(name)
    assert job["TransformJobStatus"] == "Completed", job["FailureReason"]
    assert transformer.outputs(name) == {
        "a.out": b"500 after 2",
        "b.out": b"503 after 1",
        "c.out": b"die after 1",
    }
    assert "the container answered 500: not now Retry 1 of 2" in transformer.log(name)


@pytest.mark.slow
def test_an_answer_that_takes_too_long_is_asked_for_again(transformer: Transformer) -> None:
    model = transformer.deployer.model(FLAKY)
    name = transformer.create(
        model,
        transformer.prefix({"a": b"sleep 1"}),
        source={"ContentType": "text/csv"},
        ModelClientConfig={"InvocationsTimeoutInSeconds": 2, "InvocationsMaxRetries": 3},
    )
    assert transformer.ended(name)["TransformJobStatus"] == "Completed"
    assert transformer.outputs(name) == {"a.out": b"sleep after 1"}
    assert "the container did not answer within 2 seconds" in transformer.log(name)


def test_what_cannot_work_later_is_tried_once_and_all_else_as_often_as_asked(
    transformer: Transformer,
) -> None:
    model = transformer.deployer.model(FLAKY)
    refused = transformer.failed(
        model, transformer.prefix({"a": b"404 1"}), source={"ContentType": "text/csv"}
    )
    assert "the container answered 404: not now" in refused
    assert "tries" not in refused
    reason = transformer.failed(
        model,
        transformer.prefix({"a": b"500 9"}),
        source={"ContentType": "text/csv"},
        ModelClientConfig={"InvocationsMaxRetries": 1},
    )
    assert reason.startswith("AlgorithmError: ")
    assert "the container answered 500: not now (2 tries)" in reason


@pytest.mark.slow
def test_a_container_that_always_dies_ends_the_job(transformer: Transformer) -> None:
    model = transformer.deployer.model(FLAKY)
    reason = transformer.failed(
        model,
        transformer.prefix({"a": b"die 99"}),
        source={"ContentType": "text/csv"},
        ModelClientConfig={"InvocationsMaxRetries": 0},
    )
    assert reason.startswith("AlgorithmError: ")
    assert "its process ended with exit code 3" in reason
