"""Records of resources in the server's database, by account, region, kind and name.

It must not know what a training job or an endpoint is.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local_sagemaker.database import Database, now


class RecordExists(Exception):
    """A record of this key is already there."""


class RecordMissing(Exception):
    """No record of this key is there."""


@dataclass(frozen=True)
class Key:
    """Whose resource it is, where, of which kind (botocore's noun), and its name."""

    account: str
    region: str
    kind: str
    name: str


@dataclass
class Record:
    """A resource.

    Attributes
    ----------
    key, arn
        What it is called.
    created, modified
        Seconds since the epoch.
    status
        The resource's main status, or None where the kind has none.
    body
        The members that Describe shows, AWS-shaped; timestamps are seconds since the epoch.
    private
        What the service never shows: folders, generations, process ids.
    """

    key: Key
    arn: str
    created: float
    modified: float
    status: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
    private: dict[str, Any] = field(default_factory=dict)


# No name has it, so all names with a prefix lie between the prefix and the two together.
_LAST_LETTER = "\U0010ffff"

_TABLES = (
    """
    CREATE TABLE records (
        account TEXT NOT NULL, region TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
        arn TEXT NOT NULL, created REAL NOT NULL, modified REAL NOT NULL, status TEXT,
        body TEXT NOT NULL, private TEXT NOT NULL,
        PRIMARY KEY (account, region, kind, name)
    ) WITHOUT ROWID;
    CREATE INDEX records_by_arn ON records (arn);
    CREATE TABLE tags (
        arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)
    ) WITHOUT ROWID
    """,
)


class Records:
    """The resources of all accounts and regions, and their tags."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._watchers: dict[str, Callable[[Record], None]] = {}
        self._waiting: dict[Key, list[threading.Event]] = {}
        self._waiting_lock = threading.Lock()
        database.migrate("records", _TABLES)

    def watch(self, kind: str, watcher: Callable[[Record], None]) -> None:
        """Call a function with every record of a kind that is added or changed from now on.

        It is part of the transaction: what it writes is kept together with the record, and an
        error that it raises undoes both.
        """
        self._watchers[kind] = watcher

    def wait(
        self, key: Key, condition: Callable[[Record], bool], timeout: float | None = None
    ) -> Record | None:
        """Wait, without polling, until a record meets a condition.

        It must not be called within a transaction, which would keep everybody from writing.

        Parameters
        ----------
        key
            Which record; it may come to be later.
        condition
            Tells of the record, as last committed, whether the wait is over. It is asked at once,
            and again after changes.
        timeout
            Seconds; None for ever.

        Returns
        -------
        Record or None
            The record that met the condition, or None when the time was over.

        Raises
        ------
        RecordMissing
            When the record was there during this call and is deleted.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        changed = threading.Event()
        with self._waiting_lock:
            self._waiting.setdefault(key, []).append(changed)
        seen = False
        try:
            while True:
                changed.clear()
                record = self.get(key)
                if record is None and seen:
                    raise RecordMissing(key)
                seen = record is not None
                if record is not None and condition(record):
                    return record
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                if not changed.wait(left):
                    return None
        finally:
            with self._waiting_lock:
                self._waiting[key].remove(changed)
                if not self._waiting[key]:
                    del self._waiting[key]

    def insert(self, record: Record) -> None:
        """Add a record; `RecordExists` when its key is taken."""
        try:
            with self.database.transaction() as connection:
                connection.execute(
                    "INSERT INTO records (account, region, kind, name, arn, created, modified, "
                    "status, body, private) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (*_key_columns(record.key), *_columns(record)),
                )
                self._tell(record)
        except sqlite3.IntegrityError as error:
            raise RecordExists(record.key) from error

    def get(self, key: Key) -> Record | None:
        """Return the record, or None."""
        rows = self.database.query(
            "SELECT * FROM records WHERE account = ? AND region = ? AND kind = ? AND name = ?",
            _key_columns(key),
        )
        return _record(rows[0]) if rows else None

    def update(self, key: Key, change: Callable[[Record], None]) -> Record:
        """Read, change and write one record as a single transaction.

        Parameters
        ----------
        key
            Which record.
        change
            Alters the record in place. An exception it raises leaves the record as it was.

        Returns
        -------
        Record
            The record as written; ``modified`` is now.

        Raises
        ------
        RecordMissing
            When there is none.
        """

        def modify(record: Record) -> None:
            change(record)
            record.modified = now()

        return self.annotate(key, modify)

    def annotate(self, key: Key, change: Callable[[Record], None]) -> Record:
        """Do as `update`, but leave ``modified``: what is noted is no change of the resource."""
        with self.database.transaction() as connection:
            record = self.get(key)
            if record is None:
                raise RecordMissing(key)
            change(record)
            connection.execute(
                "UPDATE records SET arn = ?, created = ?, modified = ?, status = ?, body = ?, "
                "private = ? WHERE account = ? AND region = ? AND kind = ? AND name = ?",
                (*_columns(record), *_key_columns(key)),
            )
            self._tell(record)
            return record

    def delete(self, key: Key) -> bool:
        """Remove a record and its tags; return whether it was there."""
        with self.database.transaction() as connection:
            record = self.get(key)
            if record is None:
                return False
            connection.execute(
                "DELETE FROM records WHERE account = ? AND region = ? AND kind = ? AND name = ?",
                _key_columns(key),
            )
            connection.execute("DELETE FROM tags WHERE arn = ?", (record.arn,))
            self._wake(key)
            return True

    def list_kind(self, account: str, region: str, kind: str, *, prefix: str = "") -> list[Record]:
        """Return the records of a kind in one account and region, oldest first.

        Parameters
        ----------
        account, region, kind
            Parts of their keys.
        prefix
            What their names begin with. Others are not read.
        """
        rows = self.database.query(
            "SELECT * FROM records WHERE account = ? AND region = ? AND kind = ? "
            "AND name >= ? AND name < ? ORDER BY created, name",
            (account, region, kind, prefix, prefix + _LAST_LETTER),
        )
        return [_record(row) for row in rows]

    def every(self, kind: str) -> list[Record]:
        """Return the records of a kind over all accounts and regions, oldest first."""
        rows = self.database.query(
            "SELECT * FROM records WHERE kind = ? ORDER BY created, name", (kind,)
        )
        return [_record(row) for row in rows]

    def by_arn(self, arn: str) -> Record | None:
        """Return the record that an ARN names, or None."""
        rows = self.database.query("SELECT * FROM records WHERE arn = ?", (arn,))
        return _record(rows[0]) if rows else None

    def _tell(self, record: Record) -> None:
        watcher = self._watchers.get(record.key.kind)
        if watcher is not None:
            watcher(record)
        self._wake(record.key)

    def _wake(self, key: Key) -> None:
        """Let those who wait for a record look at it once this transaction is kept."""

        def wake() -> None:
            with self._waiting_lock:
                for changed in self._waiting.get(key, ()):
                    changed.set()

        self.database.after_commit(wake)

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a resource by key, sorted."""
        rows = self.database.query("SELECT key, value FROM tags WHERE arn = ? ORDER BY key", (arn,))
        return {row["key"]: row["value"] for row in rows}

    def put_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add tags, replacing values of keys that are there."""
        with self.database.transaction() as connection:
            connection.executemany(
                "INSERT INTO tags (arn, key, value) VALUES (?, ?, ?) "
                "ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value",
                [(arn, key, value) for key, value in tags.items()],
            )

    def delete_tags(self, arn: str, keys: Sequence[str]) -> None:
        """Remove tags; keys that are not there are ignored."""
        with self.database.transaction() as connection:
            connection.executemany(
                "DELETE FROM tags WHERE arn = ? AND key = ?", [(arn, key) for key in keys]
            )


def _key_columns(key: Key) -> tuple[str, str, str, str]:
    return (key.account, key.region, key.kind, key.name)


def _columns(record: Record) -> tuple[Any, ...]:
    return (
        record.arn,
        record.created,
        record.modified,
        record.status,
        json.dumps(record.body),
        json.dumps(record.private),
    )


def _record(row: sqlite3.Row) -> Record:
    return Record(
        key=Key(row["account"], row["region"], row["kind"], row["name"]),
        arn=row["arn"],
        created=row["created"],
        modified=row["modified"],
        status=row["status"],
        body=json.loads(row["body"]),
        private=json.loads(row["private"]),
    )
