"""The pipeline of the workshop of 2022, in the shapes of SDK v2, and the calls of its notebooks.

The definition is this repository's own: what `aws-samples/augment-your-huggingface-model-with-
human-in-the-loop` builds, a processing job, a training job in script mode and a version in the
registry, with the images, instance types and retry policies of that time.
"""

import json
import textwrap
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.pipeline_support import Pipelines, get
from tests.local_sagemaker.training_support import ROLE, archive

pytestmark = pytest.mark.slow

ECR = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
BASE = "/opt/ml/processing"
PROCESS = f"""
    import os, pathlib
    seen = sorted(os.listdir("{BASE}/input/data"))
    for name in ("train", "test"):
        folder = pathlib.Path("{BASE}/output", name)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{{name}}.csv").write_text(f"label,text\\n1,{{seen}}\\n")
"""
TRAIN = """
    import argparse, json, os, pathlib
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--train_batch_size", type=int)
    parser.add_argument("--model_name", type=str)
    parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
    parser.add_argument("--train", default=os.environ["SM_CHANNEL_TRAIN"])
    parser.add_argument("--test", default=os.environ["SM_CHANNEL_TEST"])
    arguments, _ = parser.parse_known_args()
    rows = pathlib.Path(arguments.train, "train.csv").read_text()
    assert pathlib.Path(arguments.test, "test.csv").exists()
    kept = {"epochs": arguments.epochs, "name": arguments.model_name, "rows": rows}
    pathlib.Path(arguments.model_dir, "kept.json").write_text(json.dumps(kept))
"""
RUNPROC = f"""\
#!/bin/bash

cd {BASE}/input/code/
tar -xzf sourcedir.tar.gz

set -e

if [[ -f 'requirements.txt' ]]; then
    pip uninstall --yes typing

    pip install -r requirements.txt
fi

python processing-script.py "$@"
"""
RETRIES = [
    {
        "ExceptionType": ["Step.SERVICE_FAULT", "Step.THROTTLING"],
        "BackoffRate": 2.0,
        "IntervalSeconds": 30,
        "ExpireAfterMin": 240,
    },
    {
        "ExceptionType": [
            "SageMaker.RESOURCE_LIMIT",
            "SageMaker.JOB_INTERNAL_ERROR",
            "SageMaker.CAPACITY_ERROR",
        ],
        "BackoffRate": 2.0,
        "IntervalSeconds": 30,
        "ExpireAfterMin": 240,
    },
]


@pytest.fixture
def pipelines(local: LocalSageMaker) -> Pipelines:
    return Pipelines(local)


def staged(name: str, uri: str, path: str) -> dict[str, Any]:
    source = {
        "S3Uri": uri,
        "LocalPath": path,
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
        "S3CompressionType": "None",
    }
    return {"InputName": name, "AppManaged": False, "S3Input": source}


def written(name: str, uri: str) -> dict[str, Any]:
    place = {"S3Uri": uri, "LocalPath": f"{BASE}/output/{name}/", "S3UploadMode": "EndOfJob"}
    return {"OutputName": name, "AppManaged": False, "S3Output": place}


def channel(name: str) -> dict[str, Any]:
    path = f"Steps.PrepareAugmentedData.ProcessingOutputConfig.Outputs['{name}'].S3Output.S3Uri"
    source = {
        "S3DataType": "S3Prefix",
        "S3Uri": get(path),
        "S3DataDistributionType": "FullyReplicated",
    }
    return {
        "DataSource": {"S3DataSource": source},
        "ContentType": "text/csv",
        "ChannelName": name,
    }


def original(pipelines: Pipelines, group: str) -> str:
    """Return the definition, its code and its input being in S3."""
    jobs = pipelines.jobs
    jobs.put("a2i-output/sample.txt", b"")
    code = archive(
        {
            "processing-script.py": textwrap.dedent(PROCESS),
            "train.py": textwrap.dedent(TRAIN),
            "requirements.txt": "boto3\n",
        }
    )
    source = jobs.put("scripts/source/sourcedir.tar.gz", code)
    runproc = jobs.put("scripts/source/runproc.sh", RUNPROC)
    results = f"s3://{pipelines.bucket}/nlp_summit_workshop_processing_output"
    process = {
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceType": get("Parameters.ProcessingInstanceType"),
                "InstanceCount": get("Parameters.ProcessingInstanceCount"),
                "VolumeSizeInGB": 30,
            }
        },
        "AppSpecification": {
            "ImageUri": f"{ECR}/pytorch-training:1.8-cpu-py3",
            "ContainerEntrypoint": ["/bin/bash", f"{BASE}/input/entrypoint/runproc.sh"],
        },
        "RoleArn": ROLE,
        "ProcessingInputs": [
            staged("data", f"s3://{pipelines.bucket}/a2i-output", f"{BASE}/input/data/"),
            staged("code", source, f"{BASE}/input/code/"),
            staged("entrypoint", runproc, f"{BASE}/input/entrypoint"),
        ],
        "ProcessingOutputConfig": {
            "Outputs": [written(name, f"{results}/{name}") for name in ("train", "test")]
        },
    }
    train = {
        "AlgorithmSpecification": {
            "TrainingInputMode": "File",
            "TrainingImage": f"{ECR}/huggingface-pytorch-training:1.7-transformers4.6-gpu-py36-"
            "cu110-ubuntu18.04",
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{pipelines.bucket}/"},
        "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
        "ResourceConfig": {
            "InstanceCount": get("Parameters.TrainingInstanceCount"),
            "InstanceType": get("Parameters.TrainingInstanceType"),
            "VolumeSizeInGB": 30,
        },
        "RoleArn": ROLE,
        "InputDataConfig": [channel("train"), channel("test")],
        "HyperParameters": {
            "epochs": "1",
            "train_batch_size": "32",
            "model_name": '"distilbert-base-uncased"',
            "sagemaker_submit_directory": json.dumps(source),
            "sagemaker_program": '"train.py"',
            "sagemaker_container_log_level": "20",
            "sagemaker_job_name": '"huggingface-pytorch-training-2022-06-01-00-00-00-000"',
            "sagemaker_region": '"us-east-1"',
        },
        "DebugHookConfig": {
            "S3OutputPath": f"s3://{pipelines.bucket}/",
            "CollectionConfigurations": [],
        },
        "ProfilerConfig": {"S3OutputPath": f"s3://{pipelines.bucket}/"},
        "ProfilerRuleConfigurations": [
            {
                "RuleConfigurationName": "ProfilerReport-1654041600",
                "RuleEvaluatorImage": "503895931360.dkr.ecr.us-east-1.amazonaws.com/"
                "sagemaker-debugger-rules:latest",
                "RuleParameters": {"rule_to_invoke": "ProfilerReport"},
            }
        ],
    }
    instances = ["ml.m5.xlarge", "ml.m5.2xlarge"]
    register = {
        "ModelPackageGroupName": group,
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": f"{ECR}/huggingface-pytorch-inference:1.7-transformers4.6-cpu-py36-"
                    "ubuntu18.04",
                    "ModelDataUrl": get(
                        "Steps.HuggingFaceModelFineTune.ModelArtifacts.S3ModelArtifacts"
                    ),
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
            "SupportedRealtimeInferenceInstanceTypes": instances,
            "SupportedTransformInstanceTypes": instances,
        },
        "ModelApprovalStatus": get("Parameters.ModelApprovalStatus"),
    }
    defaults: dict[str, tuple[str, Any]] = {
        "ProcessingInstanceType": ("String", "ml.m5.xlarge"),
        "ProcessingInstanceCount": ("Integer", 1),
        "TrainingInstanceCount": ("Integer", 1),
        "TrainingInstanceType": ("String", "ml.p3.2xlarge"),
        "ModelApprovalStatus": ("String", "PendingManualApproval"),
    }
    return json.dumps(
        {
            "Version": "2020-12-01",
            "Metadata": {},
            "Parameters": [
                {"Name": name, "Type": kind, "DefaultValue": value}
                for name, (kind, value) in defaults.items()
            ],
            "PipelineExperimentConfig": {
                "ExperimentName": get("Execution.PipelineName"),
                "TrialName": get("Execution.PipelineExecutionId"),
            },
            "Steps": [
                {"Name": "PrepareAugmentedData", "Type": "Processing", "Arguments": process},
                {
                    "Name": "HuggingFaceModelFineTune",
                    "Type": "Training",
                    "Arguments": train,
                    "RetryPolicies": RETRIES,
                },
                {
                    "Name": "RegisterModel-RegisterModel",
                    "Type": "RegisterModel",
                    "Arguments": register,
                },
            ],
        }
    )


def upsert(client: Any, **request: Any) -> None:
    """Create a pipeline, or update it, as SDK v2 does."""
    try:
        client.create_pipeline(**request)
    except ClientError as error:
        answer = error.response["Error"]
        assert answer["Code"] == "ValidationException"
        assert "Pipeline names must be unique within an AWS account and region" in answer["Message"]
        client.update_pipeline(**request)


def wait(client: Any, arn: str) -> dict[str, Any]:
    waiting = ("Executing", "Stopping")
    while True:
        described: dict[str, Any] = client.describe_pipeline_execution(PipelineExecutionArn=arn)
        if described["PipelineExecutionStatus"] not in waiting:
            return described
        time.sleep(0.05)


def test_the_pipeline_of_2022_and_the_calls_of_its_notebooks(pipelines: Pipelines) -> None:
    client, group = pipelines.sagemaker, f"HuggingFaceSentiment-{uuid.uuid4().hex[:6]}"
    name = f"SentimentModelRetrain-{uuid.uuid4().hex[:6]}"
    request = {
        "PipelineName": name,
        "PipelineDefinition": original(pipelines, group),
        "RoleArn": ROLE,
    }
    upsert(client, **request)
    upsert(client, **request)
    arn = client.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
    pipelines.succeeded(arn)
    listed = client.list_pipeline_execution_steps(PipelineExecutionArn=arn)
    steps = listed["PipelineExecutionSteps"]
    assert [step["StepName"] for step in steps] == [
        "RegisterModel-RegisterModel",
        "HuggingFaceModelFineTune",
        "PrepareAugmentedData",
    ]
    job = pipelines.job(arn, "HuggingFaceModelFineTune")
    assert job.startswith(f"pipelines-{arn.rpartition('/')[2]}-HuggingFaceModelFine-")
    described = pipelines.jobs.describe(job)
    (rule,) = described["ProfilerRuleEvaluationStatuses"]
    assert rule["RuleEvaluationStatus"] == "Error"
    assert rule["StatusDetails"].startswith("not run locally: ")
    model = described["ModelArtifacts"]["S3ModelArtifacts"]
    kept = json.loads(pipelines.jobs.results_at(model)["kept.json"])
    assert kept == {
        "epochs": 1,
        "name": "distilbert-base-uncased",
        "rows": "label,text\n1,['sample.txt']\n",
    }

    tracked = pipelines.describe(arn)["PipelineExperimentConfig"]
    assert tracked == {"ExperimentName": name.lower(), "TrialName": arn.rpartition("/")[2]}
    components = client.list_trial_components(TrialName=tracked["TrialName"])
    sources = {
        c["TrialComponentSource"]["SourceArn"] for c in components["TrialComponentSummaries"]
    }
    jobs = [step["Metadata"].get("TrainingJob", {}).get("Arn") for step in steps]
    assert sources >= {job for job in jobs if job}

    client.describe_pipeline(PipelineName=name)
    again = client.start_pipeline_execution(
        PipelineName=name,
        PipelineExecutionDisplayName="Manual-Retrain-Execution",
        PipelineExecutionDescription="started by hand, to learn from the new human reviews",
    )
    described = wait(client, again["PipelineExecutionArn"])
    assert described["PipelineExecutionStatus"] == "Succeeded"
    assert described["PipelineExecutionDisplayName"] == "Manual-Retrain-Execution"
    versions = client.list_model_packages(
        ModelPackageGroupName=group,
        ModelApprovalStatus="PendingManualApproval",
        SortBy="CreationTime",
        MaxResults=100,
    )["ModelPackageSummaryList"]
    assert sorted(version["ModelPackageVersion"] for version in versions) == [1, 2]
