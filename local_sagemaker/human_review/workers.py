"""The people who answer: workers of the private workforce, known by the name they type.

A worker's identifiers are made once and stay, because answers in S3 carry them. This module must
not know how somebody signs in, nor what a worker works on.
"""

import secrets
import sqlite3
import unicodedata
import uuid
from dataclasses import dataclass

from local_sagemaker.database import Database, now
from local_sagemaker.human_review.tables import create_tables

LONGEST_NAME = 64


class NameRefused(ValueError):
    """No worker can have this name; the message says why."""


@dataclass(frozen=True)
class Worker:
    """Somebody who answers.

    Attributes
    ----------
    account, region
        Where the worker joined; a worker is offered the tasks of the whole server.
    name
        What the worker typed.
    worker_id
        16 hexadecimal digits, as in A2I's answers; the same for ever.
    sub
        The subject that identity providers know a user by: a UUID.
    """

    account: str
    region: str
    name: str
    worker_id: str
    sub: str


class Workers:
    """The workers of one server.

    Parameters
    ----------
    database
        Where they are kept.
    account, region
        Of the server's own user.
    """

    def __init__(self, database: Database, account: str, region: str) -> None:
        create_tables(database)
        self._database = database
        self._account = account
        self._region = region

    def join(self, name: str) -> Worker:
        """Return the worker of this name, who is new the first time.

        Parameters
        ----------
        name
            1 to 64 characters of any script; blanks around it do not count.

        Raises
        ------
        NameRefused
            For a name that is empty, too long, or holds what cannot be seen.
        """
        name = _checked(name)
        with self._database.transaction() as connection:
            rows = self._database.query("SELECT * FROM review_workers WHERE name = ?", (name,))
            if rows:
                return _worker(rows[0])
            worker = Worker(
                self._account, self._region, name, secrets.token_hex(8), str(uuid.uuid4())
            )
            connection.execute(
                "INSERT INTO review_workers (worker_id, name, account, region, sub, joined) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (worker.worker_id, name, worker.account, worker.region, worker.sub, now()),
            )
            return worker

    def get(self, worker_id: str) -> Worker | None:
        """Return the worker with this identifier, or None."""
        rows = self._database.query(
            "SELECT * FROM review_workers WHERE worker_id = ?", (worker_id,)
        )
        return _worker(rows[0]) if rows else None


def _checked(name: str) -> str:
    # One spelling of what looks the same: é may be typed as one character or as two.
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        raise NameRefused("Type a name.")
    if len(name) > LONGEST_NAME:
        raise NameRefused(
            f"A name has at most {LONGEST_NAME} characters; this one has {len(name)}."
        )
    # Control characters, halves of surrogate pairs, line separators. Joiners (Cf) are part of names
    # in some scripts, but those that turn the direction of what follows are not.
    bad = [
        sign
        for sign in name
        if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(sign) in ("LRE", "RLE", "LRO", "RLO", "PDF")
        or "\u2066" <= sign <= "\u2069"
    ]
    if bad:
        raise NameRefused(f"A name cannot hold the character U+{ord(bad[0]):04X}.")
    return name


def _worker(row: sqlite3.Row) -> Worker:
    return Worker(row["account"], row["region"], row["name"], row["worker_id"], row["sub"])
