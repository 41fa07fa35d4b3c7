"""Flow definitions as their loops and their workers see them: the rules of one kind of task.

A flow definition never changes once it is made, and loops go on by its rules after it was
deleted, so the rules are kept beside the record that Describe shows. This module must not know
requests.
"""

import hashlib
import json
import secrets
import sqlite3
from dataclasses import dataclass

from local_sagemaker.database import Database
from local_sagemaker.human_review.outputs import Owner
from local_sagemaker.human_review.tables import create_tables
from local_sagemaker.jobs.s3_locations import S3Location


@dataclass(frozen=True)
class Flow:
    """The rules of one flow definition.

    Attributes
    ----------
    id
        Tells it from an earlier one of the same name.
    account, region, name, arn, created
        What it is called, and since when it is there.
    title, description, keywords
        What workers read.
    task_count
        How many workers answer each loop.
    lifetime, time_limit
        Seconds that a task waits for workers, and that a worker may hold it.
    output, kms_key
        Where answers are written, and with which key.
    role
        The ARN of the role that is lent for it.
    task_ui
        The ARN of the template.
    """

    id: str
    account: str
    region: str
    name: str
    arn: str
    created: float
    title: str
    description: str
    keywords: tuple[str, ...]
    task_count: int
    lifetime: float
    time_limit: float
    output: S3Location
    kms_key: str | None
    role: str
    task_ui: str

    @property
    def owner(self) -> Owner:
        """On whose behalf S3 is used."""
        return Owner(self.account, self.region, self.role)


class Flows:
    """The flow definitions of all accounts and regions."""

    def __init__(self, database: Database) -> None:
        create_tables(database)
        self._database = database

    def add(self, flow: Flow) -> None:
        """Keep a new one; part of the transaction that its caller may have begun."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO review_flows (id, account, region, name, arn, created, title, "
                "description, keywords, task_count, lifetime, time_limit, output, kms_key, role, "
                "task_ui) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    flow.id,
                    flow.account,
                    flow.region,
                    flow.name,
                    flow.arn,
                    flow.created,
                    flow.title,
                    flow.description,
                    json.dumps(flow.keywords),
                    flow.task_count,
                    flow.lifetime,
                    flow.time_limit,
                    str(flow.output),
                    flow.kms_key,
                    flow.role,
                    flow.task_ui,
                ),
            )

    def find(self, arn: str) -> Flow | None:
        """Return the one that is called so now, or None."""
        rows = self._database.query(
            "SELECT * FROM review_flows WHERE arn = ? AND NOT deleted", (arn,)
        )
        return flow_of(rows[0]) if rows else None

    def get(self, identifier: str) -> Flow:
        """Return the one with this identifier, deleted or not."""
        (row,) = self._database.query("SELECT * FROM review_flows WHERE id = ?", (identifier,))
        return flow_of(row)

    def delete(self, flow: Flow) -> None:
        """Give its name free; its loops keep its rules."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE review_flows SET deleted = 1 WHERE id = ?", (flow.id,))


def new_id() -> str:
    """Return an identifier for a flow definition."""
    return secrets.token_hex(8)


def keep_template(connection: sqlite3.Connection, content: str) -> str:
    """Keep a template's text for the loops that use it; return its digest."""
    digest = hashlib.sha256(content.encode()).hexdigest()
    connection.execute(
        "INSERT INTO review_templates (digest, content) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (digest, content),
    )
    return digest


def flow_of(row: sqlite3.Row) -> Flow:
    """Return the rules that a row of the table holds."""
    return Flow(
        id=row["id"],
        account=row["account"],
        region=row["region"],
        name=row["name"],
        arn=row["arn"],
        created=row["created"],
        title=row["title"],
        description=row["description"],
        keywords=tuple(json.loads(row["keywords"])),
        task_count=row["task_count"],
        lifetime=row["lifetime"],
        time_limit=row["time_limit"],
        output=S3Location.parse(row["output"]),
        kms_key=row["kms_key"],
        role=row["role"],
        task_ui=row["task_ui"],
    )
