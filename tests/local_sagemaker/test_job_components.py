"""The trial component that a training job has of its own accord, through boto3 and the SDK."""

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import refused

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/any:1"
SCRIPT = "for loss in (0.5, 0.25, 0.125): print(f'loss={loss}', flush=True)"

Start = Callable[..., str]


@pytest.fixture(scope="module")
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return boto3.client("sagemaker")


@pytest.fixture
def name() -> str:
    return f"Job-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def start(client: Any, s3: Any, bucket: str, name: str) -> Start:
    """Run a job to its end; return its ARN."""
    s3.put_object(Bucket=bucket, Key="in/rows.csv", Body=b"a,b\n")

    def run(script: str = SCRIPT, **more: Any) -> str:
        channel = {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in/"}
            },
        }
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python3", "-c", script],
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=([0-9.]+)"}],
            },
            "HyperParameters": {"epochs": "3", "optimizer": "adam", "huge": "inf"},
            "InputDataConfig": [channel],
            "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 10,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            "RoleArn": ROLE,
        }
        arn = client.create_training_job(**request | more)["TrainingJobArn"]
        waiter = client.get_waiter("training_job_completed_or_stopped")
        # A failed job is waited for, too.
        with suppress(WaiterError):
            waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 600})
        return str(arn)

    return run


def test_a_component_says_what_was_asked_and_how_it_went(client, start, bucket, name):
    arn = start()
    job = client.describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    component = client.describe_trial_component(TrialComponentName=f"{name}-aws-training-job")
    assert component["DisplayName"] == f"{name}-aws-training-job"
    assert component["Source"] == {"SourceArn": arn, "SourceType": "SageMakerTrainingJob"}
    assert component["Status"] == {
        "PrimaryStatus": "Completed",
        "Message": "Status: Completed, secondary status: Completed, failure reason: .",
    }
    assert component["Parameters"] == {
        "epochs": {"NumberValue": 3.0},
        "optimizer": {"StringValue": "adam"},
        "huge": {"StringValue": "inf"},
        "SageMaker.ImageUri": {"StringValue": IMAGE},
        "SageMaker.InstanceCount": {"NumberValue": 1.0},
        "SageMaker.InstanceType": {"StringValue": "ml.m5.large"},
        "SageMaker.VolumeSizeInGB": {"NumberValue": 10.0},
    }
    assert component["InputArtifacts"] == {
        "train": {"MediaType": "text/csv", "Value": f"s3://{bucket}/in/"}
    }
    assert component["OutputArtifacts"] == {
        "SageMaker.ModelArtifact": {"Value": job["ModelArtifacts"]["S3ModelArtifacts"]}
    }
    assert component["StartTime"] == job["TrainingStartTime"]
    assert component["EndTime"] == job["TrainingEndTime"]
    (loss,) = component["Metrics"]
    assert (loss["MetricName"], loss["Count"]) == ("loss", 3)
    assert (loss["Max"], loss["Min"], loss["Last"]) == (0.5, 0.125, 0.125)


def test_a_component_is_found_by_its_job(client, start, name):
    arn = start()
    # The SDK asks with the ARN in lower case.
    for source in (arn, arn.lower()):
        (found,) = client.list_trial_components(SourceArn=source)["TrialComponentSummaries"]
        assert found["DisplayName"] == f"{name}-aws-training-job"
    filters = [{"Name": "Source.SourceArn", "Value": arn}]
    found = client.search(
        Resource="ExperimentTrialComponent", SearchExpression={"Filters": filters}
    )["Results"]
    assert len(found) == 1


def test_a_failure_is_told_with_its_reason(client, start, name):
    start("raise SystemExit(3)")
    component = client.describe_trial_component(TrialComponentName=f"{name}-aws-training-job")
    job = client.describe_training_job(TrainingJobName=name)
    assert component["Status"]["PrimaryStatus"] == "Failed"
    assert job["FailureReason"][:200] in component["Status"]["Message"]
    assert component["OutputArtifacts"] == {}


def test_a_component_joins_the_trial_that_is_named(client, start, name):
    client.create_experiment(ExperimentName=name)
    client.create_trial(TrialName=f"{name}-trial", ExperimentName=name)
    config = {
        "ExperimentName": name,
        "TrialName": f"{name}-trial",
        "TrialComponentDisplayName": "training",
    }
    with pytest.raises(client.exceptions.ResourceNotFound, match="never"):
        start(ExperimentConfig=config | {"TrialName": "never"})
    refused(client.describe_training_job, "ValidationException", TrainingJobName=name)
    start(ExperimentConfig=config)
    (found,) = client.list_trial_components(TrialName=f"{name}-trial")["TrialComponentSummaries"]
    assert found["DisplayName"] == "training"


def test_a_second_job_of_a_name_has_the_component_to_itself(client, start, name):
    component = f"{name}-aws-training-job"
    start()
    client.delete_training_job(TrainingJobName=name)
    kept = client.describe_trial_component(TrialComponentName=component)
    assert kept["Status"]["PrimaryStatus"] == "Completed"
    start("print('loss=7')", HyperParameters={"epochs": "9"})
    again = client.describe_trial_component(TrialComponentName=component)
    assert again["Parameters"]["epochs"] == {"NumberValue": 9.0}
    assert "optimizer" not in again["Parameters"]
    (loss,) = again["Metrics"]
    assert (loss["Count"], loss["Last"]) == (1, 7.0)


def test_a_component_that_somebody_made_is_theirs(client, start, name):
    component = f"{name}-aws-training-job"
    client.create_trial_component(
        TrialComponentName=component, Parameters={"mine": {"StringValue": "yes"}}
    )
    start()
    kept = client.describe_trial_component(TrialComponentName=component)
    assert kept["Parameters"] == {"mine": {"StringValue": "yes"}}
    assert "Source" not in kept


def test_a_second_job_of_a_name_joins_the_trial_that_it_names(client, start, name):
    client.create_experiment(ExperimentName=name)
    start()
    client.delete_training_job(TrainingJobName=name)
    client.create_trial(TrialName=f"{name}-trial", ExperimentName=name)
    start(ExperimentConfig={"ExperimentName": name, "TrialName": f"{name}-trial"})
    (found,) = client.list_trial_components(TrialName=f"{name}-trial")["TrialComponentSummaries"]
    assert found["DisplayName"] == f"{name}-aws-training-job"


def test_a_job_ends_though_its_trial_and_component_were_deleted(client, start, s3, bucket, name):
    client.create_experiment(ExperimentName=name)
    trial, component = f"{name}-trial", f"{name}-aws-training-job"
    client.create_trial(TrialName=trial, ExperimentName=name)
    # It goes on until an object says that both are deleted.
    script = f"""import boto3, time
s3 = boto3.client("s3")
while not s3.list_objects_v2(Bucket="{bucket}", Prefix="deleted").get("Contents"):
    time.sleep(0.05)
print("loss=1")"""

    def delete() -> None:
        while not client.list_trial_components(TrialName=trial)["TrialComponentSummaries"]:
            time.sleep(0.05)
        client.disassociate_trial_component(TrialName=trial, TrialComponentName=component)
        while client.describe_training_job(TrainingJobName=name)["SecondaryStatus"] != "Training":
            time.sleep(0.05)
        with suppress(client.exceptions.ResourceNotFound):
            client.delete_trial_component(TrialComponentName=component)
        client.delete_trial(TrialName=trial)
        s3.put_object(Bucket=bucket, Key="deleted")

    with ThreadPoolExecutor() as pool:
        deleting = pool.submit(delete)
        start(script, ExperimentConfig={"ExperimentName": name, "TrialName": trial})
        deleting.result()
    job = client.describe_training_job(TrainingJobName=name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
