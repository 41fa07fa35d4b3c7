"""How long a training job takes to begin: CreateTrainingJob to the script's first line.

Through boto3, over HTTP, against a real local SageMaker with its durable store; the peer, in the
same run and taking turns with it, is the same script started bare with `subprocess`::

    python benchmarks/training_job_latency.py

The script's first statement takes the time, so what is measured ends inside the job.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import boto3

from benchmarks.peers.machine import machine_and_python
from local_sagemaker import LocalSageMaker

SCRIPT = "import time; print('began', time.time())\n"
ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
GROUP = "/aws/sagemaker/TrainingJobs"
# Issue bar: median of 10 jobs, in seconds.
BAR = 1.0


@dataclass
class Measured:
    """Seconds of one way to start the script, one value per repetition."""

    name: str
    seconds: list[float] = field(default_factory=list)

    def row(self) -> str:
        """Return the table's row."""
        ordered = sorted(self.seconds)
        values = (median(ordered), ordered[0], ordered[-1])
        return f"| {self.name} | " + " | ".join(f"{1000 * value:.0f}" for value in values) + " |"


class Jobs:
    """Starts the script as a plain training job in script mode."""

    def __init__(self) -> None:
        self._sagemaker = boto3.client("sagemaker")
        self._logs = boto3.client("logs")
        s3 = boto3.client("s3")
        self._bucket = "training-job-latency"
        s3.create_bucket(Bucket=self._bucket)
        s3.put_object(Bucket=self._bucket, Key="sourcedir.tar.gz", Body=_archive())
        s3.put_object(Bucket=self._bucket, Key="train/train.csv", Body=b"text,label\n")
        self._count = 0

    def start(self) -> tuple[float, float, float]:
        """Return seconds to the first line, to the answer, and from Create to Completed."""
        self._count += 1
        name = f"latency-{self._count}"
        begun = time.time()
        self._sagemaker.create_training_job(**self._request(name))
        answered = time.time()
        while (job := self._describe(name))["TrainingJobStatus"] == "InProgress":
            time.sleep(0.02)
        if job["TrainingJobStatus"] != "Completed":
            raise SystemExit(f"{name} ended {job['TrainingJobStatus']}: {job['FailureReason']}")
        ended = job["SecondaryStatusTransitions"][-1]["StartTime"].timestamp()
        return self._first_line(name) - begun, answered - begun, ended - begun

    def _describe(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._sagemaker.describe_training_job(TrainingJobName=name)
        return answer

    def _first_line(self, name: str) -> float:
        events = self._logs.filter_log_events(logGroupName=GROUP, logStreamNamePrefix=f"{name}/")
        return float(events["events"][0]["message"].split()[1])

    def _request(self, name: str) -> dict[str, Any]:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self._bucket}/train/"}
        return {
            "TrainingJobName": name,
            "RoleArn": ROLE,
            "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
            "HyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": f"s3://{self._bucket}/sourcedir.tar.gz",
            },
            "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self._bucket}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }


def bare(folder: Path) -> float:
    """Start the script without anything around it; return seconds to its first line."""
    path = folder / "train.py"
    path.write_text(SCRIPT)
    begun = time.time()
    answer = subprocess.run([sys.executable, path], capture_output=True, text=True, check=True)
    return float(answer.stdout.split()[1]) - begun


def measure(count: int, progress: Callable[[str], None]) -> list[Measured]:
    """Return the measurements of all ways, taking turns."""
    rows = [
        Measured("`subprocess`, the same script bare"),
        Measured("**CreateTrainingJob to the script's first line**"),
        Measured("CreateTrainingJob to its answer"),
        Measured("CreateTrainingJob to Completed, model in S3"),
    ]
    with tempfile.TemporaryDirectory() as folder, LocalSageMaker(home=Path(folder, "home")):
        jobs = Jobs()
        # The first request of a client also loads and connects.
        jobs.start()
        for number in range(count):
            progress(f"job {number + 1} of {count}")
            rows[0].seconds.append(bare(Path(folder)))
            for row, seconds in zip(rows[1:], jobs.start(), strict=True):
                row.seconds.append(seconds)
    return rows


def _archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("train.py")
        member.size = len(SCRIPT)
        tar.addfile(member, io.BytesIO(SCRIPT.encode()))
    return buffer.getvalue()


def main() -> int:
    """Measure, print a table; 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10, help="how many (default: 10)")
    options = parser.parse_args()
    rows = measure(options.jobs, lambda text: print(text, file=sys.stderr))
    print(f"{machine_and_python()}; {options.jobs} jobs, ms")
    print("\n| | median | best | worst |\n| --- | --- | --- | --- |")
    for row in rows:
        print(row.row())
    reached = median(rows[1].seconds) < BAR
    print(f"\nBar: median under {BAR:.0f} s: {'reached' if reached else 'missed'}.")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
