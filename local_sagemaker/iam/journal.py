"""The journal of IAM: what was acknowledged, in order, so that it can be done once more.

An entry is a request with the time and the seed it was answered with; whoever answers it again
under both comes to the same identifiers and dates. This module knows rows; it must not know what
a request means or who answers it.
"""

import secrets
import sqlite3
from dataclasses import dataclass

from local_sagemaker.database import Database, now

_TABLES = (
    """
    CREATE TABLE iam_journal (
        number INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, time REAL NOT NULL,
        seed TEXT NOT NULL, access_key TEXT NOT NULL, region TEXT NOT NULL, body BLOB NOT NULL,
        answer TEXT NOT NULL
    );
    CREATE INDEX iam_journal_by_account ON iam_journal (account, number)
    """,
)


@dataclass(frozen=True)
class Entry:
    """One request to IAM.

    Attributes
    ----------
    account, access_key, region
        Whose, by which key, and the region its signature names.
    time
        When it was answered, in seconds since the epoch.
    seed
        What its identifiers were drawn with: 32 hexadecimal digits.
    body
        The form; empty for the entry that opens an account.
    """

    account: str
    access_key: str
    region: str
    time: float
    seed: str
    body: bytes = b""


def new_entry(account: str, access_key: str = "", region: str = "", body: bytes = b"") -> Entry:
    """Return an entry for a request that is answered now."""
    return Entry(account, access_key, region, now(), secrets.token_hex(16), body)


class Journal:
    """The acknowledged requests of all accounts.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        database.migrate("iam", _TABLES)
        self._database = database

    def append(self, connection: sqlite3.Connection, entry: Entry, answer: str) -> None:
        """Write an entry, in a transaction of the caller's.

        Parameters
        ----------
        connection
            The transaction's.
        entry
            What was asked.
        answer
            The digest of what was answered, by which a replay is checked.
        """
        connection.execute(
            "INSERT INTO iam_journal (account, time, seed, access_key, region, body, answer) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(entry.account, entry.time, entry.seed, entry.access_key, entry.region),
                *(entry.body, answer),
            ),
        )

    def entries(self, account: str) -> list[tuple[Entry, str]]:
        """Return an account's entries in order, each with the digest of its answer."""
        rows = self._database.query(
            "SELECT * FROM iam_journal WHERE account = ? ORDER BY number", (account,)
        )
        return [
            (
                Entry(
                    row["account"],
                    row["access_key"],
                    row["region"],
                    row["time"],
                    row["seed"],
                    row["body"],
                ),
                row["answer"],
            )
            for row in rows
        ]
