"""Ending training jobs early: by request, by the clock, by the server's own end."""

import os
import signal
import textwrap
import time
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.containers.process import MARKER
from local_sagemaker.home import Home
from tests.local_sagemaker.training_support import Jobs

SAVES_WHEN_STOPPED = textwrap.dedent("""
    import os, pathlib, signal, sys, time

    def stop(*_):
        pathlib.Path(os.environ["SM_MODEL_DIR"], "partial.txt").write_text("saved")
        sys.exit(1)

    signal.signal(signal.SIGTERM, stop)
    print("ready")
    time.sleep(600)
""")
HOLDS_ON = textwrap.dedent("""
    import os, signal, subprocess, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print("pids", os.getpid(), child.pid, os.getppid())
    time.sleep(600)
""")


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


def states(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]


def pids(jobs: Jobs, name: str) -> list[int]:
    jobs.wait_for_line(name, "pids")
    return [int(pid) for pid in jobs.lines(name)[0].split()[1:]]


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + 60
    while any(map(alive, processes)):
        assert time.monotonic() < deadline, f"still there: {list(filter(alive, processes))}"
        time.sleep(0.02)


def test_a_stopped_job_keeps_what_it_saved(jobs: Jobs) -> None:
    name = jobs.script(SAVES_WHEN_STOPPED)
    jobs.wait_for_line(name, "ready")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert jobs.describe(name)["TrainingJobStatus"] in ("Stopping", "Stopped")
    job = jobs.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert states(job) == ["Starting", "Downloading", "Training", "Stopping", "Stopped"]
    assert jobs.results(name) == {"partial.txt": "saved"}
    assert "FailureReason" not in job
    assert job["TrainingEndTime"] >= job["TrainingStartTime"]


def test_stopping_twice_is_no_error(jobs: Jobs) -> None:
    code = SAVES_WHEN_STOPPED.replace("def stop(*_):", "def stop(*_):\n    time.sleep(0.5)")
    name = jobs.script(code)
    jobs.wait_for_line(name, "ready")
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert states(jobs.wait(name, "Stopped"))[-2:] == ["Stopping", "Stopped"]
    assert jobs.results(name) == {"partial.txt": "saved"}


def test_stopping_a_job_that_has_ended_is_refused(jobs: Jobs) -> None:
    name = jobs.command("true")
    jobs.completed(name)
    with pytest.raises(ClientError) as caught:
        jobs.sagemaker.stop_training_job(TrainingJobName=name)
    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "The request was rejected because the training job is in status Completed.",
    }
    with pytest.raises(ClientError) as caught:
        jobs.sagemaker.stop_training_job(TrainingJobName="never-was")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_job_may_be_stopped_at_any_moment(jobs: Jobs) -> None:
    for pause in (0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12):
        name = jobs.command("sleep", "600")
        time.sleep(pause)
        jobs.sagemaker.stop_training_job(TrainingJobName=name)
        job = jobs.wait(name)
        assert job["TrainingJobStatus"] == "Stopped"
        assert states(job)[-2:] == ["Stopping", "Stopped"]


def test_a_job_that_runs_too_long_is_stopped_and_keeps_its_model(jobs: Jobs) -> None:
    name = jobs.script(SAVES_WHEN_STOPPED, StoppingCondition={"MaxRuntimeInSeconds": 1})
    job = jobs.wait(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert states(job)[-2:] == ["Uploading", "MaxRuntimeExceeded"]
    assert jobs.results(name) == {"partial.txt": "saved"}
    assert job["TrainingTimeInSeconds"] >= 1


def test_jobs_beyond_the_limit_wait_in_order_and_can_be_stopped(fresh: LocalSageMaker) -> None:
    jobs = Jobs(fresh)
    running = [jobs.command("sleep", "600") for _ in range(os.cpu_count() or 1)]
    first, second, third = (jobs.script("print('ran')") for _ in range(3))
    for name in running:
        assert jobs.wait_for(name, lambda job: job["SecondaryStatus"] == "Training")
    waiting = jobs.describe(second)
    assert (waiting["TrainingJobStatus"], waiting["SecondaryStatus"]) == ("InProgress", "Pending")
    assert "run at once" in waiting["SecondaryStatusTransitions"][-1]["StatusMessage"]
    jobs.sagemaker.stop_training_job(TrainingJobName=second)
    stopped = jobs.describe(second)
    assert stopped["TrainingJobStatus"] == "Stopped"
    assert states(stopped) == ["Starting", "Pending", "Stopping", "Stopped"]
    assert "TrainingStartTime" not in stopped
    jobs.sagemaker.stop_training_job(TrainingJobName=running[0])
    begun = [jobs.completed(name)["TrainingStartTime"] for name in (first, third)]
    assert begun == sorted(begun)
    assert states(jobs.describe(first))[:3] == ["Starting", "Pending", "Downloading"]


def test_nothing_of_a_job_outlives_it(jobs: Jobs) -> None:
    code = """
        import subprocess
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        print("pids", child.pid)
    """
    name = jobs.script(textwrap.dedent(code))
    jobs.completed(name)
    wait_until_gone([int(jobs.lines(name)[0].split()[1])])


@pytest.mark.slow
def test_stopping_the_server_ends_its_jobs(fresh: LocalSageMaker) -> None:
    jobs = Jobs(fresh)
    running = jobs.script(HOLDS_ON)
    processes = pids(jobs, running)
    waiting = [jobs.command("sleep", "600") for _ in range(os.cpu_count() or 1)]
    home = fresh.home
    fresh.close()
    wait_until_gone(processes)
    with LocalSageMaker(home=home) as again:
        jobs.sagemaker = boto3.client("sagemaker", endpoint_url=again.url)
        for name in (running, *waiting):
            assert jobs.failed(name) == (
                "InternalServerError: the local SageMaker was stopped while this job ran"
            )
        jobs.logs = boto3.client("logs", endpoint_url=again.url)
        assert jobs.lines(running)[0].startswith("pids")


@pytest.mark.slow
def test_a_killed_server_leaves_no_process_and_tells_what_happened(fresh: LocalSageMaker) -> None:
    jobs = Jobs(fresh)
    done = jobs.script("import os; open(os.environ['SM_MODEL_DIR'] + '/kept', 'w').write('kept')")
    jobs.completed(done)
    running = jobs.script(HOLDS_ON)
    processes = pids(jobs, running)
    folder = Path(marker(processes[0]))
    assert folder.is_dir()
    info = Home(fresh.home).server()
    assert info is not None
    os.kill(info.pid, signal.SIGKILL)
    wait_until_gone([info.pid, *processes])
    with LocalSageMaker(home=fresh.home) as again:
        jobs.sagemaker = boto3.client("sagemaker", endpoint_url=again.url)
        jobs.s3 = boto3.client("s3", endpoint_url=again.url)
        assert jobs.failed(running) == (
            "InternalServerError: the local SageMaker was stopped while this job ran"
        )
        assert "EndTime" in jobs.describe(running)["SecondaryStatusTransitions"][-1]
        assert jobs.completed(done)
        assert jobs.results(done) == {"kept": "kept"}
        assert not folder.exists()
        jobs.completed(jobs.command("true"))


@pytest.mark.slow
def test_orphans_of_a_killed_server_and_supervisor_end_with_the_next_start(
    fresh: LocalSageMaker,
) -> None:
    jobs = Jobs(fresh)
    running = jobs.script(HOLDS_ON)
    job, child, supervisor = pids(jobs, running)
    info = Home(fresh.home).server()
    assert info is not None
    os.kill(info.pid, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    os.kill(info.pid, signal.SIGKILL)
    wait_until_gone([info.pid, supervisor])
    assert alive(job)
    assert alive(child)
    with LocalSageMaker(home=fresh.home) as again:
        jobs.sagemaker = boto3.client("sagemaker", endpoint_url=again.url)
        wait_until_gone([job, child])
        assert "was stopped while this job ran" in jobs.failed(running)


def marker(pid: int) -> str:
    return psutil.Process(pid).environ()[MARKER]
