"""Batch transform through boto3: a job's way from its request to its output."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import fits, refused
from tests.local_sagemaker.endpoint_support import ACCOUNT, ROLE, Deployer
from tests.local_sagemaker.transform_support import LINES, UPPER, Transformer

# Answers what it was sent, and with which settings.
SPY = """
    import json, os

    def model_fn(model_dir): return None

    def transform_fn(model, data, content_type, accept):
        names = [name for name in os.environ if name.startswith("SAGEMAKER_") or name == "MINE"]
        return json.dumps({
            "sent": data if isinstance(data, str) else bytes(data).decode(),
            "content_type": content_type,
            "accept": accept,
            "environment": {name: os.environ[name] for name in names},
        }), accept
"""
SERVICE = service_model("sagemaker")


@pytest.fixture(scope="module")
def transformer(local: LocalSageMaker) -> Iterator[Transformer]:
    """Return what runs jobs."""
    return Transformer(Deployer(local))


@pytest.fixture(scope="module")
def upper(transformer: Transformer) -> str:
    """Return a model that answers each line in capital letters."""
    return transformer.deployer.model(UPPER)


@pytest.fixture(scope="module")
def spy(transformer: Transformer) -> str:
    """Return a model that answers what it was sent."""
    return transformer.deployer.model(SPY, Environment={"MINE": "model", "SAGEMAKER_A": "model"})


def test_each_object_gets_an_output_below_the_prefix(transformer: Transformer, upper: str) -> None:
    files = {"a.csv": b"one\ntwo\n", "below/b.csv": b"three", "odd name é?.csv": b"four"}
    outputs = transformer.completed(upper, transformer.prefix(files), **LINES)
    assert outputs == {
        "a.csv.out": b"ONE\nTWO\n",
        "below/b.csv.out": b"THREE\n",
        "odd name é?.csv.out": b"FOUR\n",
    }


def test_what_describe_and_list_tell_of_a_job(transformer: Transformer, upper: str) -> None:
    uri = transformer.prefix({"a": b"one"})
    name = transformer.create(
        upper,
        uri,
        source={"ContentType": "text/csv"},
        output={"KmsKeyId": "alias/mine", "Accept": "text/csv"},
        Environment={"A": "b"},
        ModelClientConfig={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
        ExperimentConfig={"TrialComponentDisplayName": "shown"},
        Tags=[{"Key": "k", "Value": "v"}],
    )
    job = transformer.ended(name)
    fits(job, SERVICE.operation_model("DescribeTransformJob").output_shape)
    assert job["TransformJobStatus"] == "Completed"
    assert job["TransformInput"]["SplitType"] == job["TransformInput"]["CompressionType"] == "None"
    assert job["TransformOutput"]["AssembleWith"] == "None"
    assert job["TransformOutput"]["KmsKeyId"] == "alias/mine"
    assert job["DataProcessing"] == {
        "InputFilter": "$",
        "OutputFilter": "$",
        "JoinSource": "None",
    }
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert "FailureReason" not in job
    tags = transformer.sagemaker.list_tags(ResourceArn=job["TransformJobArn"])["Tags"]
    assert tags == [{"Key": "k", "Value": "v"}]
    answer = transformer.sagemaker.list_transform_jobs(NameContains=name, StatusEquals="Completed")
    fits(answer, SERVICE.operation_model("ListTransformJobs").output_shape)
    (listed,) = answer["TransformJobSummaries"]
    assert listed["TransformJobName"] == name
    assert listed["TransformEndTime"] == job["TransformEndTime"]
    none = transformer.sagemaker.list_transform_jobs(NameContains=name, StatusEquals="Failed")
    assert none["TransformJobSummaries"] == []


def test_what_a_container_gets_to_know(transformer: Transformer, spy: str) -> None:
    uri = transformer.prefix({"whole": b"one\ntwo\n"})
    told = transformer.completed(
        spy,
        uri,
        source={"ContentType": "text/plain; charset=utf-8"},
        output={"Accept": "application/json"},
        BatchStrategy="SingleRecord",
        MaxConcurrentTransforms=1,
        MaxPayloadInMB=2,
        Environment={"MINE": "job"},
    )
    answer = json.loads(told["whole.out"])
    environment = answer.pop("environment")
    assert answer == {
        # Not split, so that an object is one record.
        "sent": "one\ntwo\n",
        "content_type": "text/plain; charset=utf-8",
        "accept": "application/json",
    }
    assert environment["SAGEMAKER_BATCH"] == "true"
    assert environment["SAGEMAKER_BATCH_STRATEGY"] == "SINGLE_RECORD"
    assert environment["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "2"
    assert environment["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] == "1"
    assert (environment["MINE"], environment["SAGEMAKER_A"]) == ("job", "model")


def test_what_was_not_set_is_not_told(transformer: Transformer, spy: str) -> None:
    (answer,) = transformer.completed(spy, transformer.prefix({"a": b"one"})).values()
    told = json.loads(answer)
    assert told["environment"]["SAGEMAKER_BATCH"] == "true"
    assert (
        not {"SAGEMAKER_BATCH_STRATEGY", "SAGEMAKER_MAX_PAYLOAD_IN_MB"} & told["environment"].keys()
    )
    assert told["content_type"] is None


def test_a_manifest_names_the_objects(transformer: Transformer, upper: str) -> None:
    prefix = transformer.prefix({"a": b"one", "b/c": b"two", "unnamed": b"three"})
    manifest = transformer.deployer.put(
        "manifests/m.json", json.dumps([{"prefix": prefix}, "a", "b/c", "a"]).encode()
    )
    outputs = transformer.completed(upper, manifest, kind="ManifestFile", **LINES)
    assert outputs == {"a.out": b"ONE\n", "b/c.out": b"TWO\n"}
    missing = transformer.deployer.put(
        "manifests/n.json", json.dumps([{"prefix": prefix}, "a", "gone"]).encode()
    )
    job = transformer.run(upper, missing, kind="ManifestFile", **LINES)
    assert job["FailureReason"].startswith(f"ClientError: {prefix}gone: ")
    assert transformer.outputs(job) == {"a.out": b"ONE\n"}


@pytest.mark.parametrize("content", [b'[{"prefix": 1}, "a"]', b"[" * 100_000, b"[]"])
def test_what_is_no_manifest_is_said(transformer: Transformer, upper: str, content: bytes) -> None:
    manifest = transformer.deployer.put(f"manifests/{uuid.uuid4().hex}", content)
    reason = transformer.failed(upper, manifest, kind="ManifestFile")
    assert reason.startswith("ClientError: ")
    assert f"the manifest {manifest}" in reason


def test_objects_that_would_have_the_same_output_are_said(
    transformer: Transformer, upper: str
) -> None:
    prefix = transformer.prefix({"a/ab": b"one", "ab": b"two"})
    reason = transformer.failed(upper, f"{prefix}a", **LINES)
    assert reason.startswith(f"ClientError: {prefix}a/ab and {prefix}ab would have the same output")


def test_the_output_of_a_single_object_has_its_name(transformer: Transformer, upper: str) -> None:
    prefix = transformer.prefix({"deep/data.csv": b"one"})
    assert set(transformer.completed(upper, f"{prefix}deep/data.csv", **LINES)) == {"data.csv.out"}
    # A prefix may end within a name.
    assert set(transformer.completed(upper, f"{prefix}deep/da", **LINES)) == {"data.csv.out"}


def test_a_failing_object_fails_the_job_and_no_other_object(transformer: Transformer) -> None:
    model = transformer.deployer.model(
        """
        def model_fn(model_dir): return None

        def transform_fn(model, data, content_type, accept):
            if "bad" in data:
                raise ValueError(f"cannot read {data!r}")
            return data, accept
        """
    )
    uri = transformer.prefix({"a": b"1\n2", "b": b"3\nbad\n5", "c": b"6"})
    name = transformer.create(model, uri, BatchStrategy="SingleRecord", **LINES)
    job = transformer.ended(name)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        f"ClientError: {uri}b: line 2: the container answered 400: cannot read 'bad' "
        "1 of 3 input files failed. See the job's logs."
    )
    assert transformer.outputs(name) == {"a.out": b"1\n2\n", "c.out": b"6\n"}
    log = transformer.log(name)
    assert "MaxConcurrentTransforms=1, MaxPayloadInMB=6, BatchStrategy=SINGLE_RECORD" in log
    assert f"{uri.removeprefix('s3://')}b: ClientError" in log
    # The script's own log.
    assert "Traceback" in log


def test_what_is_refused_when_a_job_is_made(transformer: Transformer, upper: str) -> None:
    uri = transformer.prefix({"a": b"one"})

    def refusal(code: str = "ValidationException", /, **asked: Any) -> str:
        model, place = asked.pop("model", upper), asked.pop("uri", uri)
        return refused(lambda **more: transformer.create(model, place, **more), code, **asked)

    arn = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model/nobody"
    assert refusal(model="nobody") == f'Could not find model "{arn}".'
    gone = f"s3://{transformer.bucket}/nothing/here"
    assert refusal(uri=gone) == (
        f'No S3 objects found under S3 URL "{gone}" given in input data source. Please ensure that '
        "the bucket exists in the selected region (us-east-1), that objects exist under that S3 "
        f'prefix, and that the role "{ROLE}" has "s3:ListBucket" permissions on bucket '
        f'"{transformer.bucket}".'
    )
    assert "AugmentedManifestFile" in refusal(kind="AugmentedManifestFile")
    assert "at most 100" in refusal(MaxPayloadInMB=101)
    assert "11 * 10 = 110" in refusal(MaxPayloadInMB=10, MaxConcurrentTransforms=11)
    join = {"JoinSource": "Input"}
    assert "ContentType" in refusal(DataProcessing=join)
    csv = {"ContentType": "text/csv"}
    assert "same SplitType and AssembleWith" in refusal(
        DataProcessing=join, source={**csv, "SplitType": "Line"}
    )
    assert "Accept" in refusal(
        DataProcessing=join, source=csv, output={"Accept": "application/json"}
    )
    assert "InputFilter" in refusal(DataProcessing={"InputFilter": "$..a"}, source=csv)
    assert "ContentType 'text/日本'" in refusal(source={"ContentType": "text/日本"})
    # What was refused is not there.
    name = f"refused-{uuid.uuid4().hex[:8]}"
    assert refusal(MaxPayloadInMB=101, name=name)
    refused(
        transformer.sagemaker.describe_transform_job, "ValidationException", TransformJobName=name
    )


def test_a_name_is_used_once(transformer: Transformer, upper: str) -> None:
    uri = transformer.prefix({"a": b"one"})
    name = transformer.create(upper, uri)
    message = refused(
        lambda **more: transformer.create(upper, uri, **more), "ResourceInUse", name=name
    )
    assert f"transform-job/{name}" in message
    transformer.ended(name)
    refused(lambda **more: transformer.create(upper, uri, **more), "ResourceInUse", name=name)


def test_what_is_not_done_fails_by_name(transformer: Transformer, upper: str) -> None:
    uri = transformer.prefix({"a": b"one"})
    for asked, named in (
        ({"source": {"SplitType": "RecordIO"}}, "SplitType RecordIO"),
        ({"source": {"SplitType": "TFRecord"}}, "SplitType TFRecord"),
        ({"MaxPayloadInMB": 0}, "MaxPayloadInMB 0"),
        ({"DataCaptureConfig": {"DestinationS3Uri": uri}}, "DataCaptureConfig"),
    ):
        job = transformer.run(upper, uri, **asked)
        assert job["TransformJobStatus"] == "Failed"
        assert named in job["FailureReason"]
        assert "TransformEndTime" in job


def test_an_output_bucket_that_is_not_there_is_said(transformer: Transformer, upper: str) -> None:
    output = {"S3OutputPath": "s3://there-is-no-such-bucket/out"}
    reason = transformer.failed(upper, transformer.prefix({"a": b"one"}), output=output)
    assert reason.startswith("ClientError: cannot write to s3://there-is-no-such-bucket/out: ")


def test_a_model_that_does_not_load_is_the_reason(transformer: Transformer) -> None:
    uri = transformer.prefix({"a": b"one"})
    broken = transformer.deployer.model("def model_fn(d): raise ValueError('no weights')")
    reason = transformer.failed(broken, uri)
    assert reason.startswith("AlgorithmError: The primary container")
    assert reason.endswith("ValueError: no weights")
    gone = transformer.deployer.model(ModelDataUrl=f"s3://{transformer.bucket}/gone.tar.gz")
    assert "gone.tar.gz" in transformer.failed(gone, uri)


def test_stopping_ends_a_job_and_keeps_no_half_output(transformer: Transformer) -> None:
    slow = transformer.deployer.model(
        """
        import time

        def model_fn(model_dir): return None

        def transform_fn(model, data, content_type, accept):
            time.sleep(0.0 if data == "first" else 600)
            return data, accept
        """
    )
    uri = transformer.prefix({"a": b"first", "b": b"second\nthird"})
    name = transformer.create(slow, uri, BatchStrategy="SingleRecord", **LINES)
    while not transformer.outputs(name):
        time.sleep(0.02)
    transformer.sagemaker.stop_transform_job(TransformJobName=name)
    # Asking again is no error while it lasts.
    job = transformer.describe(name)
    if job["TransformJobStatus"] == "Stopping":
        transformer.sagemaker.stop_transform_job(TransformJobName=name)
    job = transformer.ended(name)
    assert job["TransformJobStatus"] == "Stopped"
    assert "FailureReason" not in job
    assert "TransformEndTime" in job
    assert transformer.outputs(name) == {"a.out": b"first\n"}
    message = refused(
        transformer.sagemaker.stop_transform_job, "ValidationException", TransformJobName=name
    )
    assert "Stopped" in message
    refused(
        transformer.sagemaker.stop_transform_job, "ValidationException", TransformJobName="nobody"
    )


def test_a_job_can_be_stopped_while_its_model_loads(transformer: Transformer) -> None:
    slow = transformer.deployer.model(
        "import time\ndef model_fn(d): print('loading', flush=True); time.sleep(600)"
    )
    name = transformer.create(slow, transformer.prefix({"a": b"one"}))
    while "loading" not in transformer.log(name):
        time.sleep(0.02)
    transformer.sagemaker.stop_transform_job(TransformJobName=name)
    assert transformer.ended(name)["TransformJobStatus"] == "Stopped"
    assert transformer.outputs(name) == {}


def test_nothing_of_a_job_is_left(transformer: Transformer, upper: str) -> None:
    before = {process.pid for process in transformer.deployer.processes()}
    transformer.completed(upper, transformer.prefix({"a": b"one"}), MaxConcurrentTransforms=2)
    assert {process.pid for process in transformer.deployer.processes()} <= before
