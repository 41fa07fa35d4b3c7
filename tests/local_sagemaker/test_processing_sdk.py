"""Processing jobs through SDK v3's own processors, unmodified."""

import logging
import textwrap
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.processing import FrameworkProcessor, ScriptProcessor
from sagemaker.core.resources import ProcessingJob
from sagemaker.core.shapes import (
    AppSpecification,
    ProcessingClusterConfig,
    ProcessingInput,
    ProcessingOutput,
    ProcessingResources,
    ProcessingS3Input,
    ProcessingS3Output,
)

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.processing_support import BASE, IMAGE, Processing
from tests.local_sagemaker.training_support import ROLE

pytestmark = pytest.mark.slow

SPLIT = """
    import argparse, pathlib
    parser = argparse.ArgumentParser()
    parser.add_argument("--train-rows", type=int)
    arguments = parser.parse_args()
    rows = pathlib.Path("/opt/ml/processing/input/rows/rows.csv").read_text().splitlines()
    for name, part in (
        ("train", rows[: arguments.train_rows]),
        ("test", rows[arguments.train_rows :]),
    ):
        pathlib.Path(f"/opt/ml/processing/{name}", "rows.csv").write_text("\\n".join(part))
    print("split", len(rows), "rows")
"""


@pytest.fixture
def jobs(local: LocalSageMaker) -> Processing:
    return Processing(local)


@pytest.fixture
def rows(tmp_path: Path) -> ProcessingInput:
    """Return an input that the SDK uploads from this machine."""
    (tmp_path / "rows.csv").write_text("a\nb\nc")
    return ProcessingInput(
        input_name="rows",
        s3_input=ProcessingS3Input(
            s3_uri=str(tmp_path / "rows.csv"),
            local_path=f"{BASE}/input/rows",
            s3_data_type="S3Prefix",
            s3_input_mode="File",
        ),
    )


def output(jobs: Processing, name: str) -> ProcessingOutput:
    return ProcessingOutput(
        output_name=name,
        s3_output=ProcessingS3Output(
            s3_uri=f"s3://{jobs.bucket}/{name}",
            local_path=f"{BASE}/{name}",
            s3_upload_mode="EndOfJob",
        ),
    )


def processor(kind: Any, **parameters: Any) -> Any:
    return kind(
        role=ROLE,
        image_uri=IMAGE,
        command=["python3"],
        instance_type="ml.m5.xlarge",
        instance_count=1,
        base_job_name=f"sdk-{uuid.uuid4().hex[:8]}",
        sagemaker_session=Session(boto3.Session()),
        **parameters,
    )


def test_a_script_processor_shows_the_logs_and_splits(
    jobs: Processing,
    rows: ProcessingInput,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    script = tmp_path / "split.py"
    script.write_text(textwrap.dedent(SPLIT))
    splitter = processor(ScriptProcessor, env={"LANG": "C.UTF-8"}, max_runtime_in_seconds=600)
    splitter.run(
        code=str(script),
        inputs=[rows],
        outputs=[output(jobs, "train"), output(jobs, "test")],
        arguments=["--train-rows", "2"],
        wait=True,
        logs=True,
    )
    # Older versions log what newer ones print.
    assert "split 3 rows" in capsys.readouterr().out + caplog.text
    assert jobs.get("train/rows.csv") == b"a\nb"
    assert jobs.get("test/rows.csv") == b"c"
    described = ProcessingJob.get(splitter.latest_job.processing_job_name)
    assert described.processing_job_status == "Completed"
    assert described.processing_output_config.outputs[0].s3_output.local_path == f"{BASE}/train"


def test_the_sdk_s_own_resource_makes_waits_for_and_deletes_a_job(jobs: Processing) -> None:
    name = f"resource-{uuid.uuid4().hex[:8]}"
    job = ProcessingJob.create(
        processing_job_name=name,
        processing_resources=ProcessingResources(
            cluster_config=ProcessingClusterConfig(
                instance_count=1, instance_type="ml.m5.xlarge", volume_size_in_gb=1
            )
        ),
        app_specification=AppSpecification(
            image_uri=IMAGE, container_entrypoint=["sleep"], container_arguments=["600"]
        ),
        role_arn=ROLE,
    )
    assert job is not None
    assert job.refresh().processing_job_status == "InProgress"
    job.stop()
    job.wait(poll=1)
    assert job.refresh().processing_job_status == "Stopped"
    assert name in {found.processing_job_name for found in ProcessingJob.get_all()}
    job.delete()
    assert name not in {found.processing_job_name for found in ProcessingJob.get_all()}
    assert jobs.bucket


def test_a_framework_processor_brings_its_source_tree(
    jobs: Processing, rows: ProcessingInput, tmp_path: Path
) -> None:
    tree = tmp_path / "source"
    (tree / "parts").mkdir(parents=True)
    (tree / "parts" / "__init__.py").write_text('INPUT = "/opt/ml/processing/input/rows"\n')
    (tree / "requirements.txt").write_text("boto3\n")
    code = """
        import pathlib
        import parts
        text = pathlib.Path(parts.INPUT, "rows.csv").read_text()
        pathlib.Path("/opt/ml/processing/train/upper.csv").write_text(text.upper())
    """
    (tree / "process.py").write_text(textwrap.dedent(code))
    framework = processor(FrameworkProcessor)
    framework.run(
        code="process.py",
        source_dir=str(tree),
        inputs=[rows],
        outputs=[output(jobs, "train")],
        wait=False,
        logs=False,
    )
    name = framework.latest_job.processing_job_name
    jobs.completed(name)
    assert jobs.get("train/upper.csv") == b"A\nB\nC"
    assert any("requirements.txt was checked" in line for line in jobs.lines(name))


def test_a_framework_processor_s_missing_package_is_named(jobs: Processing, tmp_path: Path) -> None:
    (tmp_path / "process.py").write_text("")
    (tmp_path / "requirements.txt").write_text("no-such-package\n")
    framework = processor(FrameworkProcessor)
    framework.run(
        code="process.py",
        source_dir=str(tmp_path),
        wait=False,
        logs=False,
    )
    reason = jobs.failed(framework.latest_job.processing_job_name)
    assert reason.startswith("ClientError: no-such-package is not installed in the environment")
