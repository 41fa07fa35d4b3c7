"""InvokeEndpoint through boto3: headers, limits, errors, many clients, dying processes."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from tests.local_sagemaker.endpoint_support import ACCOUNT, Deployer, answering, refused, sent
from tests.local_sagemaker.s3_support import until

# What a body asks of the model: an error, the death of its process, or time.
OBEDIENT = """
    import os, time
    def model_fn(d): pass
    def transform_fn(model, data, content_type, accept, context):
        word, _, argument = bytes(data).decode().partition(" ")
        if word == "raise":
            raise ValueError(argument)
        if word == "exit":
            os._exit(int(argument))
        if word == "sleep":
            time.sleep(float(argument))
        if word == "status":
            context.set_response_status(int(argument))
        return f"{os.getpid()} {word}"
"""


@pytest.fixture(scope="module")
def echo(deployer: Deployer) -> str:
    return deployer.deploy()


@pytest.fixture(scope="module")
def obedient(deployer: Deployer) -> str:
    return deployer.deploy(OBEDIENT)


def test_headers_go_in_and_come_out(deployer: Deployer, echo: str) -> None:
    answer = deployer.invoke(
        echo,
        "a,b",
        ContentType="text/csv",
        Accept="text/plain",
        CustomAttributes="trace=1",
        InferenceId="one",
    )
    assert answer["Body"] == "text/csv|text/plain|a,b"
    assert answer["ContentType"] == "text/plain"
    assert answer["CustomAttributes"] == "echo trace=1"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["ResponseMetadata"]["RequestId"]
    assert deployer.invoke(echo)["Body"] == "None|application/json|bytearray(b'')"


def test_an_error_of_the_model_is_a_model_error(deployer: Deployer, obedient: str) -> None:
    with refused("ModelError") as error:
        deployer.invoke(obedient, 'raise it\'s "so"')
    body = (
        '{\n  "code": 400,\n  "type": "InternalServerException",\n'
        '  "message": "it\\u0027s \\"so\\""\n}\n'
    )
    group = f"/aws/sagemaker/Endpoints/{obedient}"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error["OriginalStatusCode"] == 400
    assert error["OriginalMessage"] == body
    assert error["LogStreamArn"] == f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}"
    assert error["Message"] == (
        f'Received client error (400) from primary with message "{body}". See '
        "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1"
        f"#logEventViewer:group={group} in account {ACCOUNT} for more information."
    )
    assert 'ValueError: it\'s "so"' in deployer.log(obedient)


def test_statuses_that_the_model_sets(deployer: Deployer, obedient: str) -> None:
    assert deployer.invoke(obedient, "status 201")["ResponseMetadata"]["HTTPStatusCode"] == 200
    with refused("ModelError") as error:
        deployer.invoke(obedient, "status 503")
    assert error["OriginalStatusCode"] == 503
    assert error["Message"].startswith("Received server error (503) from primary")


def test_a_request_of_6_mb_passes_and_a_larger_one_does_not(deployer: Deployer, echo: str) -> None:
    limit = 6 * 1024 * 1024
    sized = deployer.deploy(
        "def model_fn(d): pass\ndef transform_fn(m, d, c, a): return str(len(d))"
    )
    assert deployer.invoke(sized, bytes(limit))["Body"] == str(limit)
    with refused("413") as error:
        deployer.invoke(echo, bytes(limit + 1))
    assert error["Message"] == f"HTTP content length exceeded {limit} bytes."


def test_an_answer_over_6_mb_is_a_model_error(deployer: Deployer) -> None:
    name = deployer.deploy(answering("") + " or 'x' * 7_000_000")
    with refused("ModelError") as error:
        deployer.invoke(name)
    assert error["OriginalStatusCode"] == 413
    message = json.loads(error["OriginalMessage"])["message"]
    assert message.startswith("The model's answer has 7000000 bytes")


def test_unknown_endpoints_and_other_accounts_endpoints_are_not_found(
    deployer: Deployer, echo: str
) -> None:
    with refused("ValidationError") as error:
        deployer.invoke("not-there")
    assert error["Message"] == f"Endpoint not-there of account {ACCOUNT} not found."
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    elsewhere = boto3.client(
        "sagemaker-runtime", endpoint_url=deployer.local.url, region_name="eu-west-1"
    )
    with refused("ValidationError"):
        elsewhere.invoke_endpoint(EndpointName=echo, Body=b"")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("TargetModel", "a.tar.gz"),
        ("TargetContainerHostname", "first"),
        ("InferenceComponentName", "part"),
        ("SessionId", "NEW_SESSION"),
        ("EnableExplanations", "`true`"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(
    deployer: Deployer, echo: str, member: str, value: str
) -> None:
    with refused("ValidationError") as error:
        deployer.invoke(echo, **{member: value})
    assert error["Message"].startswith(member)


def test_custom_attributes_have_a_limit(deployer: Deployer, echo: str) -> None:
    deployer.invoke(echo, CustomAttributes="x" * 1024)
    with refused("ValidationError"):
        deployer.invoke(echo, CustomAttributes="x" * 1025)


@pytest.mark.parametrize("connections", [8, 16])
def test_many_connections_get_their_own_answers(
    deployer: Deployer, echo: str, connections: int
) -> None:
    def ask(number: int) -> str:
        answer = deployer.invoke(echo, str(number), ContentType="text/csv")
        return str(answer["Body"])

    with ThreadPoolExecutor(connections) as pool:
        answers = list(pool.map(ask, range(400)))
    assert answers == [f"text/csv|application/json|{number}" for number in range(400)]


def test_a_process_that_dies_fails_its_request_only_and_is_replaced(
    deployer: Deployer, obedient: str
) -> None:
    before = deployer.invoke(obedient, "hello")["Body"].split()[0]
    with ThreadPoolExecutor(8) as pool:
        slow = pool.submit(deployer.invoke, obedient, "sleep 1")
        time.sleep(0.2)
        dying = pool.submit(deployer.invoke, obedient, "exit 7")
        time.sleep(0.2)
        # These wait in the queue when the process dies.
        others = [pool.submit(deployer.invoke, obedient, "hello") for _ in range(5)]
    assert slow.result()["Body"].split()[0] == before
    with refused("ModelError") as error:
        dying.result()
    assert error["OriginalStatusCode"] == 500
    assert json.loads(error["OriginalMessage"]) == {
        "code": 500,
        "type": "InternalServerException",
        "message": "Worker died: its process ended with exit code 7.",
    }
    after = {other.result()["Body"].split()[0] for other in others}
    assert len(after) == 1
    assert after != {before}
    assert "its process ended with exit code 7. A new one is started." in deployer.log(obedient)


def test_an_idle_process_that_is_killed_is_replaced_unnoticed(
    deployer: Deployer, obedient: str
) -> None:
    before = deployer.invoke(obedient, "hello")["Body"].split()[0]
    process = psutil.Process(int(before))
    process.kill()
    # A request that was sent to a dying process could have been worked on, and would fail.
    process.wait()
    after = deployer.invoke(obedient, "hello")["Body"].split()[0]
    assert after != before


def test_a_process_that_cannot_start_again_fails_requests_soon(
    deployer: Deployer, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    name = deployer.deploy(
        f"""
        import os
        if os.path.exists({str(broken)!r}):
            raise OSError("the weights are gone")
        def model_fn(d): pass
        def transform_fn(m, d, c, a): os._exit(1)
        """
    )
    broken.touch()
    with refused("ModelError"):
        deployer.invoke(name)
    with refused("ModelError") as error:
        deployer.invoke(name)
    assert "OSError: the weights are gone" in json.loads(error["OriginalMessage"])["message"]


def test_a_request_that_takes_too_long_costs_its_process(deployer: Deployer) -> None:
    name = deployer.deploy(OBEDIENT, Environment={"SAGEMAKER_MODEL_SERVER_TIMEOUT": "1"})
    before = deployer.invoke(name, "hello")["Body"].split()[0]
    with refused("ModelError") as error:
        deployer.invoke(name, "sleep 600")
    assert error["OriginalStatusCode"] == 500
    assert "ended by signal 9" in error["OriginalMessage"]
    assert deployer.invoke(name, "hello")["Body"].split()[0] != before
    assert "A request took longer than 1 s" in deployer.log(name)


def test_clients_that_hang_up_hurt_nobody(deployer: Deployer, obedient: str) -> None:
    for _ in range(3):
        _hang_up_after(deployer, obedient, "sleep 0.2")
    with ThreadPoolExecutor(4) as pool:
        running = pool.submit(deployer.invoke, obedient, "sleep 1")
        time.sleep(0.2)
        # Hanging up while it waits in the queue, it is never sent to the process.
        _hang_up_after(deployer, obedient, "exit 1")
        assert running.result()["Body"].endswith("sleep")
    assert deployer.invoke(obedient, "hello")["Body"].endswith("hello")


def _hang_up_after(deployer: Deployer, endpoint: str, body: str) -> None:
    """Send a whole signed request, and close the connection at once."""
    with sent(deployer, f"/endpoints/{endpoint}/invocations", body):
        time.sleep(0.05)


def test_a_header_that_is_not_ascii_spoils_nothing(deployer: Deployer, obedient: str) -> None:
    path, own = f"/endpoints/{obedient}/invocations", {"Content-Type": "text/caf\u00e9"}
    with sent(deployer, path, "hello", own) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert deployer.invoke(obedient, "hello")["Body"].endswith("hello")


def _under_load(
    deployer: Deployer, name: str, connections: int, act: Callable[[list[Any]], None]
) -> list[Any]:
    """Invoke an endpoint steadily while something is done; return answers and errors."""
    done = threading.Event()
    outcomes: list[Any] = []

    def ask() -> None:
        while not done.is_set():
            try:
                outcomes.append(deployer.invoke(name, "hello")["Body"])
            except ClientError as error:
                outcomes.append(error)

    threads = [threading.Thread(target=ask) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        act(outcomes)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    return outcomes


def test_no_request_fails_while_an_endpoint_is_updated(deployer: Deployer) -> None:
    names = ["first", "second", "third", "fourth"]
    configs = [deployer.config({"ModelName": deployer.model(answering(n))}) for n in names]
    name = deployer.create(configs[0])
    deployer.settled(name)

    def update(outcomes: list[Any]) -> None:
        until(lambda: "first" in outcomes, "an answer")
        for config, answer in zip(configs[1:], names[1:], strict=True):
            deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
            deployer.settled(name)
            until(partial(outcomes.__contains__, answer), f"the answer {answer!r}")

    outcomes = _under_load(deployer, name, 8, update)
    assert set(outcomes) == set(names)


def test_requests_end_with_not_found_when_the_endpoint_is_deleted(deployer: Deployer) -> None:
    name = deployer.deploy(OBEDIENT)

    def delete(outcomes: list[Any]) -> None:
        until(lambda: bool(outcomes), "an answer")
        deployer.delete(name)
        until(lambda: isinstance(outcomes[-1], ClientError), "an error")

    outcomes = _under_load(deployer, name, 4, delete)
    errors = [outcome for outcome in outcomes if isinstance(outcome, ClientError)]
    assert len(errors) < len(outcomes)
    assert {error.response["Error"]["Code"] for error in errors} == {"ValidationError"}
