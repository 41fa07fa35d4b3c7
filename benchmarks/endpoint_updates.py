"""What an update and a crash cost an endpoint's clients.

Several connections ask an endpoint steadily while it is updated again and again, and failed
requests are counted; the peer is the other way to get a new model out, DeleteEndpoint followed by
CreateEndpoint. Then the process of a model that loads slowly dies, with and without another one
in reserve, and the time to the next answer is taken::

    python benchmarks/endpoint_updates.py
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.peers.machine import machine_and_python
from local_sagemaker import LocalSageMaker

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
BUCKET = "endpoint-updates"
# The seconds after a death within which the endpoint must answer again.
BAR = 2.0
ANSWERS = "def model_fn(d): pass\ndef transform_fn(m, d, c, a): return {text!r}"
# Loading costs processor time, as unpacking and importing a real model does.
SLOW = """
import os, time
def model_fn(model_dir):
    end = time.process_time() + {seconds}
    while time.process_time() < end:
        sum(range(10_000))
def transform_fn(model, data, content_type, accept):
    if data == b"die":
        os._exit(1)
    return "fine"
"""


class Endpoint:
    """An endpoint and its clients."""

    def __init__(self, name: str) -> None:
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
        self.name = name
        self.sagemaker: Any = boto3.client("sagemaker", config=config)
        self.runtime: Any = boto3.client("sagemaker-runtime", config=config)

    def config(self, number: int, code: str) -> str:
        """Create a model and a configuration; return the configuration's name."""
        name = f"{self.name}-{number}"
        key = f"{name}.tar.gz"
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=_archive(code))
        self.sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"Image": "none", "ModelDataUrl": f"s3://{BUCKET}/{key}"},
            ExecutionRoleArn=ROLE,
        )
        variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialInstanceCount": 1}
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[{**variant, "InstanceType": "ml.m5.xlarge"}],
        )
        return name

    def create(self, config: str) -> None:
        """Create the endpoint and wait for it."""
        self.sagemaker.create_endpoint(EndpointName=self.name, EndpointConfigName=config)
        self._settle()

    def update(self, config: str) -> None:
        """Update the endpoint and wait for it."""
        self.sagemaker.update_endpoint(EndpointName=self.name, EndpointConfigName=config)
        self._settle()

    def replace(self, config: str) -> None:
        """Delete the endpoint and create it anew: the peer."""
        self.sagemaker.delete_endpoint(EndpointName=self.name)
        try:
            while True:
                self.sagemaker.describe_endpoint(EndpointName=self.name)
                time.sleep(0.01)
        except ClientError:
            self.create(config)

    def ask(self, body: bytes = b"hello") -> bytes:
        """Invoke it once."""
        answer = self.runtime.invoke_endpoint(EndpointName=self.name, Body=body)
        content: bytes = answer["Body"].read()
        return content

    def _settle(self) -> None:
        while True:
            found = self.sagemaker.describe_endpoint(EndpointName=self.name)
            if found["EndpointStatus"] == "InService":
                return
            if found["EndpointStatus"] == "Failed":
                raise SystemExit(found["FailureReason"])
            time.sleep(0.01)


def _archive(code: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(code)
        tar.addfile(member, io.BytesIO(code.encode()))
    return buffer.getvalue()


def under_load(endpoint: Endpoint, connections: int, act: Callable[[], None]) -> tuple[int, int]:
    """Return how many requests were answered, and how many failed, while something is done."""
    done = threading.Event()
    counts = [[0, 0] for _ in range(connections)]

    def work(mine: list[int]) -> None:
        while not done.is_set():
            try:
                endpoint.ask()
                mine[0] += 1
            except ClientError:
                mine[1] += 1

    threads = [threading.Thread(target=work, args=(mine,)) for mine in counts]
    for thread in threads:
        thread.start()
    act()
    done.set()
    for thread in threads:
        thread.join()
    return sum(mine[0] for mine in counts), sum(mine[1] for mine in counts)


def swaps(updates: int, connections: int) -> int:
    """Count the failures of both ways; return those of UpdateEndpoint."""
    print(f"{updates} new generations under {connections} connections:\n")
    print("| way | answered | failed |\n| --- | ---: | ---: |")
    failures = []
    for way in ("update", "replace"):
        endpoint = Endpoint(f"swap-{way}")
        configs = [endpoint.config(n, ANSWERS.format(text=str(n))) for n in range(updates + 1)]
        endpoint.create(configs[0])

        def act(endpoint: Endpoint = endpoint, way: str = way, later: Any = configs[1:]) -> None:
            for config in later:
                getattr(endpoint, way)(config)

        answered, failed = under_load(endpoint, connections, act)
        label = "UpdateEndpoint" if way == "update" else "DeleteEndpoint, CreateEndpoint"
        print(f"| {label} | {answered} | {failed} |")
        failures.append(failed)
    return failures[0]


def crashes(seconds: float) -> float:
    """Print how soon an endpoint answers after its process died; return it with a reserve."""
    print(f"\nThe process of a model that takes {seconds:g} s to load dies:\n")
    print("| | error after, s | next answer after, s |\n| --- | ---: | ---: |")
    endpoint = Endpoint("crash")
    endpoint.create(endpoint.config(0, SLOW.format(seconds=seconds)))
    _crash(endpoint, "none in reserve yet")
    _wait_for_reserve(endpoint)
    return _crash(endpoint, "one in reserve")


def _crash(endpoint: Endpoint, label: str) -> float:
    began = time.perf_counter()
    try:
        endpoint.ask(b"die")
    except ClientError:
        told = time.perf_counter() - began
    endpoint.ask()
    answered = time.perf_counter() - began
    print(f"| {label} | {told:.2f} | {answered:.2f} |")
    return answered


def _wait_for_reserve(endpoint: Endpoint) -> None:
    logs: Any = boto3.client("logs")
    group = f"/aws/sagemaker/Endpoints/{endpoint.name}"
    while not logs.filter_log_events(logGroupName=group, filterPattern='"held in reserve"')[
        "events"
    ]:
        time.sleep(0.1)


def main() -> int:
    """Run everything, print the tables; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--load-seconds", type=float, default=4.0, help="of the slow model")
    options = parser.parse_args()
    print("updates, then crashes: about a minute", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder, LocalSageMaker(home=Path(folder) / "home"):
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        print(f"{machine_and_python()}\n")
        failed = swaps(options.updates, options.connections)
        after = crashes(options.load_seconds)
    print(f"\nBars: no failed request in updates; an answer within {BAR:g} s of a death.")
    return 0 if not failed and after < BAR else 1


if __name__ == "__main__":
    sys.exit(main())
