"""How a resource of each kind is stopped and deleted, and in which order the kinds go.

Every step may be done twice, and one that was interrupted may be done again. What is on its way
raises `Busy`. It must not know what belongs to whom.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError

from workshop_utils.cleanup import kinds
from workshop_utils.cleanup.errors import Busy, gone
from workshop_utils.cleanup.kinds import BY_SLUG, UNDER_WAY
from workshop_utils.cleanup.marked import KEY, LAB
from workshop_utils.cleanup.resource import Resource
from workshop_utils.marks import EXPIRES
from workshop_utils.session import Session

Step = Callable[[Session, Resource], None]
_AT_ONCE = 1000
"""Keys that DeleteObjects takes."""
_LEAVING = "Deleting"


def undeletable(session: Session, one: Resource) -> bool:
    """Tell whether AWS keeps such a resource for ever; it costs nothing once it has ended.

    There is no operation that deletes transform and AutoML jobs, and an older boto3 has none for
    training and processing jobs either.
    """
    return one.kind in kinds.JOBS and not hasattr(
        session.client("sagemaker"), _operation("Delete", one)
    )


def stays(session: Session, one: Resource) -> bool:
    """Tell whether AWS keeps it and it costs nothing, so that nobody need hear of it."""
    return one.status not in UNDER_WAY and undeletable(session, one)


def stop(session: Session, one: Resource) -> None:
    """Stop a job or an execution and see that it ends."""
    client = session.client("sagemaker")
    if one.kind == kinds.EXECUTION:
        found = client.describe_pipeline_execution(PipelineExecutionArn=one.arn)
        status = found["PipelineExecutionStatus"]
        if status == "Executing":
            client.stop_pipeline_execution(PipelineExecutionArn=one.arn)
    else:
        kind = BY_SLUG[one.kind]
        found = getattr(client, _operation("Describe", one))(**_name(one))
        status = found[kind.status]
        if status == "InProgress":
            getattr(client, _operation("Stop", one))(**_name(one))
    if status in UNDER_WAY:
        raise Busy(f"{one} is {status}")


def delete(session: Session, one: Resource) -> None:
    """Delete a resource and see that it goes."""
    special = _SPECIAL.get(one.kind)
    if special is not None:
        special(session, one)
        return
    client = session.client("sagemaker")
    getattr(client, _operation("Delete", one))(**_name(one))


def forget(session: Session, one: Resource) -> None:
    """Take the workshop's tags off what AWS cannot delete, so that it is not found again."""
    session.client("sagemaker").delete_tags(ResourceArn=one.arn, TagKeys=[KEY, LAB, EXPIRES])


def _until_gone(session: Session, one: Resource) -> None:
    client = session.client("sagemaker")
    status = ""
    try:
        found = getattr(client, _operation("Describe", one))(**_name(one))
        status = found[BY_SLUG[one.kind].status]
        if status != _LEAVING:
            getattr(client, _operation("Delete", one))(**_name(one))
            status = _LEAVING
            found = getattr(client, _operation("Describe", one))(**_name(one))
    except ClientError as error:
        if gone(error):
            return
        raise
    raise Busy(f"{one} is {status}")


def _trial_component(session: Session, one: Resource) -> None:
    client = session.client("sagemaker")
    _leave_trials(client, one.name)
    client.delete_trial_component(TrialComponentName=one.name)


def _trial(session: Session, one: Resource) -> None:
    client = session.client("sagemaker")
    # What is left in it is somebody else's: it leaves the trial, and stays.
    _empty_trial(client, one.name)
    client.delete_trial(TrialName=one.name)


def _leave_trials(client: Any, component: str) -> None:
    pages = client.get_paginator("list_trials").paginate(TrialComponentName=component)
    for page in pages:
        for trial in page["TrialSummaries"]:
            _apart(client, trial["TrialName"], component)


def _empty_trial(client: Any, trial: str) -> None:
    pages = client.get_paginator("list_trial_components").paginate(TrialName=trial)
    for page in pages:
        for component in page["TrialComponentSummaries"]:
            _apart(client, trial, component["TrialComponentName"])


def _apart(client: Any, trial: str, component: str) -> None:
    try:
        client.disassociate_trial_component(TrialName=trial, TrialComponentName=component)
    except ClientError as error:
        if not gone(error):
            raise


def _package(session: Session, one: Resource) -> None:
    session.client("sagemaker").delete_model_package(ModelPackageName=one.arn)


def _loop(session: Session, one: Resource) -> None:
    client = session.client("sagemaker-a2i-runtime")
    try:
        if client.describe_human_loop(HumanLoopName=one.name)["HumanLoopStatus"] == "InProgress":
            client.stop_human_loop(HumanLoopName=one.name)
    except ClientError as error:
        if gone(error):
            return
        raise
    client.delete_human_loop(HumanLoopName=one.name)


def _team(session: Session, one: Resource) -> None:
    found = session.client("sagemaker").delete_workteam(WorkteamName=one.name)
    if not found.get("Success", True):
        raise Busy(f"{one} is still used")


def _schedule(session: Session, one: Resource) -> None:
    session.client("scheduler").delete_schedule(Name=one.name, GroupName=one.details["group"])


def _log_stream(session: Session, one: Resource) -> None:
    session.client("logs").delete_log_stream(
        logGroupName=one.details["group"], logStreamName=one.details["stream"]
    )


def _log_group(session: Session, one: Resource) -> None:
    session.client("logs").delete_log_group(logGroupName=one.name)


def _objects(session: Session, one: Resource) -> None:
    client = session.client("s3")
    place: Mapping[str, str] = {"Bucket": one.details["bucket"], "Prefix": one.details["prefix"]}
    bucket = {"Bucket": one.details["bucket"], "ExpectedBucketOwner": session.account}
    for page in client.get_paginator("list_multipart_uploads").paginate(**place):
        for upload in page.get("Uploads", []):
            client.abort_multipart_upload(**bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in client.get_paginator("list_object_versions").paginate(
        **place, PaginationConfig={"PageSize": _AT_ONCE}
    ):
        doomed = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for item in page.get("Versions", []) + page.get("DeleteMarkers", [])
        ]
        if not doomed:
            continue
        answer = client.delete_objects(**bucket, Delete={"Objects": doomed, "Quiet": True})
        refused = answer.get("Errors", [])
        if refused:
            first = refused[0]
            raise ClientError(
                {
                    "Error": {
                        "Code": first["Code"],
                        "Message": f"{first['Key']}: {first['Message']}",
                    }
                },
                "DeleteObjects",
            )


def _operation(verb: str, one: Resource) -> str:
    return str(xform_name(f"{verb}{BY_SLUG[one.kind].noun}"))


def _name(one: Resource) -> dict[str, str]:
    return {f"{BY_SLUG[one.kind].noun}Name": one.name}


_SPECIAL: dict[str, Step] = {
    kinds.ENDPOINT: _until_gone,
    kinds.COMPONENT: _until_gone,
    kinds.FLOW: _until_gone,
    kinds.TRIAL_COMPONENT: _trial_component,
    kinds.TRIAL: _trial,
    kinds.PACKAGE: _package,
    kinds.LOOP: _loop,
    kinds.TEAM: _team,
    kinds.SCHEDULE: _schedule,
    kinds.LOG_STREAM: _log_stream,
    kinds.LOG_GROUP: _log_group,
    kinds.OBJECTS: _objects,
}
