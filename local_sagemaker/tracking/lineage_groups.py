"""Lineage groups: what holds all lineage entities of an account in a region.

Every account has one, the default group, and nobody can make another. Accounts share theirs
through AWS RAM, which is not part of this server: no group has a policy, and none of another
account is listed. It must not know what is in a group.
"""

from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.plain_lists import PlainList
from local_sagemaker.store import Key, Record, Records

NOUN = "LineageGroup"
DEFAULT_GROUP = "sagemaker-default-lineage-group"
_NOBODY: dict[str, Any] = {}
_LIST = PlainList(
    members=frozenset({"LineageGroupName"}),
    name="LineageGroupName",
    identify=lambda item: str(item["LineageGroupName"]),
)


class LineageGroups:
    """The operations on lineage groups."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "DescribeLineageGroup": self.describe,
            "GetLineageGroupPolicy": self.policy,
            "ListLineageGroups": self.list_groups,
        }

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the group that is named."""
        return _summary(self._find(caller, params)) | {
            "Description": "All lineage entities of the account in this region.",
            "CreatedBy": _NOBODY,
            "LastModifiedBy": _NOBODY,
        }

    def policy(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Refuse: a group that is not shared has no policy."""
        group = self._find(caller, params)
        raise AWSError("ResourceNotFound", f"LineageGroup '{group.arn}' has no resource policy.")

    def list_groups(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the account's one group, if it passes the filters."""
        items = [_summary(self._default(caller))]
        chosen, token = _LIST.page(items, params, f"{caller.account}/{caller.region}")
        return {"LineageGroupSummaries": chosen, "NextToken": token}

    def _find(self, caller: Caller, params: dict[str, Any]) -> Record:
        group = self._default(caller)
        if params["LineageGroupName"] != group.key.name:
            raise AWSError(
                "ResourceNotFound", f"LineageGroup '{params['LineageGroupName']}' does not exist."
            )
        return group

    def _default(self, caller: Caller) -> Record:
        """Return the default group; it is there since somebody first asked for it."""
        key = Key(caller.account, caller.region, NOUN, DEFAULT_GROUP)
        with self._records.database.transaction():
            found = self._records.get(key)
            if found is None:
                prefix = f"arn:aws:sagemaker:{caller.region}:{caller.account}:lineage-group"
                found = Record(key, f"{prefix}/{DEFAULT_GROUP}", created=now(), modified=now())
                self._records.insert(found)
        return found


def _summary(group: Record) -> dict[str, Any]:
    return {
        "LineageGroupName": group.key.name,
        "LineageGroupArn": group.arn,
        "DisplayName": group.key.name,
        "CreationTime": group.created,
        "LastModifiedTime": group.modified,
    }
