"""Tags of log groups: both generations of CloudWatch Logs' operations on them.

Groups are files and their tags rows, in the table that all tags lie in. It must not know what is
in a log.
"""

import re
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.logs.store import GroupKey, LogStore
from local_sagemaker.operations import Handler
from local_sagemaker.store import Records

SERVICE = "logs"
_MAX_TAGS = 50
_ARN = re.compile(r"arn:aws[a-z-]*:logs:([a-z0-9-]+):(\d{12}):log-group:([^:*]+)")


class GroupTags:
    """The tags of all log groups.

    Parameters
    ----------
    store
        Where the groups are.
    records
        Whose table of tags is used.
    """

    def __init__(self, store: LogStore, records: Records) -> None:
        self._store = store
        self._records = records

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "ListTagsForResource": lambda caller, params: self._list(
                self._by_arn(caller, params["resourceArn"])
            ),
            "ListTagsLogGroup": lambda caller, params: self._list(
                self._by_name(caller, params["logGroupName"])
            ),
            "TagResource": lambda caller, params: self._tag(
                self._by_arn(caller, params["resourceArn"]), params["tags"]
            ),
            "TagLogGroup": lambda caller, params: self._tag(
                self._by_name(caller, params["logGroupName"]), params["tags"]
            ),
            "UntagResource": lambda caller, params: self._untag(
                self._by_arn(caller, params["resourceArn"]), params["tagKeys"]
            ),
            "UntagLogGroup": lambda caller, params: self._untag(
                self._by_name(caller, params["logGroupName"]), params["tags"]
            ),
        }

    def exists(self, caller: Caller, arn: str) -> bool:
        """Tell whether a group of the caller's account and region has an ARN."""
        key = _key(arn)
        mine = (caller.account, caller.region)
        return key is not None and (key.account, key.region) == mine and self._store.has_group(key)

    def put(self, key: GroupKey, tags: dict[str, str]) -> None:
        """Give a group tags that were asked for together with it."""
        if tags:
            self._tag(group_arn(key), tags)

    def forget(self, key: GroupKey) -> None:
        """Drop the tags of a group that is about to go."""
        arn = group_arn(key)
        self._records.delete_tags(arn, list(self._records.tags(arn)))

    def _by_arn(self, caller: Caller, arn: str) -> str:
        key = _key(arn)
        if key is None or not self.exists(caller, arn):
            raise _missing()
        return group_arn(key)

    def _by_name(self, caller: Caller, name: str) -> str:
        return self._by_arn(caller, group_arn(GroupKey(caller.account, caller.region, name)))

    def _list(self, arn: str) -> dict[str, Any]:
        return {"tags": self._records.tags(arn)}

    def _tag(self, arn: str, tags: dict[str, str]) -> dict[str, Any]:
        with self._records.database.transaction():
            if len(self._records.tags(arn) | tags) > _MAX_TAGS:
                raise AWSError(
                    "TooManyTagsException", f"A log group can have at most {_MAX_TAGS} tags."
                )
            self._records.put_tags(arn, tags)
        return {}

    def _untag(self, arn: str, keys: list[str]) -> dict[str, Any]:
        self._records.delete_tags(arn, keys)
        return {}


def group_arn(key: GroupKey) -> str:
    """Return the ARN of a log group as tags have it: without a star at its end."""
    return f"arn:aws:logs:{key.region}:{key.account}:log-group:{key.name}"


def _key(arn: str) -> GroupKey | None:
    found = _ARN.fullmatch(arn)
    return GroupKey(found[2], found[1], found[3]) if found else None


def _missing() -> AWSError:
    return AWSError("ResourceNotFoundException", "The specified log group does not exist.")
