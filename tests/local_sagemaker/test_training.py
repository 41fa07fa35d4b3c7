"""Training jobs through boto3: they really run, and tell the truth about it."""

import itertools
import json
import textwrap
from pathlib import Path

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.training_support import Jobs, channel, states


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


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
