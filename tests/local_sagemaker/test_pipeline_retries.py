"""Retry policies at work on faults that are set, and what is not tried again."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.pipelines.retries import LONGEST_WAIT, RetryPolicy
from tests.local_sagemaker.pipeline_support import Pipelines
from tests.local_sagemaker.training_support import refused


@pytest.fixture(scope="module")
def pipelines(local: LocalSageMaker) -> Pipelines:
    return Pipelines(local)


@pytest.fixture(autouse=True)
def _no_faults(local: LocalSageMaker) -> Iterator[None]:
    yield
    local.faults.clear()


def policy(*exceptions: str, **more: Any) -> dict[str, Any]:
    return {"ExceptionType": list(exceptions), "IntervalSeconds": 0, **more}


def trained(pipelines: Pipelines, *policies: Any, words: tuple[str, ...] = ()) -> dict[str, Any]:
    """Execute a pipeline of one training job; return its step."""
    step = pipelines.training("Train", *words, RetryPolicies=list(policies))
    return pipelines.steps(pipelines.run([step]))["Train"]


def test_a_refused_job_is_asked_for_again(local: LocalSageMaker, pipelines: Pipelines) -> None:
    with local.faults.add("CreateTrainingJob", "ResourceLimitExceeded", times=2) as fault:
        step = trained(pipelines, policy("SageMaker.RESOURCE_LIMIT"))
        assert fault.struck == 2
    assert (step["StepStatus"], step["AttemptCount"]) == ("Succeeded", 3)
    assert "FailureReason" not in step


def test_without_a_policy_the_step_fails_in_the_services_words(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    step = pipelines.training("Train")
    with local.faults.add("CreateTrainingJob", "ResourceLimitExceeded", message="none left"):
        arn = pipelines.run([step])
    shown = pipelines.steps(arn)["Train"]
    assert shown["FailureReason"] == (
        "ClientError: Failed to invoke sagemaker:CreateTrainingJob. Error Details: none left\n"
        "Retry not appropriate on execution of step with PipelineExecutionArn "
        f"{arn.lower()} and StepId Train. No retry policy configured for the exception type "
        "SAGEMAKER_RESOURCE_LIMIT."
    )
    assert (shown["Metadata"], shown["AttemptCount"]) == ({}, 1)


@pytest.mark.slow
def test_a_fault_of_one_instance_type_strikes_its_jobs_only(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    with local.faults.add(
        "CreateTrainingJob", "ResourceLimitExceeded", instance_type="ml.g5.xlarge"
    ):
        assert trained(pipelines)["StepStatus"] == "Succeeded"
        large = {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
        step = pipelines.training("Train", arguments={"ResourceConfig": large})
        failed = pipelines.steps(pipelines.run([step]))["Train"]
    assert "'ml.g5.xlarge for training job usage' is 0 Instances" in failed["FailureReason"]


def test_a_policy_ends_after_its_attempts(local: LocalSageMaker, pipelines: Pipelines) -> None:
    with local.faults.add("CreateTrainingJob", "ResourceLimitExceeded") as fault:
        step = trained(pipelines, policy("SageMaker.RESOURCE_LIMIT", MaxAttempts=2))
        assert fault.struck == 3
    assert (step["StepStatus"], step["AttemptCount"]) == ("Failed", 3)
    assert step["FailureReason"].endswith(
        "The retry policy for the exception type SAGEMAKER_RESOURCE_LIMIT is exhausted after 3 "
        "attempts."
    )


@pytest.mark.slow
def test_each_policy_counts_what_it_is_for(local: LocalSageMaker, pipelines: Pipelines) -> None:
    policies = (
        policy("SageMaker.RESOURCE_LIMIT", MaxAttempts=1),
        policy("Step.THROTTLING", "SageMaker.CAPACITY_ERROR", MaxAttempts=1),
    )
    local.faults.add("CreateTrainingJob", "ResourceLimitExceeded", times=1)
    local.faults.add("CreateTrainingJob", "CapacityError", times=1)
    step = trained(pipelines, *policies)
    assert (step["StepStatus"], step["AttemptCount"]) == ("Succeeded", 3)


@pytest.mark.slow
def test_waits_grow_by_the_back_off_rate(local: LocalSageMaker, pipelines: Pipelines) -> None:
    waits = policy("SageMaker.RESOURCE_LIMIT") | {"IntervalSeconds": 1, "BackoffRate": 0.3}
    with local.faults.add("CreateTrainingJob", "ResourceLimitExceeded", times=3):
        step = trained(pipelines, waits)
    assert step["AttemptCount"] == 4
    seconds = (step["EndTime"] - step["StartTime"]).total_seconds()
    assert seconds >= 1 + 0.3 + 0.09


@pytest.mark.slow
@pytest.mark.parametrize("shrinking", [{"IntervalSeconds": 0}, {"BackoffRate": 0}])
def test_retries_that_only_time_ends_are_a_second_apart(
    local: LocalSageMaker, pipelines: Pipelines, shrinking: dict[str, float]
) -> None:
    endless = {"ExceptionType": ["SageMaker.RESOURCE_LIMIT"], "ExpireAfterMin": 1, **shrinking}
    began = time.monotonic()
    with local.faults.add("CreateTrainingJob", "ResourceLimitExceeded", times=2):
        step = trained(pipelines, endless)
    assert (step["StepStatus"], step["AttemptCount"]) == ("Succeeded", 3)
    assert time.monotonic() - began >= 2


@pytest.mark.slow
def test_throttling_and_service_faults_are_tried_again_without_a_policy(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    with local.faults.add("CreateTrainingJob", "ThrottlingException", times=1):
        assert trained(pipelines)["AttemptCount"] == 2
    with local.faults.add("CreateTrainingJob", "InternalFailure", times=1):
        own = policy("Step.SERVICE_FAULT", MaxAttempts=0)
        assert trained(pipelines, own)["StepStatus"] == "Failed"


@pytest.mark.slow
def test_a_policy_of_ones_own_takes_the_place_of_the_usual_one(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    with local.faults.add("CreateTrainingJob", "ServiceUnavailable", times=3):
        step = trained(pipelines, policy("Step.SERVICE_FAULT", "Step.THROTTLING"))
    assert (step["StepStatus"], step["AttemptCount"]) == ("Succeeded", 4)


def test_a_job_without_instances_is_tried_again_as_another_job(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    with local.faults.add("CreateTrainingJob", "CapacityError", times=1):
        step = trained(pipelines, policy("SageMaker.CAPACITY_ERROR"))
        assert (step["StepStatus"], step["AttemptCount"]) == ("Succeeded", 2)
    with local.faults.add("CreateTrainingJob", "CapacityError", times=1):
        failed = trained(pipelines)
    assert failed["FailureReason"].startswith("ClientError: CapacityError: Unable to provision")
    assert failed["Metadata"]["TrainingJob"]["Arn"]


def test_a_script_that_fails_is_not_tried_again(pipelines: Pipelines) -> None:
    every = policy("SageMaker.JOB_INTERNAL_ERROR", "SageMaker.CAPACITY_ERROR", "Step.SERVICE_FAULT")
    step = trained(pipelines, every, words=("false",))
    assert (step["StepStatus"], step["AttemptCount"]) == ("Failed", 1)


@pytest.mark.parametrize("error", ["InternalFailure", "ConnectionClosed"])
def test_a_job_whose_answer_was_lost_is_not_made_twice(
    local: LocalSageMaker, pipelines: Pipelines, error: str
) -> None:
    with local.faults.add("CreateTrainingJob", error, after=True, times=1):
        step = trained(pipelines)
    assert (step["StepStatus"], step["AttemptCount"]) == ("Succeeded", 1)


@pytest.mark.slow
def test_a_version_whose_answer_was_lost_is_not_registered_twice(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    register = {
        "Name": "Register",
        "Type": "RegisterModel",
        "Arguments": {"ModelPackageGroupName": "lost-and-found"},
    }
    with local.faults.add("CreateModelPackage", "InternalFailure", after=True, times=1):
        step = pipelines.steps(pipelines.run([register]))["Register"]
    assert step["StepStatus"] == "Succeeded"
    versions = pipelines.sagemaker.list_model_packages(ModelPackageGroupName="lost-and-found")
    assert len(versions["ModelPackageSummaryList"]) == 1


def test_a_stopped_execution_waits_for_no_retry(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    patient = {"ExceptionType": ["SageMaker.RESOURCE_LIMIT"], "IntervalSeconds": 3600}
    step = pipelines.training("Train", RetryPolicies=[patient])
    with local.faults.add("CreateTrainingJob", "ResourceLimitExceeded") as fault:
        arn = pipelines.start(pipelines.create([step]))
        while not fault.struck:
            time.sleep(0.02)
        pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
        assert pipelines.status(arn) == "Stopped"
    assert pipelines.steps(arn)["Train"]["StepStatus"] == "Stopped"


@pytest.mark.slow
def test_a_failed_execution_is_retried_from_the_step_that_failed(
    local: LocalSageMaker, pipelines: Pipelines
) -> None:
    steps = [
        pipelines.training("First"),
        pipelines.training("Second", DependsOn=["First"]),
    ]
    name = pipelines.create(steps)
    arn = pipelines.start(name)
    pipelines.job(arn, "First")
    with local.faults.add("CreateTrainingJob", "ResourceLimitExceeded", times=1):
        assert pipelines.status(arn) == "Failed"
    first = pipelines.steps(arn)["First"]
    retry = pipelines.sagemaker.retry_pipeline_execution
    token = "t" * 32
    answer = retry(PipelineExecutionArn=arn, ClientRequestToken=token)
    assert answer["PipelineExecutionArn"] == arn
    assert pipelines.status(arn) == "Succeeded"
    assert "FailureReason" not in pipelines.describe(arn)
    after = pipelines.steps(arn)
    assert after["First"] == first
    assert (after["Second"]["StepStatus"], after["Second"]["AttemptCount"]) == ("Succeeded", 1)
    again = retry(PipelineExecutionArn=arn, ClientRequestToken=token)
    assert again["PipelineExecutionArn"] == arn
    assert pipelines.steps(arn) == after
    assert "is in status Succeeded" in refused("ConflictException", retry, PipelineExecutionArn=arn)


def test_an_execution_that_a_fail_step_ended_cannot_be_retried(pipelines: Pipelines) -> None:
    stop = {"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}
    arn = pipelines.run([stop])
    assert "was ended by a Fail step" in refused(
        "ConflictException",
        pipelines.sagemaker.retry_pipeline_execution,
        PipelineExecutionArn=arn,
    )


def test_a_wait_may_grow_beyond_all_bounds(local: LocalSageMaker, pipelines: Pipelines) -> None:
    steep = {
        "ExceptionType": ["SageMaker.RESOURCE_LIMIT"],
        "IntervalSeconds": 43200,
        "BackoffRate": 1e6,
        "MaxAttempts": 20,
    }
    step = pipelines.training("Train", RetryPolicies=[steep])
    with local.faults.add("CreateTrainingJob", "ResourceLimitExceeded") as fault:
        arn = pipelines.start(pipelines.create([step]))
        while not fault.struck:
            time.sleep(0.02)
    pipelines.sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
    assert pipelines.status(arn) == "Stopped"
    endless = RetryPolicy(frozenset(), interval=1.0, backoff=1e6, most=None)
    assert endless.delay(10_000, 0.0) == LONGEST_WAIT
