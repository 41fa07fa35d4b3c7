"""Executions and the end of their server, however it ends: another one goes on."""

import os
import signal
import threading
import time
from typing import Any

import psutil
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.database import Database
from local_sagemaker.home import Home
from local_sagemaker.store import Records
from tests.local_sagemaker.pipeline_support import Pipelines, compare, condition, fail

pytestmark = pytest.mark.slow

YES = [compare("Equals", 1, 1)]
LONG = ("sleep", "600")
INTERRUPTED = "ClientError: InternalServerError: the local SageMaker was stopped while this job ran"
AGAIN = {"ExceptionType": ["SageMaker.JOB_INTERNAL_ERROR"], "IntervalSeconds": 0}


def kill(server: LocalSageMaker) -> None:
    """Kill the server of a home, and wait until it is gone."""
    info = Home(server.home).server()
    assert info is not None
    process = psutil.Process(info.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def end(server: LocalSageMaker, *, killed: bool) -> None:
    """End a server and start another one in its home."""
    if killed:
        kill(server)
    else:
        server.close()
    server.start()


def waits(pipelines: Pipelines, name: str, **more: Any) -> dict[str, Any]:
    """Return a training step whose job ends when there is a flag, in this test's bucket."""
    code = (
        "import boto3, sys, time\n"
        "s3 = boto3.client('s3')\n"
        "while not s3.list_objects_v2(Bucket=sys.argv[1], Prefix='flag').get('KeyCount'):\n"
        "    time.sleep(0.05)\n"
    )
    return pipelines.training(name, "python", "-c", code, pipelines.bucket, **more)


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_an_execution_goes_on_where_it_was(fresh: LocalSageMaker, *, killed: bool) -> None:
    pipelines = Pipelines(fresh)
    steps = [
        pipelines.training("Before"),
        waits(pipelines, "During", DependsOn=["Before"], RetryPolicies=[AGAIN]),
        pipelines.training("After", DependsOn=["During"]),
        condition("Check", YES, [], [], DependsOn=["After"]),
    ]
    arn = pipelines.start(pipelines.create(steps))
    first = pipelines.job(arn, "During")
    pipelines.jobs.wait(first, "InProgress")
    before = pipelines.steps(arn)["Before"]
    end(fresh, killed=killed)
    pipelines.jobs.put("flag", b"")
    assert pipelines.status(arn) == "Succeeded", pipelines.steps(arn)
    after = pipelines.steps(arn)
    assert list(after) == ["Before", "During", "After", "Check"]
    assert after["Before"] == before
    assert after["During"]["AttemptCount"] == 2
    assert pipelines.job(arn, "During") != first
    assert pipelines.jobs.describe(first)["TrainingJobStatus"] == "Failed"


def test_a_step_without_a_retry_policy_fails_with_its_job(fresh: LocalSageMaker) -> None:
    pipelines = Pipelines(fresh)
    steps = [pipelines.training("Train", *LONG), fail("Never", DependsOn=["Train"])]
    arn = pipelines.start(pipelines.create(steps))
    pipelines.jobs.wait(pipelines.job(arn, "Train"), "InProgress")
    end(fresh, killed=True)
    assert pipelines.status(arn) == "Failed"
    (step,) = pipelines.steps(arn).values()
    assert (step["StepStatus"], step["FailureReason"]) == ("Failed", INTERRUPTED)
    pipelines.sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    job = pipelines.job(arn, "Train")
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert pipelines.status(arn) == "Stopped"
    assert pipelines.jobs.describe(job)["TrainingJobStatus"] == "Stopped"


def test_what_is_left_of_a_wait_is_waited(fresh: LocalSageMaker) -> None:
    pipelines = Pipelines(fresh)
    policy = {"ExceptionType": ["SageMaker.RESOURCE_LIMIT"], "IntervalSeconds": 8}
    fault = fresh.faults.add("CreateTrainingJob", "ResourceLimitExceeded", times=1)
    name = pipelines.create([pipelines.training("Train", RetryPolicies=[policy])])
    began = time.monotonic()
    arn = pipelines.start(name)
    while not fault.struck:
        time.sleep(0.02)
    end(fresh, killed=True)
    assert pipelines.status(arn) == "Succeeded"
    assert time.monotonic() - began >= 8
    step = pipelines.steps(arn)["Train"]
    assert step["AttemptCount"] == 2
    # Not waited from the start, nor not at all.
    assert (step["EndTime"] - step["StartTime"]).total_seconds() >= 8


def test_an_execution_that_is_being_stopped_stops(fresh: LocalSageMaker) -> None:
    pipelines = Pipelines(fresh)
    stubborn = pipelines.training("Train", "sh", "-c", "trap '' TERM; sleep 600 & wait; wait")
    arn = pipelines.start(pipelines.create([stubborn]))
    pipelines.jobs.wait(pipelines.job(arn, "Train"), "InProgress")
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    end(fresh, killed=True)
    assert pipelines.status(arn) == "Stopped"
    assert pipelines.steps(arn)["Train"]["StepStatus"] == "Stopped"


@pytest.mark.parametrize("round_", range(3))
def test_killed_at_any_moment_each_step_is_done_once(fresh: LocalSageMaker, round_: int) -> None:
    """Whatever was under way: every execution ends, with one job and one version for each step."""
    pipelines = Pipelines(fresh)
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "DependsOn": ["Train"],
        "Arguments": {"ModelPackageGroupName": "versions"},
    }
    train = pipelines.training("Train", RetryPolicies=[AGAIN])
    name = pipelines.create([train, register, condition("End", YES, DependsOn=["Register"])])
    started: list[str] = []

    def start() -> None:
        while True:
            try:
                started.append(pipelines.start(name))
            except Exception:  # noqa: BLE001  (the server is gone, as it should be)
                return

    thread = threading.Thread(target=start)
    thread.start()
    time.sleep(0.7 + 0.4 * round_)
    kill(fresh)
    thread.join()
    fresh.start()
    for arn in started:
        assert pipelines.status(arn) == "Succeeded", pipelines.steps(arn)
        assert list(pipelines.steps(arn)) == ["Train", "Register", "End"]
    pages = pipelines.sagemaker.get_paginator("list_pipeline_executions").paginate(
        PipelineName=name
    )
    executions = [one for page in pages for one in page["PipelineExecutionSummaries"]]
    # One more may have been started without the news of it.
    assert len(started) <= len(executions) <= len(started) + 1
    for one in executions:
        pipelines.ended(one["PipelineExecutionArn"])
    pages = pipelines.sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName="versions"
    )
    versions = [one for page in pages for one in page["ModelPackageSummaryList"]]
    assert len(versions) == len(executions)


def test_texts_that_a_pipeline_kept_itself_are_still_read(fresh: LocalSageMaker) -> None:
    pipelines = Pipelines(fresh)
    name = pipelines.create([condition("Check", YES)])
    before = pipelines.sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"]
    fresh.close()
    database = Database(fresh.home / "state.db")
    records = Records(database)
    (text,) = records.every("PipelineVersionText")
    (pipeline,) = records.every("Pipeline")
    records.delete(text.key)
    records.update(
        pipeline.key, lambda record: record.private["PipelineVersions"][0].update(text.body)
    )
    database.close()
    fresh.start()
    pipelines = Pipelines(fresh)
    shown = pipelines.sagemaker.describe_pipeline(PipelineName=name)
    assert shown["PipelineDefinition"] == before
    assert pipelines.status(pipelines.start(name)) == "Succeeded"
    pipelines.sagemaker.delete_pipeline(PipelineName=name)
