"""Latency and processor time of a model behind a real endpoint of the local SageMaker.

Numbers of labels take turns, so that what else the machine does meets all alike. This module must
not know what kind of model is deployed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.peers.processes import cpu_seconds, memory_mb
from local_sagemaker import LocalSageMaker, archives

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
NAME = "zero-shot"
# One worker of one thread: the figure of one core.
ENVIRONMENT = {
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
PATIENCE = 900


@dataclass(frozen=True)
class Level:
    """One number of labels.

    Attributes
    ----------
    labels, requests : int
        Labels of each request, and how many requests were measured.
    new_labels_ms : float
        The first request with these labels.
    p50_ms, p95_ms, cpu_ms : float
        Per request after that: time by boto3, and processor time of the server and its worker.
    """

    labels: int
    requests: int
    new_labels_ms: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Dialect:
    """How a text and labels are sent, and whether an answer is one about these labels."""

    request: Callable[[str, Sequence[str]], dict[str, Any]]
    answers: Callable[[Any, Sequence[str]], bool]


JUMPSTART = Dialect(
    lambda text, labels: {"sequences": text, "candidate_labels": list(labels)},
    lambda answer, labels: sorted(answer["labels"]) == sorted(labels),
)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint in service."""

    runtime: Any
    pid: int
    dialect: Dialect

    def ask(self, text: str, labels: Sequence[str]) -> float:
        """Send one request; return the milliseconds it took."""
        body = json.dumps(self.dialect.request(text, labels))
        began = time.perf_counter()
        response = self.runtime.invoke_endpoint(
            EndpointName=NAME, ContentType="application/json", Body=body
        )
        answer = json.loads(response["Body"].read())
        took = 1000 * (time.perf_counter() - began)
        if not self.dialect.answers(answer, labels):
            raise SystemExit(f"The endpoint answered {answer!r}")
        return took

    def levels(
        self, texts: Sequence[str], labels: Sequence[str], requests: dict[int, int], rounds: int
    ) -> list[Level]:
        """Measure each number of labels with so many requests, in rounds that take turns."""
        new = {count: self.ask(texts[0], labels[:count]) for count in requests}
        times: dict[int, list[float]] = {count: [] for count in requests}
        cpu = dict.fromkeys(requests, 0.0)
        for number in range(rounds):
            print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            for count, wanted in requests.items():
                before = cpu_seconds(self.pid)
                for turn in range(max(1, wanted // rounds)):
                    text = texts[(number * wanted + turn) % len(texts)]
                    times[count].append(self.ask(text, labels[:count]))
                cpu[count] += cpu_seconds(self.pid) - before
        return [
            Level(
                count,
                len(found),
                new[count],
                sorted(found)[len(found) // 2],
                sorted(found)[int(len(found) * 0.95)],
                1000 * cpu[count] / len(found),
            )
            for count, found in times.items()
        ]

    def memory_mb(self) -> float:
        """Return the memory of the server and its worker."""
        return memory_mb(self.pid)


@contextmanager
def deployed(folder: Path, scratch: Path, dialect: Dialect = JUMPSTART) -> Iterator[Endpoint]:
    """Serve a model folder by an endpoint of a local SageMaker of its own."""
    archive = scratch / "model.tar.gz"
    archives.create(folder, archive)
    with LocalSageMaker(home=scratch / "home") as local:
        s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
        s3.create_bucket(Bucket=NAME)
        s3.upload_file(str(archive), NAME, "model.tar.gz")
        archive.unlink()
        sagemaker.create_model(
            ModelName=NAME,
            PrimaryContainer={
                "Image": "none",
                "ModelDataUrl": f"s3://{NAME}/model.tar.gz",
                "Environment": ENVIRONMENT,
            },
            ExecutionRoleArn=ROLE,
        )
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": NAME,
            "InitialInstanceCount": 1,
            "InstanceType": "ml.m5.xlarge",
            "ContainerStartupHealthCheckTimeoutInSeconds": 600,
        }
        sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
        until = time.monotonic() + PATIENCE
        while (found := sagemaker.describe_endpoint(EndpointName=NAME))[
            "EndpointStatus"
        ] == "Creating" and time.monotonic() < until:
            time.sleep(0.2)
        if found["EndpointStatus"] != "InService":
            raise SystemExit(f"The endpoint is {found['EndpointStatus']}: {found}")
        config = Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE)
        runtime = boto3.client("sagemaker-runtime", config=config)
        yield Endpoint(runtime, local.status()["pid"], dialect)
