"""Every operation of SageMaker's services has a declared class, and the server does as declared."""

from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.coverage import (
    NOUNS,
    OPERATIONS,
    SERVICES,
    Coverage,
    declared,
    noun_of,
    refusal,
)
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import client_of, minimal

EVERY = [
    (service, operation)
    for service in SERVICES
    for operation in service_model(service).operation_names
]


def test_somebody_classified_every_operation() -> None:
    unknown = [operation for _, operation in EVERY if declared(operation) is None]
    assert not unknown, "say in local_sagemaker/coverage.py what this server does with them"
    assert len(EVERY) > 400


def test_an_operation_is_declared_once_and_what_is_not_run_has_a_reason() -> None:
    nouns = [noun_of(operation) for operation in OPERATIONS]
    for operation, noun in zip(OPERATIONS, nouns, strict=True):
        if noun is not None:
            # Only what differs from its noun has a row of its own.
            assert OPERATIONS[operation] != NOUNS[noun], operation
    for name, declaration in (NOUNS | OPERATIONS).items():
        not_run = declaration.coverage in (Coverage.FAILS, Coverage.REFUSED)
        assert bool(declaration.reason) == not_run, name


def test_a_newer_operation_is_refused_by_its_name() -> None:
    assert declared("CreateTimeMachine") is None
    error = refusal("CreateTimeMachine")
    assert (error.code, error.status) == ("NotImplemented", 400)
    assert error.message.startswith("CreateTimeMachine is not run locally: it is newer than")


@pytest.mark.parametrize("service", SERVICES)
def test_the_server_does_as_declared(local: LocalSageMaker, service: str) -> None:
    """The least that each operation accepts is answered, or refused as the service does."""
    assert local.url
    client = client_of(
        service,
        config=Config(parameter_validation=False, retries={"max_attempts": 0}),
        region_name="ca-central-1",
    )
    model = client.meta.service_model
    for operation in model.operation_names:
        shape = model.operation_model(operation).input_shape
        declaration = declared(operation)
        assert declaration is not None
        refused = declaration.coverage is Coverage.REFUSED
        code, message = _outcome(client, operation, minimal(shape) if shape else {})
        if refused:
            assert code == "NotImplemented", (operation, code, message)
            assert operation in message
        else:
            assert f"{operation} is not run locally" not in message, operation


def _outcome(client: Any, operation: str, params: dict[str, Any]) -> tuple[str, str]:
    """Return the code and the message of a refusal, or nothing for a success."""
    try:
        client._make_api_call(operation, params)
    except ClientError as error:
        response = error.response
        metadata = response["ResponseMetadata"]
        assert 400 <= metadata["HTTPStatusCode"] < 500, (operation, response)
        assert "html" not in metadata["HTTPHeaders"]["content-type"], operation
        return response["Error"]["Code"], response["Error"]["Message"]
    return "", ""
