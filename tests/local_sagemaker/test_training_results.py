"""What a training job leaves: metrics, checkpoints, models, its name and its log."""

import json
import os
import textwrap
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.training_support import Jobs, refused, states


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


def test_metrics_are_found_while_the_job_runs(jobs: Jobs, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = """
        import pathlib, sys, time
        print("{'eval_loss': 0.75, 'eval_acc': 0.5}")
        print("{'eval_loss': 0.25, 'eval_acc': nan} {'eval_loss': 0.125}", file=sys.stderr)
        while not pathlib.Path(sys.argv[2]).exists():
            time.sleep(0.02)
        print("eval_acc': 0.875 without a newline", end="")
    """
    name = jobs.script(
        textwrap.dedent(code),
        algorithm={
            "MetricDefinitions": [
                {"Name": "loss", "Regex": "'eval_loss': ([0-9.]+)"},
                {"Name": "accuracy", "Regex": "eval_acc': ([0-9.a-z]+)"},
                {"Name": "never", "Regex": "no such thing: ([0-9.]+)"},
            ]
        },
        HyperParameters={"gate": json.dumps(str(gate))},
    )
    running = jobs.wait_for(name, lambda job: len(job.get("FinalMetricDataList", [])) == 2)
    assert running["TrainingJobStatus"] == "InProgress"
    values = {metric["MetricName"]: metric["Value"] for metric in running["FinalMetricDataList"]}
    assert values["accuracy"] == 0.5
    gate.touch()
    job = jobs.completed(name)
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [
        ("loss", 0.125),
        ("accuracy", 0.875),
    ]
    assert job["CreationTime"] <= job["FinalMetricDataList"][0]["Timestamp"]


def test_metrics_of_long_lines_do_not_hold_up_the_server(jobs: Jobs) -> None:
    # Searched as a whole, each of these lines would stop every thread for half a minute.
    code = """
        print("loss=1")
        for _ in range(20):
            print(250_000 * "x" + "loss=2")
    """
    name = jobs.script(
        textwrap.dedent(code),
        algorithm={"MetricDefinitions": [{"Name": "loss", "Regex": r".*loss=(\S+)"}]},
    )
    (metric,) = jobs.completed(name)["FinalMetricDataList"]
    assert metric["Value"] == 1


def test_checkpoints_come_in_and_go_out(jobs: Jobs) -> None:
    jobs.put("checkpoints/run/epoch-1/weights", "one")
    code = """
        import os, pathlib
        folder = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent / "checkpoints"
        print((folder / "epoch-1" / "weights").read_text())
        (folder / "epoch-2").mkdir()
        (folder / "epoch-2" / "weights").write_text("two")
    """
    uri = f"s3://{jobs.bucket}/checkpoints/run"
    jobs.completed(jobs.script(textwrap.dedent(code), CheckpointConfig={"S3Uri": uri}))
    assert jobs.keys("checkpoints/run/") == ["epoch-1/weights", "epoch-2/weights"]
    assert jobs.get("checkpoints/run/epoch-2/weights") == b"two"


def test_results_can_be_left_uncompressed(jobs: Jobs) -> None:
    code = """
        import os, pathlib
        (model := pathlib.Path(os.environ["SM_MODEL_DIR"], "code")).mkdir()
        (model / "inference.py").write_text("x")
        pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report").write_text("y")
    """
    output = {"S3OutputPath": f"s3://{jobs.bucket}/plain/", "CompressionType": "NONE"}
    name = jobs.script(textwrap.dedent(code), OutputDataConfig=output)
    job = jobs.completed(name)
    location = f"s3://{jobs.bucket}/plain/{name}/output/model/"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == location
    assert jobs.keys(f"plain/{name}/output/") == ["data/report", "model/code/inference.py"]


def test_an_output_bucket_that_is_not_there_fails_the_job_before_it_runs(jobs: Jobs) -> None:
    name = jobs.script("print('never')", OutputDataConfig={"S3OutputPath": "s3://nowhere-at-all/x"})
    reason = jobs.failed(name)
    assert reason.startswith("ClientError: cannot write to s3://nowhere-at-all/x/")
    assert states(jobs.describe(name)) == ["Starting", "Downloading", "Failed"]


def test_a_link_out_of_the_model_folder_is_reported(jobs: Jobs) -> None:
    code = """
        import os
        os.symlink("/etc", os.environ["SM_MODEL_DIR"] + "/etc")
    """
    name = jobs.script(textwrap.dedent(code))
    jobs.completed(name)
    assert jobs.results(name) == {}
    assert any("model/etc is neither a file" in line for line in jobs.lines(name))


def test_names_are_unique_until_deleted(jobs: Jobs) -> None:
    name = jobs.command("true")
    job = jobs.completed(name)
    message = refused("ResourceInUse", lambda: jobs.command("true", TrainingJobName=name))
    assert message == (
        "Training job names must be unique within an AWS account and region, and a training job "
        f"with this name already exists ({job['TrainingJobArn']})"
    )
    jobs.sagemaker.delete_training_job(TrainingJobName=name)
    missing = refused(
        "ValidationException", jobs.sagemaker.describe_training_job, TrainingJobName=name
    )
    assert missing == "Requested resource not found."
    jobs.completed(jobs.command("true", TrainingJobName=name))


def test_a_running_job_cannot_be_deleted(jobs: Jobs) -> None:
    name = jobs.command("sleep", "600")
    message = refused("ResourceInUse", jobs.sagemaker.delete_training_job, TrainingJobName=name)
    assert "only a job that has ended can be deleted" in message
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.wait(name, "Stopped")
    jobs.sagemaker.delete_training_job(TrainingJobName=name)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"algorithm": {"MetricDefinitions": [{"Name": "m", "Regex": "("}]}},
            "'(' of the metric definition 'm' is not a regular expression",
        ),
        ({"EnableManagedSpotTraining": True}, "MaxWaitTimeInSeconds is required"),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59}},
            "MaxWaitTimeInSeconds (59) must not be less than MaxRuntimeInSeconds (60)",
        ),
        ({"OutputDataConfig": {"S3OutputPath": "https://b/k"}}, "addresses of the form s3://"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    jobs: Jobs, parameters: dict[str, Any], words: str
) -> None:
    assert words in refused("ValidationException", lambda: jobs.submit(**parameters))


def test_a_role_of_another_account_is_refused(jobs: Jobs) -> None:
    role = "arn:aws:iam::444455556666:role/Other"
    message = refused("AccessDeniedException", lambda: jobs.submit(RoleArn=role))
    assert "Cross-account pass role is not allowed" in message


def test_the_sdk_loads_a_job_and_a_waiter_sees_its_end(jobs: Jobs) -> None:
    from sagemaker.core.resources import TrainingJob

    name = jobs.command("true")
    waiter = jobs.sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1})
    job = TrainingJob.get(training_job_name=name, session=boto3.Session())
    assert job.training_job_status == "Completed"
    listed = jobs.sagemaker.list_training_jobs(NameContains=name)["TrainingJobSummaries"]
    assert [(item["TrainingJobName"], item["TrainingJobStatus"]) for item in listed] == [
        (name, "Completed")
    ]
    assert listed[0]["TrainingEndTime"] >= listed[0]["CreationTime"]


def test_hundreds_of_lines_arrive_in_order(jobs: Jobs) -> None:
    name = jobs.script("for number in range(5000): print('line', number)")
    jobs.completed(name)
    assert jobs.lines(name) == [f"line {number}" for number in range(5000)]


def test_secrets_are_not_in_the_process_list(jobs: Jobs) -> None:
    name = jobs.script("import time; print('ready'); time.sleep(600)", Environment={"X": "s3cr3t"})
    jobs.wait_for_line(name, "ready")
    commands = []
    for entry in Path("/proc").glob("[0-9]*/cmdline") if Path("/proc").exists() else []:
        try:
            commands.append(entry.read_bytes())
        except OSError:
            continue
    jobs.sagemaker.stop_training_job(TrainingJobName=name)
    jobs.wait(name, "Stopped")
    assert not any(b"s3cr3t" in command for command in commands)
    assert os.environ["AWS_SECRET_ACCESS_KEY"].encode() not in b"".join(commands)
