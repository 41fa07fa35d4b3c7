"""Batch transform through SDK v3's own Transformer and TransformJob, unmodified."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import TransformJob
from sagemaker.core.shapes import (
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)
from sagemaker.core.transformer import Transformer as SDKTransformer
from sagemaker.core.utils.exceptions import FailedStatusError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.transform_support import UPPER, Transformer


@pytest.fixture(scope="module")
def transformer(local: LocalSageMaker) -> Iterator[Transformer]:
    """Return what writes input and reads output."""
    return Transformer(Deployer(local))


def create(transformer: Transformer, model: str, uri: str, **more: Any) -> TransformJob:
    """Create a job through the SDK's resource class."""
    name = f"sdk-{uuid.uuid4().hex[:8]}"
    source = TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=uri)
    return TransformJob.create(
        transform_job_name=name,
        model_name=model,
        transform_input=TransformInput(
            data_source=TransformDataSource(s3_data_source=source), split_type="Line"
        ),
        transform_output=TransformOutput(
            s3_output_path=f"s3://{transformer.bucket}/out/{name}", assemble_with="Line"
        ),
        transform_resources=TransformResources(instance_type="ml.m5.xlarge", instance_count=1),
        **more,
    )


@pytest.mark.slow
def test_the_transformer_s_way(transformer: Transformer) -> None:
    model = transformer.deployer.model(
        """
        import json

        def model_fn(model_dir): return None

        def transform_fn(model, data, content_type, accept):
            text = data if isinstance(data, str) else bytes(data).decode()
            values = [json.loads(line) for line in text.splitlines()]
            return "\\n".join(str(sum(value)) for value in values), accept
        """
    )
    rows = [{"id": number, "values": [number, 1]} for number in range(20)]
    uri = transformer.prefix({"rows.jsonl": "\n".join(map(json.dumps, rows)).encode()})
    name = f"sdk-{uuid.uuid4().hex[:8]}"
    sdk = SDKTransformer(
        model_name=model,
        instance_count=1,
        instance_type="ml.m5.xlarge",
        strategy="MultiRecord",
        assemble_with="Line",
        accept="application/jsonlines",
        output_path=f"s3://{transformer.bucket}/out/{name}",
        max_concurrent_transforms=2,
        max_payload=1,
        env={"A": "b"},
        tags=[{"Key": "k", "Value": "v"}],
        sagemaker_session=Session(boto3.Session()),
    )
    sdk.transform(
        uri,
        content_type="application/jsonlines",
        split_type="Line",
        job_name=name,
        input_filter="$.values",
        join_source="Input",
        output_filter="$['id','SageMakerOutput']",
        wait=True,
        logs=True,
    )
    (output,) = transformer.outputs(name).values()
    assert [json.loads(line) for line in output.splitlines()] == [
        {"id": number, "SageMakerOutput": number + 1} for number in range(20)
    ]
    job = sdk.latest_transform_job
    assert job is not None
    assert job.refresh().transform_job_status == "Completed"
    attached = SDKTransformer.attach(name, sagemaker_session=Session(boto3.Session()))
    assert attached.latest_transform_job.data_processing.join_source == "Input"
    sdk.delete_model()


def test_the_resource_class_s_way(transformer: Transformer) -> None:
    model = transformer.deployer.model(UPPER)
    job = create(transformer, model, transformer.prefix({"a": b"one\ntwo"}))
    job.wait(poll=1)
    assert job.transform_job_status == "Completed"
    assert transformer.outputs(job.transform_job_name) == {"a.out": b"ONE\nTWO\n"}
    found = TransformJob.get_all(name_contains=job.transform_job_name)
    assert [one.transform_job_name for one in found] == [job.transform_job_name]


@pytest.mark.slow
def test_a_failure_reaches_who_waits(transformer: Transformer) -> None:
    model = transformer.deployer.model(
        "def model_fn(d): pass\ndef transform_fn(m, d, c, a): raise ValueError('no such row')"
    )
    job = create(transformer, model, transformer.prefix({"a": b"one"}))
    with pytest.raises(FailedStatusError, match="no such row"):
        job.wait(poll=1)


@pytest.mark.slow
def test_a_job_is_stopped(transformer: Transformer) -> None:
    model = transformer.deployer.model(
        "import time\ndef model_fn(d): pass\ndef transform_fn(m, d, c, a): time.sleep(600)"
    )
    job = create(transformer, model, transformer.prefix({"a": b"one"}))
    job.stop()
    job.wait(poll=1)
    assert job.transform_job_status == "Stopped"
