"""What the tests of batch transform share: a model from a script, input, and a job to its end."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from tests.local_sagemaker.endpoint_support import Deployer

ENDED = ("Completed", "Failed", "Stopped")

# One record a line, in and out.
LINES: dict[str, Any] = {
    "source": {"SplitType": "Line", "ContentType": "text/csv"},
    "output": {"AssembleWith": "Line"},
}

# Answers a line for each line.
UPPER = """
    def model_fn(model_dir): return None

    def transform_fn(model, data, content_type, accept):
        text = data if isinstance(data, str) else bytes(data).decode()
        return "".join(f"{line.upper()}\\n" for line in text.split("\\n")), accept
"""


class Transformer:
    """Runs transform jobs on a local SageMaker through boto3."""

    def __init__(self, deployer: Deployer) -> None:
        self.deployer = deployer
        self.sagemaker = deployer.sagemaker
        self.s3 = deployer.s3
        self.bucket = deployer.bucket

    def prefix(self, files: Mapping[str, bytes]) -> str:
        """Write input objects under a new prefix; return it."""
        prefix = f"in-{uuid.uuid4().hex[:8]}"
        for name, content in files.items():
            self.deployer.put(f"{prefix}/{name}", content)
        return f"s3://{self.bucket}/{prefix}/"

    def create(
        self,
        model: str,
        uri: str,
        *,
        source: Mapping[str, Any] | None = None,
        output: Mapping[str, Any] | None = None,
        kind: str = "S3Prefix",
        instances: int = 1,
        **parameters: Any,
    ) -> str:
        """Create a job without waiting for it; return its name."""
        name = parameters.pop("name", f"job-{uuid.uuid4().hex[:8]}")
        self.sagemaker.create_transform_job(
            TransformJobName=name,
            ModelName=model,
            TransformInput={
                "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": uri}},
                **(source or {}),
            },
            TransformOutput={
                "S3OutputPath": f"s3://{self.bucket}/out/{name}",
                **(output or {}),
            },
            TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": instances},
            **parameters,
        )
        return name

    def run(self, model: str, uri: str, **parameters: Any) -> dict[str, Any]:
        """Run a job to its end; return what DescribeTransformJob then answers."""
        return self.ended(self.create(model, uri, **parameters))

    def describe(self, name: str) -> dict[str, Any]:
        """Return what DescribeTransformJob answers."""
        content: dict[str, Any] = self.sagemaker.describe_transform_job(TransformJobName=name)
        return content

    def ended(self, name: str) -> dict[str, Any]:
        """Wait for a job's end; return what DescribeTransformJob then answers."""
        while (job := self.describe(name))["TransformJobStatus"] not in ENDED:
            time.sleep(0.02)
        return job

    def outputs(self, job: str | Mapping[str, Any]) -> dict[str, bytes]:
        """Return what a job wrote below its folder, by name."""
        name = job if isinstance(job, str) else job["TransformJobName"]
        prefix = f"out/{name}/"
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
        return {
            item["Key"].removeprefix(prefix): self.s3.get_object(
                Bucket=self.bucket, Key=item["Key"]
            )["Body"].read()
            for item in found
        }

    def completed(self, model: str, uri: str, **parameters: Any) -> dict[str, bytes]:
        """Run a job that completes; return what it wrote."""
        job = self.run(model, uri, **parameters)
        assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
        return self.outputs(job)

    def failed(self, model: str, uri: str, **parameters: Any) -> str:
        """Run a job that fails; return why."""
        job = self.run(model, uri, **parameters)
        assert job["TransformJobStatus"] == "Failed", job
        return str(job["FailureReason"])

    def log(self, name: str) -> str:
        """Return all lines of a job's logs; nothing before there are any."""
        try:
            events = self.deployer.logs.filter_log_events(
                logGroupName="/aws/sagemaker/TransformJobs", logStreamNamePrefix=f"{name}/"
            )["events"]
        except ClientError:
            return ""
        return "\n".join(event["message"] for event in events)
