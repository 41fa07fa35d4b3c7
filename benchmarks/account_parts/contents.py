"""Accounts full of what labs leave, and decoys that look much like it; records, no processes."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from workshop_utils.session import PREFIX, Session

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference:latest"
PIPELINE = json.dumps({"Version": "2020-12-01", "Parameters": [], "Steps": []})


def fill(session: Session, records: int, objects: int = 20, *, marked: bool = True) -> None:
    """Make records of the kinds that labs leave, in turn, and objects in S3.

    Parameters
    ----------
    session
        Whose account.
    records, objects
        How many of each.
    marked
        Whether they carry the workshop's marks; without them they are decoys, somebody else's.
    """
    tags = session.tags if marked else [{"Key": "team", "Value": "somebody-else"}]
    prefix = PREFIX if marked else "their"
    bucket(session)
    for number, make in zip(range(records), itertools.cycle(_MAKERS), strict=False):
        make(session, f"{prefix}-{number:04d}", tags)
    folder = f"{PREFIX}/few-shot/" if marked else "their-data/"
    for number in range(objects):
        session.client("s3").put_object(
            Bucket=session.bucket, Key=f"{folder}{number:04d}.txt", Body=b"content"
        )


def bucket(session: Session) -> None:
    """Make the account's default bucket, where it is not there yet."""
    session.client("s3").create_bucket(Bucket=session.bucket)


def _model(session: Session, name: str, tags: list[dict[str, str]]) -> None:
    session.client("sagemaker").create_model(
        ModelName=name,
        PrimaryContainer={"Image": IMAGE},
        ExecutionRoleArn=session.role,
        Tags=tags,
    )


def _config(session: Session, name: str, tags: list[dict[str, str]]) -> None:
    # The model of the record before.
    head, _, number = name.rpartition("-")
    session.client("sagemaker").create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[
            {
                "VariantName": "AllTraffic",
                "ModelName": f"{head}-{int(number) - 1:04d}",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
        Tags=tags,
    )


def _group(session: Session, name: str, tags: list[dict[str, str]]) -> None:
    session.client("sagemaker").create_model_package_group(ModelPackageGroupName=name, Tags=tags)


def _package(session: Session, name: str, _: list[dict[str, str]]) -> None:
    # A version of the group of the record before; AWS takes no tags for versions.
    head, _, number = name.rpartition("-")
    session.client("sagemaker").create_model_package(
        ModelPackageGroupName=f"{head}-{int(number) - 1:04d}",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [{"Image": IMAGE}],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )


def _experiment(session: Session, name: str, tags: list[dict[str, str]]) -> None:
    session.client("sagemaker").create_experiment(ExperimentName=name, Tags=tags)


def _trial(session: Session, name: str, tags: list[dict[str, str]]) -> None:
    head, _, number = name.rpartition("-")
    session.client("sagemaker").create_trial(
        TrialName=name, ExperimentName=f"{head}-{int(number) - 1:04d}", Tags=tags
    )


def _component(session: Session, name: str, tags: list[dict[str, str]]) -> None:
    head, _, number = name.rpartition("-")
    client = session.client("sagemaker")
    client.create_trial_component(TrialComponentName=name, Tags=tags)
    client.associate_trial_component(
        TrialComponentName=name, TrialName=f"{head}-{int(number) - 1:04d}"
    )


def _pipeline(session: Session, name: str, tags: list[dict[str, str]]) -> None:
    session.client("sagemaker").create_pipeline(
        PipelineName=name,
        PipelineDefinition=PIPELINE,
        RoleArn=session.role,
        ClientRequestToken=f"{name:-<32}",
        Tags=tags,
    )


def _task_ui(session: Session, name: str, tags: list[dict[str, str]]) -> None:
    session.client("sagemaker").create_human_task_ui(
        HumanTaskUiName=name, UiTemplate={"Content": "<p>task</p>"}, Tags=tags
    )


_MAKERS: tuple[Callable[[Session, str, list[dict[str, str]]], None], ...] = (
    _model,
    _config,
    _group,
    _package,
    _experiment,
    _trial,
    _component,
    _pipeline,
    _task_ui,
    _model,
)


def everything(session: Session) -> dict[str, Any]:
    """Return the names of everything in an account, by kind, asked of each List operation."""
    client = session.client("sagemaker")
    lists = {
        "list_models": ("Models", "ModelName"),
        "list_endpoint_configs": ("EndpointConfigs", "EndpointConfigName"),
        "list_endpoints": ("Endpoints", "EndpointName"),
        "list_model_package_groups": ("ModelPackageGroupSummaryList", "ModelPackageGroupName"),
        "list_model_packages": ("ModelPackageSummaryList", "ModelPackageArn"),
        "list_experiments": ("ExperimentSummaries", "ExperimentName"),
        "list_trials": ("TrialSummaries", "TrialName"),
        "list_trial_components": ("TrialComponentSummaries", "TrialComponentName"),
        "list_pipelines": ("PipelineSummaries", "PipelineName"),
        "list_human_task_uis": ("HumanTaskUiSummaries", "HumanTaskUiName"),
    }
    found = {
        operation: sorted(
            item[name]
            for page in client.get_paginator(operation).paginate(**_every(operation))
            for item in page[member]
        )
        for operation, (member, name) in lists.items()
    }
    pages = session.client("s3").get_paginator("list_objects_v2").paginate(Bucket=session.bucket)
    found["objects"] = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {operation: names for operation, names in found.items() if names}


def _every(operation: str) -> dict[str, str]:
    return {"ModelPackageType": "Both"} if operation == "list_model_packages" else {}


def numbers(first: int, count: int) -> Iterator[str]:
    """Yield account numbers."""
    return (f"{number:012d}" for number in range(first, first + count))
