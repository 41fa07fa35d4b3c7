"""Executions of pipelines: what is executed in which order, and how that is shown."""

import json
import uuid
from typing import Any

import boto3
import botocore
import pytest
from packaging.version import Version

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.pipeline_support import (
    IMAGE,
    Pipelines,
    compare,
    condition,
    fail,
    get,
    join,
    parameter,
)
from tests.local_sagemaker.training_support import ROLE, refused

YES = [compare("Equals", 1, 1)]
NO = [compare("Equals", 1, 2)]


@pytest.fixture(scope="module")
def pipelines(local: LocalSageMaker) -> Pipelines:
    return Pipelines(local)


@pytest.fixture(scope="module")
def trained(pipelines: Pipelines) -> str:
    """Return the execution of a pipeline that trains, decides, registers and makes a model."""
    model = {"Image": IMAGE, "ModelDataUrl": get("Steps.Train.ModelArtifacts.S3ModelArtifacts")}
    register = {
        "Name": "Register-RegisterModel",
        "Type": "RegisterModel",
        "Arguments": {
            "ModelPackageGroupName": f"group-{uuid.uuid4().hex[:8]}",
            "ModelApprovalStatus": get("Parameters.Approval"),
            "InferenceSpecification": {
                "Containers": [model],
                "SupportedContentTypes": ["application/json"],
                "SupportedResponseMIMETypes": ["application/json"],
            },
        },
    }
    create = {
        "Name": "Create",
        "Type": "Model",
        "Arguments": {
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": model,
            "Tags": [{"Key": "from", "Value": get("Steps.Register-RegisterModel.ModelPackageArn")}],
        },
    }
    train = pipelines.training(
        "Train",
        arguments={
            "HyperParameters": {
                "epochs": join("", get("Parameters.Epochs")),
                "name": get("Execution.TrainingJobName"),
            }
        },
        DisplayName="Zug \N{STEAM LOCOMOTIVE}",
        Description="learns",
    )
    name = pipelines.create(
        [
            train,
            condition(
                "Check",
                [compare("Equals", get("Steps.Train.ResourceConfig.InstanceCount"), 1)],
                [register, create],
                [fail("TooBad", "never")],
            ),
        ],
        [parameter("Epochs", "Integer", 3), parameter("Approval", "String", "Approved")],
    )
    arn = pipelines.start(name)
    assert pipelines.status(arn) == "Succeeded", pipelines.steps(arn)
    return arn


def test_steps_run_after_what_they_refer_to(pipelines: Pipelines, trained: str) -> None:
    steps = pipelines.steps(trained)
    assert list(steps) == ["Train", "Check", "Register-RegisterModel", "Create"]
    assert {step["StepStatus"] for step in steps.values()} == {"Succeeded"}
    for before, after in zip(list(steps.values())[:-1], list(steps.values())[1:], strict=True):
        assert before["StartTime"] <= before["EndTime"] <= after["StartTime"]
    assert steps["Train"]["StepDisplayName"] == "Zug \N{STEAM LOCOMOTIVE}"
    assert steps["Train"]["StepDescription"] == "learns"
    assert "StepDisplayName" not in steps["Check"]


def test_a_step_shows_what_it_made(pipelines: Pipelines, trained: str) -> None:
    identifier = trained.rpartition("/")[2]
    steps = pipelines.steps(trained)
    job = steps["Train"]["Metadata"]["TrainingJob"]["Arn"].rpartition("/")[2]
    assert job.startswith(f"pipelines-{identifier}-Train-")
    assert len(job.rpartition("-")[2]) == 10
    described = pipelines.jobs.describe(job)
    assert described["HyperParameters"] == {"epochs": "3", "name": job}
    assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "True"}}
    package = steps["Register-RegisterModel"]["Metadata"]["RegisterModel"]["Arn"]
    version = pipelines.sagemaker.describe_model_package(ModelPackageName=package)
    assert version["ModelApprovalStatus"] == "Approved"
    (container,) = version["InferenceSpecification"]["Containers"]
    assert container["ModelDataUrl"] == described["ModelArtifacts"]["S3ModelArtifacts"]
    model = steps["Create"]["Metadata"]["Model"]["Arn"]
    tags = pipelines.sagemaker.list_tags(ResourceArn=model)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {
        "from": package,
        "sagemaker:pipeline-execution-arn": trained,
        "sagemaker:pipeline-step-name": "Create",
    }


def test_an_execution_is_described(pipelines: Pipelines, trained: str) -> None:
    described = pipelines.describe(trained)
    name, _, identifier = trained.split("/")[1:]
    assert described["PipelineArn"].endswith(f":pipeline/{name}")
    assert described["PipelineExecutionDisplayName"].startswith("execution-")
    assert len(identifier) == 12
    # Its definition names no experiment.
    assert "PipelineExperimentConfig" not in described
    assert described["LastModifiedTime"] > described["CreationTime"]
    assert described["PipelineVersionId"] == 1
    assert "FailureReason" not in described
    client = pipelines.sagemaker
    listed = client.list_pipeline_parameters_for_execution(PipelineExecutionArn=trained)
    assert listed["PipelineParameters"] == [
        {"Name": "Epochs", "Value": "3"},
        {"Name": "Approval", "Value": "Approved"},
    ]
    of_execution = client.describe_pipeline_definition_for_execution(PipelineExecutionArn=trained)
    pipeline = client.describe_pipeline(PipelineName=name)
    assert of_execution["PipelineDefinition"] == pipeline["PipelineDefinition"]


def test_an_execution_keeps_its_definition(pipelines: Pipelines) -> None:
    name = pipelines.create([fail("Old")])
    arn = pipelines.start(name)
    pipelines.ended(arn)
    pipelines.sagemaker.update_pipeline(
        PipelineName=name, PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": []})
    )
    assert list(pipelines.steps(arn)) == ["Old"]
    newer = pipelines.start(name)
    assert pipelines.status(newer) == "Succeeded"
    assert pipelines.steps(newer) == {}
    older = pipelines.start(name, PipelineVersionId=1)
    assert pipelines.status(older) == "Failed"


def test_a_fail_step_fails_the_execution_with_its_message(pipelines: Pipelines) -> None:
    message = join(" ", "acc <", get("Parameters.Least"), "is", get("Steps.Check.Outcome"), "ü")
    check = condition("Check", NO, [], [fail("TooBad", message), fail("Mute")])
    arn = pipelines.run([check], [parameter("Least", "Float", 0.8)])
    execution = pipelines.describe(arn)
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"] == "Step failure: One or multiple steps failed."
    steps = pipelines.steps(arn)
    assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": "False"}}
    assert steps["Check"]["StepStatus"] == "Succeeded"
    bad = steps["TooBad"]
    assert (bad["StepStatus"], bad["FailureReason"]) == ("Failed", "acc < 0.8 is false ü")
    assert bad["Metadata"] == {"Fail": {"ErrorMessage": "acc < 0.8 is false ü"}}


def test_a_fail_step_without_a_message_gives_no_reason(pipelines: Pipelines) -> None:
    step = pipelines.steps(pipelines.run([fail("Mute")]))["Mute"]
    assert step["Metadata"] == {"Fail": {"ErrorMessage": ""}}
    assert "FailureReason" not in step


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ([compare("Equals", get("Parameters.s"), "x")], True),
        ([compare("Equals", get("Parameters.n"), 2.0)], True),
        ([compare("Equals", get("Parameters.b"), 1)], False),
        ([compare("Equals", get("Parameters.b"), True)], True),
        ([compare("Equals", get("Parameters.s"), 1)], False),
        ([compare("GreaterThan", get("Parameters.n"), 2)], False),
        ([compare("GreaterThanOrEqualTo", get("Parameters.n"), 2)], True),
        ([compare("LessThan", get("Parameters.f"), get("Parameters.n"))], True),
        ([compare("LessThanOrEqualTo", get("Parameters.f"), 0.25)], False),
        ([compare("LessThan", "apple", get("Parameters.s"))], True),
        ([{"Type": "In", "QueryValue": get("Parameters.s"), "Values": ["y", "x"]}], True),
        ([{"Type": "In", "Value": get("Parameters.n"), "In": [1, get("Parameters.f")]}], False),
        ([{"Type": "Not", "Condition": compare("Equals", get("Parameters.b"), False)}], True),
        ([{"Type": "Or", "Conditions": [*NO, {"Type": "Or", "Conditions": YES}]}], True),
        ([{"Type": "Or", "Conditions": NO}], False),
        ([*YES, *NO], False),
    ],
)
def test_conditions(pipelines: Pipelines, asked: Any, holds: bool) -> None:
    parameters = [
        parameter("s", "String", "x"),
        parameter("n", "Integer", 2),
        parameter("f", "Float", 0.5),
        parameter("b", "Boolean", True),
    ]
    arn = pipelines.run([condition("Check", asked, [fail("Then")], [fail("Else")])], parameters)
    steps = pipelines.steps(arn)
    assert list(steps) == ["Check", "Then" if holds else "Else"]
    assert steps["Check"]["Metadata"] == {"Condition": {"Outcome": str(holds)}}


def test_a_condition_that_cannot_be_decided_fails(pipelines: Pipelines) -> None:
    arn = pipelines.run([condition("Check", [compare("LessThan", "a", 1)], [], [fail("Else")])])
    assert pipelines.status(arn) == "Failed"
    (step,) = pipelines.steps(arn).values()
    assert step["StepStatus"] == "Failed"
    assert step["FailureReason"] == (
        "ClientError: LessThan cannot compare 'a' with 1: both must be numbers or both texts"
    )


def test_conditions_within_conditions_and_steps_beside_them(pipelines: Pipelines) -> None:
    inner = condition("Inner", YES, [condition("Deep", NO, [fail("X")], [])], [fail("Y")])
    never = condition("Never", YES, [], [], DependsOn=["X"])
    beside = condition("Beside", YES, [], [], DependsOn=["Inner"])
    steps = [condition("Outer", YES, [inner], [fail("Z")]), beside, never]
    refused_steps = [*steps[:2], condition("Never", YES, DependsOn=["Skipped"])]
    refused_steps[0]["Arguments"]["ElseSteps"] = [condition("Skipped", YES)]
    arn = pipelines.run(refused_steps)
    assert pipelines.status(arn) == "Succeeded"
    assert sorted(pipelines.steps(arn)) == ["Beside", "Deep", "Inner", "Outer"]


def test_parameters_have_types(pipelines: Pipelines) -> None:
    parameters = [
        parameter("s", "String", "x", EnumValues=["x", "y"]),
        parameter("n", "Integer"),
        parameter("f", "Float", 0.5),
        parameter("b", "Boolean", False),
    ]
    message = join(",", *(get(f"Parameters.{name}") for name in "snfb"))
    name = pipelines.create([fail("Told", message)], parameters)
    arn = pipelines.start(name, {"n": 7, "b": True, "s": "y", "f": "1e3"})
    pipelines.ended(arn)
    assert pipelines.steps(arn)["Told"]["FailureReason"] == "y,7,1000.0,true"
    for given, told in (
        ({}, "Parameter 'n' is undefined. It has no default: give it a value."),
        ({"n": 1, "m": 1}, "Unknown parameter 'm'. The pipeline's parameters: s, n, f, b."),
        ({"n": "1.5"}, "Unexpected type for parameter 'n': '1.5' is not of type Integer."),
        ({"n": 1, "f": "nan"}, "Unexpected type for parameter 'f': 'nan' is not of type Float."),
        ({"n": 1, "b": "maybe"}, "Unexpected type for parameter 'b'"),
        ({"n": 1, "s": "z"}, "Parameter 's' must be one of x, y, not z."),
    ):
        assert told in refused("ValidationException", pipelines.start, name=name, given=given)
    twice = [{"Name": "n", "Value": "1"}, {"Name": "n", "Value": "2"}]
    assert "more than once" in refused(
        "ValidationException", pipelines.start, name=name, PipelineParameters=twice
    )
    executions = pipelines.sagemaker.list_pipeline_executions(PipelineName=name)
    assert len(executions["PipelineExecutionSummaries"]) == 1


def test_a_step_that_is_not_run_here_fails_by_its_name(pipelines: Pipelines) -> None:
    function = {
        "Name": "Call",
        "Type": "Lambda",
        "FunctionArn": "arn:aws:lambda:x",
        "Arguments": {},
    }
    arn = pipelines.run([function])
    assert pipelines.status(arn) == "Failed"
    assert pipelines.steps(arn)["Call"]["FailureReason"] == (
        "ClientError: not run locally: a step of type Lambda, because there are no functions of "
        "AWS Lambda. Use AWS for it."
    )


def test_a_job_that_fails_fails_the_step_with_its_reason(pipelines: Pipelines) -> None:
    later = pipelines.training("Later", DependsOn=["Train"])
    arn = pipelines.run([pipelines.training("Train", "false"), later])
    steps = pipelines.steps(arn)
    assert list(steps) == ["Train"]
    job = pipelines.jobs.describe(pipelines.job(arn, "Train"))
    assert steps["Train"]["FailureReason"] == f"ClientError: {job['FailureReason']}"
    assert "AlgorithmError" in steps["Train"]["FailureReason"]
    assert pipelines.describe(arn)["FailureReason"] == "Step failure: One or multiple steps failed."


def test_a_job_that_cannot_be_created_fails_the_step_in_the_services_words(
    pipelines: Pipelines,
) -> None:
    wrong = pipelines.training("Train", arguments={"RoleArn": "nobody"})
    step = pipelines.steps(pipelines.run([wrong]))["Train"]
    assert step["FailureReason"].startswith(
        "ClientError: Failed to invoke sagemaker:CreateTrainingJob. Error Details: 2 validation "
        "errors detected: Value 'nobody' at 'roleArn'"
    )
    assert (step["Metadata"], step["AttemptCount"]) == ({}, 1)


def test_a_repeated_start_is_one_execution(pipelines: Pipelines) -> None:
    name = pipelines.create([])
    token = uuid.uuid4().hex
    arn = pipelines.start(name, ClientRequestToken=token)
    assert pipelines.start(name, ClientRequestToken=token) == arn
    assert pipelines.start(name) != arn
    # Another pipeline's, of a longer name, and another one's of the same name are not meant.
    longer = pipelines.create([], PipelineName=f"{name}-2")
    other = pipelines.start(longer, ClientRequestToken=token)
    assert other.rpartition("/")[2] != arn.rpartition("/")[2]
    pipelines.ended(arn)
    assert arn in {one["PipelineExecutionArn"] for one in listed(pipelines, name)}
    assert other not in {one["PipelineExecutionArn"] for one in listed(pipelines, name)}
    for started in listed(pipelines, name):
        pipelines.ended(started["PipelineExecutionArn"])
    pipelines.sagemaker.delete_pipeline(PipelineName=name)
    pipelines.create([], PipelineName=name)
    assert pipelines.start(name, ClientRequestToken=token) != arn


def listed(pipelines: Pipelines, name: str) -> list[dict[str, Any]]:
    """Return the summaries of a pipeline's executions."""
    found: list[dict[str, Any]] = pipelines.sagemaker.list_pipeline_executions(PipelineName=name)[
        "PipelineExecutionSummaries"
    ]
    return found


def test_executions_are_listed_in_order_and_pages(pipelines: Pipelines) -> None:
    name = pipelines.create([], PipelineName=f"listed-{uuid.uuid4().hex[:8]}")
    arns = [pipelines.start(name, PipelineExecutionDisplayName=f"n-{n}") for n in range(5)]
    for arn in arns:
        pipelines.ended(arn)
    pages = list(
        pipelines.sagemaker.get_paginator("list_pipeline_executions").paginate(
            PipelineName=name, PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["PipelineExecutionSummaries"]) for page in pages] == [2, 2, 1]
    found = [item for page in pages for item in page["PipelineExecutionSummaries"]]
    assert [item["PipelineExecutionArn"] for item in found] == arns[::-1]
    assert found[0]["PipelineExecutionDisplayName"] == "n-4"
    assert found[0]["PipelineExecutionStatus"] == "Succeeded"
    listed = pipelines.sagemaker.list_pipeline_executions
    ascending = listed(PipelineName=name, SortOrder="Ascending", SortBy="PipelineExecutionArn")
    names = [item["PipelineExecutionArn"] for item in ascending["PipelineExecutionSummaries"]]
    assert names == sorted(arns)
    third = found[2]["StartTime"]
    after = listed(PipelineName=name, CreatedAfter=third)["PipelineExecutionSummaries"]
    # Older botocore sends whole seconds.
    old = Version(botocore.__version__) < Version("1.44")
    sent = third.replace(microsecond=0) if old else third
    later = [item["PipelineExecutionArn"] for item in found if item["StartTime"] > sent]
    assert [item["PipelineExecutionArn"] for item in after] == later
    assert old or later == [arns[4], arns[3]]
    described = pipelines.sagemaker.describe_pipeline(PipelineName=name)
    assert described["LastRunTime"] == found[0]["StartTime"]
    assert described["LastModifiedTime"] < found[-1]["StartTime"]
    (summary,) = pipelines.sagemaker.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"]
    assert summary["LastExecutionTime"] == found[0]["StartTime"]


def test_steps_are_listed_the_latest_first_and_in_pages(pipelines: Pipelines) -> None:
    first = condition("C0", YES)
    chain = [condition(f"C{n}", YES, DependsOn=[f"C{n - 1}"]) for n in range(1, 7)]
    arn = pipelines.run([first, *chain])
    pages = pipelines.sagemaker.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=arn, PaginationConfig={"PageSize": 3}
    )
    found = [[step["StepName"] for step in page["PipelineExecutionSteps"]] for page in pages]
    assert found == [["C6", "C5", "C4"], ["C3", "C2", "C1"], ["C0"]]


def test_executions_of_others_and_of_nobody_are_not_there(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    name = pipelines.create([])
    arn = pipelines.start(name)
    elsewhere = boto3.client("sagemaker", endpoint_url=local.url, region_name="eu-west-1")
    client = pipelines.sagemaker
    for asked, wanted in ((client, f"{arn}x"), (elsewhere, arn)):
        for call in (
            asked.describe_pipeline_execution,
            asked.describe_pipeline_definition_for_execution,
            asked.list_pipeline_execution_steps,
            asked.list_pipeline_parameters_for_execution,
            asked.stop_pipeline_execution,
            asked.retry_pipeline_execution,
            asked.update_pipeline_execution,
        ):
            told = refused("ResourceNotFound", call, PipelineExecutionArn=wanted)
            assert told == f"Pipeline execution '{wanted}' does not exist."
    refused("ResourceNotFound", client.start_pipeline_execution, PipelineName=f"{name}-not")
    refused("ResourceNotFound", client.list_pipeline_executions, PipelineName=f"{name}-not")


def test_an_execution_is_renamed(pipelines: Pipelines) -> None:
    arn = pipelines.start(pipelines.create([]))
    pipelines.ended(arn)
    pipelines.sagemaker.update_pipeline_execution(
        PipelineExecutionArn=arn,
        PipelineExecutionDisplayName="better",
        PipelineExecutionDescription="für später",
    )
    described = pipelines.describe(arn)
    assert described["PipelineExecutionDisplayName"] == "better"
    assert described["PipelineExecutionDescription"] == "für später"
    assert described["PipelineExecutionStatus"] == "Succeeded"
