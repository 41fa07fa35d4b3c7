"""Jobs and endpoints that run while the server is killed, and what must have become of them.

A job is acknowledged when CreateTrainingJob has returned, its end and its log lines when a client
has read them. An endpoint's update is acknowledged when UpdateEndpoint has returned.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import time
import uuid
from typing import Any

from botocore.exceptions import ClientError

from .writers import BUCKET, Clients

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"
LOGS = "/aws/sagemaker/TrainingJobs"
_ENDED = ("Completed", "Failed", "Stopped")

# The model's bytes follow from the job's name, so that a client knows them.
MODEL = """
import hashlib, os
seed, size = os.environ["TRAINING_JOB_NAME"].encode(), int(os.environ["MODEL_BYTES"])
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.bin"), "wb") as file:
    for number in range(size // 32):
        file.write(hashlib.sha256(seed + str(number).encode()).digest())
print("saved", flush=True)
"""
SERVES = """
def model_fn(model_dir): return open(model_dir + "/answer.txt").read()
def transform_fn(model, data, content_type, accept): return model, accept
"""


def archive(files: dict[str, str]) -> bytes:
    """Return a ``.tar.gz`` of text files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


class Jobs:
    """The training jobs of all rounds."""

    def __init__(self) -> None:
        self._expected: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self._lines: dict[str, list[str]] = {}

    def submit(self, clients: Clients, script: str, size: int = 0) -> str:
        """Create a job; return its name."""
        name = f"job-{uuid.uuid4().hex[:12]}"
        source = f"source/{hashlib.sha256(script.encode()).hexdigest()}.tar.gz"
        clients.s3.put_object(Bucket=BUCKET, Key=source, Body=archive({"train.py": script}))
        clients.sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=ROLE,
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            HyperParameters={
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": f"s3://{BUCKET}/{source}",
            },
            Environment={"MODEL_BYTES": str(size)},
            OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 3600},
        )
        self._expected[name] = "InProgress"
        self._sizes[name] = size
        return name

    def read(self, clients: Clients, name: str) -> dict[str, Any]:
        """Describe a job and read its log: what was seen counts as acknowledged."""
        shown: dict[str, Any] = clients.sagemaker.describe_training_job(TrainingJobName=name)
        self._expected[name] = shown["TrainingJobStatus"]
        self._lines[name] = self._log(clients, name)
        return shown

    def wait(self, clients: Clients, name: str, state: str) -> None:
        """Wait until a job's secondary status is, or was, this one."""
        while True:
            shown = self.read(clients, name)
            states = [entry["Status"] for entry in shown["SecondaryStatusTransitions"]]
            if state in states:
                return
            if shown["TrainingJobStatus"] in _ENDED:
                raise RuntimeError(f"{name} never was {state}: {shown.get('FailureReason')}")
            time.sleep(0.005)

    def runaways(self, clients: Clients, name: str) -> list[int]:
        """Wait for the pids that a job of `RUNAWAYS` prints."""
        while True:
            self.read(clients, name)
            for line in self._lines[name]:
                if line.startswith("pids "):
                    return [int(pid) for pid in line.split()[1:]]
            time.sleep(0.01)

    def verify(self, clients: Clients) -> list[str]:
        """Check every job after a restart; return what is wrong."""
        problems = []
        for name, before in list(self._expected.items()):
            seen = self._lines.get(name, [])
            shown = self.read(clients, name)
            status = shown["TrainingJobStatus"]
            if status not in _ENDED:
                problems.append(f"{name} is {status} and nothing runs it")
            if before in _ENDED and status != before:
                problems.append(f"{name} was {before} and is {status}")
            if status == "Failed" and not shown.get("FailureReason"):
                problems.append(f"{name} is Failed without a reason")
            if self._lines[name][: len(seen)] != seen:
                problems.append(f"{name} lost log lines")
            problems += self._model(clients, name, complete=status == "Completed")
            if status in _ENDED:
                del self._expected[name]
        return problems

    def _log(self, clients: Clients, name: str) -> list[str]:
        try:
            pages = clients.logs.get_paginator("filter_log_events").paginate(
                logGroupName=LOGS, logStreamNamePrefix=f"{name}/"
            )
            return [event["message"] for page in pages for event in page["events"]]
        except ClientError:
            # The group is made with its first line.
            return []

    def _model(self, clients: Clients, name: str, *, complete: bool) -> list[str]:
        """Check that a model is whole, or not there when its job did not end."""
        key = f"out/{name}/output/model.tar.gz"
        try:
            body = clients.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        except ClientError:
            return [f"{name} is Completed without its model"] if complete else []
        clients.s3.delete_object(Bucket=BUCKET, Key=key)
        if not self._sizes[name]:
            return []
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            file = tar.extractfile("model.bin")
            found = hashlib.sha256(file.read() if file else b"").digest()
        made = hashlib.sha256()
        for number in range(self._sizes[name] // 32):
            made.update(hashlib.sha256(name.encode() + str(number).encode()).digest())
        return [] if found == made.digest() else [f"{name}'s model is not what its script wrote"]


class Endpoints:
    """One endpoint that is updated again and again, and one that comes and goes."""

    def __init__(self, clients: Clients) -> None:
        for name in ("blue", "green"):
            key = f"models/{name}.tar.gz"
            files = {"code/inference.py": SERVES, "answer.txt": name}
            clients.s3.put_object(Bucket=BUCKET, Key=key, Body=archive(files))
            container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/{key}"}
            clients.sagemaker.create_model(
                ModelName=name, PrimaryContainer=container, ExecutionRoleArn=ROLE
            )
            variant = {
                "VariantName": "AllTraffic",
                "ModelName": name,
                "InitialInstanceCount": 1,
                "InstanceType": "ml.m5.large",
            }
            clients.sagemaker.create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[variant]
            )
        self._serves: dict[str, str] = {}
        self._gone: set[str] = set()
        self.create(clients, "stays")

    def create(self, clients: Clients, name: str) -> None:
        """Create an endpoint that answers ``blue``; not waited for."""
        clients.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName="blue")
        self._serves[name] = "blue"

    def update(self, clients: Clients, name: str) -> None:
        """Let an endpoint change its colour; not waited for."""
        other = "green" if self._serves[name] == "blue" else "blue"
        clients.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=other)
        self._serves[name] = other

    def delete(self, clients: Clients, name: str) -> None:
        """Delete an endpoint; not waited for."""
        clients.sagemaker.delete_endpoint(EndpointName=name)
        del self._serves[name]
        self._gone.add(name)

    @property
    def names(self) -> list[str]:
        """The endpoints that are there."""
        return list(self._serves)

    def verify(self, clients: Clients) -> list[str]:
        """Wait until each endpoint is at rest; return what is wrong."""
        problems = []
        for name, colour in self._serves.items():
            shown = self._settled(clients, name)
            status = shown.get("EndpointStatus", "gone")
            if status != "InService":
                problems.append(f"endpoint {name} is {status}: {shown.get('FailureReason')}")
                continue
            answer = clients.runtime.invoke_endpoint(EndpointName=name, Body=b"?")
            found = answer["Body"].read().decode()
            if (shown["EndpointConfigName"], found) != (colour, colour):
                problems.append(
                    f"endpoint {name} was told to serve {colour}, has the configuration "
                    f"{shown['EndpointConfigName']} and answers {found}"
                )
        problems += [
            f"endpoint {name} was deleted and is there"
            for name in self._gone
            if self._settled(clients, name)
        ]
        self._gone.clear()
        return problems

    def _settled(self, clients: Clients, name: str) -> dict[str, Any]:
        while True:
            try:
                shown: dict[str, Any] = clients.sagemaker.describe_endpoint(EndpointName=name)
            except ClientError:
                return {}
            if shown["EndpointStatus"] in ("InService", "Failed"):
                return shown
            time.sleep(0.02)
