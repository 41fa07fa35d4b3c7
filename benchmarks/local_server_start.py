"""How fast the local SageMaker is ready, what it weighs idle, and what one call costs.

The peer, in the same run and taking turns with it, is moto's own server, which answers the same
calls from memory, without signatures, durability or execution::

    python benchmarks/local_server_start.py
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import boto3
import psutil
from botocore.exceptions import BotoCoreError

from benchmarks.peers.machine import machine_and_python
from local_sagemaker import daemon
from local_sagemaker.home import Home

# The bars: seconds until ready, and megabytes when idle.
BAR_SECONDS = 2.0
BAR_MEGABYTES = 200.0
EXPERIMENT = {"ExperimentName": "benchmark"}


@dataclass
class Measured:
    """One server's figures, a value per repetition.

    Attributes
    ----------
    name
        What the table calls it.
    start
        Seconds from asking for it until a client is answered.
    memory
        Resident megabytes of the whole server after one control-plane call.
    read, write
        Seconds of one DescribeExperiment and one AddTags through boto3.
    """

    name: str
    start: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    write: list[float] = field(default_factory=list)

    def row(self) -> str:
        """Return the table's row."""
        return (
            f"| {self.name} | {median(self.start):.2f} | {max(self.start):.2f} | "
            f"{median(self.memory):.0f} | {1000 * median(self.read):.2f} | "
            f"{1000 * median(self.write):.2f} |"
        )


@contextlib.contextmanager
def local_sagemaker(folder: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Run the local SageMaker; give its process and how a client reaches it."""
    home = Home(folder / "home")
    info = daemon.start(home).info
    try:
        yield info.pid, home.environment(info.url)
    finally:
        daemon.stop(home)


@contextlib.contextmanager
def moto(_: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Run moto's server; give its process and how a client reaches it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield (
                process.pid,
                {
                    "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                    "AWS_ACCESS_KEY_ID": "benchmark",
                    "AWS_SECRET_ACCESS_KEY": "benchmark",
                    "AWS_DEFAULT_REGION": "us-east-1",
                },
            )
        finally:
            process.terminate()


def client_of(environment: dict[str, str]) -> Any:
    """Return a client that goes where an environment points."""
    return boto3.Session().client(
        "sagemaker",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        region_name=environment["AWS_DEFAULT_REGION"],
    )


def measure(measured: Measured, server: Any, calls: int) -> None:
    """Start a server once, and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with server(Path(folder)) as (pid, environment):
            while True:
                client = client_of(environment)
                with contextlib.suppress(BotoCoreError):
                    client.list_experiments()
                    break
            measured.start.append(time.perf_counter() - began)
            process = psutil.Process(pid)
            tags = [{"Key": "stage", "Value": "benchmark"}]
            arn = client.create_experiment(**EXPERIMENT)["ExperimentArn"]
            everyone = [process, *process.children(recursive=True)]
            measured.memory.append(sum(one.memory_info().rss for one in everyone) / 1e6)
            for _ in range(calls):
                measured.read.append(timed(lambda: client.describe_experiment(**EXPERIMENT)))
            for _ in range(calls // 10):
                measured.write.append(timed(lambda: client.add_tags(ResourceArn=arn, Tags=tags)))


def timed(call: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def main() -> int:
    """Measure, print a table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=5, help="how many of each (default: 5)")
    parser.add_argument("--calls", type=int, default=300, help="reads per start (default: 300)")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTOCORE_"))]:
        del os.environ[name]
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    ours, peer = Measured("local_sagemaker"), Measured("moto server")
    for number in range(options.starts):
        print(f"start {number + 1} of {options.starts}", file=sys.stderr)
        measure(ours, local_sagemaker, options.calls)
        measure(peer, moto, options.calls)
    print(f"{machine_and_python()}; {options.starts} starts each")
    print(
        "\n| | ready, s (median) | ready, s (worst) | idle, MB | DescribeExperiment, ms | "
        "AddTags, ms |\n| --- | --- | --- | --- | --- | --- |"
    )
    for row in (ours, peer):
        print(row.row())
    reached = max(ours.start) < BAR_SECONDS and max(ours.memory) < BAR_MEGABYTES
    print(
        f"\nBar: ready under {BAR_SECONDS:.0f} s and under {BAR_MEGABYTES:.0f} MB idle: "
        f"{'reached' if reached else 'missed'}."
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
