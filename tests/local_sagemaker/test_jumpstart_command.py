"""``publish``, ``models`` and ``unpublish`` on the command line."""

import json
import subprocess
import sys
import tarfile
import uuid
from pathlib import Path
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker

BART = "huggingface-zstc-facebook-bart-large-mnli"


def run(local: LocalSageMaker, *arguments: Any, fails: bool = False) -> str:
    """Run a command; return what it printed, or its error where it is to fail."""
    done = subprocess.run(
        [sys.executable, "-m", "local_sagemaker", *map(str, arguments), "--home", str(local.home)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert bool(done.returncode) == fails, done.stdout + done.stderr
    if fails:
        assert done.stderr.startswith("local_sagemaker: ")
        assert "Traceback" not in done.stderr
    return done.stderr if fails else done.stdout


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a model's archive: what is in its files counts for nothing here."""
    (tmp_path / "config.json").write_text("{}")
    archive = tmp_path / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "config.json", "config.json")
    return archive


def test_a_model_is_published_listed_and_removed(local: LocalSageMaker, model: Path) -> None:
    name = f"huggingface-zstc-{uuid.uuid4().hex}"
    said = run(
        local,
        *("publish", model, "--model-id", name, "--task", "zstc", "--license", "MIT"),
        *("--env", "A=1=2", "--env", "B=", "--description", "Mine."),
    )
    assert f"{name} 1.0.0 is published" in said
    again = ("publish", model, "--model-id", name, "--license", "MIT")
    again = (*again, "--env", "A=1=2", "--env", "B=", "--description", "Mine.")
    assert "was there already" in run(local, *again)
    assert f"{name} 2.0.0 is published" in run(
        local, "publish", model, "--model-id", name, "--version", "2.0.0"
    )
    shown = run(local, "models", "--task", "zstc")
    assert [line.split()[1] for line in shown.splitlines() if line.startswith(name)] == ["2.0.0"]
    assert BART in shown
    listed = json.loads(run(local, "models", "--all-versions", "--json"))
    first = next(one for one in listed if one["model_id"] == name)
    assert first["environment"] == {"HF_TASK": "zero-shot-classification", "A": "1=2", "B": ""}
    assert (first["version"], first["license"], first["description"]) == ("1.0.0", "MIT", "Mine.")
    assert "1.0.0 is removed" in run(local, "unpublish", name, "--version", "1.0.0")
    assert "2.0.0 is removed" in run(local, "unpublish", name)
    assert name not in run(local, "models")
    assert f"no published model {name}" in run(local, "unpublish", name, fails=True)


def test_what_is_wrong_is_said(local: LocalSageMaker, model: Path) -> None:
    name = f"huggingface-zstc-{uuid.uuid4().hex}"
    publish = ("publish", model, "--model-id", name)
    assert "it must be NAME=VALUE" in run(local, *publish, "--env", "A", fails=True)
    assert "says 'zstc', not 'tc'" in run(local, *publish, "--task", "tc", fails=True)
    assert "no version" in run(local, *publish, "--version", "new", fails=True)
    missing = ("publish", model.parent / "none", "--model-id", name)
    assert "there is no " in run(local, *missing, fails=True)
    assert "a model of AWS's hub" in run(local, "publish", model, "--model-id", BART, fails=True)
    assert "there are: " in run(local, "models", "--task", "none")
