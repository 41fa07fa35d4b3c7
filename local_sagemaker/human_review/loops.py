"""Human loops: how they begin, are found, stopped and deleted.

How one ends is `local_sagemaker.human_review.endings`' matter. This module must not know
requests, pages or templates.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

from local_sagemaker.database import Database, now
from local_sagemaker.human_review.endings import LONGEST_REASON, Endings
from local_sagemaker.human_review.flows import Flow, Flows, keep_template
from local_sagemaker.human_review.loop import Failure, Loop, loop_of
from local_sagemaker.human_review.tables import (
    IN_PROGRESS,
    LOOP_FAILED,
    LOOP_STOPPED,
    PAUSED,
    STOPPED,
    STOPPING,
)
from local_sagemaker.human_review.time_keeper import Alarm

_OLDEST_FIRST = """
    SELECT * FROM review_loops WHERE flow = ? AND created BETWEEN ? AND ?
    AND (created, number) > (?, ?) ORDER BY created, number LIMIT ?
"""
_NEWEST_FIRST = """
    SELECT * FROM review_loops WHERE flow = ? AND created BETWEEN ? AND ?
    AND (created, number) < (?, ?) ORDER BY created DESC, number DESC LIMIT ?
"""


class Loops:
    """The human loops of all accounts and regions.

    Parameters
    ----------
    database
        Where they are kept.
    flows
        Their rules.
    endings
        What becomes of those that are stopped.
    alarm
        Woken when one expires.
    clock
        Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        flows: Flows,
        endings: Endings,
        alarm: Alarm,
        clock: Callable[[], float] = now,
    ) -> None:
        self._database = database
        self._flows = flows
        self._endings = endings
        self._alarm = alarm
        self._clock = clock

    def start(
        self,
        flow: Flow,
        name: str,
        content: str,
        attributes: dict[str, Any],
        template: str | None,
        failure: Failure | None = None,
    ) -> Loop:
        """Begin a loop.

        Parameters
        ----------
        flow, name
            Its rules and what it is called, which must be free.
        content
            The input, as JSON.
        attributes
            What the caller says of the input.
        template
            The Liquid source that workers see; None where there is none.
        failure
            Why it has failed already, if so.
        """
        moment = self._clock()
        with self._database.transaction() as connection:
            inserted = connection.execute(
                "INSERT INTO review_loops (account, region, name, flow, template, created, "
                "expires, status, failure_code, failure_reason) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    flow.account,
                    flow.region,
                    name,
                    flow.id,
                    None if template is None else keep_template(connection, template),
                    moment,
                    moment + flow.lifetime,
                    IN_PROGRESS if failure is None else LOOP_FAILED,
                    failure.code if failure else None,
                    failure.reason[:LONGEST_REASON] if failure else None,
                ),
            )
            connection.execute(
                "INSERT INTO review_inputs (loop, content, attributes) VALUES (?, ?, ?)",
                (inserted.lastrowid, content, json.dumps(attributes)),
            )
            loop = self.find(flow.account, flow.region, name)
        assert loop is not None
        if failure is None:
            self._alarm.at(moment + flow.lifetime)
        return loop

    def find(self, account: str, region: str, name: str) -> Loop | None:
        """Return the loop of this name, or None."""
        rows = self._database.query(
            "SELECT * FROM review_loops WHERE account = ? AND region = ? AND name = ?",
            (account, region, name),
        )
        return loop_of(rows[0], self._flows.get(rows[0]["flow"])) if rows else None

    def content(self, loop: Loop) -> str:
        """Return a loop's input, as it came."""
        (row,) = self._database.query(
            "SELECT content FROM review_inputs WHERE loop = ?", (loop.number,)
        )
        return str(row["content"])

    def of_flow(
        self,
        flow: Flow,
        limit: int,
        *,
        created: tuple[float, float] = (-inf, inf),
        behind: tuple[float, int] | None = None,
        descending: bool = False,
    ) -> list[Loop]:
        """Return loops of a flow definition in the order of their creation.

        Parameters
        ----------
        flow
            Whose.
        limit
            The greatest number of them.
        created
            When they were created at the earliest and at the latest.
        behind
            The moment and the number of the loop that the first one follows, which may be gone.
        descending
            Whether the newest come first.
        """
        first = (inf, 0) if descending else (-inf, 0)
        rows = self._database.query(
            _NEWEST_FIRST if descending else _OLDEST_FIRST,
            (flow.id, *created, *(behind or first), limit),
        )
        return [loop_of(row, flow) for row in rows]

    def stop(self, loop: Loop) -> None:
        """Offer a loop to nobody any more; it has stopped as soon as nobody is in it.

        A task that was put aside counts as left. A loop that has ended stays as it is.
        """
        with self._database.transaction() as connection:
            self._stop(connection, loop.number)
        self._endings.finish(loop.number)

    def stop_unstarted(self, flow: Flow) -> list[int]:
        """Stop all loops of a flow definition, and forget those that nobody has begun.

        It is part of the transaction that its caller has begun, and `finish` must follow.

        Returns
        -------
        list of int
            The numbers of those that were stopped.
        """
        with self._database.transaction() as connection:
            rows = self._database.query(
                "SELECT number FROM review_loops WHERE flow = ? AND status = ?",
                (flow.id, IN_PROGRESS),
            )
            for row in rows:
                self._stop(connection, row["number"])
            connection.execute(
                "DELETE FROM review_loops WHERE flow = ? AND status = ? AND NOT EXISTS "
                "(SELECT 1 FROM review_assignments a WHERE a.loop = review_loops.number)",
                (flow.id, LOOP_STOPPED),
            )
            self._sweep(connection)
        return [row["number"] for row in rows]

    def finish(self, numbers: Iterable[int]) -> None:
        """See to it that the outputs of loops are written that wait for that only."""
        self._endings.finish_soon(numbers)

    def delete(self, loop: Loop) -> None:
        """Forget a loop and its answers; what is in S3 stays."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM review_loops WHERE number = ?", (loop.number,))
            self._sweep(connection)

    def held(self, flow: Flow) -> bool:
        """Tell whether a loop of a flow definition has not ended."""
        return bool(
            self._database.query(
                "SELECT 1 FROM review_loops WHERE flow = ? AND status IN (?, ?) LIMIT 1",
                (flow.id, IN_PROGRESS, STOPPING),
            )
        )

    def _stop(self, connection: sqlite3.Connection, number: int) -> None:
        changed = connection.execute(
            "UPDATE review_loops SET status = ? WHERE number = ? AND status = ? "
            "AND outcome IS NULL",
            (STOPPING, number, IN_PROGRESS),
        )
        if not changed.rowcount:
            return
        connection.execute(
            "UPDATE review_assignments SET state = ? WHERE loop = ? AND state = ?",
            (STOPPED, number, PAUSED),
        )
        self._endings.settle(connection, number, self._clock())

    @staticmethod
    def _sweep(connection: sqlite3.Connection) -> None:
        """Forget templates that no loop uses any more."""
        connection.execute(
            "DELETE FROM review_templates WHERE NOT EXISTS "
            "(SELECT 1 FROM review_loops l WHERE l.template = review_templates.digest)"
        )
