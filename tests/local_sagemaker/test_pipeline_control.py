"""What happens beside the usual way: parallel steps, stops, triggers, caches, deleted pipelines."""

import uuid
from itertools import pairwise
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer
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
from tests.local_sagemaker.transform_support import UPPER

YES = [compare("Equals", 1, 1)]
LONG = ("sleep", "600")


@pytest.fixture(scope="module")
def pipelines(local: LocalSageMaker) -> Pipelines:
    return Pipelines(local)


def stop(pipelines: Pipelines, arn: str) -> None:
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)


def test_steps_that_need_not_wait_run_at_once(pipelines: Pipelines) -> None:
    branches = [pipelines.training(name, *LONG) for name in ("A", "B")]
    arn = pipelines.start(pipelines.create([*branches, fail("After", DependsOn=["A", "B"])]))
    for name in "AB":
        pipelines.jobs.wait(pipelines.job(arn, name), "InProgress")
    stop(pipelines, arn)
    assert pipelines.status(arn) == "Stopped"
    steps = pipelines.steps(arn)
    assert {name: step["StepStatus"] for name, step in steps.items()} == {
        "A": "Stopped",
        "B": "Stopped",
    }
    assert "FailureReason" not in steps["A"]
    for name in "AB":
        job = pipelines.jobs.describe(pipelines.job(arn, name))
        assert job["TrainingJobStatus"] == "Stopped"
    assert "is in status Stopped" in refused(
        "ConflictException",
        pipelines.sagemaker.stop_pipeline_execution,
        PipelineExecutionArn=arn,
    )


@pytest.mark.slow
def test_no_more_steps_run_at_once_than_are_allowed(pipelines: Pipelines) -> None:
    steps = [pipelines.training(f"S{n}", "sleep", "0.05") for n in range(4)]
    name = pipelines.create(steps, ParallelismConfiguration={"MaxParallelExecutionSteps": 1})
    arn = pipelines.start(name)
    assert pipelines.status(arn) == "Succeeded"
    shown = list(pipelines.steps(arn).values())
    for before, after in pairwise(shown):
        assert before["EndTime"] <= after["StartTime"]
    wider = pipelines.start(name, ParallelismConfiguration={"MaxParallelExecutionSteps": 4})
    described = pipelines.describe(wider)
    assert described["ParallelismConfiguration"] == {"MaxParallelExecutionSteps": 4}
    pipelines.ended(wider)


def test_an_execution_can_be_given_more_room_while_it_runs(pipelines: Pipelines) -> None:
    steps = [pipelines.training("A", *LONG), condition("B", YES)]
    arn = pipelines.start(
        pipelines.create(steps), ParallelismConfiguration={"MaxParallelExecutionSteps": 1}
    )
    pipelines.job(arn, "A")
    assert list(pipelines.steps(arn)) == ["A"]
    pipelines.sagemaker.update_pipeline_execution(
        PipelineExecutionArn=arn, ParallelismConfiguration={"MaxParallelExecutionSteps": 2}
    )
    pipelines.step(arn, "B", "Succeeded")
    stop(pipelines, arn)
    assert pipelines.status(arn) == "Stopped"


def test_what_runs_when_a_step_fails_ends_before_the_execution(pipelines: Pipelines) -> None:
    steps = [
        pipelines.training("Slow", "sleep", "0.5"),
        pipelines.training("Next", DependsOn=["Slow"]),
        fail("Bad"),
    ]
    arn = pipelines.run(steps)
    assert pipelines.status(arn) == "Failed"
    shown = pipelines.steps(arn)
    assert {name: step["StepStatus"] for name, step in shown.items()} == {
        "Slow": "Succeeded",
        "Bad": "Failed",
    }
    assert pipelines.describe(arn)["LastModifiedTime"] >= shown["Slow"]["EndTime"]


@pytest.mark.slow
def test_a_step_may_run_because_another_failed(pipelines: Pipelines) -> None:
    failing = pipelines.training("Train", "false")
    on_failure = condition("Tell", YES, DependsOn=[{"Step": "Train", "Trigger": "Failed"}])
    in_any_case = condition("Tidy", YES, DependsOn=[{"Step": "Train", "Trigger": "Any"}])
    usual = condition("Go", YES, DependsOn=["Train"])
    arn = pipelines.run([failing, on_failure, in_any_case, usual])
    assert pipelines.status(arn) == "CompletedWithFailures"
    assert sorted(pipelines.steps(arn)) == ["Tell", "Tidy", "Train"]
    good = pipelines.run([pipelines.training("Train"), on_failure, in_any_case, usual])
    assert pipelines.status(good) == "Succeeded"
    assert sorted(pipelines.steps(good)) == ["Go", "Tidy", "Train"]


def test_a_job_that_somebody_stopped_stops_its_step(pipelines: Pipelines) -> None:
    arn = pipelines.start(pipelines.create([pipelines.training("Train", *LONG)]))
    job = pipelines.job(arn, "Train")
    pipelines.sagemaker.stop_training_job(TrainingJobName=job)
    assert pipelines.status(arn) == "Failed"
    step = pipelines.steps(arn)["Train"]
    assert step["StepStatus"] == "Stopped"
    assert step["FailureReason"] == f"ClientError: the job {job} was stopped before it was done."


@pytest.mark.slow
def test_a_stopped_execution_can_be_retried(pipelines: Pipelines) -> None:
    steps = [condition("First", YES), pipelines.training("Train", *LONG, DependsOn=["First"])]
    arn = pipelines.start(pipelines.create(steps))
    first = pipelines.job(arn, "Train")
    stop(pipelines, arn)
    assert pipelines.status(arn) == "Stopped"
    pipelines.sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    second = pipelines.job(arn, "Train")
    assert second != first
    stop(pipelines, arn)
    assert pipelines.status(arn) == "Stopped"


def test_a_repeated_retry_is_one(pipelines: Pipelines) -> None:
    before: list[str] = []
    steps = []
    for name in "ABCD":
        steps.append(pipelines.training(name, "sleep", "0.1", DependsOn=list(before)))
        before = [name]
    arn = pipelines.start(pipelines.create(steps))
    pipelines.job(arn, "A")
    stop(pipelines, arn)
    assert pipelines.status(arn) == "Stopped"
    again = {"PipelineExecutionArn": arn, "ClientRequestToken": uuid.uuid4().hex}
    # As boto3 sends it when the first answer is lost.
    for _ in range(3):
        pipelines.sagemaker.retry_pipeline_execution(**again)
    pipelines.succeeded(arn)
    of_this = f"pipelines-{arn.rpartition('/')[2]}-"
    jobs = pipelines.sagemaker.list_training_jobs(NameContains=of_this)["TrainingJobSummaries"]
    made = sorted(job["TrainingJobName"].removeprefix(of_this)[0] for job in jobs)
    assert made == ["A", "A", "B", "C", "D"]


def test_the_same_work_is_not_done_twice(pipelines: Pipelines) -> None:
    cached = pipelines.training(
        "Train",
        CacheConfig={"Enabled": True, "ExpireAfter": "PT1H"},
        arguments={"HyperParameters": {"lr": get("Parameters.lr")}},
    )
    told = fail("Told", get("Steps.Train.TrainingJobName"))
    name = pipelines.create([cached, told], [parameter("lr", "String", "1")])
    first, second, other = (pipelines.execute(name, {"lr": lr}) for lr in ("1", "1", "2"))
    done, taken, new = (pipelines.steps(arn)["Train"] for arn in (first, second, other))
    assert "CacheHitResult" not in done
    assert taken["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
    assert taken["StepStatus"] == "Succeeded"
    assert taken["Metadata"] == done["Metadata"]
    assert taken["StartTime"] == taken["EndTime"] > done["EndTime"]
    assert "CacheHitResult" not in new
    assert pipelines.steps(second)["Told"]["FailureReason"] == pipelines.job(first, "Train")


@pytest.mark.parametrize("config", [{"Enabled": False}, {"Enabled": True, "ExpireAfter": "PT0S"}])
def test_work_is_done_again_where_no_former_result_counts(
    pipelines: Pipelines, config: dict[str, Any]
) -> None:
    name = pipelines.create([pipelines.training("Train", CacheConfig=config)])
    for _ in range(2):
        arn = pipelines.start(name)
        assert pipelines.status(arn) == "Succeeded"
        assert "CacheHitResult" not in pipelines.steps(arn)["Train"]


@pytest.mark.slow
@pytest.mark.parametrize("duration", ["30d", "p30d", "T12H", "P1Y2M3W4DT5H6M7.5S", "PT1H"])
def test_durations_as_people_write_them(pipelines: Pipelines, duration: str) -> None:
    config = {"Enabled": True, "ExpireAfter": duration}
    name = pipelines.create([pipelines.training("Train", CacheConfig=config)])
    pipelines.ended(pipelines.start(name))
    again = pipelines.start(name)
    pipelines.ended(again)
    assert "CacheHitResult" in pipelines.steps(again)["Train"]


@pytest.mark.slow
def test_a_result_whose_job_was_deleted_does_not_count(pipelines: Pipelines) -> None:
    name = pipelines.create([pipelines.training("Train", CacheConfig={"Enabled": True})])
    first = pipelines.start(name)
    pipelines.ended(first)
    pipelines.sagemaker.delete_training_job(TrainingJobName=pipelines.job(first, "Train"))
    again = pipelines.start(name)
    assert pipelines.status(again) == "Succeeded"
    assert "CacheHitResult" not in pipelines.steps(again)["Train"]


def test_a_property_file_decides(pipelines: Pipelines) -> None:
    code = 'mkdir -p "$0" && echo \'{"metrics": {"acc": [{"value": 0.9}]}}\' > "$0/report.json"'
    folder = "/opt/ml/processing/evaluation"
    evaluate = {
        "Name": "Evaluate",
        "Type": "Processing",
        "Arguments": {
            "AppSpecification": {
                "ImageUri": IMAGE,
                "ContainerEntrypoint": ["sh", "-c", code, folder],
            },
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceType": "ml.m5.xlarge",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 1,
                }
            },
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": "evaluation",
                        "S3Output": {
                            "S3Uri": f"s3://{pipelines.bucket}/evaluation",
                            "LocalPath": folder,
                            "S3UploadMode": "EndOfJob",
                        },
                    }
                ]
            },
            "RoleArn": ROLE,
        },
        "PropertyFiles": [
            {
                "PropertyFileName": "Report",
                "OutputName": "evaluation",
                "FilePath": "report.json",
            }
        ],
    }
    outputs = "Steps.Evaluate.ProcessingOutputConfig.Outputs['evaluation'].S3Output.S3Uri"
    uri = join("/", get(outputs), "report.json")
    by_file = {
        "Std:JsonGet": {
            "PropertyFile": get("Steps.Evaluate.PropertyFiles.Report"),
            "Path": "$.metrics['acc'][0].value",
        }
    }
    by_uri = {"Std:JsonGet": {"S3Uri": uri, "Path": "metrics.acc[0].value"}}
    nothing = {"Std:JsonGet": {"S3Uri": uri, "Path": "metrics.loss"}}
    arn = pipelines.run(
        [
            evaluate,
            condition(
                "Check",
                [compare("GreaterThan", by_file, 0.8), compare("Equals", by_file, by_uri)],
                [condition("Lost", [compare("Equals", nothing, 1)])],
                [fail("No")],
            ),
        ]
    )
    steps = pipelines.steps(arn)
    assert steps["Evaluate"]["StepStatus"] == "Succeeded", steps
    assert steps["Evaluate"]["Metadata"]["ProcessingJob"]["Arn"]
    assert steps["Check"]["Metadata"]["Condition"]["Outcome"] == "True"
    assert steps["Lost"]["FailureReason"] == (
        f"ClientError: 'metrics.loss' of s3://{pipelines.bucket}/evaluation/report.json: there is "
        "nothing at .metrics.loss"
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"loss": NaN}', "is not JSON: NaN is no number"),
        (b'{"loss": "\\ud800"}', "is not JSON: 'utf-8' codec can't encode"),
        (b"\xff", "is not JSON: 'utf-8' codec can't decode"),
        (b"[" * 100_000, "is not JSON: maximum recursion depth"),
        (b"{}", "there is nothing at .loss"),
        (None, "cannot be read: The specified key does not exist."),
    ],
    ids=["nan", "surrogate", "bytes", "deep", "empty", "missing"],
)
def test_a_file_that_cannot_be_read_fails_the_condition(
    pipelines: Pipelines, content: bytes | None, told: str
) -> None:
    key = f"reports/{uuid.uuid4().hex}.json"
    if content is not None:
        pipelines.jobs.put(key, content)
    value = {"Std:JsonGet": {"S3Uri": f"s3://{pipelines.bucket}/{key}", "Path": "loss"}}
    check = condition("Check", [compare("LessThan", value, 1)], [], [])
    step = pipelines.steps(pipelines.run([check]))["Check"]
    assert step["StepStatus"] == "Failed"
    assert told in step["FailureReason"]


def test_a_pipeline_that_executes_is_not_deleted(pipelines: Pipelines) -> None:
    name = pipelines.create([pipelines.training("Train", *LONG)])
    arn = pipelines.start(name)
    delete = pipelines.sagemaker.delete_pipeline
    pipelines.job(arn, "Train")
    assert "cannot be deleted while it executes" in refused(
        "ConflictException", delete, PipelineName=name
    )
    stop(pipelines, arn)
    pipelines.ended(arn)
    assert delete(PipelineName=name)["PipelineArn"].endswith(f"/{name}")
    refused(
        "ResourceNotFound",
        pipelines.sagemaker.describe_pipeline_execution,
        PipelineExecutionArn=arn,
    )
    again = pipelines.create([], PipelineName=name)
    listed = pipelines.sagemaker.list_pipeline_executions(PipelineName=again)
    assert listed["PipelineExecutionSummaries"] == []


@pytest.mark.slow
def test_many_executions_at_once_do_not_mix(pipelines: Pipelines) -> None:
    name = pipelines.create([fail("Told", get("Parameters.n"))], [parameter("n", "Integer", 0)])
    arns = {n: pipelines.start(name, {"n": n}) for n in range(20)}
    for n, arn in arns.items():
        assert pipelines.status(arn) == "Failed"
        assert pipelines.steps(arn)["Told"]["FailureReason"] == str(n)


def test_a_selection_of_steps_takes_the_rest_from_another_execution(
    pipelines: Pipelines,
) -> None:
    message = join(" ", get("Steps.Train.TrainingJobName"), get("Parameters.word"))
    steps = [
        pipelines.training("Train"),
        condition("Check", YES, [fail("Told", message)], DependsOn=["Train"]),
        pipelines.training("Beside"),
    ]
    name = pipelines.create(steps, [parameter("word", "String", "hm")])
    source = pipelines.execute(name)
    config = {
        "SourcePipelineExecutionArn": source,
        "SelectedSteps": [{"StepName": "Check"}],
    }
    arn = pipelines.start(name, {"word": "ha"}, SelectiveExecutionConfig=config)
    pipelines.ended(arn)
    shown = pipelines.steps(arn)
    assert list(shown) == ["Train", "Check", "Told"]
    assert shown["Train"]["SelectiveExecutionResult"] == {"SourcePipelineExecutionArn": source}
    assert shown["Told"]["FailureReason"] == f"{pipelines.job(source, 'Train')} ha"
    assert pipelines.describe(arn)["SelectiveExecutionConfig"] == config

    def told(**selection: Any) -> str:
        return refused(
            "ValidationException", pipelines.start, name=name, SelectiveExecutionConfig=selection
        )

    assert told(SelectedSteps=[{"StepName": "Check"}]) == (
        "Invalid SourcePipelineExecutionArn: null. The selected steps [Check, Told] have "
        "dependencies on [Train]"
    )
    assert "has no step 'Never'" in told(SelectedSteps=[{"StepName": "Never"}])
    strange = pipelines.execute(pipelines.create([]))
    assert f"must be an execution of '{name}' that has ended" in told(
        SelectedSteps=[{"StepName": "Beside"}], SourcePipelineExecutionArn=strange
    )
    alone = pipelines.start(
        name, SelectiveExecutionConfig={"SelectedSteps": [{"StepName": "Beside"}]}
    )
    assert list(pipelines.succeeded(alone)) == ["Beside"]
    lacking = told(SelectedSteps=[{"StepName": "Check"}], SourcePipelineExecutionArn=alone)
    assert "did not succeed in [Train]" in lacking


@pytest.mark.slow
def test_a_model_of_one_step_transforms_in_the_next(
    pipelines: Pipelines, deployer: Deployer
) -> None:
    container = deployer.sagemaker.describe_model(ModelName=deployer.model(UPPER))
    deployer.put("words/a.txt", b"one\ntwo")
    create = {
        "Name": "Create",
        "Type": "Model",
        "Arguments": {
            "ExecutionRoleArn": ROLE,
            "PrimaryContainer": container["PrimaryContainer"],
        },
    }
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{deployer.bucket}/words/"}
    batch = {
        "Name": "Batch",
        "Type": "Transform",
        "CacheConfig": {"Enabled": True},
        "Arguments": {
            "ModelName": get("Steps.Create.ModelName"),
            "TransformInput": {"DataSource": {"S3DataSource": source}, "SplitType": "Line"},
            "TransformOutput": {
                "S3OutputPath": join("/", f"s3://{deployer.bucket}", get("Parameters.folder")),
                "AssembleWith": "Line",
            },
            "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
        },
    }
    told = fail("Told", get("Steps.Batch.TransformOutput.S3OutputPath"))
    arn = pipelines.run([create, batch, told], [parameter("folder", "String", "shouted")])
    steps = pipelines.steps(arn)
    assert steps["Batch"]["StepStatus"] == "Succeeded", steps["Batch"]
    assert ":transform-job/pipelines-" in steps["Batch"]["Metadata"]["TransformJob"]["Arn"]
    assert steps["Told"]["FailureReason"] == f"s3://{deployer.bucket}/shouted"
    answer = deployer.s3.get_object(Bucket=deployer.bucket, Key="shouted/a.txt.out")
    assert answer["Body"].read().splitlines() == [b"ONE", b"TWO"]
