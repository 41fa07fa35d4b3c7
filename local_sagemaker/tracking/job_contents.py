"""What a trial component says about its job: parameters, inputs, outputs, times.

Which members it has is what public notebooks and the SDK's tests show of the service's. It knows
jobs' records; it must not know how components are kept.
"""

import math
from typing import Any

from local_sagemaker.store import Record

# botocore: the greatest lengths of TrialComponentStatus.Message and of an artifact's MediaType.
_LONGEST_MESSAGE = 1024
_LONGEST_MEDIA_TYPE = 64


def training(job: Record) -> dict[str, Any]:
    """Return what a component says about a training job."""
    body = job.body
    return {
        "Status": _status(job, f"secondary status: {body.get('SecondaryStatus')}"),
        "Parameters": _parameters(
            body.get("HyperParameters", {}),
            body.get("AlgorithmSpecification", {}).get("TrainingImage"),
            body.get("ResourceConfig", {}),
        ),
        "InputArtifacts": _channels(body),
        "OutputArtifacts": _model(job),
        **_times(body, "Training"),
    }


def processing(job: Record) -> dict[str, Any]:
    """Return what a component says about a processing job."""
    body = job.body
    outputs = body.get("ProcessingOutputConfig", {}).get("Outputs", ())
    return {
        "Status": _status(job, f"exit message: {body.get('ExitMessage', '')}"),
        "Parameters": _parameters(
            {}, body["AppSpecification"]["ImageUri"], body["ProcessingResources"]["ClusterConfig"]
        ),
        "InputArtifacts": {
            item["InputName"]: {"Value": item["S3Input"]["S3Uri"]}
            for item in body.get("ProcessingInputs", ())
            if "S3Input" in item
        },
        "OutputArtifacts": {
            item["OutputName"]: {"Value": item["S3Output"]["S3Uri"]}
            for item in outputs
            if "S3Output" in item
        },
        **_times(body, "Processing"),
    }


def _status(job: Record, more: str) -> dict[str, Any]:
    words = f"Status: {job.status}, {more}, failure reason: {job.body.get('FailureReason', '')}."
    return {"PrimaryStatus": job.status, "Message": words[:_LONGEST_MESSAGE]}


def _times(body: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {
        shown: body[f"{prefix}{shown}"]
        for shown in ("StartTime", "EndTime")
        if f"{prefix}{shown}" in body
    }


def _parameters(
    given: dict[str, str], image: str | None, cluster: dict[str, Any]
) -> dict[str, Any]:
    own = {
        "SageMaker.ImageUri": image,
        "SageMaker.InstanceCount": cluster.get("InstanceCount"),
        "SageMaker.InstanceType": cluster.get("InstanceType"),
        "SageMaker.VolumeSizeInGB": cluster.get("VolumeSizeInGB"),
    }
    values = {**given, **own}
    return {name: _parameter(value) for name, value in values.items() if value is not None}


def _parameter(value: str | float) -> dict[str, Any]:
    """Return a parameter: a number where the text is one, as the service does."""
    try:
        number = float(value)
    except ValueError:
        return {"StringValue": value}
    return {"NumberValue": number} if math.isfinite(number) else {"StringValue": str(value)}


def _channels(body: dict[str, Any]) -> dict[str, Any]:
    artifacts = {}
    for channel in body.get("InputDataConfig", ()):
        source = channel.get("DataSource", {}).get("S3DataSource")
        if source is None:
            continue
        artifact = {"Value": source["S3Uri"]}
        if 0 < len(channel.get("ContentType", "")) <= _LONGEST_MEDIA_TYPE:
            artifact["MediaType"] = channel["ContentType"]
        artifacts[channel["ChannelName"]] = artifact
    return artifacts


def _model(job: Record) -> dict[str, Any]:
    """Return where results are: the model once the job is over and has left one."""
    artifacts = {}
    if job.status in ("Completed", "Stopped"):
        model = job.body["ModelArtifacts"]["S3ModelArtifacts"]
        artifacts["SageMaker.ModelArtifact"] = {"Value": model}
    hook = job.body.get("DebugHookConfig", {}).get("S3OutputPath")
    if hook is not None:
        artifacts["SageMaker.DebugHookOutput"] = {"Value": hook}
    return artifacts
