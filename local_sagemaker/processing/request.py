"""What a processing job's request asks for: completed, checked, and what of it is not run here.

It knows the members of CreateProcessingJob; it must not know how a job is run.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.jobs.s3_locations import S3Location

BASE = "/opt/ml/processing"
"""Where a container on AWS has its inputs and outputs."""

_DEFAULT_MAX_RUNTIME = 24 * 3600
# Of a file's or folder's name, on every file system that is common.
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Input:
    """Objects of S3 that lie in a folder of the container when the job starts.

    Attributes
    ----------
    name
        The input's.
    path
        The folder's, below `BASE`.
    channel
        The same as an entry of a training job's ``InputDataConfig``.
    """

    name: str
    path: str
    channel: dict[str, Any]


@dataclass(frozen=True)
class Output:
    """A folder of the container whose files go to S3.

    Attributes
    ----------
    name
        The output's.
    path
        The folder's, below `BASE`.
    target
        Where its files go.
    continuous
        Whether they go there while the job runs, and not only at its end.
    """

    name: str
    path: str
    target: S3Location
    continuous: bool


def completed(params: dict[str, Any]) -> dict[str, Any]:
    """Return a request with the service's defaults."""
    stopping = {"MaxRuntimeInSeconds": _DEFAULT_MAX_RUNTIME, **params.get("StoppingCondition", {})}
    inputs = [_completed_input(item) for item in params.get("ProcessingInputs", [])]
    resources = params["ProcessingResources"]
    cluster = resources["ClusterConfig"]
    if cluster.get("InstancePreferences"):
        # There is capacity for whatever comes first.
        first = cluster["InstancePreferences"][0]
        cluster = {
            **cluster,
            "SelectedInstanceType": first["InstanceType"],
            "SelectedInstanceCount": first.get("InstanceCount", cluster.get("InstanceCount", 1)),
        }
    return {
        **params,
        "StoppingCondition": stopping,
        **({"ProcessingInputs": inputs} if inputs else {}),
        "ProcessingResources": {**resources, "ClusterConfig": cluster},
    }


def _completed_input(item: dict[str, Any]) -> dict[str, Any]:
    if "S3Input" not in item:
        return {"AppManaged": False, **item}
    source = {
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
        "S3CompressionType": "None",
        **item["S3Input"],
    }
    return {"AppManaged": False, **item, "S3Input": source}


def check(caller: Caller, request: Mapping[str, Any]) -> None:
    """Refuse what the service model allows but the service does not; `AWSError`."""
    for member, key in (("ProcessingInputs", "InputName"), ("Outputs", "OutputName")):
        items = _outputs(request) if member == "Outputs" else request.get(member, [])
        names = [item[key] for item in items]
        for name in names:
            if names.count(name) > 1:
                raise validation_exception(f"The {key} {name!r} is given more than once.")
    for item in request.get("ProcessingInputs", []):
        if ("S3Input" in item) == ("DatasetDefinition" in item):
            raise validation_exception(
                f"The input {item['InputName']!r} needs one of S3Input and DatasetDefinition."
            )
        if "S3Input" in item and not item["AppManaged"]:
            _check_path(f"input {item['InputName']!r}", item["S3Input"].get("LocalPath"))
            S3Location.parse(item["S3Input"]["S3Uri"])
    for item in _outputs(request):
        if "S3Output" in item and not item.get("AppManaged"):
            _check_path(f"output {item['OutputName']!r}", item["S3Output"].get("LocalPath"))
            S3Location.parse(item["S3Output"]["S3Uri"])
    _check_words(request)
    cluster = request["ProcessingResources"]["ClusterConfig"]
    if ("InstanceType" in cluster) == bool(cluster.get("InstancePreferences")):
        raise validation_exception(
            "ClusterConfig needs one of InstanceType and InstancePreferences."
        )
    if request["RoleArn"].split(":")[4] != caller.account:
        raise AWSError(
            "AccessDeniedException",
            f"Cross-account pass role is not allowed: {request['RoleArn']} is not a role of "
            f"account {caller.account}.",
        )


def _check_path(what: str, path: str | None) -> None:
    if path is None:
        raise validation_exception(f"The {what} needs a LocalPath, because it is not AppManaged.")
    if not f"{posixpath.normpath(path)}/".startswith(f"{BASE}/"):
        raise validation_exception(
            f"The LocalPath {path!r} of the {what} is not {BASE} or a folder below it."
        )
    for name in path.split("/"):
        if "\0" in name or len(name.encode()) > _LONGEST_NAME:
            raise validation_exception(
                f"The LocalPath {path!r} of the {what} cannot be made: the name of a folder has no "
                f"NUL and at most {_LONGEST_NAME} bytes."
            )


def _check_words(request: Mapping[str, Any]) -> None:
    """Refuse what no process can be started with."""
    application = request["AppSpecification"]
    told = {
        "ContainerEntrypoint": application.get("ContainerEntrypoint", ()),
        "ContainerArguments": application.get("ContainerArguments", ()),
        "Environment": request.get("Environment", {}).values(),
    }
    for member, words in told.items():
        for word in words:
            if "\0" in word:
                raise validation_exception(
                    f"{word[:80]!r} in {member} has a NUL, which no process can be given."
                )


def refusal(request: Mapping[str, Any]) -> str | None:
    """Return why a request asks for something that is not run locally, or None."""
    instances = _cluster(request)[1]
    if instances > 1:
        return f"the job has InstanceCount {instances}"
    for item in request.get("ProcessingInputs", []):
        if "DatasetDefinition" in item:
            kinds = [name for name in item["DatasetDefinition"] if name.endswith("Definition")]
            kind = ", ".join(kinds) or "DatasetDefinition"
            return f"input {item['InputName']!r} has {kind}; only S3Input is read locally"
        if item["S3Input"]["S3InputMode"] == "Pipe" and not item["AppManaged"]:
            return f"input {item['InputName']!r} has S3InputMode Pipe; use File"
    for item in _outputs(request):
        if "FeatureStoreOutput" in item:
            return f"output {item['OutputName']!r} has FeatureStoreOutput; only S3Output is written"
    if "ContainerEntrypoint" not in request["AppSpecification"]:
        return (
            f"there is no code but that of the image, {request['AppSpecification']['ImageUri']}. "
            "It runs the code that a request brings along: the scripts of SDK v3's "
            "ScriptProcessor and FrameworkProcessor, or a ContainerEntrypoint"
        )
    return None


def instance_type(request: Mapping[str, Any]) -> str:
    """Return the type of the instance that the job asks for first."""
    return _cluster(request)[0]


def inputs(request: Mapping[str, Any]) -> list[Input]:
    """Return the inputs that the platform brings."""
    return [
        Input(
            item["InputName"],
            posixpath.normpath(item["S3Input"]["LocalPath"]),
            {
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": item["S3Input"]["S3DataType"],
                        "S3Uri": item["S3Input"]["S3Uri"],
                    }
                },
                "CompressionType": item["S3Input"]["S3CompressionType"],
            },
        )
        for item in request.get("ProcessingInputs", [])
        if not item["AppManaged"]
    ]


def outputs(request: Mapping[str, Any]) -> list[Output]:
    """Return the outputs that the platform takes."""
    return [
        Output(
            item["OutputName"],
            posixpath.normpath(item["S3Output"]["LocalPath"]),
            S3Location.parse(item["S3Output"]["S3Uri"]),
            item["S3Output"]["S3UploadMode"] == "Continuous",
        )
        for item in _outputs(request)
        if not item.get("AppManaged")
    ]


def _outputs(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return found


def _cluster(request: Mapping[str, Any]) -> tuple[str, int]:
    cluster = request["ProcessingResources"]["ClusterConfig"]
    kind = cluster.get("InstanceType") or cluster["SelectedInstanceType"]
    return str(kind), int(cluster.get("SelectedInstanceCount", cluster.get("InstanceCount", 1)))
