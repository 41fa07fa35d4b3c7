"""Requests that break the service model are refused in AWS's own words, at once."""

import json
from typing import Any

import pytest
from botocore.config import Config
from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_sagemaker import LocalSageMaker
from local_sagemaker.protocol import service_model
from local_sagemaker.validation import _compiled
from tests.local_sagemaker.core_support import client_of, json_request, refused, send, signed

pytestmark = pytest.mark.usefixtures("local")

JOB_NAME = service_model("sagemaker").shape_for("TrainingJobName").metadata["pattern"]
ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
TRAINING_JOB: dict[str, Any] = {
    "TrainingJobName": "job",
    "RoleArn": ROLE,
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
    "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}


@pytest.fixture(scope="module")
def unchecked(local: LocalSageMaker) -> Any:
    """A client that sends what its own validator would stop."""
    assert local.url
    return client_of("sagemaker", config=Config(parameter_validation=False))


def said(call: Any, **params: Any) -> str:
    return refused(call, "ValidationException", 400, **params)


def test_a_name_that_breaks_the_pattern(unchecked: Any) -> None:
    pattern = service_model("sagemaker").shape_for("ExperimentEntityName").metadata["pattern"]
    assert said(unchecked.create_experiment, ExperimentName="my_experiment") == (
        "1 validation error detected: Value 'my_experiment' at 'experimentName' failed to satisfy "
        f"constraint: Member must satisfy regular expression pattern: {pattern}"
    )


def test_several_errors_in_one_message(unchecked: Any) -> None:
    job = TRAINING_JOB | {
        "TrainingJobName": "no_underscores",
        "ResourceConfig": {"InstanceType": "ml.huge", "InstanceCount": -1, "VolumeSizeInGB": 1},
    }
    message = said(unchecked.create_training_job, **job)
    head, *rest = message.split("; ")
    assert head == (
        "3 validation errors detected: Value 'no_underscores' at 'trainingJobName' failed to "
        "satisfy constraint: Member must satisfy regular expression pattern: "
        f"{JOB_NAME}"
    )
    enum, count = sorted(rest, reverse=True)
    assert enum.startswith(
        "Value 'ml.huge' at 'resourceConfig.instanceType' failed to satisfy constraint: Member "
        "must satisfy enum value set: ["
    )
    assert "ml.m5.xlarge" in enum
    assert count == (
        "Value '-1' at 'resourceConfig.instanceCount' failed to satisfy constraint: Member must "
        "have value greater than or equal to 0"
    )


NULL = "failed to satisfy constraint: Member must not be null"
LENGTH = "failed to satisfy constraint: Member must have length"
PAIR = {"Key": "k", "Value": "v"}
LONG = "a" * 257


@pytest.mark.parametrize(
    ("params", "constraint"),
    [
        ({}, f"Value null at 'experimentName' {NULL}"),
        (
            {"ExperimentName": "e", "Tags": [{"Key": "k", "Value": LONG}]},
            f"Value '{LONG[:256]}' at 'tags.1.member.value' {LENGTH} less than or equal to 256",
        ),
        (
            {"ExperimentName": "e", "Tags": [{"Key": "k"}]},
            f"Value null at 'tags.1.member.value' {NULL}",
        ),
        (
            {"ExperimentName": "e", "Tags": [PAIR, {"Key": "", "Value": ""}]},
            f"Value '' at 'tags.2.member.key' {LENGTH} greater than or equal to 1",
        ),
        ({"ExperimentName": "e", "Tags": [None]}, f"Value null at 'tags.1.member' {NULL}"),
    ],
)
def test_where_and_what_is_wrong(
    local: LocalSageMaker, params: dict[str, Any], constraint: str
) -> None:
    answer = raw(local, "CreateExperiment", json.dumps(params).encode())
    assert answer == ("ValidationException", f"1 validation error detected: {constraint}")


def test_an_empty_name(unchecked: Any) -> None:
    message = said(unchecked.create_experiment, ExperimentName="")
    assert message.startswith(
        "2 validation errors detected: Value '' at 'experimentName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; Value ''"
    )


def test_maps_and_their_keys(unchecked: Any) -> None:
    job = TRAINING_JOB | {"Environment": {"not a name": "x", "GOOD": "x" * 600}}
    message = said(unchecked.create_training_job, **job)
    assert message.startswith(
        "2 validation errors detected: Value 'not a name' at 'environment.key'"
    )
    assert "at 'environment.GOOD.value' failed to satisfy constraint: Member must have length" in (
        message
    )


def test_too_many_of_a_list(unchecked: Any) -> None:
    names = [{"Key": f"k{number}", "Value": "v"} for number in range(51)]
    message = said(unchecked.create_experiment, ExperimentName="e", Tags=names)
    assert (
        "at 'tags' failed to satisfy constraint: Member must have length less than or equal to"
        in (message)
    )


@pytest.mark.parametrize("given", [b"{}", b'{"NoProblem": {}}', b'{"TabularJobConfig": null}'])
def test_a_union_of_nothing(local: LocalSageMaker, given: bytes) -> None:
    source = b'{"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}}'
    code, message = raw(
        local,
        "CreateAutoMLJobV2",
        b'{"AutoMLJobName": "nothing", "AutoMLJobInputDataConfig": [{"DataSource": '
        + source
        + b'}], "OutputDataConfig": {"S3OutputPath": "s3://bucket/out"}, "RoleArn": '
        b'"arn:aws:iam::111122223333:role/some", "AutoMLProblemTypeConfig": ' + given + b"}",
    )
    assert code == "ValidationException"
    assert "Exactly one member of the union must be set" in message


def test_long_messages_name_the_first_ten_errors(unchecked: Any) -> None:
    tags = [{"Key": "", "Value": "v"} for _ in range(30)]
    message = said(unchecked.create_experiment, ExperimentName="e", Tags=tags)
    count = int(message.split()[0])
    assert count >= 30
    assert message.count(" failed to satisfy constraint: ") == 10


@pytest.mark.parametrize(
    "name", ["-" * 200_000, "a" + "-" * 200_000, "a-" * 100_000 + "!", "a" * 200_000]
)
def test_a_name_of_200_kilobytes_is_refused_at_once(unchecked: Any, name: str) -> None:
    message = said(unchecked.create_experiment, ExperimentName=name)
    assert "Member must have length less than or equal to 120" in message
    # A pattern that took its time would run into the client's own limit of a minute.
    assert len(message) < 2000


def test_every_pattern_of_the_model_can_be_checked() -> None:
    """None is left out because the regex library cannot read Java's dialect."""
    patterns = set()

    def collect(shape: Shape, above: frozenset[str] = frozenset()) -> None:
        if shape.name in above:
            return
        above |= {shape.name}
        if isinstance(shape, StructureShape):
            for member in shape.members.values():
                collect(member, above)
        elif isinstance(shape, ListShape):
            collect(shape.member, above)
        elif isinstance(shape, MapShape):
            collect(shape.key, above)
            collect(shape.value, above)
        elif shape.metadata.get("pattern"):
            patterns.add(shape.metadata["pattern"])

    for service in ("sagemaker", "sagemaker-a2i-runtime", "sagemaker-metrics", "logs", "sts"):
        model = service_model(service)
        for name in model.operation_names:
            if model.operation_model(name).input_shape:
                collect(model.operation_model(name).input_shape)
    assert len(patterns) > 150
    assert [pattern for pattern in patterns if _compiled(pattern) is None] == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "The body is not JSON"),
        (b"\xff\xfe\x00", "The body is not JSON"),
        (b'{"ExperimentName": "\\ud800"}', "The body is not JSON"),
        (b"[" * 100_000, "The body is not JSON"),
        (b'{"ExperimentName":' + b"[" * 100_000, "The body is not JSON"),
        (b"[]", "The body must be a JSON object"),
        (b'"text"', "The body must be a JSON object"),
        (b"null", "The body must be a JSON object"),
        (b'{"ExperimentName": 5}', "experimentName must be of type string, but it is '5'"),
        (b'{"ExperimentName": ["e"]}', "experimentName must be of type string"),
        (b'{"ExperimentName": {"e": 1}}', "experimentName must be of type string"),
        (b'{"ExperimentName": "e", "Tags": "t"}', "tags must be of type list"),
        (b'{"ExperimentName": "e", "Tags": {}}', "tags must be of type list"),
        (b'{"ExperimentName": "e", "Tags": ["t"]}', "tags.1.member must be of type structure"),
    ],
)
def test_what_is_not_even_of_the_right_type(local: LocalSageMaker, body: bytes, says: str) -> None:
    code, message = raw(local, "CreateExperiment", body)
    assert code == "SerializationException"
    assert message.startswith(says)


@pytest.mark.parametrize("body", [b"", b"  ", b"{}"])
def test_an_empty_body_is_an_empty_request(local: LocalSageMaker, body: bytes) -> None:
    assert raw(local, "ListExperiments", body)[0] == ""
    assert "must not be null" in raw(local, "CreateExperiment", body)[1]


@pytest.mark.parametrize(
    "value", ["1e400", "-1e18", "1e18", "NaN", '"soon"', "true", "[]", "9" * 500]
)
def test_what_is_no_timestamp(local: LocalSageMaker, value: str) -> None:
    code, message = raw(local, "ListModels", b'{"CreationTimeAfter": %s}' % value.encode())
    assert code == "SerializationException"
    assert message.endswith("is not a timestamp")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("0", "greater than or equal to 1"),
        ("101", "less than or equal to 100"),
        ("1.5", "must be of type integer"),
        ("true", "must be of type integer"),
        ('"5"', "must be of type integer"),
        ("9" * 400, "less than or equal to 100"),
    ],
)
def test_what_is_no_page_size(local: LocalSageMaker, value: str, says: str) -> None:
    assert says in raw(local, "ListModels", b'{"MaxResults": %s}' % value.encode())[1]


def test_a_number_too_large_for_a_double(local: LocalSageMaker) -> None:
    parameters = b'{"lr": {"NumberValue": %s}}' % (b"9" * 400)
    body = b'{"TrialComponentName": "c", "Parameters": %s}' % parameters
    code, message = raw(local, "CreateTrialComponent", body)
    assert (code, message) == ("SerializationException", "A number is too large for a double")


def test_expressions_in_expressions(local: LocalSageMaker) -> None:
    """Search's filters may be nested without end."""
    depth = 400
    expression = b'{"SubExpressions":[' * depth + b"{}" + b"]}" * depth
    body = b'{"Resource":"Experiment","SearchExpression":%s}' % expression
    code, _ = raw(local, "Search", body)
    assert code in ("SerializationException", "ValidationException")


def test_members_that_nobody_knows_are_ignored_as_aws_does(local: LocalSageMaker) -> None:
    assert raw(local, "ListModels", b'{"NoSuchMember": 1, "MaxResults": 5}')[0] == ""


def test_a_request_that_is_too_large_is_refused_and_not_repeated(unchecked: Any) -> None:
    message = refused(
        unchecked.create_experiment,
        "RequestEntityTooLargeException",
        413,
        ExperimentName="e",
        Description="x" * (33 * 1024 * 1024),
    )
    assert message == "The request is larger than 33554432 bytes."


def raw(local: LocalSageMaker, operation: str, body: bytes) -> tuple[str, str]:
    """Return the code and the message with which a body is refused, or nothing."""
    headers = signed(local, "POST", "/", json_request(operation), body)
    answer = send(local, "POST", "/", headers, body)
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    content = json.loads(answer.body)
    if answer.status == 200:
        return "", ""
    assert answer.status == 400
    return content["__type"], content["message"]
