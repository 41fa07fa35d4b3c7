"""Processes of the server that are killed or stopped at will: nothing is lost, nothing is left."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.credentials import Credentials

from benchmarks.killing.runaways import RUNAWAYS
from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home
from tests.local_sagemaker.core_support import client_of, refused
from tests.local_sagemaker.endpoint_support import Deployer, answering
from tests.local_sagemaker.training_support import Jobs

pytestmark = pytest.mark.slow


def server_of(local: LocalSageMaker) -> psutil.Process:
    info = Home(local.home).server()
    assert info is not None
    return psutil.Process(info.pid)


def running(jobs: Jobs) -> tuple[str, list[psutil.Process]]:
    """Start a job with runaways; return it, its supervisor and all of its processes."""
    name = jobs.script(RUNAWAYS)
    jobs.wait_for_line(name, "pids")
    line = next(line for line in jobs.lines(name) if line.startswith("pids"))
    return name, [psutil.Process(int(pid)) for pid in line.split()[1:]]


def test_a_ledger_is_true_after_each_kill(repository: Path) -> None:
    """The benchmark with one kill of each kind; it kills fifty times by itself."""
    script = repository / "benchmarks" / "killed_server.py"
    kills = os.environ.get("KILLS", "5")
    done = subprocess.run(
        [sys.executable, str(script), "--kills", kills, "--seed", "3"],
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Problems: 0" in done.stdout


def test_a_killed_supervisor_takes_even_a_hidden_daemon_along(local: LocalSageMaker) -> None:
    jobs = Jobs(local)
    bystander, others = running(jobs)
    name, processes = running(jobs)
    processes[0].kill()
    assert "its supervisor died" in jobs.failed(name)
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive
    # What has its supervisor is nobody's orphan.
    assert all(process.is_running() for process in others)
    jobs.sagemaker.stop_training_job(TrainingJobName=bystander)
    jobs.wait(bystander)
    _, alive = psutil.wait_procs(others, timeout=30)
    assert not alive


def test_an_endpoint_outlives_the_supervisor_of_its_process(deployer: Deployer) -> None:
    name = deployer.deploy(answering("here"))
    (process,) = deployer.processes()
    supervisor = process.parent()
    assert supervisor is not None
    supervisor.kill()
    process.wait(30)
    while deployer.processes() in ([], [process]):
        time.sleep(0.02)
    assert deployer.invoke(name)["Body"] == "here"


def test_server_and_supervisor_killed_together(fresh: LocalSageMaker) -> None:
    """Only the marker is left to find the rest by: the next start ends them."""
    jobs = Jobs(fresh)
    name, processes = running(jobs)
    server = server_of(fresh)
    hidden = processes.pop()
    os.kill(server.pid, signal.SIGKILL)
    processes[0].kill()
    server.wait()
    fresh.start()
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive
    assert Jobs(fresh).describe(name)["TrainingJobStatus"] == "Failed"
    # Whoever leaves its session and its environment, with nobody alive to be its parent, is the
    # one who gets away; the manual says so. The supervisor may have ended it before it was killed.
    with suppress(psutil.NoSuchProcess):
        hidden.kill()


def test_keys_of_containers_that_a_kill_ended_are_worth_nothing(fresh: LocalSageMaker) -> None:
    code = """
        import os
        def model_fn(d): pass
        def transform_fn(m, d, c, a):
            names = ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
            return ",".join(os.environ[f"AWS_{name}"] for name in names), a
    """
    deployer = Deployer(fresh)
    name = deployer.deploy(code)
    key = Credentials(*deployer.invoke(name)["Body"].split(","))
    client_of("sts", key).get_caller_identity()
    server = server_of(fresh)
    server.kill()
    server.wait()
    fresh.start()
    refused(client_of("sts", key).get_caller_identity, "InvalidClientTokenId", 403)
    assert deployer.settled(name)["EndpointStatus"] == "InService"
    new = Credentials(*deployer.invoke(name)["Body"].split(","))
    client_of("sts", new).get_caller_identity()
    deployer.delete(name)
    refused(client_of("sts", new).get_caller_identity, "InvalidClientTokenId", 403)


def test_a_server_that_was_stopped_for_a_while_goes_on(fresh: LocalSageMaker) -> None:
    jobs = Jobs(fresh)
    script = "import time\nfor i in range(60): print('line', i, flush=True); time.sleep(0.05)"
    name = jobs.script(script)
    jobs.wait_for_line(name, "line 1")
    server = server_of(fresh)
    server.suspend()
    answers: list[str] = []

    def ask() -> None:
        answers.append(boto3.client("sts").get_caller_identity()["Account"])

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(2)
    assert asking.is_alive()
    server.resume()
    asking.join()
    assert answers == ["111122223333"]
    jobs.completed(name)
    assert jobs.lines(name) == [f"line {number}" for number in range(60)]


def test_a_server_that_does_not_move_can_be_stopped(fresh: LocalSageMaker) -> None:
    server_of(fresh).suspend()
    home = Home(fresh.home)
    assert home.running()
    fresh.close()
    assert not home.running()
