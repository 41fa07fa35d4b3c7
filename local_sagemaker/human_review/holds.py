"""Who holds which task: the changes of one row, each inside the transaction of its caller.

It knows assignments and their states; it must not know what an answer leads to.
"""

import sqlite3
from collections.abc import Iterator, Sequence

from local_sagemaker.database import Database
from local_sagemaker.human_review.tables import (
    EXPIRED,
    IN_PROGRESS,
    LEFT,
    PAUSED,
    STOPPED,
    WORKING,
    token,
)
from local_sagemaker.human_review.tasks import AssignmentGone
from local_sagemaker.human_review.time_keeper import Alarm
from local_sagemaker.human_review.workers import Worker


class Holds:
    """The assignments of all workers.

    Parameters
    ----------
    database
        Where they are kept.
    alarm
        Woken when one is found whose time is over.
    """

    def __init__(self, database: Database, alarm: Alarm) -> None:
        self._database = database
        self._alarm = alarm

    def over(self, gone: Sequence[str], moment: float) -> Iterator[tuple[str, str]]:
        """Yield the assignments to take away, and the state that each gets."""
        rows = self._database.query(
            "SELECT id FROM review_assignments "
            "WHERE state IN ('working', 'paused') AND deadline <= ?",
            (moment,),
        )
        expired = {row["id"] for row in rows}
        yield from ((identifier, EXPIRED) for identifier in expired)
        for identifier in set(gone) - expired:
            rows = self._database.query(
                "SELECT 1 FROM review_assignments WHERE id = ? AND state = ?",
                (identifier, WORKING),
            )
            if rows:
                yield identifier, LEFT

    def resumed(
        self, connection: sqlite3.Connection, worker: Worker, job_id: str, moment: float
    ) -> str | None:
        """Take up the task of a job that a worker holds already; return its name, or None."""
        rows = self._database.query(
            "SELECT a.id, a.state FROM review_assignments a "
            "JOIN review_loops l ON l.number = a.loop WHERE a.worker = ? AND l.flow = ? "
            "AND a.state IN ('working', 'paused') AND a.deadline > ? "
            "ORDER BY a.state = 'paused', a.accepted LIMIT 1",
            (worker.worker_id, job_id, moment),
        )
        if not rows:
            return None
        if rows[0]["state"] == PAUSED:
            connection.execute(
                "UPDATE review_assignments SET state = ?, resumed = ? WHERE id = ?",
                (WORKING, moment, rows[0]["id"]),
            )
        return str(rows[0]["id"])

    def taken(
        self, connection: sqlite3.Connection, worker: Worker, job_id: str, moment: float
    ) -> str | None:
        """Give the oldest task of a job that waits to a worker; return its name, or None."""
        rows = self._database.query(
            "SELECT number, time_limit FROM review_open o WHERE flow = :flow "
            "AND expires > :now AND free > 0 AND NOT EXISTS "
            "(SELECT 1 FROM review_away w WHERE w.loop = o.number AND w.worker = :worker) "
            "ORDER BY number LIMIT 1",
            {"flow": job_id, "now": moment, "worker": worker.worker_id},
        )
        if not rows:
            return None
        identifier = token()
        connection.execute(
            "INSERT INTO review_assignments "
            "(id, loop, worker, state, accepted, deadline, spent, resumed) "
            "VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
            (
                identifier,
                rows[0]["number"],
                worker.worker_id,
                WORKING,
                moment,
                moment + rows[0]["time_limit"],
                moment,
            ),
        )
        return identifier

    def row(self, identifier: str) -> sqlite3.Row:
        """Return an assignment with its task."""
        (row,) = self._database.query("SELECT * FROM review_tasks WHERE id = ?", (identifier,))
        return row

    def held(
        self, connection: sqlite3.Connection, worker: Worker, identifier: str, moment: float
    ) -> sqlite3.Row:
        """Return a task that a worker holds, or raise `AssignmentGone`."""
        rows = self._database.query(
            "SELECT * FROM review_tasks WHERE id = ? AND worker = ?", (identifier, worker.worker_id)
        )
        if not rows:
            raise AssignmentGone("unknown")
        row = rows[0]
        held = row["state"] in (WORKING, PAUSED)
        if row["deadline"] <= moment and (held or row["state"] == LEFT):
            # The keeper of time takes it away for everybody.
            self._alarm.at(moment)
            raise AssignmentGone(EXPIRED)
        if held:
            return row
        if row["state"] == LEFT:
            # The page is back, after a laptop slept for instance: it goes on, if nobody else has
            # the task now.
            return self._revived(connection, worker, row, moment)
        raise AssignmentGone(row["state"])

    def _revived(
        self, connection: sqlite3.Connection, worker: Worker, row: sqlite3.Row, moment: float
    ) -> sqlite3.Row:
        if row["status"] != IN_PROGRESS:
            raise AssignmentGone(STOPPED)
        free = self._database.query(
            "SELECT 1 FROM review_open o WHERE number = :loop AND expires > :now AND free > 0 "
            "AND NOT EXISTS "
            "(SELECT 1 FROM review_away w WHERE w.loop = o.number AND w.worker = :worker)",
            {"loop": row["loop"], "now": moment, "worker": worker.worker_id},
        )
        if not free:
            raise AssignmentGone(LEFT)
        connection.execute(
            "UPDATE review_assignments SET state = ?, resumed = ? WHERE id = ?",
            (WORKING, moment, row["id"]),
        )
        return self.row(row["id"])

    def close(
        self, connection: sqlite3.Connection, identifier: str, state: str, moment: float
    ) -> None:
        """End a hold, or put it aside."""
        connection.execute(
            "UPDATE review_assignments SET spent = CASE state WHEN 'working' "
            "THEN spent + ? - resumed ELSE spent END, state = ? WHERE id = ?",
            (moment, state, identifier),
        )
