"""What the workshop's resources leave behind: log streams, log groups, files in S3.

None of it carries a tag. It belongs to the job or endpoint that it is named after; where that is
gone, the name decides.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from workshop_utils.cleanup import kinds
from workshop_utils.cleanup.asking import items, pages
from workshop_utils.cleanup.errors import gone
from workshop_utils.cleanup.resource import NAME, Resource
from workshop_utils.session import PREFIX, Session

GROUPS = {
    kinds.TRAINING: "/aws/sagemaker/TrainingJobs",
    kinds.PROCESSING: "/aws/sagemaker/ProcessingJobs",
    kinds.TRANSFORM: "/aws/sagemaker/TransformJobs",
}
"""The log groups that all jobs of a kind share: only streams are deleted from them."""
ENDPOINT_GROUPS = "/aws/sagemaker/Endpoints/"

Account = Mapping[str, list[Resource]]
Search = tuple[str, Callable[[], list[Resource]]]


def searches(session: Session, roots: Account, account: Account, lab: str | None) -> list[Search]:
    """Return what to look for, each with the word for its kind.

    Parameters
    ----------
    session
        Whose account.
    roots, account
        The workshop's resources by kind; all that were seen, marked or not.
    lab
        The lab whose leavings are wanted; those of all if None.
    """
    found: list[Search] = [(kinds.OBJECTS, partial(_objects, session, lab))]
    for kind, group in GROUPS.items():
        owners = _Owners(kind, roots, account, lab)
        parts = [f"{PREFIX}-", *(f"{name}/" for name in owners.elsewhere())]
        found += [
            (kinds.LOG_STREAM, partial(_streams, session, group, part, owners)) for part in parts
        ]
    owners = _Owners(kinds.ENDPOINT, roots, account, lab)
    parts = [f"{PREFIX}-", *owners.elsewhere()]
    found += [(kinds.LOG_GROUP, partial(_groups, session, part, owners)) for part in parts]
    return found


class _Owners:
    """What a log can be of: the workshop's resources of a kind, and everybody else's."""

    def __init__(self, kind: str, roots: Account, account: Account, lab: str | None) -> None:
        self._mine = {one.name: one for one in roots.get(kind, [])}
        # Where a kind could not be listed, or only a lab is wanted, names prove nothing.
        self._by_name = kind in account and lab is None
        self._others = {one.name for one in account.get(kind, [])} - set(self._mine)

    def elsewhere(self) -> list[str]:
        """Return the names of those that do not begin as the workshop's do."""
        return sorted(name for name in self._mine if not name.startswith(f"{PREFIX}-"))

    def owned(self, one: Resource, owner: str) -> Resource | None:
        """Return it with the reason why it is the workshop's; None if it is not."""
        if owner in self._mine:
            return one.below(self._mine[owner])
        if self._by_name and owner not in self._others and owner.startswith(f"{PREFIX}-"):
            return replace(one, why=NAME)
        return None


def _streams(session: Session, group: str, part: str, owners: _Owners) -> list[Resource]:
    asked = {"logGroupName": group, "logStreamNamePrefix": part}
    try:
        found = items(session, "logs", "describe_log_streams", "logStreams", **asked)
    except ClientError as error:
        # The group comes to be with the account's first job.
        if gone(error):
            return []
        raise
    streams = []
    for item in found:
        name = str(item["logStreamName"])
        one = Resource(
            kind=kinds.LOG_STREAM,
            name=f"{group}/{name}",
            arn=f"{group}:{name}",
            created=_moment(item.get("creationTime")),
            details={"group": group, "stream": name},
        )
        streams.append(owners.owned(one, name.split("/", 1)[0]))
    return [one for one in streams if one is not None]


def _groups(session: Session, part: str, owners: _Owners) -> list[Resource]:
    asked = {"logGroupNamePrefix": ENDPOINT_GROUPS + part}
    groups = []
    for item in items(session, "logs", "describe_log_groups", "logGroups", **asked):
        name = str(item["logGroupName"])
        one = Resource(
            kind=kinds.LOG_GROUP, name=name, arn=name, created=_moment(item.get("creationTime"))
        )
        groups.append(owners.owned(one, name.removeprefix(ENDPOINT_GROUPS)))
    return [one for one in groups if one is not None]


def _objects(session: Session, lab: str | None) -> list[Resource]:
    """Return the workshop's part of the session's bucket as one thing, if there is anything."""
    prefix = f"{PREFIX}/" if lab is None else f"{PREFIX}/{lab}/"
    asked: dict[str, Any] = {"Bucket": session.bucket, "Prefix": prefix}
    try:
        found = pages(session, "s3", "list_object_versions", **asked)
        uploads = items(session, "s3", "list_multipart_uploads", "Uploads", **asked)
    except ClientError as error:
        if gone(error):
            return []
        raise
    versions = [item for page in found for item in page.get("Versions", [])]
    markers = sum(len(page.get("DeleteMarkers", [])) for page in found)
    times = [item["LastModified"] for item in versions] + [one["Initiated"] for one in uploads]
    if not times and not markers:
        return []
    size = sum(item["Size"] for item in versions)
    counted = f"{len(versions):,} objects, {size / 1e6:,.1f} MB"
    if uploads:
        counted += f", {len(uploads):,} unfinished uploads"
    return [
        Resource(
            kind=kinds.OBJECTS,
            name=f"s3://{session.bucket}/{prefix}",
            arn=f"s3://{session.bucket}/{prefix}",
            created=min(times, default=None),
            why=NAME,
            lab=lab,
            details={"bucket": session.bucket, "prefix": prefix},
            usd_per_hour=None if versions else 0.0,
            note=counted,
        )
    ]


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
