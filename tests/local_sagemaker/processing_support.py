"""What the tests of processing jobs share: submitting a script and looking at what became of it."""

import textwrap
import uuid
from typing import Any

from tests.local_sagemaker.training_support import ROLE, Jobs

BASE = "/opt/ml/processing"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"
CLUSTER = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}


class Processing(Jobs):
    """Submits processing jobs to a local SageMaker through boto3."""

    group = "/aws/sagemaker/ProcessingJobs"
    status = "ProcessingJobStatus"

    def python(self, code: str, /, **parameters: Any) -> str:
        """Submit a script as SDK's ScriptProcessor does; return the job's name."""
        uri = self.put(f"code/{uuid.uuid4().hex}/process.py", textwrap.dedent(code))
        inputs = [*parameters.pop("inputs", []), source("code", uri)]
        entrypoint = ["python3", f"{BASE}/input/code/process.py"]
        return self.process(entrypoint, inputs=inputs, **parameters)

    def process(self, entrypoint: list[str] | None, /, **parameters: Any) -> str:
        """Create a processing job; return its name.

        ``inputs``, ``outputs``, ``arguments`` and ``cluster`` stand for the members that are
        deep in the request; the others are its own.
        """
        name = str(parameters.pop("ProcessingJobName", f"job-{uuid.uuid4().hex[:12]}"))
        application: dict[str, Any] = {"ImageUri": IMAGE}
        if entrypoint is not None:
            application["ContainerEntrypoint"] = entrypoint
        if "arguments" in parameters:
            application["ContainerArguments"] = parameters.pop("arguments")
        request = {
            "ProcessingResources": {"ClusterConfig": CLUSTER | parameters.pop("cluster", {})},
            "ProcessingInputs": parameters.pop("inputs", []),
            "ProcessingOutputConfig": {"Outputs": parameters.pop("outputs", [])},
            "RoleArn": ROLE,
            **parameters,
        }
        self.sagemaker.create_processing_job(
            ProcessingJobName=name, AppSpecification=application, **request
        )
        return name

    def output(self, folder: str = "output", **members: Any) -> dict[str, Any]:
        """Return an output of a folder of this name, to a prefix of this name."""
        target = {
            "S3Uri": f"s3://{self.bucket}/{folder}-{uuid.uuid4().hex[:8]}",
            "LocalPath": f"{BASE}/{folder}",
            "S3UploadMode": "EndOfJob",
        }
        return {"OutputName": folder, "S3Output": target | members}

    def outputs(self, output: dict[str, Any]) -> dict[str, bytes]:
        """Return the files of an output by their names."""
        prefix = output["S3Output"]["S3Uri"].removeprefix(f"s3://{self.bucket}/") + "/"
        return {key: self.get(prefix + key) for key in self.keys(prefix)}

    def describe(self, name: str) -> dict[str, Any]:
        """Return what DescribeProcessingJob answers."""
        answer: dict[str, Any] = self.sagemaker.describe_processing_job(ProcessingJobName=name)
        return answer


def source(name: str, uri: str, path: str | None = None, /, **members: Any) -> dict[str, Any]:
    """Return an input whose folder has its name, or the path that is given."""
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": uri,
            "LocalPath": path or f"{BASE}/input/{name}",
            "S3DataType": "S3Prefix",
            **members,
        },
    }
