"""Who may assume a role: the trust policies of the roles that somebody made, really judged.

They are copied out of IAM whenever it changes, so that AssumeRole into any of many accounts costs
one row. A role that IAM does not have may be assumed by everybody, and so may the execution role
that every account begins with. This module must not know where policies come from.

Source: "AWS JSON policy elements: Principal", IAM user guide.
"""

import json
import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError
from local_sagemaker.iam.conditions import holds, like
from local_sagemaker.identity import EXECUTION_ROLE, Caller

_TABLES = (
    """
    CREATE TABLE iam_trust (
        account TEXT NOT NULL, role TEXT NOT NULL, document TEXT NOT NULL,
        PRIMARY KEY (account, role)
    ) WITHOUT ROWID
    """,
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/(?:.*/)?([^/]+)")
_SESSION = re.compile(r"(arn:aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.*")


class Trust:
    """The trust policies of all accounts.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        database.migrate("iam_trust", _TABLES)
        self._database = database

    def put(
        self, connection: sqlite3.Connection, account: str, documents: Mapping[str, str]
    ) -> None:
        """Keep an account's policies by role, in a transaction of the caller's."""
        connection.execute("DELETE FROM iam_trust WHERE account = ?", (account,))
        connection.executemany(
            "INSERT INTO iam_trust VALUES (?, ?, ?)",
            [(account, role, text) for role, text in documents.items() if role != EXECUTION_ROLE],
        )

    def check(self, caller: Caller, role_arn: str, external_id: str | None) -> None:
        """Refuse a caller whom a role does not trust.

        Parameters
        ----------
        caller
            Who wants to assume it.
        role_arn
            The role.
        external_id
            What the request holds of ``sts:ExternalId``.

        Raises
        ------
        AWSError
            ``AccessDenied``, as STS words it.
        """
        role = _ROLE.fullmatch(role_arn)
        rows = role and self._database.query(
            "SELECT document FROM iam_trust WHERE account = ? AND role = ?", role.groups()
        )
        if not rows:
            return
        context = {"aws:principalarn": [caller.arn], "aws:principalaccount": [caller.account]}
        if external_id is not None:
            context["sts:externalid"] = [external_id]
        if not _trusts(rows[0]["document"], caller, context):
            raise AWSError(
                "AccessDenied",
                f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: "
                f"{role_arn}",
                403,
            )


def _trusts(document: str, caller: Caller, context: Mapping[str, list[str]]) -> bool:
    try:
        effects = {
            statement["Effect"]
            for statement in _listed(json.loads(document)["Statement"])
            if _names(statement, caller) and holds(statement.get("Condition", {}), context, set())
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        # What cannot be read trusts nobody.
        return False
    return effects == {"Allow"}


def _names(statement: Mapping[str, Any], caller: Caller) -> bool:
    if not any(like("sts:assumerole", one.lower()) for one in _listed(statement.get("Action", []))):
        return False
    principal = statement.get("Principal", {})
    wanted = ["*"] if principal == "*" else _listed(principal.get("AWS", []))
    session = _SESSION.fullmatch(caller.arn)
    mine = {"*", caller.arn, caller.account, f"arn:aws:iam::{caller.account}:root"}
    for one in wanted:
        if one in mine:
            return True
        # A role is named with its path, which the ARN of a session does not have.
        role = _ROLE.fullmatch(one)
        if role and session and (session[2], session[3]) == (role[1], role[2]):
            return True
    return False


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
