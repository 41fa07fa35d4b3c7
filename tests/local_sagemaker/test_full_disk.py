"""A disk that fills up while jobs run and endpoints serve: nobody waits for ever."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest

from local_sagemaker import LocalSageMaker, daemon
from local_sagemaker.home import Home
from local_sagemaker.request_log.reader import last_lines
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.pipeline_support import Pipelines
from tests.local_sagemaker.training_support import GROUP, Jobs

pytestmark = pytest.mark.slow


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 40 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(mount)]
    mounted = sys.platform == "linux" and os.geteuid() == 0
    if not mounted or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root on Linux can mount the small file system that this needs")
    try:
        yield mount
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(path: Path) -> None:
    """Take what is left of a disk."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def commands() -> list[list[str]]:
    """Return the command lines of this user's processes."""
    return [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]


def test_a_job_whose_log_fills_the_disk_fails_and_the_server_goes_on(disk: Path) -> None:
    with LocalSageMaker(home=disk / "home") as local:
        jobs, deployer = Jobs(local), Deployer(local)
        name = deployer.deploy()
        reason = jobs.failed(
            jobs.command("sh", "-c", "yes $(printf '%01000d' 7) | head -c 80000000")
        )
        assert "No space left on device" in reason
        # What the log did not get is enough to go on with.
        assert deployer.invoke(name, "still here")["Body"].endswith("bytearray(b'still here')")
        deployer.delete(name)
        jobs.logs.delete_log_group(logGroupName=GROUP)
        jobs.completed(jobs.command("echo", "room again"))


def test_how_a_job_and_an_endpoint_ended_is_written_down_once_there_is_room(
    disk: Path, tmp_path: Path
) -> None:
    with LocalSageMaker(home=disk / "home") as local:
        jobs, deployer = Jobs(local), Deployer(local)
        gate = tmp_path / "gate"
        wait = f"while [ ! -e {gate} ]; do sleep 0.05; done"
        job = jobs.command("sh", "-c", wait)
        jobs.wait_for(job, lambda answer: answer["SecondaryStatus"] == "Training")
        slow = f"import os, time\ndef model_fn(d):\n    while not os.path.exists({str(gate)!r}):"
        endpoint = deployer.create(
            deployer.config({"ModelName": deployer.model(slow + " time.sleep(0.05)\n")})
        )
        fill(disk / "ballast")
        gate.touch()
        while any(str(gate) in " ".join(each) for each in commands()):
            time.sleep(0.02)
        # The server tries at once, and then again every second.
        time.sleep(1)
        assert jobs.describe(job)["TrainingJobStatus"] == "InProgress"
        assert deployer.describe(endpoint)["EndpointStatus"] == "Creating"
        (disk / "ballast").unlink()
        jobs.wait(job)
        assert deployer.settled(endpoint)["EndpointStatus"] == "InService"


@pytest.mark.parametrize("left", [0, 4096, 20_480])
def test_a_start_without_room_says_so(disk: Path, left: int) -> None:
    filling = disk / "filling"
    fill(filling)
    os.truncate(filling, filling.stat().st_size - left)
    command = [sys.executable, "-m", "local_sagemaker", "start", "--home", str(disk / "home")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert re.match(
        rf"local_sagemaker: cannot (write to|open the state in) {disk}/home.*"
        r"(No space left on device|disk).*(Free some space|the disk is not full)",
        done.stderr,
    )
    assert not Home(disk / "home").running()
    filling.unlink()
    assert daemon.start(Home(disk / "home")).fresh
    daemon.stop(Home(disk / "home"))


def test_requests_are_answered_though_they_cannot_be_logged(disk: Path) -> None:
    with LocalSageMaker(disk / "home") as local:
        client = boto3.client("sagemaker")
        fill(disk / "filling")
        for _ in range(3):
            assert "Models" in client.list_models()
            # Longer than the log waits for more to write.
            time.sleep(0.2)
        (disk / "filling").unlink()
        last = client.list_models()["ResponseMetadata"]["RequestId"]
        while not last_lines(local.home, None, lambda line: line["request_id"] == last):
            time.sleep(0.05)


def test_an_execution_that_a_full_disk_interrupts_ends(disk: Path) -> None:
    with LocalSageMaker(home=disk / "home") as local:
        pipelines = Pipelines(local)
        steps = [
            pipelines.training("First", "sleep", "1"),
            pipelines.training("Second", DependsOn=["First"]),
        ]
        arn = pipelines.start(pipelines.create(steps))
        pipelines.jobs.wait(pipelines.job(arn, "First"), "InProgress")
        fill(disk / "filler")
        time.sleep(4)
        (disk / "filler").unlink()
        assert pipelines.status(arn) in ("Succeeded", "Failed")
        for step in pipelines.steps(arn).values():
            assert step["StepStatus"] in ("Succeeded", "Failed")
        assert pipelines.status(pipelines.start(arn.split("/")[1])) == "Succeeded"
