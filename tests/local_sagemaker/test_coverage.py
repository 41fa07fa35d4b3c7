"""Every operation of SageMaker's services has a declared class, and the server does as declared."""

from collections import Counter
from dataclasses import dataclass
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
from tests.local_sagemaker.core_support import client_of, fits
from tests.local_sagemaker.request_support import request

# Codes that every operation of these services may answer, by AWS's "Common Errors" or ours.
COMMON = {"NotImplemented", "ValidationException", "ValidationError", "ResourceNotFound"}
# What a text of the model says of an operation, and its list of errors does not.
DOCUMENTED = {"DeleteWorkforce": {"ResourceInUse"}}
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


@dataclass
class Caller:
    """Calls any operation of a service; every answer is one that the service model knows."""

    service: str
    region: str

    def __post_init__(self) -> None:
        config = Config(parameter_validation=False, retries={"max_attempts": 0})
        self._client = client_of(self.service, config=config, region_name=self.region)
        self.model = service_model(self.service)

    def __call__(self, operation: str, *, most: bool = False) -> tuple[str, str]:
        """Return the code and the message of a refusal, two empty texts for a success."""
        model = self.model.operation_model(operation)
        try:
            answer = self._client._make_api_call(operation, request(model.input_shape, most=most))
        except ClientError as error:
            return self._refusal(operation, error.response)
        # What streams or carries bytes is a room's, whose tests read it.
        if model.output_shape is not None and self.service != "sagemaker-runtime":
            fits(answer, model.output_shape)
        return "", ""

    def _refusal(self, operation: str, response: Any) -> tuple[str, str]:
        metadata, error = response["ResponseMetadata"], response["Error"]
        told = (operation, error)
        assert 400 <= metadata["HTTPStatusCode"] < 500, told
        assert "html" not in metadata["HTTPHeaders"]["content-type"], told
        known = {shape.name for shape in self.model.operation_model(operation).error_shapes}
        assert error["Code"] in known | COMMON | DOCUMENTED.get(operation, set()), told
        assert len(error["Message"]) > 10, told
        return error["Code"], error["Message"]


@pytest.mark.parametrize("service", SERVICES)
def test_the_server_does_as_declared(local: LocalSageMaker, service: str) -> None:
    """The least that each operation accepts is answered, or refused as the service does."""
    assert local.url
    call = Caller(service, "ca-central-1")
    for operation in call.model.operation_names:
        declaration = declared(operation)
        assert declaration is not None
        code, message = call(operation)
        if declaration.coverage is Coverage.REFUSED:
            assert (code, message) == ("NotImplemented", refusal(operation).message)
            assert declaration.reason in message
        else:
            assert f"{operation} is not run locally" not in message, operation


@pytest.mark.slow
@pytest.mark.parametrize("most", [False, True], ids=["least", "most"])
@pytest.mark.parametrize("service", SERVICES)
def test_whatever_is_asked_is_answered(local: LocalSageMaker, service: str, most: bool) -> None:
    """Of resources that are there, and with all the members that a request can have."""
    assert local.url
    call = Caller(service, "eu-west-3" if most else "eu-north-1")
    names = call.model.operation_names
    outcomes: Counter[str] = Counter()
    first = [name for name in names if name.startswith("Create")]
    last = [name for name in names if name.startswith("Delete")]
    for operation in [*first, *(name for name in names if name not in last), *last]:
        outcomes[call(operation, most=most)[0]] += 1
    if service == "sagemaker":
        # What is made the first time is there for the second: most operations find something.
        assert outcomes[""] > 100, outcomes
