"""Training jobs through SDK v3's own ModelTrainer, unmodified."""

import io
import json
import logging
import re
import tarfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.shapes import MetricDefinition
from sagemaker.core.utils.exceptions import FailedStatusError
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import (
    Compute,
    InputData,
    OutputDataConfig,
    SourceCode,
)

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.training_support import Jobs

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-training:image"

TRAIN = """
    import argparse, json, os, pathlib, sys
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--text")
    arguments = parser.parse_args()
    rows = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "train.csv").read_text()
    print("hyperparameters", json.dumps(vars(arguments)))
    print("rows", rows)
    print("loss=0.25;")
    model = pathlib.Path(os.environ["SM_MODEL_DIR"])
    (model / "model.json").write_text(json.dumps(vars(arguments)))
    (model / "seen.txt").write_text("/opt/ml/model")
"""


@pytest.fixture
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


@pytest.fixture
def trainer(local: LocalSageMaker, jobs: Jobs, tmp_path: Path) -> Callable[..., ModelTrainer]:
    """Return a maker of trainers; ``files`` are those of the source directory."""

    def make(files: dict[str, str], /, **parameters: Any) -> ModelTrainer:
        source = tmp_path / "source"
        source.mkdir()
        for name, text in files.items():
            (source / name).write_text(textwrap.dedent(text))
        code = {"source_dir": str(source), "entry_script": "train.py"}
        code |= parameters.pop("source_code", {})
        return ModelTrainer(
            sagemaker_session=Session(boto3.Session()),
            training_image=IMAGE,
            base_job_name="sdk",
            source_code=SourceCode(**code),
            compute=Compute(instance_type="ml.m5.xlarge", instance_count=1),
            output_data_config=OutputDataConfig(s3_output_path=f"s3://{jobs.bucket}/out"),
            **parameters,
        )

    assert local.url
    return make


def name_of(trainer: ModelTrainer) -> str:
    return str(trainer._latest_training_job.training_job_name)


def test_a_model_trainer_trains(
    trainer: Callable[..., ModelTrainer],
    jobs: Jobs,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "train.csv").write_text("text,label")
    made = trainer(
        {"train.py": TRAIN, "requirements.txt": "boto3>=1\nnumpy<1\n"},
        source_code={"requirements": "requirements.txt"},
        hyperparameters={"epochs": 3, "text": "two words"},
        environment={"WORKSHOP": "yes"},
    ).with_metric_definitions([MetricDefinition(name="loss", regex="loss=([0-9.]+);")])
    train = InputData(channel_name="train", data_source=str(tmp_path / "train.csv"))
    with caplog.at_level(logging.INFO):
        made.train(input_data_config=[train], wait=True, logs=True)
    name = name_of(made)
    job = jobs.completed(name)
    assert job["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert job["Environment"]["WORKSHOP"] == "yes"
    assert {m["MetricName"]: m["Value"] for m in job["FinalMetricDataList"]} == {"loss": 0.25}
    results = jobs.results_at(job["ModelArtifacts"]["S3ModelArtifacts"])
    assert json.loads(results["model.json"]) == {"epochs": 3, "text": "two words"}
    assert results["seen.txt"] == "/opt/ml/model", "the user's code was left alone"
    lines = jobs.lines(name)
    assert 'hyperparameters {"epochs": 3, "text": "two words"}' in lines
    assert any(re.match(r"WARNING: requirements.txt asks for numpy<1; \d", line) for line in lines)
    assert not any("Successfully installed" in line for line in lines)
    secret = re.compile(r"AWS_(SECRET|SESSION|ACCESS)\w*=(?!\*{6}$)")
    assert [line for line in lines if secret.match(line)] == []


@pytest.mark.slow
def test_a_failing_script_is_the_reason_not_the_driver(
    trainer: Callable[..., ModelTrainer], jobs: Jobs
) -> None:
    made = trainer({"train.py": "def f():\n    raise KeyError('no such label')\nf()\n"})
    made.train(wait=False, logs=False)
    with pytest.raises(FailedStatusError, match="KeyError: 'no such label'"):
        made._latest_training_job.wait(poll=1)
    reason = jobs.failed(name_of(made))
    assert reason.startswith("AlgorithmError: Traceback (most recent call last):\n")
    assert reason.endswith("KeyError: 'no such label', exit code: 1")
    assert "CalledProcessError" not in reason


def test_a_missing_requirement_fails_by_name(
    trainer: Callable[..., ModelTrainer], jobs: Jobs
) -> None:
    made = trainer(
        {"train.py": "print('never')", "requirements.txt": "no-such-package==2\n"},
        source_code={"requirements": "requirements.txt"},
    )
    made.train(wait=False, logs=False)
    reason = jobs.failed(name_of(made))
    assert reason.startswith(
        "AlgorithmError: no-such-package is not installed in the environment of the local SageMaker"
    )
    assert reason.endswith("): pip install no-such-package==2, exit code: 1")
    assert "never" not in jobs.lines(name_of(made))


@pytest.mark.slow
def test_a_command_takes_the_place_of_a_script(
    trainer: Callable[..., ModelTrainer], jobs: Jobs
) -> None:
    made = trainer(
        {"go.sh": 'echo "args: $@ in $(basename $PWD)"; exit 9'},
        source_code={"entry_script": None, "command": "bash go.sh a 'b c'"},
    )
    made.train(wait=False, logs=False)
    assert jobs.failed(name_of(made)).endswith("args: a b c in code, exit code: 9")


@pytest.mark.slow
def test_a_script_killed_by_a_signal_says_so(
    trainer: Callable[..., ModelTrainer], jobs: Jobs
) -> None:
    made = trainer({"train.py": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"})
    made.train(wait=False, logs=False)
    assert "the script was killed by signal 11 (SIGSEGV)" in jobs.failed(name_of(made))


@pytest.mark.slow
def test_a_stopped_model_trainer_keeps_what_it_saved(
    trainer: Callable[..., ModelTrainer], jobs: Jobs
) -> None:
    code = """
        import os, pathlib, signal, sys, time

        def stop(*_):
            time.sleep(0.3)
            pathlib.Path(os.environ["SM_MODEL_DIR"], "partial").write_text("saved")
            sys.exit(0)

        signal.signal(signal.SIGTERM, stop)
        print("ready")
        time.sleep(600)
    """
    made = trainer({"train.py": code})
    made.train(wait=False, logs=False)
    name = name_of(made)
    jobs.wait_for_line(name, "ready")
    made._latest_training_job.stop()
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert jobs.results_at(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"partial": "saved"}


@pytest.mark.slow
def test_source_code_may_be_an_archive(
    trainer: Callable[..., ModelTrainer], jobs: Jobs, tmp_path: Path
) -> None:
    path = tmp_path / "code.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        text = b"print('from the archive')"
        member = tarfile.TarInfo("train.py")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    made = trainer({}, source_code={"source_dir": str(path), "entry_script": "train.py"})
    made.train(wait=False, logs=False)
    jobs.completed(name_of(made))
    assert "from the archive" in jobs.lines(name_of(made))
