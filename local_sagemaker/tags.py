"""Tags, which every resource can have: what is a tag, and the operations on them.

It must not know any kind of resource.
"""

from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.store import Record, Records

MAX_TAGS = 50


class Tags:
    """The operations on the tags of records."""

    def __init__(self, records: Records) -> None:
        self._records = records

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {"AddTags": self._add, "ListTags": self._list, "DeleteTags": self._delete}

    def _tagged(self, caller: Caller, arn: str) -> Record:
        record = self._records.by_arn(arn)
        if record is None or record.key.account != caller.account:
            raise validation_exception(f"Could not find resource {arn}.")
        return record

    def _add(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        added = checked(params["Tags"])
        with self._records.database.transaction():
            record = self._tagged(caller, params["ResourceArn"])
            tags = put(self._records, record, added)
        return {"Tags": _shown(dict(sorted(tags.items())))}

    def _list(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._tagged(caller, params["ResourceArn"])
        tags = _shown(self._records.tags(record.arn))
        chosen, token = page(tags, params, lambda tag: tag["Key"], MAX_TAGS, scope=record.arn)
        return {"Tags": chosen, "NextToken": token}

    def _delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        with self._records.database.transaction():
            record = self._tagged(caller, params["ResourceArn"])
            self._records.delete_tags(record.arn, params["TagKeys"])
        return {}


def checked(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Return the tags of a request by key.

    Raises
    ------
    AWSError
        ``ValidationException`` for keys that repeat or are AWS's own, and for too many.
    """
    pairs = [(tag["Key"], tag["Value"]) for tag in tags or []]
    found = dict(pairs)
    if len(found) < len(pairs):
        raise validation_exception("Duplicate tag keys found. Please use unique tag keys.")
    reserved = [key for key in found if key.lower().startswith("aws:")]
    if reserved:
        raise validation_exception(f"The tag key {reserved[0]!r} starts with aws:, which is AWS's.")
    if len(found) > MAX_TAGS:
        raise _too_many(found)
    return found


def put(records: Records, record: Record, added: dict[str, str]) -> dict[str, str]:
    """Add checked tags to a record within the caller's transaction; return all it has then."""
    tags = records.tags(record.arn) | added
    if len(tags) > MAX_TAGS:
        raise _too_many(tags)
    records.put_tags(record.arn, added)
    return tags


def _too_many(tags: dict[str, str]) -> AWSError:
    return validation_exception(
        f"{len(tags)} tags are too many: a resource can have at most {MAX_TAGS}."
    )


def _shown(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
