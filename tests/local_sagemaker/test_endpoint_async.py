"""InvokeEndpointAsync: accepted at once, answered in order, written to S3, through boto3."""

import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError
from local_sagemaker.hosting import async_inference
from local_sagemaker.hosting.async_inference import AsyncInference
from local_sagemaker.hosting.async_requests import AsyncRequest, AsyncRequests
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Routes
from local_sagemaker.s3.objects import Objects
from tests.local_sagemaker.endpoint_support import Deployer, refused

OBEDIENT = """
    import os, time
    def model_fn(d): pass
    def transform_fn(model, data, content_type, accept, context):
        word, _, argument = bytes(data).decode().partition(" ")
        if word == "gate":
            while not os.path.exists(argument):
                time.sleep(0.01)
        if word == "raise":
            raise ValueError(argument)
        if word == "exit":
            os._exit(3)
        if word == "size":
            return str(len(data)), "text/plain"
        return f"{content_type}|{accept}|{word}", "text/plain"
"""


def _deploy(deployer: Deployer, **config: Any) -> str:
    output = {
        "S3OutputPath": f"s3://{deployer.bucket}/out",
        "S3FailurePath": f"s3://{deployer.bucket}/failed/",
    }
    asynchronous = {"OutputConfig": output, **config}
    name = deployer.create(
        deployer.config({"ModelName": deployer.model(OBEDIENT)}, AsyncInferenceConfig=asynchronous)
    )
    assert deployer.settled(name)["EndpointStatus"] == "InService"
    return name


@pytest.fixture(scope="module")
def endpoint(deployer: Deployer) -> str:
    return _deploy(deployer)


def _ask(deployer: Deployer, name: str, body: str, **parameters: Any) -> dict[str, Any]:
    location = deployer.put(f"in/{uuid.uuid4()}", body.encode())
    answer: dict[str, Any] = deployer.runtime.invoke_endpoint_async(
        EndpointName=name, InputLocation=location, **parameters
    )
    return answer


def _wait(deployer: Deployer, location: str) -> dict[str, Any]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    while True:
        try:
            answer = deployer.s3.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchKey"  # noqa: PT017  (polling)
            time.sleep(0.02)
        else:
            return {**answer, "Text": answer["Body"].read().decode()}


def test_the_output_comes_to_lie_where_it_was_announced(deployer: Deployer, endpoint: str) -> None:
    answer = _ask(deployer, endpoint, "hello", ContentType="a/b", Accept="c/d", InferenceId="mine")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert answer["InferenceId"] == "mine"
    assert answer["OutputLocation"].startswith(f"s3://{deployer.bucket}/out/")
    assert answer["OutputLocation"].endswith(".out")
    assert answer["FailureLocation"].startswith(f"s3://{deployer.bucket}/failed/")
    assert answer["FailureLocation"].endswith("-error.out")
    output = _wait(deployer, answer["OutputLocation"])
    assert output["Text"] == "a/b|c/d|hello"
    assert output["ContentType"] == "text/plain"


def test_an_error_of_the_model_is_written_as_a_failure(deployer: Deployer, endpoint: str) -> None:
    failure = _wait(deployer, _ask(deployer, endpoint, "raise too much")["FailureLocation"])
    assert failure["Text"].startswith("Received client error (400) from primary with message")
    assert "too much" in failure["Text"]
    failure = _wait(deployer, _ask(deployer, endpoint, "exit")["FailureLocation"])
    assert "Worker died: its process ended with exit code 3" in failure["Text"]
    answer = deployer.runtime.invoke_endpoint_async(
        EndpointName=endpoint, InputLocation=f"s3://{deployer.bucket}/no/such/input"
    )
    assert "key does not exist" in _wait(deployer, answer["FailureLocation"])["Text"]


def test_requests_are_begun_in_order(deployer: Deployer, endpoint: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    first = _ask(deployer, endpoint, f"gate {gate}")
    others = [_ask(deployer, endpoint, "next") for _ in range(5)]
    objects = deployer.s3.list_objects_v2(Bucket=deployer.bucket, Prefix="out/")["Contents"]
    written = {f"s3://{deployer.bucket}/{item['Key']}" for item in objects}
    assert not written & {answer["OutputLocation"] for answer in (first, *others)}
    gate.touch()
    times = [
        _wait(deployer, answer["OutputLocation"])["LastModified"] for answer in (first, *others)
    ]
    assert times == sorted(times)


def test_inputs_may_be_larger_than_those_of_invoke_endpoint(
    deployer: Deployer, endpoint: str
) -> None:
    body = "size " + "x" * 8_000_000
    output = _wait(deployer, _ask(deployer, endpoint, body)["OutputLocation"])
    assert output["Text"] == str(len(body))


def test_what_cannot_be_is_refused(deployer: Deployer, endpoint: str) -> None:
    with refused("ValidationError") as error:
        deployer.invoke(endpoint, "hello")
    assert "use InvokeEndpointAsync" in error["Message"]
    plain = deployer.deploy(OBEDIENT)
    with refused("ValidationError") as error:
        _ask(deployer, plain, "hello")
    assert "has no AsyncInferenceConfig" in error["Message"]
    for location in ("https://example.com/input", "s3:///key", "s3"):
        with refused("ValidationError"):
            deployer.runtime.invoke_endpoint_async(EndpointName=endpoint, InputLocation=location)
    # Not a URL with a broken IPv6 address: a bucket that is not there.
    answer = deployer.runtime.invoke_endpoint_async(
        EndpointName=endpoint, InputLocation="s3://[bucket/key"
    )
    assert "bucket" in _wait(deployer, answer["FailureLocation"])["Text"]
    notified = {
        "OutputConfig": {
            "S3OutputPath": f"s3://{deployer.bucket}/out",
            "NotificationConfig": {"SuccessTopic": "arn:aws:sns:us-east-1:111122223333:topic"},
        }
    }
    model = deployer.model(OBEDIENT)
    with refused("ValidationException") as error:
        deployer.create(deployer.config({"ModelName": model}, AsyncInferenceConfig=notified))
    assert "no SNS topics" in error["Message"]


@pytest.mark.slow
def test_the_queue_outlives_the_server(fresh: LocalSageMaker, tmp_path: Path) -> None:
    deployer = Deployer(fresh)
    name = _deploy(deployer)
    gate = tmp_path / "gate"
    begun = _ask(deployer, name, f"gate {gate}")
    while not deployer.processes()[0].cpu_times():
        time.sleep(0.01)
    waiting = [_ask(deployer, name, "later") for _ in range(3)]
    fresh.close()
    fresh.start()
    for answer in waiting:
        assert _wait(deployer, answer["OutputLocation"])["Text"].endswith("later")
    failure = _wait(deployer, begun["FailureLocation"])
    assert "was stopped while the model worked on this request" in failure["Text"]


def test_the_queue_is_first_in_first_out_for_each_endpoint(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    moment = [100.0]
    requests = AsyncRequests(database, lambda: moment[0])
    keys = [RouteKey("111122223333", "us-east-1", name) for name in ("a", "b")]
    for number in range(4):
        requests.add(
            AsyncRequest(
                key=keys[number % 2],
                inference_id=str(number),
                headers=(("Accept", "a/b"),),
                output="s3://bucket/out",
                failure=None,
                timeout=60.0,
                expires=200.0,
                body=b"body",
            )
        )
    assert requests.waiting() == set(keys)
    first = requests.begin(keys[1])
    assert first is not None
    assert (first.inference_id, first.body, first.headers) == ("1", b"body", (("Accept", "a/b"),))
    assert [request.number for request in requests.begun()] == [first.number]
    assert not requests.expired(first)
    moment[0] = 201.0
    assert requests.expired(first)
    requests.finish(first)
    assert requests.begun() == []
    second = requests.begin(keys[1])
    assert second is not None
    assert second.inference_id == "3"
    assert requests.begin(keys[1]) is None
    assert requests.waiting() == {keys[0]}
    database.close()


def test_an_input_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_inference, "ASYNC_PAYLOAD", 3)
    database = Database(tmp_path / "state.db")
    objects = Objects(database, tmp_path / "s3")
    objects.ensure_bucket("111122223333", "us-east-1", "bucket")
    objects.put_bytes("111122223333", "us-east-1", "bucket", "large", b"four")
    request = AsyncRequest(
        key=RouteKey("111122223333", "us-east-1", "any"),
        inference_id="1",
        headers=(),
        output="s3://bucket/out",
        failure=None,
        timeout=60.0,
        expires=200.0,
        source="s3://bucket/large",
    )
    inference = AsyncInference(AsyncRequests(database), objects, Routes())
    with pytest.raises(AWSError, match="has 4 bytes; at most 3 can be sent"):
        inference._read(request)
    objects.put_bytes("111122223333", "us-east-1", "bucket", "large", b"two")
    assert inference._read(request) == b"two"
    objects.close()
    database.close()


class _Full(AsyncRequests):
    """A queue on a disk that is full at first."""

    fails = 2

    def begin(self, key: RouteKey) -> AsyncRequest | None:
        self._fail()
        return super().begin(key)

    def finish(self, request: AsyncRequest) -> None:
        self._fail()
        super().finish(request)

    def _fail(self) -> None:
        if self.fails:
            self.fails -= 1
            raise sqlite3.OperationalError("database or disk is full")


def test_the_queue_goes_on_after_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(async_inference, "_RETRY_SECONDS", 0.01)
    database = Database(tmp_path / "state.db")
    objects = Objects(database, tmp_path / "s3")
    objects.ensure_bucket("111122223333", "us-east-1", "bucket")
    requests = _Full(database)
    inference = AsyncInference(requests, objects, Routes())
    requests.add(
        AsyncRequest(
            key=RouteKey("111122223333", "us-east-1", "nobody"),
            inference_id="1",
            headers=(),
            output="s3://bucket/out",
            failure="s3://bucket/failed",
            timeout=60.0,
            expires=time.time() + 60.0,
            body=b"body",
        )
    )
    inference.recover()
    while requests.waiting() or requests.begun():
        time.sleep(0.01)
    with objects.open("111122223333", "bucket", "failed") as failure:
        assert b"not found" in failure.read()
    inference.close()
    objects.close()
    database.close()
