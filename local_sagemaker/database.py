"""The server's memory: one SQLite database, its transactions and its tables.

What is acknowledged to a client was committed here first (WAL, ``synchronous=FULL``), so a
killed server loses nothing it promised. This module knows rows and transactions; it must not
know what they hold.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def now() -> float:
    """Return seconds since the epoch, to the microsecond, which is all that clients can hold."""
    return round(time.time(), 6)


class StoreError(Exception):
    """The state on disk cannot be used; the message says why and what to do."""


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
