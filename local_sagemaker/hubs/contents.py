"""The contents of hubs: imported once per version, shown, changed a little, and deleted.

A content is told by its hub, its type, its name and its version; a document says what it is. It
must not know what a document means: what reads it to train or to deploy is elsewhere.
"""

import json
from dataclasses import dataclass
from typing import Any

from local_sagemaker import tags
from local_sagemaker.database import now
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.filters import not_done
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.plain_lists import PlainList
from local_sagemaker.resources import Resources
from local_sagemaker.store import Key, Record, RecordExists

NOUN = "HubContent"
FIRST_VERSION = "1.0.0"
_NOBODY: dict[str, Any] = {}
_CHANGEABLE = (
    "HubContentDisplayName",
    "HubContentDescription",
    "HubContentMarkdown",
    "HubContentSearchKeywords",
    "SupportStatus",
)
# How contents are filtered and ordered, in whichever hub they are.
CONTENTS = PlainList(
    members=frozenset({"HubContentName", "HubContentStatus"}),
    name="HubContentName",
    status="HubContentStatus",
    identify=lambda item: f"{item['HubContentName']}/{item['HubContentVersion']}",
    named=("HubName", "HubContentType", "HubContentName", "MinVersion", "MaxSchemaVersion"),
)


@dataclass(frozen=True)
class _Shelf:
    """All versions of one content."""

    hub: Record
    kind: str
    name: str

    @property
    def prefix(self) -> str:
        """What the names of its records begin with."""
        return f"{self.hub.key.name}/{self.kind}/{self.name}/"

    def key(self, version: str) -> Key:
        """Return the key of a version."""
        owner = self.hub.key
        return Key(owner.account, owner.region, NOUN, self.prefix + version)


class HubContents:
    """The operations on the contents of hubs, and the deletion of hubs."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._records = resources.records

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "DeleteHub": self.delete_hub,
            "DeleteHubContent": self.delete,
            "DescribeHubContent": self.describe,
            "ImportHubContent": self.import_content,
            "ListHubContentVersions": self.list_versions,
            "ListHubContents": self.list_contents,
            "UpdateHubContent": self.update,
        }

    def import_content(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Keep a new version of a content; without a version it is the one after the newest."""
        kind = params["HubContentType"]
        if kind == "ModelReference":
            raise validation_exception(
                "A ModelReference is not imported: CreateHubContentReference makes it."
            )
        _check_document(params["HubContentDocument"])
        added = tags.checked(params.get("Tags"))
        with self._records.database.transaction():
            shelf = self._shelf(caller, params)
            version = params.get("HubContentVersion") or self._next(shelf)
            version_numbers(version)
            version_numbers(params["DocumentSchemaVersion"])
            record = self._new(caller, shelf, version, params)
            try:
                self._records.insert(record)
            except RecordExists as error:
                raise AWSError(
                    "ResourceInUse", f"Hub content {record.arn} already exists."
                ) from error
            self._records.put_tags(record.arn, added)
        return {"HubArn": shelf.hub.arn, "HubContentArn": record.arn}

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return a version of a content, the newest if none is named."""
        return _shown(self._find(caller, params))

    def update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change what people read about a version; what it is stays."""
        changes = {key: params[key] for key in _CHANGEABLE if key in params}

        def change(record: Record) -> None:
            record.body |= changes | {"LastModifiedBy": _NOBODY}

        with self._records.database.transaction():
            record = self._records.update(self._find(caller, params).key, change)
        return {"HubArn": record.body["HubArn"], "HubContentArn": record.arn}

    def delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete one version of a content."""
        with self._records.database.transaction():
            self._records.delete(self._find(caller, params).key)
        return {}

    def delete_hub(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a hub that has no contents any more."""
        with self._records.database.transaction():
            hub = self._resources.get(caller, "Hub", params["HubName"])
            count = len(self._within(caller, f"{hub.key.name}/"))
            if count:
                raise AWSError(
                    "ResourceInUse",
                    f"Hub {hub.arn} cannot be deleted: it has {count} content(s). Delete them "
                    "first.",
                )
            self._resources.delete(caller, "Hub", hub.key.name)
        return {}

    def list_contents(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the contents of a hub that have a type, each in its newest version."""
        hub = self._resources.get(caller, "Hub", params["HubName"])
        newest: dict[str, Record] = {}
        for record in self._within(caller, f"{hub.key.name}/{params['HubContentType']}/"):
            name = record.body["HubContentName"]
            if name not in newest or _version(record) > _version(newest[name]):
                newest[name] = record
        return self._page(list(newest.values()), params, hub)

    def list_versions(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the versions of a content."""
        shelf = self._shelf(caller, params)
        records = self._within(caller, shelf.prefix)
        if not records:
            raise _missing(shelf, "")
        least = params.get("MinVersion")
        if least is not None:
            records = [record for record in records if _version(record) >= version_numbers(least)]
        return self._page(records, params, shelf.hub)

    def _page(self, records: list[Record], params: dict[str, Any], hub: Record) -> dict[str, Any]:
        most = params.get("MaxSchemaVersion")
        if most is not None:
            records = [
                r
                for r in records
                if version_numbers(r.body["DocumentSchemaVersion"]) <= version_numbers(most)
            ]
        items = [_shown(record) for record in records]
        chosen, token = CONTENTS.page(items, params, hub.arn)
        return {"HubContentSummaries": chosen, "NextToken": token}

    def _shelf(self, caller: Caller, params: dict[str, Any]) -> _Shelf:
        hub = self._resources.get(caller, "Hub", params["HubName"])
        name = params["HubContentName"]
        if name.startswith("arn:"):
            raise not_done("An ARN as HubContentName")
        return _Shelf(hub, params["HubContentType"], name)

    def _within(self, caller: Caller, prefix: str) -> list[Record]:
        return self._records.list_kind(caller.account, caller.region, NOUN, prefix=prefix)

    def _find(self, caller: Caller, params: dict[str, Any]) -> Record:
        shelf = self._shelf(caller, params)
        version = params.get("HubContentVersion")
        if version is None:
            found = max(self._within(caller, shelf.prefix), key=_version, default=None)
        else:
            found = self._records.get(shelf.key(version))
        if found is None:
            raise _missing(shelf, version or "")
        return found

    def _next(self, shelf: _Shelf) -> str:
        owner = shelf.hub.key
        known = self._records.list_kind(owner.account, owner.region, NOUN, prefix=shelf.prefix)
        versions = [_version(record) for record in known]
        if not versions:
            return FIRST_VERSION
        *front, last = max(versions)
        return ".".join(map(str, (*front, last + 1)))

    def _new(self, caller: Caller, shelf: _Shelf, version: str, params: dict[str, Any]) -> Record:
        moment = now()
        owner = f"arn:aws:sagemaker:{caller.region}:{caller.account}"
        body = {key: value for key, value in params.items() if key != "Tags"} | {
            "HubName": shelf.hub.key.name,
            "HubArn": shelf.hub.arn,
            "HubContentVersion": version,
            "CreatedBy": _NOBODY,
        }
        body.setdefault("SupportStatus", "Supported")
        return Record(
            key=shelf.key(version),
            arn=f"{owner}:hub-content/{shelf.prefix}{version}",
            created=moment,
            modified=moment,
            status="Available",
            body=body,
        )


def _shown(record: Record) -> dict[str, Any]:
    return record.body | {
        "HubContentArn": record.arn,
        "HubContentStatus": record.status,
        "CreationTime": record.created,
        "LastModifiedTime": record.modified,
    }


def _check_document(text: str) -> None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise validation_exception(f"The HubContentDocument is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise validation_exception("The HubContentDocument must be a JSON object.")


def _version(record: Record) -> tuple[int, ...]:
    return version_numbers(record.body["HubContentVersion"])


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to compare it; ``ValidationException`` when it is none."""
    # botocore's pattern has an unescaped dot between the numbers.
    numbers = version.split(".")
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        raise validation_exception(f"The version {version!r} does not have the form 1.2.3.")
    return tuple(map(int, numbers))


def _missing(shelf: _Shelf, version: str) -> AWSError:
    return AWSError(
        "ResourceNotFound",
        f"Hub content {shelf.prefix}{version} of type {shelf.kind} does not exist.",
    )
