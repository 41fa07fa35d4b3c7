"""The server's memory: one SQLite database, and records of resources in it.

What is acknowledged to a client was committed here first (WAL, ``synchronous=FULL``), so a
killed server loses nothing it promised. This module knows rows and transactions; it must not
know what a training job or an endpoint is.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def now() -> float:
    """Return seconds since the epoch, to the microsecond, which is all that clients can hold."""
    return round(time.time(), 6)


class StoreError(Exception):
    """The state on disk cannot be used; the message says why and what to do."""


class RecordExists(Exception):
    """A record of this key is already there."""


class RecordMissing(Exception):
    """No record of this key is there."""


# How a transaction begins, is kept and is undone: the outermost one, and one inside another. A
# savepoint's name may repeat: the innermost one counts.
_STATEMENTS = (
    ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",)),
    ("SAVEPOINT inner", "RELEASE inner", ("ROLLBACK TO inner", "RELEASE inner")),
)


class Database:
    """One SQLite file, shared by all threads of the server.

    Every statement runs under one lock: SQLite allows one writer at a time anyway, and a single
    connection makes each read see the last committed write.

    Parameters
    ----------
    path
        The database file; created when it is not there.

    Raises
    ------
    StoreError
        When the file cannot be opened, is not a database, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        try:
            # SQLite gives its further files the permissions of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=10
            )
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        try:
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS components "
                "(name TEXT PRIMARY KEY, version INTEGER NOT NULL)"
            )
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"cannot open the state in {self._path}: {error}. Check that the folder is writable "
            "and the disk is not full; `python -m local_sagemaker reset` starts afresh."
        )

    def migrate(self, component: str, steps: Sequence[str]) -> None:
        """Bring the tables of one component up to date.

        Parameters
        ----------
        component
            The name under which the version is kept.
        steps
            SQL scripts, oldest first. A script that ran once is never run again, so a change
            is always a new script at the end.

        Raises
        ------
        StoreError
            When the state is of a newer version, or a script failed; the tables are then as
            they were before it.
        """
        with self._lock:
            rows = self.query("SELECT version FROM components WHERE name = ?", (component,))
            version = rows[0]["version"] if rows else 0
            if version > len(steps):
                raise StoreError(
                    f"the state in {self._path} was written by a newer version of the local "
                    f"SageMaker ({component} {version}, this one knows {len(steps)}). Update it, "
                    "or start afresh with `python -m local_sagemaker reset`."
                )
            for number, script in enumerate(steps[version:], start=version + 1):
                try:
                    # executescript commits by itself, so the script carries its own transaction.
                    self._connection.executescript(
                        f"BEGIN IMMEDIATE;\n{script};\n"
                        "INSERT INTO components (name, version) VALUES "
                        f"('{component}', {number}) ON CONFLICT (name) DO UPDATE SET "
                        "version = excluded.version;\nCOMMIT;"
                    )
                except sqlite3.Error as error:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise self._unusable(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run statements that are committed together or not at all.

        Nested use is part of the outer transaction: it is undone alone when it fails and the
        outer one goes on, and with it when that fails.
        """
        with self._lock:
            begin, commit, undo = _STATEMENTS[self._depth > 0]
            self._connection.execute(begin)
            self._depth += 1
            registered = len(self._after)
            try:
                yield self._connection
                self._connection.execute(commit)
            except BaseException:
                del self._after[registered:]
                # A full disk may have ended the transaction already.
                if self._connection.in_transaction:
                    for statement in undo:
                        self._connection.execute(statement)
                raise
            finally:
                self._depth -= 1
            if self._depth == 0:
                actions, self._after = self._after, []
                for action in actions:
                    action()

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call a function once what the transaction under way writes is on disk.

        It is not called when the transaction, or the inner one that it was asked for in, is
        undone. It must be brief and must not raise: nobody else reads or writes meanwhile.

        Parameters
        ----------
        action
            What to call, in the thread that commits.
        """
        with self._lock:
            self._after.append(action)

    def query(
        self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[sqlite3.Row]:
        """Return all rows of a SELECT."""
        with self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Close the file; further use raises ``sqlite3.ProgrammingError``."""
        with self._lock:
            self._connection.close()


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
