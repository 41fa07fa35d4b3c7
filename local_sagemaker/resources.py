"""Create, Describe, List, Update, Delete and tags for every kind of resource.

One implementation for all kinds: what a kind needs is in `local_sagemaker.kinds`. A room that
really does something with a kind overrides single operations and calls back into this one. It
must not know what any kind is for.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.model import ServiceModel, StructureShape

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.kinds import declared_kinds
from local_sagemaker.operations import Handler
from local_sagemaker.paging import ordered, page, select
from local_sagemaker.store import Key, Record, RecordExists, RecordMissing, Records, now

MAX_TAGS = 50
_CREATED = ("CreationTime", "CreatedAt", "CreateDate")
_MODIFIED = ("LastModifiedTime", "LastModifiedAt", "LastUpdatedDate")


class Resources:
    """The generic operations over the records of all kinds.

    Parameters
    ----------
    records
        Where resources are kept.
    model
        The service model of ``sagemaker``.
    """

    def __init__(self, records: Records, model: ServiceModel) -> None:
        self.records = records
        self.kinds = declared_kinds(model)

    def operations(self) -> dict[str, Handler]:
        """Return the generic handlers of every declared kind."""
        handlers: dict[str, Handler] = {
            "AddTags": self._add_tags,
            "ListTags": self._list_tags,
            "DeleteTags": self._delete_tags,
        }
        generic: dict[str, Callable[[str, Caller, dict[str, Any]], dict[str, Any]]] = {
            "create": self._create,
            "describe": self._describe,
            "list": self._list,
            "update": self._update,
            "delete": self._delete,
        }
        for noun, kind in self.kinds.items():
            for verb, operation in kind.operations.items():
                handlers[operation] = partial(generic[verb], noun)
        return handlers

    def arn(self, caller: Caller, noun: str, name: str) -> str:
        """Return the ARN of a resource of the caller's account and region."""
        slug = self.kinds[noun].slug
        return f"arn:aws:sagemaker:{caller.region}:{caller.account}:{slug}/{name}"

    def key(self, caller: Caller, noun: str, name: str) -> Key:
        """Return the key of a resource; its ARN may stand for its name."""
        prefix = self.arn(caller, noun, "")
        return Key(caller.account, caller.region, noun, name.removeprefix(prefix))

    def create(
        self,
        caller: Caller,
        noun: str,
        params: dict[str, Any],
        *,
        name: str | None = None,
        status: str | None = None,
        body: dict[str, Any] | None = None,
        private: dict[str, Any] | None = None,
    ) -> Record:
        """Write a new record with its tags.

        Parameters
        ----------
        caller, noun
            Whose, and of which kind.
        params
            The request. Members that Describe shows are kept.
        name
            The name, where the request does not carry it.
        status
            Its first status; the kind's own if None.
        body, private
            Further members that Describe shows, and those it never shows.

        Raises
        ------
        AWSError
            The kind's own error when the name is taken; ``ValidationException`` for bad tags.
        """
        kind = self.kinds[noun]
        name = params[kind.name_key] if name is None else name
        moment = now()
        shown = kind.describe.members
        content = {key: value for key, value in params.items() if key in shown and key != "Tags"}
        content |= {key: moment for key in (*_CREATED, *_MODIFIED) if key in shown}
        # A caller that is no Studio user has an empty context.
        content |= {key: {} for key in ("CreatedBy",) if key in shown}
        record = Record(
            key=self.key(caller, noun, name),
            arn=self.arn(caller, noun, name),
            created=moment,
            modified=moment,
            status=status or kind.status,
            body=content | (body or {}),
            private=private or {},
        )
        tags = _tags(params.get("Tags"))
        try:
            with self.records.database.transaction():
                self.records.insert(record)
                self.records.put_tags(record.arn, tags)
        except RecordExists as error:
            raise AWSError(
                kind.exists_code,
                kind.exists.format(label=kind.label, name=name, arn=record.arn),
            ) from error
        return record

    def get(self, caller: Caller, noun: str, name: str) -> Record:
        """Return a record, or raise the error that the service answers when it is not there."""
        record = self.records.get(self.key(caller, noun, name))
        if record is None:
            raise self.missing(caller, noun, name)
        return record

    def change(
        self, caller: Caller, noun: str, name: str, change: Callable[[Record], None]
    ) -> Record:
        """Change a record in one transaction, or raise the service's error for a missing one."""
        try:
            return self.records.update(self.key(caller, noun, name), change)
        except RecordMissing as error:
            raise self.missing(caller, noun, name) from error

    def delete(self, caller: Caller, noun: str, name: str) -> Record:
        """Remove a record and its tags; return what it was."""
        with self.records.database.transaction():
            record = self.get(caller, noun, name)
            self.records.delete(record.key)
        return record

    def missing(self, caller: Caller, noun: str, name: str) -> AWSError:
        """Return the service's error for a resource of this kind that is not there."""
        kind = self.kinds[noun]
        arn = name if name.startswith("arn:") else self.arn(caller, noun, name)
        return AWSError(
            kind.missing_code, kind.missing.format(label=kind.label, name=name, arn=arn)
        )

    def shown(self, record: Record) -> dict[str, Any]:
        """Return what Describe shows of a record."""
        kind = self.kinds[record.key.kind]
        members = kind.describe.members
        content = dict(record.body)
        content[kind.shown_arn_key] = record.arn
        content.setdefault(kind.name_key, record.key.name)
        if kind.status_key and record.status:
            content[kind.status_key] = record.status
        content |= {key: record.modified for key in _MODIFIED if key in members}
        return content

    def listed(
        self, caller: Caller, noun: str, params: dict[str, Any], records: list[Record] | None = None
    ) -> dict[str, Any]:
        """Return what List answers.

        Parameters
        ----------
        caller, noun, params
            Whose, which kind, and the request with its filters.
        records
            Already chosen by filters of the kind's own; all of them if None.
        """
        kind = self.kinds[noun]
        if kind.summary is None or kind.list_key is None:
            raise LookupError(f"{noun} has no List operation")
        if records is None:
            records = self.records.list_kind(caller.account, caller.region, noun)
        chosen = ordered(select(records, params), params, kind.descending)
        scope = f"{caller.account}/{caller.region}/{noun}"
        chosen, token = page(chosen, params, lambda record: record.key.name, scope=scope)
        summaries = [self._summary(kind.summary, record) for record in chosen]
        return {kind.list_key: summaries, "NextToken": token}

    def _summary(self, shape: StructureShape, record: Record) -> dict[str, Any]:
        content = self.shown(record)
        return {name: content[name] for name in shape.members if name in content}

    def _create(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self.create(caller, noun, params)
        return {self.kinds[noun].arn_key: record.arn}

    def _describe(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        kind = self.kinds[noun]
        shown = self.shown(self.get(caller, noun, params[kind.name_key]))
        return {kind.wrapper: shown} if kind.wrapper else shown

    def _list(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.listed(caller, noun, params)

    def _update(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        kind = self.kinds[noun]
        changes = {
            key: value
            for key, value in params.items()
            if key in kind.describe.members and key != kind.name_key
        }

        def change(record: Record) -> None:
            record.body |= changes

        record = self.change(caller, noun, params[kind.name_key], change)
        answer: dict[str, Any] = {kind.arn_key: record.arn}
        return answer | ({kind.wrapper: self.shown(record)} if kind.wrapper else {})

    def _delete(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        kind = self.kinds[noun]
        return {kind.arn_key: self.delete(caller, noun, params[kind.name_key]).arn}

    def _tagged(self, caller: Caller, arn: str) -> Record:
        record = self.records.by_arn(arn)
        if record is None or record.key.account != caller.account:
            raise validation_exception(f"Could not find resource {arn}.")
        return record

    def _add_tags(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        tags = _tags(params["Tags"])
        with self.records.database.transaction():
            record = self._tagged(caller, params["ResourceArn"])
            tags = self.records.tags(record.arn) | tags
            _limit(tags)
            self.records.put_tags(record.arn, tags)
        return {"Tags": _shown_tags(dict(sorted(tags.items())))}

    def _list_tags(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._tagged(caller, params["ResourceArn"])
        tags = _shown_tags(self.records.tags(record.arn))
        chosen, token = page(tags, params, lambda tag: tag["Key"], MAX_TAGS, scope=record.arn)
        return {"Tags": chosen, "NextToken": token}

    def _delete_tags(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        with self.records.database.transaction():
            record = self._tagged(caller, params["ResourceArn"])
            self.records.delete_tags(record.arn, params["TagKeys"])
        return {}


def _tags(tags: list[dict[str, str]] | None) -> dict[str, str]:
    pairs = [(tag["Key"], tag["Value"]) for tag in tags or []]
    found = dict(pairs)
    if len(found) < len(pairs):
        raise validation_exception("Duplicate tag keys found. Please use unique tag keys.")
    reserved = [key for key in found if key.lower().startswith("aws:")]
    if reserved:
        raise validation_exception(f"The tag key {reserved[0]!r} starts with aws:, which is AWS's.")
    _limit(found)
    return found


def _limit(tags: dict[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise validation_exception(
            f"{len(tags)} tags are too many: a resource can have at most {MAX_TAGS}."
        )


def _shown_tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
