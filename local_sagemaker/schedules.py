"""EventBridge Scheduler: schedules and their groups as records.

Nothing is started at a time here, so a schedule that says it would be is refused: one that is
kept is ``DISABLED``. It must not know what its targets are.
"""

import re
from typing import Any

from local_sagemaker import tags
from local_sagemaker.database import now
from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.store import Key, Record, RecordExists, Records

SERVICE = "scheduler"
DEFAULT_GROUP = "default"
_SCHEDULE, _GROUP = "Schedule", "ScheduleGroup"
_PAGE = 100
_EXPRESSION = re.compile(
    r"rate\([1-9]\d* (minute|hour|day)s?\)"
    r"|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)"
    r"|cron\(\S+( \S+){5}\)"
)
_SUMMARY = ("Arn", "Name", "GroupName", "State", "CreationDate", "LastModificationDate")


class Schedules:
    """Answers the ``scheduler`` service.

    Parameters
    ----------
    records
        Where schedules are kept.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "CreateSchedule": self._create,
            "CreateScheduleGroup": self._create_group,
            "DeleteSchedule": self._delete,
            "DeleteScheduleGroup": self._delete_group,
            "GetSchedule": self._get,
            "GetScheduleGroup": self._get_group,
            "ListScheduleGroups": self._list_groups,
            "ListSchedules": self._list,
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UpdateSchedule": self._update,
        }

    def exists(self, caller: Caller, arn: str) -> bool:
        """Tell whether a group of the caller's has an ARN; schedules themselves carry no tags."""
        return any(arn == record.arn for record in self._records_of(caller, _GROUP))

    def _create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        content = _content(params)
        name, group = params["Name"], content["GroupName"]
        self._group(caller, group)
        key = _key(caller, _SCHEDULE, f"{group}/{name}")
        arn = _arn(caller, f"schedule/{group}/{name}")
        return {"ScheduleArn": self._insert(Record(key, arn, *_times(), body=content)).arn}

    def _update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        content = _content(params)

        def change(found: Record) -> None:
            found.body = content

        with self._records.database.transaction():
            record = self._records.update(self._schedule(caller, params).key, change)
        return {"ScheduleArn": record.arn}

    def _get(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return _shown(self._schedule(caller, params))

    def _delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._records.delete(self._schedule(caller, params).key)
        return {}

    def _list(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        group, prefix = params.get("GroupName"), params.get("NamePrefix", "")
        if group is not None:
            self._group(caller, group)
        found = [
            record
            for record in self._records_of(caller, _SCHEDULE)
            if group in (None, record.body["GroupName"])
            and record.body["Name"].startswith(prefix)
            and params.get("State") in (None, record.body["State"])
        ]
        chosen, token = page(found, params, lambda one: one.arn, _PAGE, scope=_scope(caller))
        shown = []
        for record in chosen:
            content = _shown(record)
            target = {"Target": {"Arn": content["Target"]["Arn"]}}
            shown.append({name: content[name] for name in _SUMMARY} | target)
        return {"Schedules": shown, "NextToken": token}

    def _create_group(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name = params["Name"]
        if name == DEFAULT_GROUP:
            raise _taken(_GROUP, name)
        added = tags.checked(params.get("Tags"))
        with self._records.database.transaction():
            key = _key(caller, _GROUP, name)
            record = self._insert(Record(key, _arn(caller, f"schedule-group/{name}"), *_times()))
            self._records.put_tags(record.arn, added)
        return {"ScheduleGroupArn": record.arn}

    def _get_group(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return _shown_group(self._group(caller, params["Name"]))

    def _list_groups(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        prefix = params.get("NamePrefix", "")
        groups = [self._group(caller, DEFAULT_GROUP), *self._records_of(caller, _GROUP)]
        found = [record for record in groups if record.key.name.startswith(prefix)]
        chosen, token = page(found, params, lambda one: one.arn, _PAGE, scope=_scope(caller))
        shown = [_shown_group(record) for record in chosen]
        return {"ScheduleGroups": shown, "NextToken": token}

    def _delete_group(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name = params["Name"]
        if name == DEFAULT_GROUP:
            raise _invalid("The default schedule group cannot be deleted.")
        with self._records.database.transaction():
            group = self._group(caller, name)
            for record in self._records_of(caller, _SCHEDULE):
                if record.body["GroupName"] == name:
                    self._records.delete(record.key)
            self._records.delete(group.key)
        return {}

    def _list_tags(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        found = self._records.tags(self._tagged(caller, params).arn)
        return {"Tags": [{"Key": key, "Value": value} for key, value in found.items()]}

    def _tag(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        added = tags.checked(params["Tags"])
        with self._records.database.transaction():
            tags.put(self._records, self._tagged(caller, params), added)
        return {}

    def _tagged(self, caller: Caller, params: dict[str, Any]) -> Record:
        arn = params["ResourceArn"]
        if not arn.startswith(_arn(caller, "schedule-group/")):
            raise _missing(_GROUP, arn)
        return self._group(caller, arn.rpartition("/")[2])

    def _records_of(self, caller: Caller, kind: str) -> list[Record]:
        return self._records.list_kind(caller.account, caller.region, kind)

    def _schedule(self, caller: Caller, params: dict[str, Any]) -> Record:
        group, name = params.get("GroupName", DEFAULT_GROUP), params["Name"]
        record = self._records.get(_key(caller, _SCHEDULE, f"{group}/{name}"))
        if record is None:
            raise _missing(_SCHEDULE, name)
        return record

    def _group(self, caller: Caller, name: str) -> Record:
        key = _key(caller, _GROUP, name)
        record = self._records.get(key)
        if record is None and name == DEFAULT_GROUP:
            return Record(key, _arn(caller, f"schedule-group/{name}"), 0.0, 0.0)
        if record is None:
            raise _missing(_GROUP, name)
        return record

    def _insert(self, record: Record) -> Record:
        try:
            self._records.insert(record)
        except RecordExists as error:
            raise _taken(record.key.kind, record.key.name.rpartition("/")[2]) from error
        return record


def _content(params: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a request, which replaces all that was kept before."""
    expression = params["ScheduleExpression"]
    if not _EXPRESSION.fullmatch(expression):
        raise _invalid(f"Invalid Schedule Expression {expression}.")
    window = params["FlexibleTimeWindow"]
    if (window["Mode"] == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
        raise _invalid("MaximumWindowInMinutes goes with FlexibleTimeWindow of Mode FLEXIBLE only.")
    if params.get("State", "ENABLED") != "DISABLED":
        raise AWSError(
            "NotImplemented",
            f"The schedule {params['Name']} is ENABLED, and the local SageMaker starts nothing at "
            "a time: give it State DISABLED to keep it as a record, or use AWS.",
        )
    defaults = {
        "GroupName": DEFAULT_GROUP,
        "ScheduleExpressionTimezone": "UTC",
        "ActionAfterCompletion": "NONE",
    }
    return defaults | {key: value for key, value in params.items() if key != "ClientToken"}


def _shown(record: Record) -> dict[str, Any]:
    return {
        **record.body,
        "Arn": record.arn,
        "CreationDate": record.created,
        "LastModificationDate": record.modified,
    }


def _shown_group(record: Record) -> dict[str, Any]:
    return {
        "Arn": record.arn,
        "Name": record.key.name,
        "State": "ACTIVE",
        "CreationDate": record.created,
        "LastModificationDate": record.modified,
    }


def _key(caller: Caller, kind: str, name: str) -> Key:
    return Key(caller.account, caller.region, kind, name)


def _times() -> tuple[float, float]:
    moment = now()
    return moment, moment


def _arn(caller: Caller, resource: str) -> str:
    return f"arn:aws:scheduler:{caller.region}:{caller.account}:{resource}"


def _scope(caller: Caller) -> str:
    return f"{caller.account}/{caller.region}/schedules"


def _word(kind: str) -> str:
    return "Schedule" if kind == _SCHEDULE else "Schedule group"


def _missing(kind: str, name: str) -> AWSError:
    return AWSError("ResourceNotFoundException", f"{_word(kind)} {name} does not exist.", 404)


def _taken(kind: str, name: str) -> AWSError:
    return AWSError("ConflictException", f"{_word(kind)} {name} already exists.", 409)


def _invalid(message: str) -> AWSError:
    return AWSError("ValidationException", message)
