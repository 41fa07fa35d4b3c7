"""``make verify-aws`` on a local server in AWS's place: the table, the refusals, the clean-up."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from local_sagemaker import LocalSageMaker
from workshop_utils.session import Session, sign_in

pytestmark = pytest.mark.slow

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
# What a lab leaves when nobody cleans up: files, a job, a model and an experiment.
LEAVE = """
from workshop_utils import estimators
from workshop_utils.session import start
ws = start("tiny", "aws")
ws.upload(b"data", "data", "file.txt")
client = ws.client("sagemaker")
image = estimators.training_image(ws.region, "ml.m5.xlarge")
name = ws.name("tiny")
client.create_model(
    ModelName=name, PrimaryContainer={"Image": image}, ExecutionRoleArn=ws.role, Tags=ws.tags
)
client.create_processing_job(
    ProcessingJobName=name,
    AppSpecification={"ImageUri": image, "ContainerEntrypoint": ["python3", "-c", JOB]},
    ProcessingResources={"ClusterConfig": {
        "InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1}},
    RoleArn=ws.role,
    Tags=ws.tags,
)
"""
AND_WAIT = """
client.get_waiter("processing_job_completed_or_stopped").wait(
    ProcessingJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 600}
)
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def account(fresh: LocalSageMaker, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Return an account of its own, and point the environment at it as at AWS."""
    for name, value in fresh.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WORKSHOP_ROLE_ARN", ROLE)
    return sign_in("aws").session("verify-aws", ROLE)


@pytest.fixture
def verify(
    account: Session,  # noqa: ARG001  (the environment must point at it)
    repository: Path,
    tmp_path: Path,
) -> Iterator[Start]:
    """Return what starts the tool; its table goes to the test's own folder."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
        command = [sys.executable, str(repository / "tools" / "verify_aws.py"), *arguments]
        command += ["--table", str(tmp_path / "table.md")]
        started.append(
            subprocess.Popen(
                command,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=tmp_path,
            )
        )
        return started[-1]

    yield start
    for process in started:
        # One that a test has waited for is closed already.
        if process.poll() is None:
            process.kill()
            process.communicate()


def _notebook(folder: Path, *cells: str, name: str = "tiny.ipynb") -> str:
    """Write a notebook whose cells stand below headings of their own; return its path."""
    parts: list[Any] = [nbformat.v4.new_markdown_cell("# Tiny")]
    for number, code in enumerate(cells, 1):
        parts.append(nbformat.v4.new_markdown_cell(f"## {number}. Part {number}"))
        parts.append(nbformat.v4.new_code_cell(code))
    nbformat.write(nbformat.v4.new_notebook(cells=parts), folder / name)
    return str(folder / name)


def _left(account: Session) -> tuple[list[Any], int]:
    """Return what carries the workshop's mark, and how many files are below its prefix."""
    from workshop_utils import cleanup

    s3 = account.client("s3").get_paginator("list_objects_v2")
    pages = s3.paginate(Bucket=account.bucket, Prefix="nlp-workshop/")
    return cleanup.leftovers(account), sum(len(page.get("Contents", ())) for page in pages)


def test_a_run_is_measured_and_leaves_nothing(
    account: Session, verify: Start, tmp_path: Path
) -> None:
    job = 'JOB = "import time; time.sleep(1)"\n'
    good = _notebook(tmp_path, job + LEAVE + AND_WAIT, "print(6 * 7)")
    bad = _notebook(tmp_path, job + LEAVE, "raise OSError('no | more')", "never", name="bad.ipynb")
    process = verify("--notebook", good, bad, "--yes")
    said = process.communicate()[0]
    assert process.returncode == 1, said
    assert _left(account) == ([], 0)
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert re.search(r"^## 20\d\d-\d\d-\d\d \d\d:\d\d UTC, us-east-1$", table, re.MULTILINE)
    assert re.search(r"\| tiny.ipynb \| all \| \d+\.\d \| 0\.\d{3} \| passed \|", table)
    assert "| tiny.ipynb | 2. Part 2 |" in table
    assert r"OSError: no \| more" in table
    assert "| bad.ipynb | 3. Part 3 |" not in table
    assert "Left in the account after clean-up: nothing." in table
    # A second run's table stands before the first one's.
    process = verify("--notebook", _notebook(tmp_path, "1"), "--yes")
    said = process.communicate()[0]
    assert process.returncode == 0, said
    again = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert again.count("\n## 20") == 2
    assert again.index("| passed |") < again.index("OSError")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(
    account: Session, verify: Start, tmp_path: Path, number: signal.Signals
) -> None:
    job = 'JOB = "import time; time.sleep(600)"\n'
    process = verify("--notebook", _notebook(tmp_path, job + LEAVE, AND_WAIT), "--yes")
    sagemaker = account.client("sagemaker")
    while not sagemaker.list_processing_jobs(StatusEquals="InProgress")["ProcessingJobSummaries"]:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    process.send_signal(number)
    said = process.communicate()[0]
    assert process.returncode == 130, said
    assert _left(account) == ([], 0)
    assert "| interrupted |" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_it_refuses_where_it_would_be_in_the_way(
    account: Session, verify: Start, tmp_path: Path
) -> None:
    tiny = _notebook(tmp_path, "1")

    def refused(*arguments: str, **variables: str) -> str:
        process = verify(*arguments, **variables)
        said = process.communicate()[0]
        assert process.returncode == 2, said
        assert "Traceback" not in said
        assert not (tmp_path / "table.md").exists()
        return said

    # Nobody says yes, because nobody is there to.
    said = refused()
    assert "In all: 0." in said
    assert "Type yes" in said
    assert "the budget is 0.50 USD: raise it" in refused("--max-usd", "0.5", "--yes")
    assert "AWS_DEFAULT_REGION=eu-west-1" in refused(
        "--notebook", tiny, "--region", "eu-west-1", "--yes"
    )
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": ""}
    assert "AWS does not know who you are" in refused("--notebook", tiny, "--yes", **nobody)
    account.client("sagemaker").create_experiment(
        ExperimentName="nlp-workshop-there", Tags=account.tags
    )
    assert "already has 1 things of the workshop" in refused("--notebook", tiny, "--yes")
    assert _left(account)[0]
