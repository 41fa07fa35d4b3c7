"""How human loops end: completed, expired, declined or stopped.

A loop whose last answer is there is marked so in one transaction; its output is written after
that, and only then is it Completed. A server that was killed in between finds the mark and goes
on. This module must not know requests, pages or templates.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable

from local_sagemaker.database import Database, now
from local_sagemaker.human_review.answers import Answer, output_document
from local_sagemaker.human_review.flows import Flows
from local_sagemaker.human_review.loop import EXPIRED_CODE, INTERNAL_CODE, loop_of
from local_sagemaker.human_review.outputs import OutputDelayed, OutputRefused, Outputs
from local_sagemaker.human_review.tables import (
    DECLINED,
    IN_PROGRESS,
    LOOP_COMPLETED,
    LOOP_FAILED,
    LOOP_STOPPED,
    PAUSED,
    STOPPING,
    SUBMITTED,
    WORKING,
)
from local_sagemaker.human_review.time_keeper import Alarm

_LOG = logging.getLogger(__name__)
_FIRST_RETRY, _LAST_RETRY = 1.0, 300.0
_OVERDUE = 30.0
_WRITTEN_AT_ONCE = 20
# FailureReason has at most 1,024 characters (botocore's model).
LONGEST_REASON = 1024


class Endings:
    """The ends of all human loops.

    Parameters
    ----------
    database
        Where loops are kept.
    flows
        Their rules.
    outputs
        Where their answers go.
    issuer
        Who vouches for the workers.
    alarm
        Woken when a loop ends, or has to be written later.
    clock
        Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        flows: Flows,
        outputs: Outputs,
        issuer: str,
        alarm: Alarm,
        clock: Callable[[], float] = now,
    ) -> None:
        self._database = database
        self._flows = flows
        self._outputs = outputs
        self._issuer = issuer
        self._alarm = alarm
        self._clock = clock
        self._lock = threading.Lock()
        # Loops whose output S3 did not take: when it is tried again, and how long was waited.
        self._retries: dict[int, tuple[float, float]] = {}

    def settle(self, connection: sqlite3.Connection, number: int, moment: float) -> None:
        """Find out what a change of its assignments means for a loop, inside the transaction.

        What ends with answers is marked with its outcome; `finish` must follow after the commit.
        """
        rows = self._database.query(
            "SELECT l.status, l.outcome, l.expires, f.task_count, f.lifetime, "
            "COUNT(*) FILTER (WHERE a.state = ?) AS submitted, "
            "COUNT(*) FILTER (WHERE a.state IN (?, ?)) AS held, "
            "COUNT(*) FILTER (WHERE a.state = ?) AS declined "
            "FROM review_loops l JOIN review_flows f ON f.id = l.flow "
            "LEFT JOIN review_assignments a ON a.loop = l.number "
            "WHERE l.number = ? GROUP BY l.number",
            (SUBMITTED, WORKING, PAUSED, DECLINED, number),
        )
        if not rows or rows[0]["status"] not in (IN_PROGRESS, STOPPING) or rows[0]["outcome"]:
            return
        row = rows[0]
        stopping = row["status"] == STOPPING
        if row["submitted"] >= row["task_count"]:
            self._mark(connection, number, LOOP_STOPPED if stopping else LOOP_COMPLETED)
        elif row["held"]:
            return
        elif stopping:
            # No more answers can come: those that were given are not lost.
            if row["submitted"]:
                self._mark(connection, number, LOOP_STOPPED)
            else:
                self._end(connection, number, LOOP_STOPPED)
        elif row["declined"] >= row["task_count"]:
            self._end(connection, number, LOOP_FAILED, EXPIRED_CODE, _declined(row))
        elif row["expires"] <= moment:
            self._end(connection, number, LOOP_FAILED, EXPIRED_CODE, _expired(row))

    def finish(self, number: int) -> None:
        """Write the output of a loop that waits for that only, and end it.

        Several threads may do so at once, for they write the same bytes.
        """
        rows = self._database.query(
            "SELECT l.*, i.content FROM review_loops l JOIN review_inputs i ON i.loop = l.number "
            "WHERE l.number = ? AND l.outcome IS NOT NULL",
            (number,),
        )
        if not rows:
            with self._lock:
                self._retries.pop(number, None)
            return
        row = rows[0]
        loop = loop_of(row, self._flows.get(row["flow"]))
        document = output_document(
            loop.flow.arn,
            loop.name,
            json.loads(row["content"]),
            self._answers(number),
            self._issuer,
        )
        try:
            self._outputs.put(loop.flow.owner, loop.output, document, loop.flow.kms_key)
            self._ended(number, row["outcome"])
        except OutputRefused as error:
            self._ended(number, LOOP_FAILED, INTERNAL_CODE, f"The answers are not in S3: {error}")
        except OutputDelayed as error:
            self._try_again(number, str(error))
        except Exception as error:  # noqa: BLE001 - whoever answered can do nothing about it
            # A full disk, for instance. The answers are kept, and nothing is lost.
            _LOG.exception("The output of human loop %d could not be written", number)
            self._try_again(number, str(error))

    def finish_soon(self, numbers: Iterable[int]) -> None:
        """Have somebody else `finish` loops: there may be thousands."""
        moment = self._clock()
        with self._lock:
            self._retries |= dict.fromkeys(numbers, (moment, 0.0))
        self._alarm.at(moment)

    def expire(self) -> None:
        """End the loops that waited for workers longer than they may, and write late outputs."""
        moment = self._clock()
        rows = self._database.query(
            "SELECT number FROM review_loops WHERE status = ? AND expires <= ?",
            (IN_PROGRESS, moment),
        )
        with self._database.transaction() as connection:
            for row in rows:
                self.settle(connection, row["number"], moment)
        # Other limits are not to wait until thousands of outputs are written.
        for number in self._due(moment)[:_WRITTEN_AT_ONCE]:
            self.finish(number)

    def next_moment(self) -> float:
        """Return when `expire` has something to do next, in seconds since the epoch."""
        moment = self._clock()
        # Of those that are over already, somebody is in each: they end with that.
        (row,) = self._database.query(
            "SELECT MIN(expires) AS expires FROM review_loops WHERE status = ? AND expires > ?",
            (IN_PROGRESS, moment),
        )
        moments = [float("inf") if row["expires"] is None else float(row["expires"])]
        with self._lock:
            moments += [again for again, _ in self._retries.values()]
        return min(moments)

    def recover(self) -> None:
        """Note what a server that was killed left to be written."""
        rows = self._database.query("SELECT number FROM review_loops WHERE outcome IS NOT NULL")
        self.finish_soon(row["number"] for row in rows)

    def _mark(self, connection: sqlite3.Connection, number: int, outcome: str) -> None:
        connection.execute(
            "UPDATE review_loops SET outcome = ? WHERE number = ?", (outcome, number)
        )
        # In case whoever is to call `finish` comes to grief before.
        overdue = self._clock() + _OVERDUE
        with self._lock:
            self._retries[number] = (overdue, 0.0)
        self._alarm.at(overdue)

    def _end(
        self,
        connection: sqlite3.Connection,
        number: int,
        status: str,
        code: str | None = None,
        reason: str | None = None,
    ) -> None:
        connection.execute(
            "UPDATE review_loops SET status = ?, outcome = NULL, failure_code = ?, "
            "failure_reason = ? WHERE number = ?",
            (status, code, reason and reason[:LONGEST_REASON], number),
        )

    def _ended(
        self, number: int, status: str, code: str | None = None, reason: str | None = None
    ) -> None:
        with self._lock:
            self._retries.pop(number, None)
        with self._database.transaction() as connection:
            due = self._database.query(
                "SELECT 1 FROM review_loops WHERE number = ? AND outcome IS NOT NULL", (number,)
            )
            if due:
                self._end(connection, number, status, code, reason)
        self._alarm.at(self._clock())

    def _answers(self, number: int) -> list[Answer]:
        rows = self._database.query(
            "SELECT a.*, w.sub FROM review_assignments a "
            "JOIN review_workers w ON w.worker_id = a.worker "
            "WHERE a.loop = ? AND a.state = ? ORDER BY a.submitted, a.id",
            (number, SUBMITTED),
        )
        return [
            Answer(
                json.loads(row["answer"]),
                row["accepted"],
                row["submitted"],
                row["spent"],
                row["worker"],
                row["sub"],
            )
            for row in rows
        ]

    def _try_again(self, number: int, why: str) -> None:
        with self._lock:
            _, waited = self._retries.get(number, (0.0, 0.0))
            wait = min(max(waited * 2, _FIRST_RETRY), _LAST_RETRY)
            again = self._clock() + wait
            self._retries[number] = (again, wait)
        self._alarm.at(again)
        _LOG.warning("The output of human loop %d is tried again in %.0f s: %s", number, wait, why)

    def _due(self, moment: float) -> list[int]:
        with self._lock:
            return [number for number, (again, _) in self._retries.items() if again <= moment]


def _expired(row: sqlite3.Row) -> str:
    return (
        f"The human loop expired: its task was available for {row['lifetime']:.0f} seconds, and "
        f"{row['submitted']} of {row['task_count']} workers answered it."
    )


def _declined(row: sqlite3.Row) -> str:
    return (
        f"The human loop expired: {row['declined']} workers declined its task, which "
        f"{row['task_count']} were to answer."
    )
