"""Definitions of pipelines: what is refused, and what the refusal says."""

import json
import sqlite3
import uuid
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.pipeline_support import (
    Pipelines,
    compare,
    condition,
    definition,
    fail,
    get,
    join,
    parameter,
)
from tests.local_sagemaker.training_support import ROLE, refused

YES = [compare("Equals", 1, 1)]


@pytest.fixture(scope="module")
def pipelines(local: LocalSageMaker) -> Pipelines:
    return Pipelines(local)


def refusal(pipelines: Pipelines, document: Any) -> str:
    """Create a pipeline that must be refused; return why."""
    text = document if isinstance(document, str) else json.dumps(document)
    return refused(
        "ValidationException",
        pipelines.sagemaker.create_pipeline,
        PipelineName=f"p-{uuid.uuid4().hex[:8]}",
        RoleArn=ROLE,
        PipelineDefinition=text,
    )


def step(kind: str, **more: Any) -> dict[str, Any]:
    return {"Name": "A", "Type": kind, "Arguments": {}} | more


def json_get(path: str, file: str = "Steps.B.PropertyFiles.Report") -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": get(file), "Path": path}}


REPORT = {"PropertyFileName": "Report", "OutputName": "out", "FilePath": "report.json"}
PROCESSING = {"Name": "B", "Type": "Processing", "Arguments": {}, "PropertyFiles": [REPORT]}


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([fail("A"), fail("A")], "two steps are called 'A'"),
        ([condition("A", YES, [fail("A")])], "two steps are called 'A'"),
        ([fail("A b")], "The step name 'A b' must be 1 to 64"),
        ([fail("A" * 65)], "must be 1 to 64"),
        ([step("Dance")], "Step 'A' has the type 'Dance'. There are: AutoML, Callback"),
        ([step("Training", DependsOn=["B"])], "Step 'A' depends on 'B', which is undefined"),
        (
            [step("Training", Arguments={"RoleArn": get("Steps.B.RoleArn")})],
            "Step 'A' depends on 'B', which is undefined",
        ),
        (
            [step("Training", Arguments={"RoleArn": get("Parameters.x")})],
            "Step 'A' refers to 'Parameters.x'. Parameter 'x' is undefined.",
        ),
        (
            [step("Training", Arguments={"RoleArn": get("Execution.Mood")})],
            "Step 'A' refers to 'Execution.Mood'. The execution has CurrentDateTime, ",
        ),
        ([step("Training", Arguments={"RoleArn": get("Stones.x")})], "cannot be read"),
        ([step("Training", Arguments={"RoleArn": {"Std:Sum": []}})], "no function 'Std:Sum'"),
        ([step("Training", Arguments=[])], "Step 'A': Arguments must be a JSON object."),
        ([fail("A"), condition("B", YES, DependsOn=["A"])], "CondStep can not depends on FailStep"),
        ([fail("B"), step("Training", DependsOn=["B"])], "a Fail step ends the execution"),
        (
            [
                step("Training", DependsOn=["B"]),
                step("Model", Name="B", DependsOn=["A"]),
            ],
            "Cycle detected in pipeline step graph: ",
        ),
        ([step("Training", DependsOn=["A"])], "Cycle detected in pipeline step graph: A -> A."),
        (
            [condition("C", YES, [step("Training")], DependsOn=["A"])],
            "Cycle detected in pipeline step graph: ",
        ),
        ([step("Training", DependsOn=[{"Step": "B", "Trigger": "Never"}])], "DependsOn has"),
        ([step("Condition")], "Conditions must be a list of at least one condition"),
        ([condition("A", [compare("Resembles", 1, 1)])], "there is no condition 'Resembles'"),
        ([condition("A", [{"Type": ["Not"]}])], "the Type ['Not'], which is no text"),
        ([fail("A", "\ud800")], "surrogates not allowed"),
        ([condition("A", [{"Type": "Equals", "LeftValue": 1}])], "Equals needs RightValue"),
        ([condition("A", [{"Type": "In", "QueryValue": 1}])], "In needs a QueryValue and a list"),
        (
            [PROCESSING, condition("A", [compare("Equals", json_get("a["), 1)])],
            "'a[' is not a path: '[' in it",
        ),
        (
            [
                PROCESSING,
                condition(
                    "A",
                    [compare("Equals", json_get("a", "Steps.B.PropertyFiles.Other"), 1)],
                ),
            ],
            "step 'B' has no property file 'Other'",
        ),
        ([condition("A", [compare("Equals", json_get("a", "Steps.B.x"), 1)])], "not a property"),
        ([step("Processing", PropertyFiles=[{}])], "a property file needs PropertyFileName, "),
        ([step("Processing", CacheConfig={"Enabled": "yes"})], "needs Enabled, true or false"),
        (
            [step("Processing", CacheConfig={"Enabled": True, "ExpireAfter": "soon"})],
            "ExpireAfter 'soon' is not a duration",
        ),
        ([step("Lambda", RetryPolicies=[{}])], "a step of type Lambda has no RetryPolicies"),
        ([step("Training", RetryPolicies=[{}])], "needs a list of at least one ExceptionType"),
        (
            [step("Training", RetryPolicies=[{"ExceptionType": ["Step.BAD_MOOD"]}])],
            "There is no ExceptionType 'Step.BAD_MOOD'",
        ),
        (
            [
                step(
                    "Training",
                    RetryPolicies=[
                        {
                            "ExceptionType": ["Step.THROTTLING"],
                            "MaxAttempts": 1,
                            "ExpireAfterMin": 1,
                        }
                    ],
                )
            ],
            "MaxAttempts or ExpireAfterMin, not both",
        ),
        (
            [
                step(
                    "Training",
                    RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 21}],
                )
            ],
            "MaxAttempts of a retry policy must be a number from 0 to 20, not 21",
        ),
        (["A"], "The step name None must be"),
        ({"A": 1}, "The PipelineDefinition has Steps, which must be a list"),
    ],
)
def test_steps_that_cannot_be_are_refused(pipelines: Pipelines, steps: Any, told: str) -> None:
    document = definition([]) | {"Steps": steps}
    assert told in refusal(pipelines, document)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ([parameter("a", "Tuple")], "has the type 'Tuple': use one of String, Integer"),
        ([parameter("a b", "String")], "The parameter name 'a b' must be"),
        ([parameter("a", "String"), parameter("a", "Float")], "'a' is defined twice"),
        ([parameter("a", "Integer", "1")], "Unexpected type for parameter 'a': '1' is not of"),
        ([parameter("a", "Float", float("nan"))], "NaN is no number"),
        ([parameter("a", "Integer", True)], "True is not of type Integer"),
        ([parameter("a", "String", "z", EnumValues=["x"])], "'a' must be one of x, not z"),
        (["a"], "'a' is not a parameter"),
    ],
)
def test_parameters_that_cannot_be_are_refused(
    pipelines: Pipelines, parameters: Any, told: str
) -> None:
    assert told in refusal(pipelines, definition([], parameters))


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "must have the Version '2020-12-01', not None"),
        ('{"Version": "2020-12-01", "Steps": ' + "[" * 50000, "nested too deeply"),
        (
            '{"Version": "2020-12-01", "Steps": [{"Name": "A", "Type": "Fail", "Arguments": '
            + '{"a": ' * 900
            + "1"
            + "}" * 902
            + "]}",
            "",
        ),
    ],
    ids=["no-json", "list", "empty", "bottomless", "deep"],
)
def test_what_is_no_definition_is_refused(pipelines: Pipelines, document: str, told: str) -> None:
    assert told in refusal(pipelines, document)


def test_an_update_is_checked_and_a_refused_one_changes_nothing(pipelines: Pipelines) -> None:
    name = pipelines.create([fail("A")])
    before = pipelines.sagemaker.describe_pipeline(PipelineName=name)
    told = refused(
        "ValidationException",
        pipelines.sagemaker.update_pipeline,
        PipelineName=name,
        PipelineDefinition=json.dumps(definition([step("Dance")])),
    )
    assert "'Dance'" in told
    after = pipelines.sagemaker.describe_pipeline(PipelineName=name)
    assert after["PipelineDefinition"] == before["PipelineDefinition"]


def test_a_name_is_taken_once_and_a_repeated_request_is_the_same(pipelines: Pipelines) -> None:
    request = {
        "PipelineName": f"p-{uuid.uuid4().hex[:8]}",
        "RoleArn": ROLE,
        "PipelineDefinition": json.dumps(definition([])),
    }
    create = pipelines.sagemaker.create_pipeline
    token = uuid.uuid4().hex
    arn = create(**request, ClientRequestToken=token)["PipelineArn"]
    assert create(**request, ClientRequestToken=token)["PipelineArn"] == arn
    assert refused("ValidationException", create, **request) == (
        "Pipeline names must be unique within an AWS account and region. Pipeline with name "
        f"({request['PipelineName']}) already exists."
    )


def test_a_definition_may_be_long(pipelines: Pipelines) -> None:
    steps: list[Any] = [fail("Last", "x" * 300_000), step("Model", Name="S7000")]
    # Each waits for the next, so the longest way is as long as the definition.
    steps += [step("Model", Name=f"S{n}", DependsOn=[f"S{n + 1}"]) for n in range(7000)]
    name = pipelines.create(steps)
    text = pipelines.sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"]
    assert len(text) > 800_000
    steps[1]["DependsOn"] = ["S0"]
    assert "Cycle" in refusal(pipelines, definition(steps))


def test_a_pipeline_is_read_without_the_texts_of_its_versions(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    documents = [definition([fail("A", f"{number}" * 50_000)]) for number in range(3)]
    sagemaker = pipelines.sagemaker
    name = pipelines.create(documents[0]["Steps"])
    for document in documents[1:]:
        sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=json.dumps(document))

    def described(**version: int) -> Any:
        found = sagemaker.describe_pipeline(PipelineName=name, **version)
        return json.loads(found["PipelineDefinition"])

    assert [described(PipelineVersionId=n) for n in (1, 2, 3)] == documents
    assert described() == documents[2]
    with sqlite3.connect(f"file:{local.home / 'state.db'}?mode=ro", uri=True) as state:
        (size,) = state.execute(
            "SELECT length(body) + length(private) FROM records WHERE kind = ? AND name = ?",
            ("Pipeline", name),
        ).fetchone()
    state.close()
    assert size < 10_000
    # The next pipeline of this name has its own.
    sagemaker.delete_pipeline(PipelineName=name)
    pipelines.create([fail("B")], PipelineName=name)
    assert described()["Steps"] == [fail("B")]
    assert refused(
        "ResourceNotFound", sagemaker.describe_pipeline, PipelineName=name, PipelineVersionId=2
    )


def test_a_join_takes_texts_and_parameters(pipelines: Pipelines) -> None:
    assert "cannot be read" in refusal(
        pipelines, definition([fail("A", {"Std:Join": {"On": 1, "Values": []}})])
    )
    pipelines.create([fail("A", join("-", "a", get("Parameters.n")))], [parameter("n", "Float")])
