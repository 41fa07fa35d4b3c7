"""InvokeEndpointWithResponseStream: answers that come part by part, through boto3."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from local_sagemaker.hosting import event_stream
from tests.local_sagemaker.endpoint_support import Deployer, answering, refused, sent

# What a body asks of the model.
WORDS = """
    import os, time
    def model_fn(d): pass
    def parts(word, argument):
        yield "first "
        if word in ("gate", "exit"):
            while not os.path.exists(argument):
                time.sleep(0.01)
        if word == "raise":
            raise ValueError(argument)
        if word == "exit":
            os._exit(5)
        if word == "many":
            for _ in range(int(argument)):
                yield b"x" * 65536
        yield b"second"
    def failing():
        raise ValueError("nothing at all")
        yield
    def transform_fn(model, data, content_type, accept, context):
        word, _, argument = bytes(data).decode().partition(" ")
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "echo")
        if word == "fail":
            return failing()
        return parts(word, argument), "text/plain"
"""


@pytest.fixture(scope="module")
def words(deployer: Deployer) -> str:
    return deployer.deploy(WORDS)


def _stream(deployer: Deployer, name: str, body: str = "", **parameters: Any) -> dict[str, Any]:
    answer: dict[str, Any] = deployer.runtime.invoke_endpoint_with_response_stream(
        EndpointName=name, Body=body.encode(), **parameters
    )
    return answer


def _text(answer: dict[str, Any]) -> str:
    # botocore leaves the connection of a stream that ends with an error open.
    with closing(answer["Body"]) as events:
        return b"".join(event["PayloadPart"]["Bytes"] for event in events).decode()


def test_parts_arrive_while_the_model_goes_on(
    deployer: Deployer, words: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    answer = _stream(deployer, words, f"gate {gate}")
    assert answer["ContentType"] == "text/plain"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "echo"
    events = iter(answer["Body"])
    assert next(events) == {"PayloadPart": {"Bytes": b"first "}}
    # The model waits for this, so the first part came before there was a second.
    gate.touch()
    assert b"".join(event["PayloadPart"]["Bytes"] for event in events) == b"second"


def test_an_answer_in_one_piece_is_one_part(deployer: Deployer) -> None:
    name = deployer.deploy(answering("whole"))
    assert _text(_stream(deployer, name, Accept="text/plain", ContentType="a/b")) == "whole"


def test_invoke_endpoint_puts_parts_together(deployer: Deployer, words: str) -> None:
    assert deployer.invoke(words, "go")["Body"] == "first second"
    with refused("ModelError") as error:
        deployer.invoke(words, "raise too late")
    assert json.loads(error["OriginalMessage"])["message"] == "too late"


def test_an_error_before_the_first_part_is_a_model_error(deployer: Deployer, words: str) -> None:
    with refused("ModelError") as error:
        _stream(deployer, words, "fail")
    assert error["OriginalStatusCode"] == 400
    assert json.loads(error["OriginalMessage"])["message"] == "nothing at all"


def test_an_error_between_parts_ends_the_stream(deployer: Deployer, words: str) -> None:
    answer = _stream(deployer, words, "raise late \u20ac")
    with pytest.raises(EventStreamError) as raised:
        _text(answer)
    error = raised.value.response["Error"]
    assert error["Code"] == "ModelStreamError"
    assert "late \u20ac" in error["Message"]
    assert "ValueError: late" in deployer.log(words)
    assert deployer.invoke(words, "go")["Body"] == "first second"


def test_a_process_that_dies_between_parts_ends_the_stream(
    deployer: Deployer, words: str, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with closing(_stream(deployer, words, f"exit {gate}")["Body"]) as body:
        events = iter(body)
        assert next(events) == {"PayloadPart": {"Bytes": b"first "}}
        gate.touch()
        with pytest.raises(EventStreamError, match="Worker died: its process ended with exit co"):
            next(events)
    assert deployer.invoke(words, "go")["Body"] == "first second"


def test_a_long_stream_arrives_whole(deployer: Deployer, words: str) -> None:
    text = _text(_stream(deployer, words, "many 200"))
    assert len(text) == len("first second") + 200 * 65536


def test_a_client_that_leaves_gives_the_process_back(deployer: Deployer, words: str) -> None:
    for _ in range(3):
        path = f"/endpoints/{words}/invocations-response-stream"
        with sent(deployer, path, "many 400") as connection:
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert deployer.invoke(words, "go")["Body"] == "first second"


def test_streams_of_several_clients_do_not_mix(deployer: Deployer) -> None:
    code = """
        def model_fn(d): pass
        def transform_fn(model, data, content_type, accept):
            return (bytes(data) for _ in range(100))
    """
    name = deployer.deploy(code)
    barrier = threading.Barrier(4)

    def ask(number: int) -> str:
        barrier.wait()
        return _text(_stream(deployer, name, str(number)))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [str(number) * 100 for number in range(4)]


def test_endpoints_that_are_not_there_refuse_before_the_stream(deployer: Deployer) -> None:
    with refused("ValidationError") as error:
        _stream(deployer, "not-there")
    assert "Endpoint not-there of account" in error["Message"]


def test_frames_have_the_check_sums_that_botocore_demands() -> None:
    from botocore.eventstream import EventStreamBuffer

    buffer = EventStreamBuffer()
    buffer.add_data(event_stream.event("PayloadPart", b"\x00\xff" * 1000))
    buffer.add_data(event_stream.exception("ModelStreamError", {"Message": "m"}))
    first, second = list(buffer)
    assert first.payload == b"\x00\xff" * 1000
    assert first.headers[":event-type"] == "PayloadPart"
    assert second.to_response_dict()["status_code"] == 400
    assert json.loads(second.payload) == {"Message": "m"}
