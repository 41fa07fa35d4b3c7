"""Lineage: artifacts, actions and contexts, and the associations between them and experiments.

The entities are ordinary records; the associations are edges in a table of their own. It must
not know who draws the edges: a run that logs a chart and a user with boto3 look the same here.
"""

import hashlib
import json
import sqlite3
import time
from functools import partial
from typing import Any

from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

# Nouns whose associations with one another the service refuses: an experiment's own structure
# says how they belong together.
_EXPERIMENT_NOUNS = frozenset({"Experiment", "Trial", "TrialComponent"})
_ENTITY_NOUNS = ("Artifact", "Action", "Context")

_TABLES = (
    """
    CREATE TABLE associations (
        account TEXT NOT NULL, region TEXT NOT NULL,
        source TEXT NOT NULL, destination TEXT NOT NULL, type TEXT, created REAL NOT NULL,
        PRIMARY KEY (source, destination)
    ) WITHOUT ROWID;
    CREATE INDEX associations_by_destination ON associations (destination)
    """,
)


class Associations:
    """The edges between lineage entities, by ARN."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.migrate("associations", _TABLES)

    def add(self, caller: Caller, source: str, destination: str, kind: str | None) -> bool:
        """Draw an edge; return False when these two have one already."""
        try:
            with self.database.transaction() as connection:
                connection.execute(
                    "INSERT INTO associations (account, region, source, destination, type, "
                    "created) VALUES (?, ?, ?, ?, ?, ?)",
                    (caller.account, caller.region, source, destination, kind, time.time()),
                )
        except sqlite3.IntegrityError:
            return False
        return True

    def remove(self, source: str, destination: str) -> bool:
        """Take an edge away; return whether it was there."""
        with self.database.transaction() as connection:
            done = connection.execute(
                "DELETE FROM associations WHERE source = ? AND destination = ?",
                (source, destination),
            )
            return done.rowcount > 0

    def touching(self, arn: str) -> bool:
        """Tell whether an entity has any edge."""
        rows = self.database.query(
            "SELECT 1 FROM associations WHERE source = ? OR destination = ? LIMIT 1", (arn, arn)
        )
        return bool(rows)

    def forget(self, arn: str) -> None:
        """Remove all edges of an entity that is being deleted."""
        with self.database.transaction() as connection:
            connection.execute(
                "DELETE FROM associations WHERE source = ? OR destination = ?", (arn, arn)
            )

    def list(self, caller: Caller) -> list[sqlite3.Row]:
        """Return the edges of an account and region, oldest first."""
        return self.database.query(
            "SELECT source, destination, type, created FROM associations "
            "WHERE account = ? AND region = ? ORDER BY created, source, destination",
            (caller.account, caller.region),
        )


class Lineage:
    """The operations on lineage entities and their associations."""

    def __init__(self, resources: Resources, associations: Associations) -> None:
        self._resources = resources
        self._associations = associations

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        handlers: dict[str, Handler] = {
            "AddAssociation": self.add_association,
            "DeleteAssociation": self.delete_association,
            "ListAssociations": self.list_associations,
            "CreateArtifact": self.create_artifact,
            "DeleteArtifact": self.delete_artifact,
            "CreateAction": partial(self._create, "Action"),
            "CreateContext": partial(self._create, "Context"),
            "DeleteAction": partial(self._delete, "Action"),
            "DeleteContext": partial(self._delete, "Context"),
        }
        for noun in _ENTITY_NOUNS:
            handlers[f"List{noun}s"] = partial(self._list, noun)
            handlers[f"Update{noun}"] = partial(self._update, noun)
        return handlers

    def create_artifact(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create the artifact of a source, or return the one that the source has.

        An artifact is identified by what it stands for. The SDK's `Run` creates the artifact of
        a chart again whenever a run is closed again, and needs its ARN each time.
        """
        name = _artifact_name(params["Source"])
        with self._resources.records.database.transaction():
            record = self._resources.records.get(self._resources.key(caller, "Artifact", name))
            if record is None:
                record = self._resources.create(
                    caller, "Artifact", params, name=name, body=_nobody()
                )
        return {"ArtifactArn": record.arn}

    def delete_artifact(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete an artifact, named by its ARN or by its source."""
        if params.get("ArtifactArn"):
            return self._delete("Artifact", caller, params)
        if not params.get("Source"):
            raise validation_exception("Either ArtifactArn or Source must be specified.")
        return self._delete("Artifact", caller, {"ArtifactArn": _artifact_name(params["Source"])})

    def add_association(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Draw an edge between two entities that exist."""
        with self._associations.database.transaction():
            source = self._entity(caller, params["SourceArn"])
            destination = self._entity(caller, params["DestinationArn"])
            if source.arn == destination.arn:
                raise validation_exception(f"'{source.arn}' cannot be associated with itself.")
            if {source.key.kind, destination.key.kind} <= _EXPERIMENT_NOUNS:
                raise validation_exception(
                    "An association cannot be created between two experiment entities: "
                    f"'{source.arn}' and '{destination.arn}'."
                )
            kind = params.get("AssociationType")
            if not self._associations.add(caller, source.arn, destination.arn, kind):
                raise validation_exception(
                    f"Association between '{source.arn}' and '{destination.arn}' already exists."
                )
        return {"SourceArn": source.arn, "DestinationArn": destination.arn}

    def delete_association(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Take away an edge of the caller's."""
        source, destination = params["SourceArn"], params["DestinationArn"]
        known = self._find(caller, source) and self._find(caller, destination)
        if not known or not self._associations.remove(source, destination):
            raise AWSError(
                "ResourceNotFound",
                f"Association between '{source}' and '{destination}' does not exist.",
            )
        return {"SourceArn": source, "DestinationArn": destination}

    def list_associations(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the edges that pass all filters."""
        rows = [
            row
            for row in self._associations.list(caller)
            if _fits(row["source"], params.get("SourceArn"))
            and _fits(row["destination"], params.get("DestinationArn"))
            and _fits(row["type"], params.get("AssociationType"))
            and row["created"] >= params.get("CreatedAfter", row["created"])
            and row["created"] <= params.get("CreatedBefore", row["created"])
        ]
        summaries = [
            summary
            for summary in (self._association(row) for row in rows)
            if _fits(summary.get("SourceType"), params.get("SourceType"))
            and _fits(summary.get("DestinationType"), params.get("DestinationType"))
        ]
        field = params.get("SortBy") or "CreationTime"
        summaries.sort(
            key=lambda summary: (summary.get(field) or "", _pair(summary)),
            reverse=params.get("SortOrder") != "Ascending",
        )
        chosen, token = page(summaries, params, _pair)
        return {"AssociationSummaries": chosen, "NextToken": token}

    def _association(self, row: sqlite3.Row) -> dict[str, Any]:
        summary = {
            "SourceArn": row["source"],
            "DestinationArn": row["destination"],
            "AssociationType": row["type"],
            "CreationTime": row["created"],
            "CreatedBy": {},
        }
        for end, arn in (("Source", row["source"]), ("Destination", row["destination"])):
            record = self._resources.records.by_arn(arn)
            if record is not None:
                summary[f"{end}Type"] = entity_type(record)
                summary[f"{end}Name"] = record.body.get(f"{record.key.kind}Name")
        return summary

    def _create(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._resources.create(caller, noun, params, body=_nobody())
        return {f"{noun}Arn": record.arn}

    def _update(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change an entity; ``Properties`` overwrites the whole list, as the service does."""
        kind = self._resources.kinds[noun]
        changes = {
            key: value
            for key, value in params.items()
            if key in kind.describe.members and key != kind.name_key
        }
        gone = set(params.get("PropertiesToRemove", ()))

        def change(record: Record) -> None:
            record.body |= changes | {"LastModifiedBy": {}}
            properties = record.body.get("Properties", {})
            record.body["Properties"] = {k: v for k, v in properties.items() if k not in gone}

        record = self._resources.change(caller, noun, params[kind.name_key], change)
        return {kind.arn_key: record.arn}

    def _delete(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        kind = self._resources.kinds[noun]
        with self._associations.database.transaction():
            record = self._resources.get(caller, noun, params[kind.name_key])
            if self._associations.touching(record.arn):
                raise validation_exception(
                    f"{noun} '{record.arn}' has 1 or more associations and cannot be deleted. "
                    "Delete its associations first."
                )
            self._resources.delete(caller, noun, record.key.name)
        return {kind.arn_key: record.arn}

    def _list(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        records = [
            record
            for record in self._resources.records.list_kind(caller.account, caller.region, noun)
            if _fits(record.body.get("Source", {}).get("SourceUri"), params.get("SourceUri"))
            and _fits(record.body.get(f"{noun}Type"), params.get(f"{noun}Type"))
        ]
        return self._resources.listed(caller, noun, params, records)

    def _find(self, caller: Caller, arn: str) -> Record | None:
        record = self._resources.records.by_arn(arn)
        owner = (caller.account, caller.region)
        if record is None or (record.key.account, record.key.region) != owner:
            return None
        return record

    def _entity(self, caller: Caller, arn: str) -> Record:
        record = self._find(caller, arn)
        if record is None:
            raise AWSError("ResourceNotFound", f"Resource '{arn}' does not exist.")
        return record


def _artifact_name(source: dict[str, Any]) -> str:
    """Return the name of a source's artifact: 32 hexadecimal digits, as in the service's ARNs."""
    identifiers = sorted(
        (identifier["SourceIdType"], identifier["Value"])
        for identifier in source.get("SourceTypes") or []
    )
    content = json.dumps([source["SourceUri"], identifiers])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def entity_type(record: Record) -> str:
    """Return the type of an entity: ``DataSet``, ``Model``, …, or the noun of what has none."""
    noun = record.key.kind
    if noun in _ENTITY_NOUNS:
        return str(record.body.get(f"{noun}Type"))
    return str(record.body.get("Source", {}).get("SourceType") or noun)


def _fits(value: str | None, wanted: str | None) -> bool:
    return wanted is None or value == wanted


def _pair(summary: dict[str, Any]) -> str:
    return f"{summary['SourceArn']} {summary['DestinationArn']}"


def _nobody() -> dict[str, Any]:
    """Return who made an entity: empty for callers that are no Studio user, as the service does."""
    return {"CreatedBy": {}, "LastModifiedBy": {}}
