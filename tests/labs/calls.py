"""Which calls a lab makes, read from the request log of the server it ran on, as IAM's actions.

The record, data/results/lab_calls.json, is what the minimal policy is held to and what preflight
reads. One command writes it anew: ``RECORD_LAB_CALLS=1 python -m pytest tests/labs``.

Source of the exceptions: "Actions, resources, and condition keys" of the services, Service
Authorization Reference.
"""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import UnknownServiceError

from local_sagemaker.request_log.reader import last_lines
from workshop_utils.preflight import policy

RECORD = Path(__file__).resolve().parents[2] / "data" / "results" / "lab_calls.json"
COMMAND = "RECORD_LAB_CALLS=1 python -m pytest tests/labs"

# IAM's prefix of a service, where it is not botocore's name.
_PREFIXES = {
    "sagemaker-runtime": "sagemaker",
    "sagemaker-a2i-runtime": "sagemaker",
    "sagemaker-metrics": "sagemaker",
    "service-quotas": "servicequotas",
    "resourcegroupstaggingapi": "tag",
}
# IAM's actions for an operation, where they are not called like it.
_ACTIONS = {
    "s3.HeadObject": ["s3:GetObject"],
    "s3.HeadBucket": ["s3:ListBucket"],
    "s3.ListObjects": ["s3:ListBucket"],
    "s3.ListObjectsV2": ["s3:ListBucket"],
    "s3.ListObjectVersions": ["s3:ListBucketVersions"],
    "s3.ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "s3.ListBuckets": ["s3:ListAllMyBuckets"],
    "s3.CreateMultipartUpload": ["s3:PutObject"],
    "s3.UploadPart": ["s3:PutObject"],
    "s3.CompleteMultipartUpload": ["s3:PutObject"],
    "s3.CopyObject": ["s3:GetObject", "s3:PutObject"],
    "s3.DeleteObjects": ["s3:DeleteObject"],
    # It needs no permission, and cannot be denied.
    "sts.GetCallerIdentity": [],
}
_CHANGING = re.compile(r"[0-9a-f]{8,}(?=[-/]|$)|\d{6,}(?=[-/]|$)")
_ROLES = ("RoleArn", "ExecutionRoleArn")

# What IAM judges without a resource.
_EVERYWHERE = ("sagemaker:List", "sagemaker:Search", "sagemaker:BatchPutMetrics", "servicequotas:")
_EVERYWHERE += ("s3:ListAllMyBuckets", "tag:", "cloudwatch:", "iam:Simulate", "iam:List", "iam:Get")
_OF_ONE = (
    "sagemaker:ListHubContents",
    "sagemaker:ListPipelineExecutionSteps",
    "sagemaker:ListTags",
)
_BUCKET_LEVEL = ("s3:ListBucket", "s3:CreateBucket", "s3:GetBucket", "s3:DeleteBucket")

Calls = dict[str, dict[str, dict[str, list[str]]]]
"""By who made it, ``people`` or ``jobs``, and by call, ``s3.HeadObject``: ``actions`` and
``resources``, examples of what was asked for with the parts that change made equal."""


def observed(home: Path) -> Calls:
    """Return the calls that the request log of a server's home has."""
    found: Calls = {"people": {}, "jobs": {}}
    for line in last_lines(home, None, lambda line: bool(line.get("service"))):
        call = f"{line['service']}.{line['operation']}"
        actions = actions_of(line["service"], line["operation"])
        if actions is None:
            continue
        # The server signs what it does for a container with a session of this name.
        by = "jobs" if str(line["principal"]).endswith("/SageMaker") else "people"
        entry = found[by].setdefault(call, {"actions": actions, "resources": []})
        for action in actions:
            resource = _resource(line, action)
            if resource not in entry["resources"]:
                entry["resources"].append(resource)
    for calls in found.values():
        for entry in calls.values():
            entry["resources"].sort()
    return {by: dict(sorted(calls.items())) for by, calls in found.items()}


def _resource(line: dict[str, Any], action: str) -> str:
    """Return the ARN of what was asked for, with equal names for what has new ones each time."""
    named = str(line["resource"] or "")
    account = line["account"]
    if action == "iam:PassRole":
        return f"arn:aws:iam::{account}:role/LocalSageMakerExecutionRole"
    if action.startswith(_EVERYWHERE) and action not in _OF_ONE:
        return "*"
    if action.startswith("s3:"):
        bucket, *key = named.strip("/").split("/")
        if action.startswith(_BUCKET_LEVEL):
            return f"arn:aws:s3:::{bucket}"
        # DeleteObjects names its keys in a body, which no log has.
        key = key or ["nlp-workshop"]
        return "arn:aws:s3:::" + "/".join([bucket, *key[:2], "x"])
    if action.startswith("logs:"):
        return f"arn:aws:logs:us-east-1:{account}:log-group:{named}"
    if not action.startswith("sagemaker:"):
        return "*"
    if not named.startswith("arn:"):
        owner = "aws" if "Hub" in action else account
        kind = policy.kind_of(f"sagemaker:{line['operation']}")
        assert kind, f"of which kind is {named} that {line['operation']} is about?"
        hub = "SageMakerPublicHub" if "Hub" in action else ""
        # The log does not have the names of a few.
        name = "/".join(filter(None, [hub, named.lower()])) or "nlp-workshop"
        named = f"arn:aws:sagemaker:us-east-1:{owner}:{kind}/{name}"
    return re.sub("pipelines-.*", "pipelines-x", _CHANGING.sub("0", named))


def belongs(action: str, resource: str) -> bool:
    """Tell whether a call asks for an action on one of its resources, or on another of them."""
    return (action == "iam:PassRole") == (":role/" in resource)


@cache
def actions_of(service: str, operation: str) -> list[str] | None:
    """Return what IAM asks for an operation; None for what is no operation of AWS."""
    try:
        model = _session().get_service_model(service)
        shape = model.operation_model(operation).input_shape
    except (UnknownServiceError, KeyError, ValueError):
        return None
    call = f"{service}.{operation}"
    prefix = _PREFIXES.get(service, service)
    actions = list(_ACTIONS.get(call, [f"{prefix}:{operation}"]))
    members = shape.members if shape is not None else {}
    if prefix == "sagemaker":
        # Who makes a thing with tags needs the right to tag, and who names a role that to pass it.
        if "Tags" in members and operation != "AddTags":
            actions.append("sagemaker:AddTags")
        if any(role in members for role in _ROLES):
            actions.append("iam:PassRole")
    return actions


@cache
def _session() -> Any:
    return botocore.session.Session()


def recorded() -> dict[str, Calls]:
    """Return the record's calls by lab."""
    content = json.loads(RECORD.read_text(encoding="utf-8"))
    found: dict[str, Calls] = content["calls"]
    return found


def check_or_record(lab: str, home: Path) -> None:
    """Hold the calls of a run to the record; with ``RECORD_LAB_CALLS`` set, add them to it."""
    seen = observed(home)
    if os.environ.get("RECORD_LAB_CALLS"):
        add(lab, seen)
    known = recorded()[lab]
    new = {call for by, calls in seen.items() for call in calls if call not in known.get(by, {})}
    assert not new, (
        f"{lab} makes calls that are not in {RECORD.name}: {sorted(new)}. Run {COMMAND}, and let "
        "aws/minimal-policy.json allow what is new."
    )


def add(lab: str, calls: Calls) -> None:
    """Write a run's calls into the record, in the place of what it has of that lab."""
    every = recorded() if RECORD.exists() else {}
    every[lab] = calls
    content = {"command": COMMAND, "calls": dict(sorted(every.items()))}
    RECORD.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
