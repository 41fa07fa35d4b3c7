"""What InvokeEndpoint costs: boto3 through the local SageMaker against a direct POST.

A trivial model is deployed, and the same request is sent to the same process in two ways that take
turns: by `boto3.client("sagemaker-runtime").invoke_endpoint`, signed, checked and forwarded, and by
the peer, a direct POST over the process's Unix socket::

    python benchmarks/invoke_endpoint.py

Then both are asked by several connections at once, and errors are counted.
"""

from __future__ import annotations

import argparse
import http.client
import io
import socket
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from benchmarks.peers.machine import machine_and_python
from local_sagemaker import LocalSageMaker
from local_sagemaker.settings import default_run_dir

SCRIPT = """
def model_fn(model_dir): return "a model"
def transform_fn(model, data, content_type, accept): return '{"label":"card_arrival"}', accept
"""
ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
BODY = b'{"inputs":"My card has still not arrived"}'
ANSWER = b'{"label":"card_arrival"}'
NAME = "invoke-endpoint"
# Issue bar: milliseconds that the median of boto3 may lie over that of a direct POST.
BAR = 4.0
TURN = 50


@dataclass
class Measured:
    """Seconds per request of one way to ask."""

    name: str
    seconds: list[float] = field(default_factory=list)

    def milliseconds(self, share: float) -> float:
        """Return a quantile."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def row(self) -> str:
        """Return the table's row."""
        rate = len(self.seconds) / sum(self.seconds)
        cells = [f"{self.milliseconds(share):.2f}" for share in (0.5, 0.95, 0.99)]
        return f"| {self.name} | {' | '.join(cells)} | {rate:.0f} |"


class Direct(http.client.HTTPConnection):
    """The peer: a connection to the serving process itself."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        """Connect over the Unix socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))

    def ask(self) -> bytes:
        """Send one request."""
        self.request("POST", "/invocations", BODY, {"Content-Type": "application/json"})
        return self.getresponse().read()


def deploy() -> None:
    """Deploy the trivial model and wait until it serves."""
    s3, sagemaker = boto3.client("s3"), boto3.client("sagemaker")
    s3.create_bucket(Bucket=NAME)
    s3.put_object(Bucket=NAME, Key="model.tar.gz", Body=_archive())
    sagemaker.create_model(
        ModelName=NAME,
        PrimaryContainer={"Image": "none", "ModelDataUrl": f"s3://{NAME}/model.tar.gz"},
        ExecutionRoleArn=ROLE,
    )
    variant = {"VariantName": "AllTraffic", "ModelName": NAME, "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName=NAME,
        ProductionVariants=[{**variant, "InstanceType": "ml.m5.xlarge"}],
    )
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    while (found := sagemaker.describe_endpoint(EndpointName=NAME))["EndpointStatus"] == "Creating":
        time.sleep(0.02)
    if found["EndpointStatus"] != "InService":
        raise SystemExit(f"The endpoint is {found['EndpointStatus']}: {found['FailureReason']}")


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(SCRIPT)
        tar.addfile(member, io.BytesIO(SCRIPT.encode()))
    return buffer.getvalue()


def one_connection(ways: list[tuple[Measured, Callable[[], bytes]]], repetitions: int) -> None:
    """Ask in all ways, taking turns, so that what else the machine does meets all alike."""
    for _, ask in ways:
        for _ in range(TURN):
            _check(ask())
    for _ in range(repetitions // TURN):
        for measured, ask in ways:
            for _ in range(TURN):
                began = time.perf_counter()
                answer = ask()
                measured.seconds.append(time.perf_counter() - began)
                _check(answer)


def _check(answer: bytes) -> None:
    if answer != ANSWER:
        raise SystemExit(f"The model answered {answer[:200]!r}")


def several_connections(
    make: Callable[[], Callable[[], bytes]], connections: int, requests: int
) -> tuple[float, int]:
    """Return requests per second and errors of connections that all ask at once."""

    def work(_: int) -> int:
        ask = make()
        errors = 0
        for _ in range(requests // connections):
            try:
                _check(ask())
            except Exception as error:  # noqa: BLE001  (errors are what is counted)
                print(f"error: {error}", file=sys.stderr)
                errors += 1
        return errors

    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        errors = sum(pool.map(work, range(connections)))
    return requests / (time.perf_counter() - began), errors


def main() -> int:
    """Run everything, print the tables; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=2000, help="at each number of connections")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalSageMaker(home=Path(folder) / "home") as local,
    ):
        deploy()
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
        client: Any = boto3.client("sagemaker-runtime", config=config)
        (path,) = default_run_dir(local.home).glob("c/*/*.sock")

        def through_boto3() -> bytes:
            answer = client.invoke_endpoint(
                EndpointName=NAME, ContentType="application/json", Body=BODY
            )
            content: bytes = answer["Body"].read()
            return content

        direct, boto = Measured("direct POST to the process"), Measured("InvokeEndpoint by boto3")
        connection = Direct(path)
        print(f"{options.requests} requests each at 1, 8 and 16 connections", file=sys.stderr)
        one_connection([(direct, connection.ask), (boto, through_boto3)], options.requests)
        over = boto.milliseconds(0.5) - direct.milliseconds(0.5)
        print(f"\n{machine_and_python()}\n")
        print(f"One connection, {len(boto.seconds)} requests each, taking turns:\n")
        print("| way | p50, ms | p95, ms | p99, ms | requests/s |")
        print("| --- | ---: | ---: | ---: | ---: |")
        print(direct.row(), boto.row(), sep="\n")
        print(f"\nInvokeEndpoint takes {over:.2f} ms more (median; bar: under {BAR:.0f} ms).\n")
        print("| connections | direct, requests/s | boto3, requests/s | boto3, errors |")
        print("| ---: | ---: | ---: | ---: |")
        failed = 0
        for connections in (8, 16):
            peer, _ = several_connections(lambda: Direct(path).ask, connections, options.requests)
            rate, errors = several_connections(lambda: through_boto3, connections, options.requests)
            failed += errors
            print(f"| {connections} | {peer:.0f} | {rate:.0f} | {errors} |")
    return 0 if over < BAR and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
