"""Test your own SageMaker code with the fixtures that ship with the local SageMaker.

    pytest docs/examples/test_promotion.py -p local_sagemaker.pytest_plugin

The function under test belongs into a module of yours; it stands here so that this file is
complete. Where the package is installed, ``-p`` is not needed.
"""

import uuid

import boto3
import pytest
from botocore.exceptions import WaiterError

from local_sagemaker.pytest_plugin import LocalAccount

TRAIN = "import os; print('accuracy=' + os.environ['ACCURACY'] + ';')"


def best_job(prefix: str) -> str | None:
    """Return the completed training job with the highest accuracy among those with a prefix."""
    sagemaker = boto3.client("sagemaker")
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains=prefix, StatusEquals="Completed"
    )
    jobs = [job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"]]

    def accuracy(job: str) -> float:
        metrics = sagemaker.describe_training_job(TrainingJobName=job)["FinalMetricDataList"]
        return max(metric["Value"] for metric in metrics if metric["MetricName"] == "accuracy")

    return max(jobs, key=accuracy, default=None)


def train(account: LocalAccount, name: str, script: str, **environment: str) -> None:
    """Run a script as a training job and wait for its end."""
    sagemaker = boto3.client("sagemaker")
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=account.role_arn,
        AlgorithmSpecification={
            "TrainingImage": f"{account.id}.dkr.ecr.us-east-1.amazonaws.com/any:1",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "-c", script],
            "MetricDefinitions": [{"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"}],
        },
        Environment=environment,
        OutputDataConfig={"S3OutputPath": f"s3://{bucket()}/models"},
        ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1})


def bucket() -> str:
    """Make a bucket; return its name."""
    name = f"promotion-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


def test_the_most_accurate_job_is_promoted(local_sagemaker_account: LocalAccount) -> None:
    train(local_sagemaker_account, "intents-1", TRAIN, ACCURACY="0.81")
    train(local_sagemaker_account, "intents-2", TRAIN, ACCURACY="0.93")
    train(local_sagemaker_account, "other-1", TRAIN, ACCURACY="0.99")
    assert best_job("intents") == "intents-2"


def test_a_failed_job_is_not(local_sagemaker_account: LocalAccount) -> None:
    # A new account: the names are free again, and the jobs of the other test are not seen.
    with pytest.raises(WaiterError, match="Failed"):
        train(local_sagemaker_account, "intents-1", "raise SystemExit('out of patience')")
    assert best_job("intents") is None
