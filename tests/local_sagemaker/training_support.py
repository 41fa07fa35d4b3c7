"""What the tests of training jobs share: submitting a script and looking at what became of it."""

import io
import tarfile
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
GROUP = "/aws/sagemaker/TrainingJobs"
ENDED = ("Completed", "Failed", "Stopped")


class Jobs:
    """Submits training jobs to a local SageMaker through boto3."""

    group = GROUP
    status = "TrainingJobStatus"

    def __init__(self, local: LocalSageMaker, session: boto3.Session | None = None) -> None:
        session = session or boto3.Session()
        self.sagemaker = session.client("sagemaker", endpoint_url=local.url)
        self.s3 = session.client("s3", endpoint_url=local.url)
        self.logs = session.client("logs", endpoint_url=local.url)
        self.bucket = f"training-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.bucket)

    def put(self, key: str, content: bytes | str) -> str:
        """Write an object; return its address."""
        body = content if isinstance(content, bytes) else content.encode()
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return f"s3://{self.bucket}/{key}"

    def source(self, files: Mapping[str, str]) -> str:
        """Write an archive of source code; return its address."""
        return self.put(f"source/{uuid.uuid4().hex}/sourcedir.tar.gz", archive(files))

    def script(self, code: str, /, **parameters: Any) -> str:
        """Submit ``train.py`` in script mode; return the job's name.

        Parameters are those of CreateTrainingJob; ``HyperParameters`` are added to.
        """
        files = {"train.py": code, **parameters.pop("files", {})}
        hyperparameters = {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": self.source(files),
            **parameters.pop("HyperParameters", {}),
        }
        return self.submit(HyperParameters=hyperparameters, **parameters)

    def command(self, *words: str, **parameters: Any) -> str:
        """Submit a job with a ContainerEntrypoint; return its name."""
        algorithm = {"ContainerEntrypoint": list(words), **parameters.pop("algorithm", {})}
        return self.submit(algorithm=algorithm, **parameters)

    def submit(self, **parameters: Any) -> str:
        """Create a training job; return its name."""
        name = parameters.pop("TrainingJobName", None) or f"job-{uuid.uuid4().hex[:12]}"
        algorithm = {
            "TrainingImage": "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image",
            "TrainingInputMode": "File",
            **parameters.pop("algorithm", {}),
        }
        defaults = {
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }
        self.sagemaker.create_training_job(
            TrainingJobName=name, AlgorithmSpecification=algorithm, **{**defaults, **parameters}
        )
        return name

    def describe(self, name: str) -> dict[str, Any]:
        """Return what DescribeTrainingJob answers."""
        answer: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return answer

    def wait(self, name: str, *statuses: str) -> dict[str, Any]:
        """Wait for a status, any last one by default."""
        return self.wait_for(name, lambda job: job[self.status] in (statuses or ENDED))

    def wait_for(self, name: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until what DescribeTrainingJob answers meets a condition."""
        while True:
            job = self.describe(name)
            if condition(job):
                return job
            ended = job[self.status] in ENDED
            assert not ended, f"{job[self.status]}: {job.get('FailureReason')}"
            time.sleep(0.02)

    def completed(self, name: str) -> dict[str, Any]:
        """Wait for a job that must complete."""
        job = self.wait(name)
        assert job[self.status] == "Completed", job.get("FailureReason")
        return job

    def failed(self, name: str) -> str:
        """Wait for a job that must fail; return why it did."""
        job = self.wait(name)
        assert job[self.status] == "Failed", job[self.status]
        return str(job["FailureReason"])

    def lines(self, name: str) -> list[str]:
        """Return a job's log."""
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=self.group, logStreamNamePrefix=f"{name}/"
        )
        return [event["message"] for page in pages for event in page["events"]]

    def wait_for_line(self, name: str, text: str) -> None:
        """Wait until a line with this text is in a job's log."""
        while True:
            job = self.describe(name)
            streams = self._streams(name)
            if streams and any(text in line for line in self.lines(name)):
                return
            assert job[self.status] not in ENDED, job.get("FailureReason")
            time.sleep(0.02)

    def _streams(self, name: str) -> list[dict[str, Any]]:
        groups = self.logs.describe_log_groups(logGroupNamePrefix=self.group)["logGroups"]
        if not groups:
            return []
        answer = self.logs.describe_log_streams(
            logGroupName=self.group, logStreamNamePrefix=f"{name}/"
        )
        streams: list[dict[str, Any]] = answer["logStreams"]
        return streams

    def keys(self, prefix: str) -> list[str]:
        """Return the keys under a prefix, without it."""
        answer = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"].removeprefix(prefix) for item in answer.get("Contents", [])]

    def get(self, key: str) -> bytes:
        """Return an object."""
        content: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def results(self, name: str, archive: str = "model.tar.gz") -> dict[str, str]:
        """Return the files of one of a job's archives."""
        return self.results_at(f"s3://{self.bucket}/out/{name}/output/{archive}")

    def results_at(self, uri: str) -> dict[str, str]:
        """Return the files of an archive in this bucket."""
        content = self.get(uri.removeprefix(f"s3://{self.bucket}/"))
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            return {
                member.name: stream.read().decode()
                for member in tar
                if (stream := tar.extractfile(member)) is not None
            }


def channel(name: str, uri: str, /, **parameters: Any) -> dict[str, Any]:
    """Return an entry of ``InputDataConfig``; ``source`` adds to the S3DataSource."""
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, **parameters.pop("source", {})}
    return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **parameters}


def archive(files: Mapping[str, str]) -> bytes:
    """Return a ``.tar.gz`` of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def refused(code: str, call: Any, **parameters: Any) -> str:
    """Expect a call to be refused with a code; return the message."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def states(job: dict[str, Any]) -> list[str]:
    """Return the states that a job went through."""
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
