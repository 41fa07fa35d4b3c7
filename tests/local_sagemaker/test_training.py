"""Training jobs through boto3: they really run, and tell the truth about it."""

import itertools
import json
import os
import textwrap
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.training_support import Jobs, archive, channel


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


def refused(code: str, call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


def states(job: dict[str, Any]) -> list[str]:
    return [transition["Status"] for transition in job["SecondaryStatusTransitions"]]


def test_a_script_trains_and_its_results_are_in_s3(jobs: Jobs) -> None:
    train = jobs.put("data/train.csv", "text,label\n")
    code = """
        import os, pathlib, sys
        train = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "train.csv").read_text()
        pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(train)
        pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "metrics.json").write_text("{}")
        print("trained with", sys.argv[1:])
    """
    name = jobs.script(
        textwrap.dedent(code),
        InputDataConfig=[channel("train", train)],
        HyperParameters={"epochs": "3", "learning-rate": "2e-5"},
    )
    job = jobs.completed(name)
    assert states(job) == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    transitions = job["SecondaryStatusTransitions"]
    assert all(transition["StatusMessage"] for transition in transitions)
    for before, after in itertools.pairwise(transitions):
        assert before["EndTime"] == after["StartTime"]
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"]
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1
    location = f"s3://{jobs.bucket}/out/{name}/output/model.tar.gz"
    assert job["ModelArtifacts"] == {"S3ModelArtifacts": location}
    assert jobs.results(name) == {"model.txt": "text,label\n"}
    assert jobs.results(name, "output.tar.gz") == {"metrics.json": "{}"}
    assert jobs.lines(name) == ["trained with ['--epochs', '3', '--learning-rate', '2e-05']"]
    assert "FailureReason" not in job


def test_hyperparameters_become_arguments_as_the_training_toolkit_has_it(jobs: Jobs) -> None:
    code = "import json, os, sys; print(json.dumps([sys.argv, dict(os.environ)]))"
    name = jobs.script(
        code,
        HyperParameters={
            "epochs": "3",
            "learning_rate": "2e-5",
            "ratio": "1.10",
            "model_id": '"all-MiniLM-L6-v2"',
            "plain": "some text",
            "fp16": "true",
            "nothing": "null",
            "map": '{"b": null, "a": 1}',
            "list": "[1, 2]",
            "n": "5",
            "out-dir": "/opt/ml/model",
            "sagemaker_job_name": '"x"',
            "sagemaker_mpi_enabled": "false",
        },
    )
    jobs.completed(name)
    argv, environment = json.loads(jobs.lines(name)[0])
    assert argv[0] == "train.py"
    arguments = dict(zip(argv[1::2], argv[2::2], strict=True))
    assert list(arguments) == [
        "--epochs", "--fp16", "--learning_rate", "--list", "--map", "--model_id", "-n",
        "--nothing", "--out-dir", "--plain", "--ratio",
    ]  # fmt: skip
    assert arguments["--learning_rate"] == "2e-05"
    assert arguments["--ratio"] == "1.1"
    assert arguments["--fp16"] == "True"
    assert arguments["--nothing"] == ""
    assert arguments["--map"] == "a=1,b=None"
    assert arguments["--list"] == "[1, 2]"
    assert arguments["--model_id"] == "all-MiniLM-L6-v2"
    assert arguments["--plain"] == "some text"
    assert arguments["--out-dir"] == environment["SM_MODEL_DIR"]
    assert environment["SM_HP_FP16"] == "true"
    assert environment["SM_HP_MAP"] == '{"a":1,"b":null}'
    assert environment["SM_HP_OUT-DIR"] == environment["SM_MODEL_DIR"]
    assert environment["SM_HP_PLAIN"] == "some text"
    assert json.loads(environment["SM_HPS"])["ratio"] == 1.1
    assert json.loads(environment["SM_USER_ARGS"]) == argv[1:]
    assert json.loads(environment["SM_FRAMEWORK_PARAMS"]) == {"sagemaker_mpi_enabled": False}


def test_the_container_is_laid_out_as_on_aws(jobs: Jobs) -> None:
    train = jobs.put("layout/data.csv", "x")
    code = """
        import json, os, pathlib
        root = pathlib.Path(os.environ["SM_INPUT_DIR"]).parent
        config = root / "input" / "config"
        print(json.dumps({
            "files": {path.stem: json.loads(path.read_text()) for path in config.iterdir()},
            "environment": dict(os.environ),
            "mode": oct(root.stat().st_mode & 0o777),
            "root": str(root),
            "cwd": os.getcwd(),
            "folders": sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_dir()),
        }))
    """
    name = jobs.script(
        textwrap.dedent(code),
        InputDataConfig=[channel("train", train, ContentType="text/csv", InputMode="FastFile")],
        HyperParameters={"epochs": "3"},
        Environment={"WORD": "grüße 'quoted'", "PATHS": "/opt/ml/model:/opt/mlx"},
    )
    job = jobs.completed(name)
    shown = json.loads(jobs.lines(name)[0])
    root, environment = shown["root"], shown["environment"]
    assert " " not in root
    assert shown["mode"] == "0o700"
    assert shown["cwd"] == f"{root}/code"
    assert set(shown["folders"]) >= {
        "checkpoints", "code", "input/config", "input/data/train", "model", "output/data", "tmp",
    }  # fmt: skip
    files = shown["files"]
    assert files["hyperparameters"]["epochs"] == "3"
    assert files["inputdataconfig"] == {
        "train": {
            "ContentType": "text/csv",
            "TrainingInputMode": "FastFile",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
        }
    }
    resources = files["resourceconfig"]
    assert (resources["current_host"], resources["hosts"]) == ("algo-1", ["algo-1"])
    assert resources["current_instance_type"] == "ml.m5.xlarge"
    assert environment["WORD"] == "grüße 'quoted'"
    assert environment["PATHS"] == f"{root}/model:/opt/mlx"
    assert environment["TRAINING_JOB_NAME"] == name
    assert environment["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["PYTHONUNBUFFERED"] == "1"
    assert environment["TMPDIR"] == f"{root}/tmp"
    assert environment["SM_CHANNELS"] == '["train"]'
    assert environment["SM_CHANNEL_TRAIN"] == f"{root}/input/data/train"
    assert json.loads(environment["SM_RESOURCE_CONFIG"]) == resources
    assert json.loads(environment["SM_TRAINING_ENV"])["job_name"] == name
    assert not Path(root).exists(), "the private folder is gone when the job has ended"


def test_a_job_talks_to_the_server_as_its_role(jobs: Jobs) -> None:
    code = """
        import boto3, os
        print(boto3.client("sts").get_caller_identity()["Arn"])
        client = boto3.client("sagemaker")
        print(client.describe_training_job(TrainingJobName=os.environ["TRAINING_JOB_NAME"])
              ["SecondaryStatus"])
    """
    name = jobs.script(textwrap.dedent(code), RoleArn="arn:aws:iam::111122223333:role/Trainer")
    jobs.completed(name)
    arn = "arn:aws:sts::111122223333:assumed-role/Trainer/SageMaker"
    assert jobs.lines(name) == [arn, "Training"]


def test_a_container_entrypoint_runs_with_its_paths_moved(jobs: Jobs) -> None:
    code = jobs.put("code/run.py", "import sys; print(open(sys.argv[1]).read(), sys.argv[2])")
    name = jobs.command(
        "python3",
        algorithm={
            "ContainerArguments": [
                "/opt/ml/input/data/code/run.py",
                "/opt/ml/input/config/hyperparameters.json",
                "s3://bucket/opt/ml/model",
            ]
        },
        InputDataConfig=[channel("code", code)],
        HyperParameters={"epochs": "3"},
    )
    job = jobs.completed(name)
    assert jobs.lines(name) == ['{"epochs": "3"} s3://bucket/opt/ml/model']
    words = job["AlgorithmSpecification"]["ContainerArguments"]
    assert words[0] == "/opt/ml/input/data/code/run.py", "Describe shows what was sent"


def test_the_users_own_code_is_left_alone(jobs: Jobs) -> None:
    text = "print('/opt/ml/model')"
    name = jobs.script(text)
    jobs.completed(name)
    assert jobs.lines(name) == ["/opt/ml/model"]


def test_an_entry_point_may_be_a_shell_script_or_a_module(jobs: Jobs) -> None:
    shell = jobs.submit(
        HyperParameters={
            "sagemaker_program": "bin/train.sh",
            "sagemaker_submit_directory": jobs.source({"bin/train.sh": 'echo "$0" "$@"'}),
            "text": "two words; $HOME",
        }
    )
    package = jobs.submit(
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": jobs.source(
                {"setup.py": "", "train.py": "print(__name__, __spec__.name)"}
            ),
        }
    )
    jobs.completed(shell)
    jobs.completed(package)
    assert jobs.lines(shell) == ["./bin/train.sh --text two words; $HOME"]
    assert jobs.lines(package) == ["__main__ train"]


def test_source_code_may_come_through_a_channel(jobs: Jobs) -> None:
    source = jobs.source({"train.py": "import other; print(other.WORD)", "other.py": "WORD = 1"})
    name = jobs.submit(
        InputDataConfig=[channel("code", source)],
        HyperParameters={
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        },
    )
    jobs.completed(name)
    assert jobs.lines(name) == ["1"]


def test_a_failed_script_shows_its_traceback_and_exit_code(jobs: Jobs) -> None:
    code = """
        import os, pathlib
        pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text("so far")
        def load(path):
            raise FileNotFoundError(f"no weights in {path}")
        load("here")
    """
    name = jobs.script(textwrap.dedent(code), HyperParameters={"epochs": "3"})
    reason = jobs.failed(name)
    assert reason.startswith('AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "')
    assert "Traceback (most recent call last):" in reason
    assert "FileNotFoundError: no weights in here" in reason
    assert 'train.py --epochs 3"' in reason
    assert reason.endswith(", exit code: 1")
    job = jobs.describe(name)
    assert states(job)[-2:] == ["Uploading", "Failed"]
    assert jobs.results(name, "output.tar.gz") == {"report.txt": "so far"}
    assert f"out/{name}/output/model.tar.gz" not in jobs.keys("")


def test_a_long_traceback_keeps_its_end(jobs: Jobs) -> None:
    name = jobs.script("raise ValueError('x' * 3000 + ' the end')")
    reason = jobs.failed(name)
    assert len(reason) == 1024
    assert "the end" in reason
    assert reason.startswith("AlgorithmError: ")


def test_what_the_script_writes_to_the_failure_file_counts(jobs: Jobs) -> None:
    code = """
        import os, pathlib, sys
        words = "the labels do not fit " + "x" * 2000
        pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text(words)
        print("something else")
        sys.exit(3)
    """
    name = jobs.script(textwrap.dedent(code))
    reason = jobs.failed(name)
    assert reason.startswith("AlgorithmError: the labels do not fit xxx")
    assert reason.endswith("x, exit code: 3")
    assert len(reason) == 1024


def test_exit_codes_signals_and_missing_commands_are_told_apart(jobs: Jobs) -> None:
    exited = jobs.command("sh", "-c", "echo one; echo two; exit 42")
    killed = jobs.command("sh", "-c", "kill -9 $$")
    missing = jobs.command("no-such-program")
    silent = jobs.command("false")
    assert jobs.failed(exited) == "AlgorithmError: one\ntwo, exit code: 42"
    assert jobs.failed(killed) == (
        "AlgorithmError: the script was killed by signal 9 (SIGKILL); this is how a system ends "
        "it when memory runs out, exit code: 137"
    )
    assert jobs.failed(missing) == (
        "AlgorithmError: cannot run the job: No such file or directory: no-such-program, "
        "exit code: 127"
    )
    assert jobs.failed(silent) == "AlgorithmError: , exit code: 1"


def test_a_script_that_exits_with_zero_is_completed_whatever_it_prints(jobs: Jobs) -> None:
    code = """
        import traceback
        try:
            raise ValueError("handled")
        except ValueError:
            traceback.print_exc()
    """
    jobs.completed(jobs.script(textwrap.dedent(code)))


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "there is no code but that of the image, 111122223333.dkr.ecr"),
        (
            {
                "ResourceConfig": {
                    "InstanceType": "ml.m5.xlarge",
                    "InstanceCount": 2,
                    "VolumeSizeInGB": 1,
                }
            },
            "the job has InstanceCount 2",
        ),
        (
            {"CheckpointConfig": {"S3Uri": "s3://b/c", "LocalPath": "/checkpoints"}},
            "LocalPath /checkpoints, which is not below /opt/ml",
        ),
        (
            {
                "DebugRuleConfigurations": [
                    {"RuleConfigurationName": "r", "RuleEvaluatorImage": "i"}
                ]
            },
            "debugger or profiler rules are given",
        ),
        (
            {
                "HyperParameters": {
                    "sagemaker_program": "train.py",
                    "sagemaker_torch_distributed_enabled": "true",
                }
            },
            "sagemaker_torch_distributed_enabled asks for a distributed launcher",
        ),
    ],
)
def test_what_is_not_run_here_fails_by_name(
    jobs: Jobs, parameters: dict[str, Any], words: str
) -> None:
    name = jobs.submit(**parameters)
    job = jobs.wait(name)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        "ClientError: the local SageMaker does not run this job: "
    )
    assert words in job["FailureReason"]
    assert states(job) == ["Starting", "Failed"]
    assert "TrainingStartTime" not in job


def test_an_entry_point_that_is_not_there_fails_with_what_is(jobs: Jobs) -> None:
    name = jobs.submit(
        HyperParameters={
            "sagemaker_program": "fit.py",
            "sagemaker_submit_directory": jobs.source({"train.py": "", "util.py": ""}),
        }
    )
    assert jobs.failed(name) == (
        "ClientError: there is no 'fit.py' in the source directory: it has train.py, util.py"
    )


@pytest.mark.parametrize("program", ["../train.py", "/bin/sh", "-c", "a b.py", "./train.py"])
def test_an_entry_point_outside_the_source_directory_is_refused(jobs: Jobs, program: str) -> None:
    name = jobs.submit(
        HyperParameters={
            "sagemaker_program": program,
            "sagemaker_submit_directory": jobs.source({"train.py": ""}),
        }
    )
    assert "is not a relative path of letters" in jobs.failed(name)


def test_source_code_that_cannot_be_unpacked_fails_the_job(jobs: Jobs) -> None:
    evil = jobs.put("evil.tar.gz", archive({"../evil.py": ""}))
    for address, words in {
        evil: "has '..' in its name",
        jobs.put("text.tar.gz", "no archive"): "not a tar archive",
        f"s3://{jobs.bucket}/missing.tar.gz": "does not exist",
        "/etc": "is not in the subpath of",
    }.items():
        name = jobs.submit(
            HyperParameters={"sagemaker_program": "a.py", "sagemaker_submit_directory": address}
        )
        reason = jobs.failed(name)
        assert reason.startswith(f"ClientError: cannot use the source code in {address}: ")
        assert words in reason


def test_a_missing_requirement_fails_the_job_by_name(jobs: Jobs) -> None:
    requirements = "boto3\nno-such-package>=2 # why\n-r more.txt\n"
    name = jobs.script(
        "print('never')",
        files={"requirements.txt": requirements, "more.txt": "neither-this"},
    )
    reason = jobs.failed(name)
    assert "no-such-package, neither-this are not installed in the environment" in reason
    assert "pip install 'no-such-package>=2' neither-this" in reason


def test_a_requirement_of_another_version_is_a_warning(jobs: Jobs) -> None:
    requirements = "boto3<1\nbotocore>=1\nnumpy; python_version < '3'\n--index-url https://x\n"
    name = jobs.script("print('ran')", files={"requirements.txt": requirements})
    jobs.completed(name)
    warning, ran = jobs.lines(name)
    assert warning.startswith("WARNING: requirements.txt asks for boto3<1; 1.")
    assert ran == "ran"


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
