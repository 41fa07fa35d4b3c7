"""Training jobs that fail: what a script did wrong, and what cannot be run here, by name."""

import textwrap
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.training_support import Jobs, archive, states


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Jobs:
    return Jobs(local)


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
                "ProfilerRuleConfigurations": [
                    {
                        "RuleConfigurationName": "r",
                        "RuleEvaluatorImage": "i",
                        "RuleParameters": {"rule_to_invoke": "LowGPUUtilization"},
                    }
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
