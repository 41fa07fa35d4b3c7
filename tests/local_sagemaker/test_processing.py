"""Processing jobs through boto3: they really run, and tell the truth about it."""

import gzip
import json
import subprocess
import sys
import uuid

import pytest
from botocore.exceptions import WaiterError

from local_sagemaker import LocalSageMaker
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.processing_support import BASE, CLUSTER, IMAGE, Processing, source
from tests.local_sagemaker.training_support import ROLE, refused

needs_preferences = pytest.mark.skipif(
    "InstancePreferences"
    not in service_model("sagemaker").shape_for("ProcessingClusterConfig").members,
    reason="this botocore knows no InstancePreferences of processing jobs",
)


@pytest.fixture(scope="module")
def jobs(local: LocalSageMaker) -> Processing:
    return Processing(local)


def test_a_script_finds_its_inputs_and_leaves_its_outputs_where_it_says(jobs: Processing) -> None:
    jobs.put("rows/a.csv", "text,label\n")
    jobs.put("rows/deep/b.csv", "ünïcode\n")
    output = jobs.output("train")
    code = """
        import pathlib, sys
        rows = pathlib.Path("/opt/ml/processing/input/rows")
        target = pathlib.Path('/opt/ml/processing/train')
        for path in sorted(rows.rglob("*.csv")):
            print("read", path.relative_to(rows))
            (target / "copies" / path.relative_to(rows)).parent.mkdir(parents=True, exist_ok=True)
            (target / "copies" / path.relative_to(rows)).write_bytes(path.read_bytes())
        (target / "arguments").write_text(" ".join(sys.argv[1:]))
    """
    name = jobs.python(
        code,
        inputs=[source("rows", f"s3://{jobs.bucket}/rows")],
        outputs=[output],
        arguments=["--ratio", "0.2"],
    )
    job = jobs.completed(name)
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 86400}
    assert job["ProcessingInputs"][0]["S3Input"]["S3InputMode"] == "File"
    assert "FailureReason" not in job
    assert "ExitMessage" not in job
    assert jobs.lines(name) == ["read a.csv", "read deep/b.csv"]
    assert jobs.outputs(output) == {
        "arguments": b"--ratio 0.2",
        "copies/a.csv": b"text,label\n",
        "copies/deep/b.csv": "ünïcode\n".encode(),
    }


def test_manifests_and_compressed_objects_are_inputs_too(jobs: Processing) -> None:
    jobs.put("all/a.txt", "a")
    jobs.put("all/b.txt.gz", gzip.compress(b"unzipped"))
    head = {"prefix": f"s3://{jobs.bucket}/all/"}
    manifest = jobs.put("some.manifest", json.dumps([head, "b.txt.gz"]))
    name = jobs.process(
        ["/bin/sh", "-c", "find . -type f; cd /opt/ml/processing/in && find . -type f | xargs cat"],
        inputs=[
            source(
                "in",
                manifest,
                f"{BASE}/in/",
                S3DataType="ManifestFile",
                S3CompressionType="Gzip",
            )
        ],
    )
    jobs.completed(name)
    assert jobs.lines(name) == ["unzipped"]


@pytest.mark.parametrize(
    ("key", "folder", "told"),
    [
        ("a/b", "in", "cannot be a file of its channel: File exists"),
        ("b", "in/a", "the folder 'a' cannot be made: File exists"),
        ("b", "in/a/c", "the folder 'c' cannot be made: Not a directory"),
        ("b" * 300, "other", "cannot be a file of its channel: File name too long"),
    ],
    ids=["folder", "input", "below", "long"],
)
def test_inputs_that_cannot_be_files_fail_the_job_by_their_name(
    jobs: Processing, key: str, folder: str, told: str
) -> None:
    prefix = f"inputs-{uuid.uuid4().hex[:8]}"
    first, other = jobs.put(f"{prefix}/first/a", "a"), jobs.put(f"{prefix}/other/{key}", "b")
    inputs = [
        source("first", first.removesuffix("a"), f"{BASE}/in"),
        source("other", other.removesuffix(key), f"{BASE}/{folder}"),
    ]
    reason = jobs.failed(jobs.process(["true"], inputs=inputs))
    assert reason.startswith("ClientError: ")
    assert told in reason
    assert "/tmp" not in reason


def test_the_container_is_told_about_its_job(jobs: Processing) -> None:
    output = jobs.output()
    code = """
        import json, os
        with open("/opt/ml/config/processingjobconfig.json") as file:
            config = json.load(file)
        with open("/opt/ml/config/resourceconfig.json") as file:
            hosts = json.load(file)["hosts"]
        with open(os.path.join(os.environ["TARGET"], "told.json"), "w") as file:
            json.dump({"config": config, "hosts": hosts}, file)
        with open("/opt/ml/output/message", "w") as file:
            file.write("Completed: nothing was wrong.")
    """
    name = jobs.python(code, outputs=[output], Environment={"TARGET": f"{BASE}/output"})
    job = jobs.completed(name)
    assert job["ExitMessage"] == "Completed: nothing was wrong."
    told = json.loads(jobs.outputs(output)["told.json"])
    assert told["hosts"] == ["algo-1"]
    assert told["config"]["ProcessingJobArn"] == job["ProcessingJobArn"]
    # What an output tells of paths is what it would tell on AWS.
    assert told["config"]["ProcessingOutputConfig"]["Outputs"] == [output]
    assert told["config"]["Environment"] == {"TARGET": f"{BASE}/output"}


def test_a_failure_carries_the_script_s_own_words_and_its_outputs_are_kept(
    jobs: Processing,
) -> None:
    output = jobs.output()
    code = """
        open("/opt/ml/processing/output/partial", "w").write("so far")
        raise ValueError("no such column: text")
    """
    name = jobs.python(code, outputs=[output])
    reason = jobs.failed(name)
    assert reason.startswith("AlgorithmError: Traceback (most recent call last):")
    assert f'File "{BASE}/input/code/process.py", line 3' in reason
    assert reason.endswith("ValueError: no such column: text, exit code: 1")
    assert "ProcessingEndTime" in jobs.describe(name)
    assert jobs.outputs(output) == {"partial": b"so far"}
    with pytest.raises(WaiterError, match="terminal failure state"):
        jobs.sagemaker.get_waiter("processing_job_completed_or_stopped").wait(
            ProcessingJobName=name
        )


def test_a_message_at_the_end_is_the_reason_of_a_failure(jobs: Processing) -> None:
    code = """
        open("/opt/ml/output/message", "w").write("Error: the rows do not fit")
        raise SystemExit(255)
    """
    name = jobs.python(code)
    assert jobs.failed(name) == "AlgorithmError: Error: the rows do not fit, exit code: 255"
    assert jobs.describe(name)["ExitMessage"] == "Error: the rows do not fit"


def test_a_stopped_job_has_its_outputs(jobs: Processing) -> None:
    output = jobs.output()
    code = """
        import time
        open("/opt/ml/processing/output/partial", "w").write("so far")
        print("waits", flush=True)
        time.sleep(600)
    """
    name = jobs.python(code, outputs=[output])
    jobs.wait_for_line(name, "waits")
    jobs.sagemaker.stop_processing_job(ProcessingJobName=name)
    job = jobs.wait(name)
    assert job["ProcessingJobStatus"] == "Stopped"
    assert "FailureReason" not in job
    assert jobs.outputs(output) == {"partial": b"so far"}
    message = refused(
        "ValidationException", jobs.sagemaker.stop_processing_job, ProcessingJobName=name
    )
    assert message == "The request was rejected because the processing job is in status Stopped."


def test_a_job_ends_with_its_time(jobs: Processing) -> None:
    name = jobs.process(["sleep", "600"], StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert jobs.wait(name)["ProcessingJobStatus"] == "Stopped"
    assert jobs.lines(name) == ["WARNING: stopped after MaxRuntimeInSeconds, 1 seconds"]


@pytest.mark.slow
def test_a_continuous_output_is_there_before_the_end(jobs: Processing) -> None:
    output = jobs.output("live", S3UploadMode="Continuous")
    code = """
        import pathlib, time
        target = pathlib.Path("/opt/ml/processing/live")
        (target / "first").write_text("1")
        while not (target / "go").exists():
            time.sleep(0.05)
    """
    name = jobs.python(code, outputs=[output])
    while not jobs.outputs(output):
        assert jobs.describe(name)["ProcessingJobStatus"] == "InProgress"
    assert jobs.outputs(output) == {"first": b"1"}
    jobs.sagemaker.stop_processing_job(ProcessingJobName=name)
    assert jobs.wait(name)["ProcessingJobStatus"] == "Stopped"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cluster": {"InstanceCount": 2}}, "the job has InstanceCount 2"),
        ({"entrypoint": None}, f"there is no code but that of the image, {IMAGE}. It runs"),
        (
            {
                "inputs": [
                    {
                        "InputName": "asked",
                        "DatasetDefinition": {
                            "LocalPath": f"{BASE}/asked",
                            "AthenaDatasetDefinition": {
                                "Catalog": "c",
                                "Database": "d",
                                "QueryString": "select 1",
                                "OutputS3Uri": "s3://b/out",
                                "OutputFormat": "PARQUET",
                            },
                        },
                    }
                ]
            },
            "input 'asked' has AthenaDatasetDefinition; only S3Input is read locally",
        ),
        (
            {"inputs": [source("rows", "s3://b/rows", S3InputMode="Pipe")]},
            "input 'rows' has S3InputMode Pipe; use File",
        ),
        (
            {
                "outputs": [
                    {"OutputName": "rows", "FeatureStoreOutput": {"FeatureGroupName": "group"}}
                ]
            },
            "output 'rows' has FeatureStoreOutput; only S3Output is written",
        ),
    ],
    ids=["instances", "image", "athena", "pipe", "features"],
)
def test_what_is_not_run_has_failed_and_says_so(
    jobs: Processing, change: dict[str, object], reason: str
) -> None:
    entrypoint = change.get("entrypoint", ["true"])
    assert entrypoint is None or isinstance(entrypoint, list)
    more = {key: value for key, value in change.items() if key != "entrypoint"}
    name = jobs.process(entrypoint, **more)
    job = jobs.describe(name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(
        f"ClientError: the local SageMaker does not run this job: {reason}"
    )
    assert "ProcessingStartTime" not in job


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"inputs": [source("rows", "s3://b/rows", "/opt/ml/processing/../model")]},
            "The LocalPath '/opt/ml/processing/../model' of the input 'rows' is not /opt/ml/",
        ),
        (
            {"inputs": [source("a", "s3://b/a"), source("a", "s3://b/b")]},
            "The InputName 'a' is given more than once.",
        ),
        (
            {"inputs": [{"InputName": "a"}]},
            "The input 'a' needs one of S3Input and DatasetDefinition.",
        ),
        (
            {
                "outputs": [
                    {
                        "OutputName": "out",
                        "S3Output": {"S3Uri": "s3://b/out", "S3UploadMode": "EndOfJob"},
                    }
                ]
            },
            "The output 'out' needs a LocalPath, because it is not AppManaged.",
        ),
        (
            {"inputs": [source("rows", "s3://no-such-bucket-anywhere/rows")]},
            'No S3 objects found under S3 URL "s3://no-such-bucket-anywhere/rows" given in',
        ),
        (
            {"inputs": [source("rows", "s3://b/rows", f"{BASE}/a\0b")]},
            "The LocalPath '/opt/ml/processing/a\\x00b' of the input 'rows' cannot be made",
        ),
        (
            {"inputs": [source("rows", "s3://b/rows", f"{BASE}/{'é' * 200}")]},
            f"The LocalPath '/opt/ml/processing/{'é' * 200}' of the input 'rows' cannot be made",
        ),
        (
            {"Environment": {"A": "a\0b"}},
            "'a\\x00b' in Environment has a NUL, which no process can be given.",
        ),
        pytest.param(
            {"cluster": {"InstancePreferences": [{"InstanceType": "ml.m5.large"}]}},
            "ClusterConfig needs one of InstanceType and InstancePreferences.",
            marks=needs_preferences,
        ),
    ],
    ids=[
        "path",
        "twice",
        "empty",
        "pathless",
        "missing",
        "nul",
        "long",
        "environment",
        "instances",
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(
    jobs: Processing, change: dict[str, object], message: str
) -> None:
    name = f"refused-{uuid.uuid4().hex[:8]}"
    found = refused(
        "ValidationException", lambda: jobs.process(["true"], ProcessingJobName=name, **change)
    )
    assert found.startswith(message)
    assert not jobs.sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]


def test_a_word_that_no_process_can_be_given_is_refused(jobs: Processing) -> None:
    message = refused("ValidationException", lambda: jobs.process(["echo", "a\0b"]))
    assert "has a NUL" in message


def test_an_output_without_a_bucket_fails_before_the_script_runs(jobs: Processing) -> None:
    output = jobs.output(S3Uri="s3://no-such-bucket-anywhere/out")
    name = jobs.process(["echo", "ran"], outputs=[output])
    reason = jobs.failed(name)
    assert reason.startswith(
        "ClientError: cannot write to s3://no-such-bucket-anywhere/out: The specified bucket"
    )
    assert not jobs._streams(name)


def test_a_name_is_taken_until_its_job_is_deleted(jobs: Processing) -> None:
    name = jobs.process(["true"])
    job = jobs.completed(name)
    message = refused("ResourceInUse", lambda: jobs.process(["true"], ProcessingJobName=name))
    assert message == (
        "Job name must be unique within an AWS account and region, and a job with this name "
        f"already exists ({job['ProcessingJobArn']})"
    )
    (listed,) = jobs.sagemaker.list_processing_jobs(NameContains=name)["ProcessingJobSummaries"]
    assert listed["ProcessingJobStatus"] == "Completed"
    assert listed["ProcessingEndTime"] == job["ProcessingEndTime"]
    jobs.sagemaker.delete_processing_job(ProcessingJobName=name)
    message = refused("ValidationException", lambda: jobs.describe(name))
    assert message == f"Could not find requested job with name: {name}"
    jobs.completed(jobs.process(["true"], ProcessingJobName=name))


def test_a_job_that_runs_cannot_be_deleted(jobs: Processing) -> None:
    name = jobs.process(["sleep", "600"])
    delete = jobs.sagemaker.delete_processing_job
    assert "InProgress" in refused("ResourceInUse", delete, ProcessingJobName=name)
    jobs.sagemaker.stop_processing_job(ProcessingJobName=name)
    jobs.wait(name, "Stopped")


@needs_preferences
def test_the_first_instance_that_is_preferred_is_there(jobs: Processing) -> None:
    preferences = [{"InstanceType": "ml.m5.large"}, {"InstanceType": "ml.c5.xlarge"}]
    cluster = {"InstancePreferences": preferences, "InstanceCount": 1, "VolumeSizeInGB": 1}
    name = f"preferred-{uuid.uuid4().hex[:8]}"
    jobs.sagemaker.create_processing_job(
        ProcessingJobName=name,
        ProcessingResources={"ClusterConfig": cluster},
        AppSpecification={"ImageUri": IMAGE, "ContainerEntrypoint": ["true"]},
        RoleArn=ROLE,
    )
    chosen = jobs.completed(name)["ProcessingResources"]["ClusterConfig"]
    assert chosen["SelectedInstanceType"] == "ml.m5.large"
    assert chosen["SelectedInstanceCount"] == CLUSTER["InstanceCount"]


def test_instances_may_be_short(local: LocalSageMaker, jobs: Processing) -> None:
    with local.faults.add("CreateProcessingJob", "CapacityError", times=1):
        reason = jobs.failed(jobs.process(["true"]))
    assert reason.startswith("CapacityError: Unable to provision requested ML compute capacity.")
    with local.faults.add("CreateProcessingJob", "ResourceLimitExceeded", times=1):
        message = refused("ResourceLimitExceeded", lambda: jobs.process(["true"]))
    assert "ml.m5.xlarge for processing job usage" in message
    jobs.completed(jobs.process(["true"]))


def test_outputs_have_the_names_that_files_have(jobs: Processing) -> None:
    output = jobs.output()
    code = """
        import os
        os.chdir("/opt/ml/processing/output")
        os.makedirs("ünï/deep er")
        open("ünï/deep er/ä+b?.txt", "w").write("named")
        open("nothing", "w").close()
        os.makedirs("no/file")
    """
    name = jobs.python(code, outputs=[jobs.output("empty"), output])
    jobs.completed(name)
    files = jobs.outputs(output)
    assert files["ünï/deep er/ä+b?.txt"] == b"named"
    assert files["nothing"] == b""
    assert len(files) == 2
    broken = jobs.output()
    bad = "open(b'/opt/ml/processing/output/\\xff', 'w').close()"
    reason = jobs.failed(jobs.python(bad, outputs=[broken]))
    assert reason.startswith("ClientError: the output 'output' has a file whose name is not UTF-8")


def test_the_status_and_the_command_line_know_the_job(
    local: LocalSageMaker, jobs: Processing
) -> None:
    name = jobs.process(["echo", "ran"])
    jobs.completed(name)
    command = [sys.executable, "-m", "local_sagemaker", "logs", name, "--home", str(local.home)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == "ran\n"
    (shown,) = [job for job in local.status()["jobs"] if job["name"] == name]
    assert (shown["kind"], shown["status"]) == ("ProcessingJob", "Completed")


def test_the_job_has_a_trial_component(jobs: Processing) -> None:
    sagemaker, trial = jobs.sagemaker, f"trial-{uuid.uuid4().hex[:8]}"
    sagemaker.create_experiment(ExperimentName=trial)
    sagemaker.create_trial(TrialName=trial, ExperimentName=trial)
    rows, output = jobs.put("trial/rows.csv", "a"), jobs.output()
    name = jobs.process(
        ["true"],
        inputs=[source("rows", rows)],
        outputs=[output],
        ExperimentConfig={"TrialName": trial, "TrialComponentDisplayName": "split"},
    )
    job = jobs.completed(name)
    component = sagemaker.describe_trial_component(TrialComponentName=f"{name}-aws-processing-job")
    assert component["DisplayName"] == "split"
    assert component["Source"]["SourceType"] == "SageMakerProcessingJob"
    assert component["Source"]["SourceArn"] == job["ProcessingJobArn"]
    assert component["Status"]["PrimaryStatus"] == "Completed"
    assert component["StartTime"] == job["ProcessingStartTime"]
    assert component["EndTime"] == job["ProcessingEndTime"]
    assert component["Parameters"]["SageMaker.InstanceType"] == {"StringValue": "ml.m5.xlarge"}
    assert component["InputArtifacts"] == {"rows": {"Value": rows}}
    assert component["OutputArtifacts"] == {"output": {"Value": output["S3Output"]["S3Uri"]}}
    listed = sagemaker.list_trial_components(TrialName=trial)["TrialComponentSummaries"]
    assert [item["TrialComponentName"] for item in listed] == [component["TrialComponentName"]]
    message = refused(
        "ResourceNotFound",
        lambda: jobs.process(["true"], ExperimentConfig={"TrialName": f"{trial}-not"}),
    )
    assert "does not exist" in message


def test_a_job_that_waits_for_its_turn_can_be_stopped(local: LocalSageMaker) -> None:
    jobs = Processing(local)
    slots = local.status()["queue"]["slots"]
    running = [jobs.process(["sleep", "600"]) for _ in range(slots)]
    waiting = jobs.process(["echo", "ran"])
    jobs.sagemaker.stop_processing_job(ProcessingJobName=waiting)
    job = jobs.describe(waiting)
    assert job["ProcessingJobStatus"] == "Stopped"
    assert "ProcessingStartTime" not in job
    last = jobs.process(["echo", "ran"])
    for name in running:
        jobs.sagemaker.stop_processing_job(ProcessingJobName=name)
    jobs.completed(last)
    assert jobs.lines(last) == ["ran"]
