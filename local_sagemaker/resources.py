"""Create, Describe, List, Update, Delete and Stop for every kind of resource.

One implementation for all kinds: what a kind needs is in `local_sagemaker.kinds`. A room that
really does something with a kind overrides single operations and calls back into this one. It
must not know what any kind is for.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.model import ServiceModel

from local_sagemaker import changes, identifiers, tags
from local_sagemaker.coverage import Coverage, declared
from local_sagemaker.database import now
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.filters import CREATED, MODIFIED, not_done
from local_sagemaker.identity import Caller
from local_sagemaker.kinds import Kind, declared_kinds
from local_sagemaker.listing import listed
from local_sagemaker.operations import Handler
from local_sagemaker.store import Key, Record, RecordExists, RecordMissing, Records

# Members that tell a request from the next; they are no part of what is recorded.
_TOKENS = ("ClientToken", "ClientRequestToken")


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
        """Return the generic handlers of every declared kind, but for what is refused."""
        generic: dict[str, Callable[[str, Caller, dict[str, Any]], dict[str, Any]]] = {
            "create": self._create,
            "describe": self._describe,
            "list": self._list,
            "update": self._update,
            "delete": self._delete,
            "stop": self._stop,
        }
        handlers = tags.Tags(self.records).operations()
        for noun, kind in self.kinds.items():
            for verb, operation in kind.operations.items():
                declaration = declared(operation)
                if declaration is not None and declaration.coverage is not Coverage.REFUSED:
                    handlers[operation] = partial(generic[verb], noun)
        return handlers

    def arn(self, caller: Caller, noun: str, name: str) -> str:
        """Return the ARN of a resource of the caller's account and region."""
        slug = self.kinds[noun].slug
        return f"arn:aws:sagemaker:{caller.region}:{caller.account}:{slug}/{name}"

    def key(self, caller: Caller, noun: str, name: str) -> Key:
        """Return the key of a resource; its ARN may stand for its name."""
        if self.kinds[noun].row.arn_generated and name.startswith("arn:"):
            record = self.records.by_arn(name)
            if record is not None and record.arn.startswith(self.arn(caller, noun, "")):
                return record.key
        prefix = self.arn(caller, noun, "")
        return Key(caller.account, caller.region, noun, name.removeprefix(prefix))

    def exists(self, caller: Caller, arn: str) -> bool:
        """Tell whether an ARN is of a resource in the caller's account and region."""
        record = self.records.by_arn(arn)
        mine = (caller.account, caller.region)
        return record is not None and (record.key.account, record.key.region) == mine

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
            The kind's own error when the name is taken, a parent's when it is not there;
            ``ValidationException`` for bad tags.
        """
        kind = self.kinds[noun]
        params = params | identifiers.generated(kind)
        name = identifiers.name(kind, params) if name is None else name
        arn_name = identifiers.token("") if kind.row.arn_generated else name
        moment = now()
        content = {**changes.content(kind, params), **kind.failure}
        content |= {key: moment for key in (*CREATED, *MODIFIED) if key in kind.describe.members}
        content |= body or {}
        record = Record(
            key=self.key(caller, noun, name),
            arn=self.arn(caller, noun, arn_name),
            created=moment,
            modified=moment,
            status=status or kind.status,
            body=content,
            private={
                **(private or {}),
                **{key: params[key] for key in kind.row.kept if key in params},
            },
        )
        added = tags.checked(params.get("Tags"))
        try:
            with self.records.database.transaction():
                self._join(caller, kind, params, record)
                self.records.insert(record)
                self.records.put_tags(record.arn, added)
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
        content |= {key: record.modified for key in MODIFIED if key in members}
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
        found = records
        if found is None:
            found = self.records.list_kind(caller.account, caller.region, noun)
        return listed(
            self.kinds[noun],
            found,
            [self.shown(record) for record in found],
            params,
            scope=f"{caller.account}/{caller.region}/{noun}",
            chosen=records is not None,
        )

    def _join(self, caller: Caller, kind: Kind, params: dict[str, Any], record: Record) -> None:
        """Note a new record's parents, which must be there."""
        for parent in kind.row.parents:
            if parent.members[-1] not in params:
                continue
            name = "/".join(params[member] for member in parent.members)
            found = self.get(caller, parent.noun, name)
            record.private["Parents"] = [*record.private.get("Parents", ()), found.arn]
            if parent.shown_as:
                record.body[parent.shown_as] = found.arn

    def _children(self, caller: Caller, record: Record) -> list[Record]:
        nouns = [
            noun
            for noun, kind in self.kinds.items()
            if any(parent.noun == record.key.kind for parent in kind.row.parents)
        ]
        return [
            child
            for noun in nouns
            for child in self.records.list_kind(caller.account, caller.region, noun)
            if record.arn in child.private.get("Parents", ())
        ]

    def _answer(self, kind: Kind, record: Record) -> dict[str, Any]:
        shown = self.shown(record)
        # The protocol writes those of these members that the operation's answer has.
        return {
            **shown,
            kind.arn_key: record.arn,
            **({kind.wrapper: shown} if kind.wrapper else {}),
        }

    def _create(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        kind = self.kinds[noun]
        changes.check_creation(kind, params, _TOKENS)
        return self._answer(kind, self.create(caller, noun, params))

    def _describe(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        kind = self.kinds[noun]
        name = identifiers.name(kind, params)
        record = self.get(caller, noun, name)
        version_key = kind.row.version_key
        known = identifiers.members(kind) | {version_key, *kind.row.ignored}
        for key in params:
            if key not in known:
                raise not_done(key)
        if version_key in params and not changes.go_back(version_key, record, params[version_key]):
            raise self.missing(caller, noun, f"{name}/{params[version_key]}")
        shown = self.shown(record)
        return {kind.wrapper: shown} if kind.wrapper else shown

    def _list(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self.listed(caller, noun, params)

    def _update(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        kind = self.kinds[noun]
        known = identifiers.members(kind) | {"Tags", *_TOKENS, *kind.row.ignored}
        wanted = {key: value for key, value in params.items() if key not in known}
        with self.records.database.transaction():
            record = self.change(
                caller, noun, identifiers.name(kind, params), partial(changes.apply, kind, wanted)
            )
            tags.put(self.records, record, tags.checked(params.get("Tags")))
        return self._answer(kind, record)

    def _delete(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        kind = self.kinds[noun]
        with self.records.database.transaction():
            record = self.get(caller, noun, identifiers.name(kind, params))
            children = self._children(caller, record)
            if children:
                raise AWSError(
                    kind.delete_code,
                    f"Unable to delete {kind.label} {record.key.name}: {children[0].arn} still "
                    "belongs to it. Delete what belongs to it first.",
                )
            self.records.delete(record.key)
        return {kind.arn_key: record.arn, "Success": True}

    def _stop(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        kind = self.kinds[noun]
        record = self.get(caller, noun, identifiers.name(kind, params))
        raise validation_exception(
            f"The request was rejected because the {kind.label} is in status {record.status}."
        )
