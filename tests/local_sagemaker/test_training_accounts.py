"""Training jobs of two accounts: neither sees the other's."""

import uuid
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.training_support import GROUP, Jobs

OTHER = "444455556666"


@pytest.fixture
def other(local: LocalSageMaker) -> Jobs:
    """Return jobs of another account."""
    answer = boto3.client("sts", endpoint_url=local.url).assume_role(
        RoleArn=f"arn:aws:iam::{OTHER}:role/Visitor", RoleSessionName="test"
    )["Credentials"]
    session = boto3.Session(
        aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"],
        region_name="us-east-1",
    )
    return Jobs(local, session)


def code_of(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def test_accounts_do_not_see_each_others_jobs(local: LocalSageMaker, other: Jobs) -> None:
    jobs = Jobs(local)
    name = f"shared-{uuid.uuid4().hex[:8]}"
    role = f"arn:aws:iam::{OTHER}:role/Trainer"
    who = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    jobs.completed(jobs.script("print('first account')", TrainingJobName=name))
    other.completed(other.script(who, TrainingJobName=name, RoleArn=role))
    assert jobs.lines(name) == ["first account"]
    assert other.lines(name) == [f"arn:aws:sts::{OTHER}:assumed-role/Trainer/SageMaker"]
    assert f":{OTHER}:" in other.describe(name)["TrainingJobArn"]
    other.sagemaker.delete_training_job(TrainingJobName=name)
    assert jobs.describe(name)["TrainingJobStatus"] == "Completed"


def test_another_accounts_data_and_results_are_out_of_reach(
    local: LocalSageMaker, other: Jobs
) -> None:
    jobs = Jobs(local)
    name = jobs.command("true")
    jobs.completed(name)
    for call in (other.sagemaker.describe_training_job, other.sagemaker.stop_training_job):
        assert code_of(call, TrainingJobName=name) == "ValidationException"
    with pytest.raises(ClientError, match="No S3 objects found under S3 URL"):
        other.submit(
            RoleArn=f"arn:aws:iam::{OTHER}:role/Trainer",
            InputDataConfig=[
                {
                    "ChannelName": "data",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": f"s3://{jobs.bucket}/out/",
                        }
                    },
                }
            ],
        )
    stolen = other.command(
        "true",
        RoleArn=f"arn:aws:iam::{OTHER}:role/Trainer",
        OutputDataConfig={"S3OutputPath": f"s3://{jobs.bucket}/theirs"},
    )
    assert other.failed(stolen).startswith(f"ClientError: cannot write to s3://{jobs.bucket}/")
    assert jobs.keys("theirs") == []


def test_logs_are_kept_apart(local: LocalSageMaker, other: Jobs) -> None:
    jobs = Jobs(local)
    name = jobs.script("print('mine')")
    jobs.completed(name)
    call = other.logs.filter_log_events
    try:
        events = call(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")["events"]
    except other.logs.exceptions.ResourceNotFoundException:
        events = []
    assert events == []
