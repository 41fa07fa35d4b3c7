"""Which trial components belong to which trials: a relation of many to many.

It knows names, in lower case; it must not know what trials and components are, nor whether they
exist.
"""

import time

from local_sagemaker.database import Database

_TABLES = (
    """
    CREATE TABLE trial_members (
        account TEXT NOT NULL, region TEXT NOT NULL, trial TEXT NOT NULL, component TEXT NOT NULL,
        since REAL NOT NULL,
        PRIMARY KEY (account, region, trial, component)
    ) WITHOUT ROWID;
    CREATE INDEX trial_members_by_component ON trial_members (account, region, component)
    """,
)

Owner = tuple[str, str]


class TrialMembers:
    """The memberships of all accounts and regions; an owner is ``(account, region)``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.migrate("trial_members", _TABLES)

    def add(self, owner: Owner, trial: str, component: str) -> None:
        """Make a component a member of a trial; once is enough."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO trial_members (account, region, trial, component, since) "
                "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (*owner, trial, component, time.time()),
            )

    def remove(self, owner: Owner, trial: str, component: str) -> bool:
        """End a membership; return whether there was one."""
        with self._database.transaction() as connection:
            done = connection.execute(
                "DELETE FROM trial_members "
                "WHERE account = ? AND region = ? AND trial = ? AND component = ?",
                (*owner, trial, component),
            )
            return done.rowcount > 0

    def components(self, owner: Owner, trial: str) -> set[str]:
        """Return the members of a trial."""
        rows = self._database.query(
            "SELECT component FROM trial_members WHERE account = ? AND region = ? AND trial = ?",
            (*owner, trial),
        )
        return {row["component"] for row in rows}

    def trials(self, owner: Owner, component: str) -> list[str]:
        """Return the trials of a component, the first it joined first."""
        rows = self._database.query(
            "SELECT trial FROM trial_members WHERE account = ? AND region = ? AND component = ? "
            "ORDER BY since, trial",
            (*owner, component),
        )
        return [row["trial"] for row in rows]

    def every(self, owner: Owner) -> dict[str, list[str]]:
        """Return the trials of each component that has any, the first it joined first."""
        rows = self._database.query(
            "SELECT trial, component FROM trial_members WHERE account = ? AND region = ? "
            "ORDER BY since, trial",
            owner,
        )
        trials: dict[str, list[str]] = {}
        for row in rows:
            trials.setdefault(row["component"], []).append(row["trial"])
        return trials
