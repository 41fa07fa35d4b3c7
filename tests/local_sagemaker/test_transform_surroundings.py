"""Batch transform and the rest of the server: accounts, faults, status, the command line's logs."""

import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import refused
from tests.local_sagemaker.endpoint_support import IMAGE, Deployer, archive
from tests.local_sagemaker.transform_support import LINES, UPPER, Transformer

OTHER = "444455556666"
WHO = """
    import boto3

    def model_fn(model_dir): return boto3.client("sts")

    def transform_fn(sts, data, content_type, accept):
        return sts.get_caller_identity()["Arn"], accept
"""


@pytest.fixture(scope="module")
def transformer(local: LocalSageMaker) -> Iterator[Transformer]:
    """Return what runs jobs."""
    return Transformer(Deployer(local))


@pytest.fixture(scope="module")
def upper(transformer: Transformer) -> str:
    """Return a model that answers each line in capital letters."""
    return transformer.deployer.model(UPPER)


def assumed() -> boto3.Session:
    """Return a session of another account."""
    answer = boto3.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{OTHER}:role/Visitor", RoleSessionName="test"
    )["Credentials"]
    return boto3.Session(
        aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"],
        region_name="us-east-1",
    )


def request(name: str, source: str, bucket: str) -> dict[str, Any]:
    """Return the parameters of a job whose model has its own name."""
    return {
        "TransformJobName": name,
        "ModelName": name,
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}}
        },
        "TransformOutput": {"S3OutputPath": f"s3://{bucket}/out"},
        "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
    }


@pytest.mark.slow
def test_accounts_are_apart(transformer: Transformer) -> None:
    session = assumed()
    sagemaker, s3 = session.client("sagemaker"), session.client("s3")
    name = f"theirs-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="model.tar.gz", Body=archive({"code/inference.py": WHO}))
    s3.put_object(Bucket=name, Key="in/a", Body=b"who?")
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": IMAGE, "ModelDataUrl": f"s3://{name}/model.tar.gz"},
        ExecutionRoleArn=f"arn:aws:iam::{OTHER}:role/Batch",
    )
    ours = transformer.prefix({"a": b"secret"})
    assert "No S3 objects found" in refused(
        sagemaker.create_transform_job, "ValidationException", **request(name, ours, name)
    )
    sagemaker.create_transform_job(**request(name, f"s3://{name}/in/", name))
    sagemaker.get_waiter("transform_job_completed_or_stopped").wait(
        TransformJobName=name, WaiterConfig={"Delay": 1}
    )
    answer = s3.get_object(Bucket=name, Key="out/a.out")["Body"].read().decode()
    assert answer == f"arn:aws:sts::{OTHER}:assumed-role/Batch/SageMaker"
    refused(
        transformer.sagemaker.describe_transform_job, "ValidationException", TransformJobName=name
    )
    # Nor can an output be written to somebody else's bucket.
    stolen = f"stolen-{uuid.uuid4().hex[:8]}"
    sagemaker.create_transform_job(
        **request(name, f"s3://{name}/in/", transformer.bucket) | {"TransformJobName": stolen}
    )
    theirs = Transformer(transformer.deployer)
    theirs.sagemaker = sagemaker
    assert "AccessDenied" in theirs.ended(stolen)["FailureReason"]


def test_instances_may_be_short(
    local: LocalSageMaker, transformer: Transformer, upper: str
) -> None:
    uri = transformer.prefix({"a": b"one"})
    with local.faults.add("CreateTransformJob", "CapacityError", times=1):
        reason = transformer.failed(upper, uri)
    assert reason.startswith("CapacityError: Unable to provision requested ML compute capacity.")
    assert transformer.completed(upper, uri)


def test_the_status_and_the_command_line_know_the_job(
    local: LocalSageMaker, transformer: Transformer, upper: str
) -> None:
    name = transformer.create(upper, transformer.prefix({"a": b"one\ntwo"}), **LINES)
    transformer.ended(name)
    (shown,) = [job for job in local.status()["jobs"] if job["name"] == name]
    assert (shown["kind"], shown["status"]) == ("TransformJob", "Completed")
    command = [sys.executable, "-m", "local_sagemaker", "logs", name, "--home", str(local.home)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "a: 2 records in " in printed
    assert "BatchStrategy=MULTI_RECORD" in printed


def test_a_model_package_is_transformed_with(transformer: Transformer) -> None:
    name = f"package-{uuid.uuid4().hex[:8]}"
    data = transformer.deployer.put(f"{name}.tar.gz", archive({"code/inference.py": UPPER}))
    arn = transformer.sagemaker.create_model_package(
        ModelPackageName=name,
        InferenceSpecification={
            "Containers": [{"Image": IMAGE, "ModelDataUrl": data}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )["ModelPackageArn"]
    model = transformer.deployer.model(ModelPackageName=arn)
    uri = transformer.prefix({"a": b"one"})
    assert transformer.completed(model, uri, **LINES) == {"a.out": b"ONE\n"}
