"""What the tests of pipelines share: definitions, executions to their end, and their steps."""

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import boto3

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.training_support import ROLE, Jobs

ENDED = ("Succeeded", "Failed", "Stopped", "CompletedWithFailures")
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"


def get(path: str) -> dict[str, str]:
    """Return a ``Get``."""
    return {"Get": path}


def join(on: str, *values: Any) -> dict[str, Any]:
    """Return a ``Std:Join``."""
    return {"Std:Join": {"On": on, "Values": list(values)}}


def parameter(name: str, kind: str, default: Any = None, **more: Any) -> dict[str, Any]:
    """Return a parameter of a definition."""
    given = {} if default is None else {"DefaultValue": default}
    return {"Name": name, "Type": kind, **given, **more}


def fail(name: str, message: Any = "", **more: Any) -> dict[str, Any]:
    """Return a Fail step."""
    return {"Name": name, "Type": "Fail", "Arguments": {"ErrorMessage": message}, **more}


def condition(
    name: str,
    conditions: Any,
    then: Sequence[Any] = (),
    otherwise: Sequence[Any] = (),
    **more: Any,
) -> dict[str, Any]:
    """Return a Condition step."""
    arguments = {"Conditions": conditions, "IfSteps": list(then), "ElseSteps": list(otherwise)}
    return {"Name": name, "Type": "Condition", "Arguments": arguments, **more}


def compare(kind: str, left: Any, right: Any) -> dict[str, Any]:
    """Return a condition that compares two values."""
    return {"Type": kind, "LeftValue": left, "RightValue": right}


def definition(steps: Sequence[Any], parameters: Sequence[Any] = (), **more: Any) -> dict[str, Any]:
    """Return a definition."""
    return {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": list(parameters),
        "Steps": list(steps),
        **more,
    }


class Pipelines:
    """Creates pipelines on a local SageMaker through boto3, and executes them."""

    def __init__(self, local: LocalSageMaker) -> None:
        self.jobs = Jobs(local)
        self.sagemaker = boto3.client("sagemaker", endpoint_url=local.url)
        self.bucket = self.jobs.bucket

    def training(self, name: str, *words: str, **more: Any) -> dict[str, Any]:
        """Return a Training step that runs a command; ``arguments`` adds to its request."""
        arguments = {
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": list(words) or ["true"],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **more.pop("arguments", {}),
        }
        return {"Name": name, "Type": "Training", "Arguments": arguments, **more}

    def create(self, steps: Sequence[Any], parameters: Sequence[Any] = (), **request: Any) -> str:
        """Create a pipeline of steps; return its name."""
        name = request.pop("PipelineName", None) or f"pipeline-{uuid.uuid4().hex[:8]}"
        self.sagemaker.create_pipeline(
            PipelineName=name,
            RoleArn=ROLE,
            PipelineDefinition=json.dumps(definition(steps, parameters)),
            **request,
        )
        return name

    def start(self, name: str, given: Mapping[str, Any] | None = None, **request: Any) -> str:
        """Start an execution; return its ARN."""
        if given is not None:
            request["PipelineParameters"] = [
                {"Name": key, "Value": str(value)} for key, value in given.items()
            ]
        answer = self.sagemaker.start_pipeline_execution(PipelineName=name, **request)
        return str(answer["PipelineExecutionArn"])

    def run(self, steps: Sequence[Any], parameters: Sequence[Any] = (), **given: Any) -> str:
        """Execute a new pipeline to its end; return the execution's ARN."""
        return self.execute(self.create(steps, parameters), given or None)

    def execute(self, name: str, given: Mapping[str, Any] | None = None) -> str:
        """Execute a pipeline to its end; return the execution's ARN."""
        arn = self.start(name, given)
        self.ended(arn)
        return arn

    def describe(self, arn: str) -> dict[str, Any]:
        """Return what DescribePipelineExecution answers."""
        answer: dict[str, Any] = self.sagemaker.describe_pipeline_execution(
            PipelineExecutionArn=arn
        )
        return answer

    def ended(self, arn: str) -> dict[str, Any]:
        """Wait for an execution's end; return what then describes it."""
        while (execution := self.describe(arn))["PipelineExecutionStatus"] not in ENDED:
            time.sleep(0.02)
        return execution

    def status(self, arn: str) -> str:
        """Wait for an execution's end; return its status."""
        return str(self.ended(arn)["PipelineExecutionStatus"])

    def succeeded(self, arn: str) -> dict[str, dict[str, Any]]:
        """Wait for the end of an execution that must succeed; return its steps."""
        status, steps = self.status(arn), self.steps(arn)
        reasons = {name: step.get("FailureReason") for name, step in steps.items()}
        assert status == "Succeeded", f"{status}: {json.dumps(reasons)}"
        return steps

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        """Return the steps of an execution that have started, by name, the first first."""
        answer = self.sagemaker.list_pipeline_execution_steps(
            PipelineExecutionArn=arn, SortOrder="Ascending"
        )
        return {step["StepName"]: step for step in answer["PipelineExecutionSteps"]}

    def step(self, arn: str, name: str, *statuses: str) -> dict[str, Any]:
        """Wait until a step is there and in one of some statuses, any if none is given."""
        while True:
            step = self.steps(arn).get(name)
            if step is not None and (not statuses or step["StepStatus"] in statuses):
                return step
            time.sleep(0.02)

    def job(self, arn: str, name: str) -> str:
        """Wait until a step has a training job; return its name."""
        while True:
            metadata = self.step(arn, name)["Metadata"]
            if metadata:
                return str(metadata["TrainingJob"]["Arn"]).rpartition("/")[2]
            time.sleep(0.02)
