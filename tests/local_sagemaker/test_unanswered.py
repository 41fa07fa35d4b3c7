"""What is not implemented says so: at once, by name, in the service's format, never as a 5xx."""

from collections import Counter
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import client_of, code_of, minimal, refused, send, signed

pytestmark = pytest.mark.usefixtures("local")

# Signed with no key by nature: whoever calls these has none yet.
UNSIGNED = {"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}
# Their clients speak to a host of their own, which no endpoint URL can replace.
ELSEWHERE = {"GetLogObject", "StartLiveTail"}


@pytest.mark.parametrize(
    "service",
    [
        "sagemaker",
        "sagemaker-runtime",
        "sagemaker-metrics",
        "sagemaker-a2i-runtime",
        "sagemaker-featurestore-runtime",
        "sts",
        # moto makes an account anew after each of its hundred refusals.
        pytest.param("iam", marks=pytest.mark.slow),
        "logs",
        "service-quotas",
        "lambda",
    ],
)
def test_every_operation_is_answered_or_refused_by_name(
    local: LocalSageMaker, service: str
) -> None:
    """The least that each operation accepts, as a caller in an account of its own."""
    assert local.url
    client = client_of(service, config=Config(parameter_validation=False), region_name="sa-east-1")
    model = client.meta.service_model
    outcomes: Counter[str] = Counter()
    for operation in model.operation_names:
        if operation in UNSIGNED | ELSEWHERE:
            continue
        shape = model.operation_model(operation).input_shape
        params = minimal(shape) if shape else {}
        if operation == "InvokeEndpointWithBidirectionalStream":
            continue
        try:
            client._make_api_call(operation, params)
            outcomes["answered"] += 1
        except ClientError as error:
            metadata = error.response["ResponseMetadata"]
            code, message = (error.response["Error"][key] for key in ("Code", "Message"))
            assert metadata["HTTPStatusCode"] < 500, (operation, code, message)
            assert metadata["RetryAttempts"] == 0, (operation, code)
            assert metadata["HTTPHeaders"]["content-type"] != "text/html", operation
            outcomes["NotImplemented" if code == "NotImplemented" else "refused"] += 1
            if code == "NotImplemented":
                told = (operation, "moto", f"of '{model.signing_name}'")
                assert any(name in message for name in told), message
    assert sum(outcomes.values()) >= len(model.operation_names) - 3


@pytest.mark.parametrize("service", ["ec2", "dynamodb", "sns", "ecr", "cloudformation"])
def test_a_service_that_is_not_here(service: str) -> None:
    operation = {
        "ec2": "describe_instances",
        "dynamodb": "list_tables",
        "sns": "list_topics",
        "ecr": "describe_repositories",
        "cloudformation": "list_stacks",
    }[service]
    said = refused(getattr(client_of(service), operation), "NotImplemented", 400)
    assert f"of '{client_of(service).meta.service_model.signing_name}'" in said
    assert "is not part of the local SageMaker" in said


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("POST", "/", {"X-Amz-Target": "SageMaker.NoSuch"}, 400, "UnknownOperationException"),
        ("POST", "/", {"X-Amz-Target": "SageMaker."}, 400, "UnknownOperationException"),
        ("POST", "/", {"X-Amz-Target": "."}, 400, "NotImplemented"),
        ("POST", "/", {"X-Amz-Target": "Other.ListModels"}, 400, "NotImplemented"),
        ("POST", "/", {}, 400, "NotImplemented"),
        ("GET", "/", {}, 400, "NotImplemented"),
        ("GET", "/BatchPutMetrics", {}, 404, "UnknownOperationException"),
        ("PUT", "/BatchPutMetrics/more", {}, 404, "UnknownOperationException"),
        ("POST", "/endpoints/", {}, 404, "UnknownOperationException"),
        ("PATCH", "/endpoints/e/invocations", {}, 404, "UnknownOperationException"),
        ("DELETE", "/%00/%ff", {}, 400, "NotImplemented"),
    ],
)
def test_what_is_no_operation(
    local: LocalSageMaker, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    answer = send(local, method, path, signed(local, method, path, headers))
    assert (answer.status, code_of(answer)) == (status, code)


def test_a_client_hears_at_once_that_no_server_runs(
    fresh: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = client_of("sagemaker", config=Config(retries={"max_attempts": 0}))
    url = fresh.url
    fresh.close()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "gone")
    with pytest.raises(Exception, match=f"The local SageMaker at {url} is not running"):
        client.list_models()
