"""The model registry: versions of a model, what was measured of them, and who approved them.

It knows model package groups; it must not know how a version was trained or who serves it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import pandas as pd
from botocore.exceptions import ClientError

from workshop_utils.display import card
from workshop_utils.evaluations import Evaluation, read_evaluation
from workshop_utils.session import Session

PENDING = "PendingManualApproval"
Decision = Literal["Approved", "Rejected"]
DECISIONS: tuple[Decision, ...] = ("Approved", "Rejected")


class NoVersion(Exception):
    """The registry has no such version; the message says what to do."""


@dataclass(frozen=True)
class ModelVersion:
    """A version in the registry.

    Attributes
    ----------
    arn, number
        Its ARN, and the number at the end of it.
    approval, note
        ``PendingManualApproval``, ``Approved`` or ``Rejected``, and what was said with it.
    created
        When it was registered.
    image, model_data
        What serves it, and the S3 URI of its archive.
    figures
        The S3 folder of its evaluation; None if it was registered without one.
    """

    session: Session
    arn: str
    number: int
    approval: str
    note: str
    created: datetime
    image: str
    model_data: str
    figures: str | None

    def evaluation(self) -> Evaluation:
        """Return what was measured when it was registered.

        Raises
        ------
        NoVersion
            When nothing was.
        """
        if self.figures is None:
            raise NoVersion(f"Version {self.number} was registered without an evaluation.")
        return read_evaluation(self.session, self.figures)

    def decide(self, decision: Decision, note: str) -> "ModelVersion":
        """Approve or reject it, with a sentence that says why; return it as it is now."""
        self.session.client("sagemaker").update_model_package(
            ModelPackageArn=self.arn, ModelApprovalStatus=decision, ApprovalDescription=note
        )
        return version(self.session, self.arn)

    def _repr_html_(self) -> str:
        return card(
            f"Model version {self.number}",
            {
                "Approval": self.approval + (f": {self.note}" if self.note else ""),
                "Registered": f"{self.created.astimezone():%Y-%m-%d %H:%M:%S}",
                "Archive": self.model_data,
                "Image": self.image.rsplit("/", 1)[-1],
                "ARN": self.arn,
            },
        )


def make_group(session: Session, group: str) -> None:
    """Make a group that carries the workshop's tags; one that is there already is fine.

    A pipeline's registration makes a missing group, too, but without tags: nobody could tell then
    whose it is.
    """
    try:
        session.client("sagemaker").create_model_package_group(
            ModelPackageGroupName=group, Tags=session.tags
        )
    except ClientError as error:
        if "already exists" not in str(error):
            raise


def version(session: Session, arn: str) -> ModelVersion:
    """Return a version by its ARN."""
    found = session.client("sagemaker").describe_model_package(ModelPackageName=arn)
    container = found["InferenceSpecification"]["Containers"][0]
    statistics = found.get("ModelMetrics", {}).get("ModelQuality", {}).get("Statistics", {})
    uri = statistics.get("S3Uri")
    return ModelVersion(
        session=session,
        arn=str(found["ModelPackageArn"]),
        number=int(found["ModelPackageVersion"]),
        approval=str(found["ModelApprovalStatus"]),
        note=str(found.get("ApprovalDescription") or ""),
        created=found["CreationTime"],
        image=str(container["Image"]),
        model_data=str(container["ModelDataUrl"]),
        figures=str(uri).rsplit("/", 1)[0] if uri else None,
    )


def versions(session: Session, group: str, approval: str | None = None) -> list[ModelVersion]:
    """Return a group's versions, the newest first; none if there is no such group.

    Parameters
    ----------
    session, group
        Where they are.
    approval
        Only those with this approval status.
    """
    wanted = {} if approval is None else {"ModelApprovalStatus": approval}
    pages = session.client("sagemaker").get_paginator("list_model_packages")
    try:
        arns = [
            str(item["ModelPackageArn"])
            for page in pages.paginate(ModelPackageGroupName=group, **wanted)
            for item in page["ModelPackageSummaryList"]
        ]
    except ClientError as error:
        if _absent(error):
            return []
        raise
    found = [version(session, arn) for arn in arns]
    return sorted(found, key=lambda one: one.number, reverse=True)


def champion(session: Session, group: str) -> ModelVersion | None:
    """Return the newest approved version, or None."""
    approved = versions(session, group, "Approved")
    return approved[0] if approved else None


def latest_approved(session: Session, group: str) -> ModelVersion:
    """Return the newest approved version.

    Raises
    ------
    NoVersion
        When none is approved.
    """
    found = champion(session, group)
    if found is None:
        waiting = [str(one.number) for one in versions(session, group, PENDING)]
        hint = f"version {waiting[0]} waits for it" if waiting else "and none is registered"
        raise NoVersion(f"No version of {group} is approved: {hint}.")
    return found


def table(session: Session, group: str) -> pd.DataFrame:
    """Return a group's versions as a table, the newest first."""
    rows = [
        {
            "version": one.number,
            "approval": one.approval,
            "note": one.note,
            "registered": f"{one.created.astimezone():%H:%M:%S}",
            **(one.evaluation().summary() if one.figures else {}),
        }
        for one in versions(session, group)
    ]
    return pd.DataFrame(rows)


def delete(session: Session, group: str) -> None:
    """Delete a group with all its versions; what is gone already is fine."""
    client = session.client("sagemaker")
    for one in versions(session, group):
        client.delete_model_package(ModelPackageName=one.arn)
    try:
        client.delete_model_package_group(ModelPackageGroupName=group)
    except ClientError as error:
        if not _absent(error):
            raise


def _absent(error: ClientError) -> bool:
    response: dict[str, Any] = error.response["Error"]
    return response["Code"] == "ResourceNotFound" or "does not exist" in response["Message"]
