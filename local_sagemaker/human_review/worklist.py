"""What workers do: find tasks, take one, answer it or give it back.

Every change is one transaction, so that no task is lost or held twice however many workers ask at
once. What an answer leads to is `local_sagemaker.human_review.loops`' matter; this module must
not know HTTP, S3, or what a page looks like.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from local_sagemaker.human_review.loops import Loops
from local_sagemaker.human_review.presence import Presence
from local_sagemaker.human_review.tables import (
    DECLINED,
    EXPIRED,
    IN_PROGRESS,
    LEFT,
    PAUSED,
    RELEASED,
    STOPPED,
    SUBMITTED,
    WORKING,
    token,
)
from local_sagemaker.human_review.time_keeper import Alarm
from local_sagemaker.human_review.workers import Worker
from local_sagemaker.store import Database, now

AVAILABLE = "Available"
STOPPED_JOB = "Stopped"


@dataclass(frozen=True)
class Job:
    """The tasks of one flow definition, as a worker sees them.

    Attributes
    ----------
    id
        Names it to `Worklist.take`.
    title, description, keywords
        The requester's words.
    account, region
        Whose they are.
    status
        ``Stopped`` when the worker has put one of the tasks aside, else ``Available``.
    created
        When the flow definition was made, in seconds since the epoch.
    available
        How many tasks this worker may take, the one that is held already included.
    """

    id: str
    title: str
    description: str
    keywords: tuple[str, ...]
    account: str
    region: str
    status: str
    created: float
    available: int


@dataclass(frozen=True)
class Assignment:
    """One worker's hold on one task.

    Attributes
    ----------
    id
        Names it; nobody can guess it.
    loop_name, job_id
        The human loop and the job that it belongs to.
    title, description
        The requester's words.
    account, region, role
        Whose task it is, and the role that the requester lends for reading S3.
    template, input
        The Liquid source, and what stands in ``task.input``.
    accepted, deadline
        When the task was taken and when it is taken away, in seconds since the epoch.
    spent_seconds
        Time spent on it until now, without pauses.
    time_limit_seconds
        How long a worker may hold it, pauses included.
    state
        ``working`` or ``paused``.
    """

    id: str
    loop_name: str
    job_id: str
    title: str
    description: str
    account: str
    region: str
    role: str
    template: str
    input: Any
    accepted: float
    deadline: float
    spent_seconds: float
    time_limit_seconds: float
    state: str


@dataclass(frozen=True)
class Waiting:
    """How much there is to do, over all jobs.

    Attributes
    ----------
    available
        Answers that nobody is giving yet.
    held
        Tasks that somebody is in, or has put aside.
    """

    available: int
    held: int


class AssignmentGone(Exception):
    """The worker does not hold this task any more.

    Attributes
    ----------
    reason
        ``expired``, ``stopped``, ``submitted``, ``declined``, ``released``, ``left`` (it was given
        back after the page had closed, and somebody else has it), or ``unknown``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the task is not held any more: {reason}")
        self.reason = reason


class AnswerRefused(ValueError):
    """An answer that cannot be kept; the message says why."""


class Worklist:
    """The tasks of one server.

    Parameters
    ----------
    database
        Where they are kept.
    loops
        Where an answer goes.
    presence
        Which pages are open.
    alarm
        Woken when a task that was taken has to be taken away.
    clock
        Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        loops: Loops,
        presence: Presence,
        alarm: Alarm,
        clock: Callable[[], float] = now,
    ) -> None:
        self._database = database
        self._loops = loops
        self._presence = presence
        self._alarm = alarm
        self._clock = clock

    def jobs(self, worker: Worker) -> list[Job]:
        """Return the jobs that have a task for this worker, oldest first."""
        rows = self._database.query(
            "SELECT f.*, COUNT(*) AS available, 0 AS paused FROM review_open o "
            "JOIN review_flows f ON f.id = o.flow WHERE o.expires > :now AND o.free > 0 "
            "AND NOT EXISTS "
            "(SELECT 1 FROM review_away w WHERE w.loop = o.number AND w.worker = :worker) "
            "GROUP BY f.id UNION ALL "
            "SELECT f.*, COUNT(*), SUM(a.state = 'paused') FROM review_assignments a "
            "JOIN review_loops l ON l.number = a.loop JOIN review_flows f ON f.id = l.flow "
            "WHERE a.worker = :worker AND a.state IN ('working', 'paused') "
            "AND a.deadline > :now GROUP BY f.id",
            {"now": self._clock(), "worker": worker.worker_id},
        )
        jobs: dict[str, Job] = {}
        for row in rows:
            other = jobs.get(row["id"])
            jobs[row["id"]] = Job(
                id=row["id"],
                title=row["title"],
                description=row["description"],
                keywords=tuple(json.loads(row["keywords"])),
                account=row["account"],
                region=row["region"],
                status=STOPPED_JOB if row["paused"] else AVAILABLE,
                created=row["created"],
                available=row["available"] + (other.available if other else 0),
            )
        return sorted(jobs.values(), key=lambda job: (job.created, job.id))

    def take(self, worker: Worker, job_id: str) -> Assignment | None:
        """Give a task of a job to a worker: the one already held, else the oldest that waits.

        Parameters
        ----------
        worker, job_id
            Who, and of which job.

        Returns
        -------
        Assignment or None
            None when nothing of the job is left for this worker.
        """
        moment = self._clock()
        with self._database.transaction() as connection:
            identifier = self._resumed(connection, worker, job_id, moment)
            if identifier is None:
                identifier = self._taken(connection, worker, job_id, moment)
            if identifier is None:
                return None
            assignment = self._shown(self._row(identifier), moment)
        self._presence.seen(assignment.id)
        self._alarm.at(assignment.deadline)
        self._alarm.at(self._presence.next_check())
        return assignment

    def get(self, worker: Worker, assignment_id: str) -> Assignment:
        """Return a task that a worker holds; one that was put aside stays so.

        Raises
        ------
        AssignmentGone
            When this worker does not hold it any more, or never did.
        """
        moment = self._clock()
        with self._database.transaction() as connection:
            row = self._held(connection, worker, assignment_id, moment)
        self._presence.seen(assignment_id)
        return self._shown(row, moment)

    def submit(self, worker: Worker, assignment_id: str, answer: dict[str, Any]) -> None:
        """Keep an answer; the last one of a task completes its human loop.

        Once this returns, the answer is on disk, and ``output.json`` is in S3 when it was the
        last one, unless S3 could not be reached: it is then written as soon as it can be. To
        submit the same assignment again changes nothing.

        Parameters
        ----------
        worker, assignment_id
            Who, and which task.
        answer
            The fields of the form, as they stand in ``answerContent``.

        Raises
        ------
        AnswerRefused
            For an answer that is no JSON object.
        AssignmentGone
            When this worker does not hold it any more, or never did.
        """
        content = _written(answer)
        moment = self._clock()
        with self._database.transaction() as connection:
            try:
                row = self._held(connection, worker, assignment_id, moment)
            except AssignmentGone as gone:
                if gone.reason == SUBMITTED:
                    return
                raise
            connection.execute(
                "UPDATE review_assignments SET state = ?, spent = ?, submitted = ?, answer = ? "
                "WHERE id = ?",
                (SUBMITTED, _spent(row, moment), moment, content, assignment_id),
            )
            self._loops.settle(connection, row["loop"], moment)
        self._presence.forget(assignment_id)
        self._loops.finish(row["loop"])

    def decline(self, worker: Worker, assignment_id: str) -> None:
        """Give a task back for good: it is never offered to this worker again.

        Raises
        ------
        AssignmentGone
            When this worker does not hold it any more, or never did.
        """
        self._end(worker, assignment_id, DECLINED)

    def release(self, worker: Worker, assignment_id: str) -> None:
        """Give a task back to everybody, this worker included.

        Raises
        ------
        AssignmentGone
            When this worker does not hold it any more, or never did.
        """
        self._end(worker, assignment_id, RELEASED)

    def pause(self, worker: Worker, assignment_id: str) -> None:
        """Put a task aside for this worker, who takes it up again with `take`.

        The time limit goes on. Who pauses again changes nothing.

        Raises
        ------
        AssignmentGone
            When this worker does not hold it any more, or never did.
        """
        moment = self._clock()
        with self._database.transaction() as connection:
            row = self._held(connection, worker, assignment_id, moment)
            # Who leaves a task of a loop that is being stopped cannot come back to it.
            state = PAUSED if row["status"] == IN_PROGRESS else STOPPED
            self._close(connection, assignment_id, state, moment)
            self._loops.settle(connection, row["loop"], moment)
        self._presence.forget(assignment_id)
        self._loops.finish(row["loop"])

    def seen(self, worker: Worker, assignment_id: str) -> None:
        """Note that the page of a task is open.

        Raises
        ------
        AssignmentGone
            When this worker does not hold it any more, or never did.
        """
        self.get(worker, assignment_id)

    def left(self, worker: Worker, assignment_id: str) -> None:
        """Note that the page of a task was closed: it is given back soon, if it stays closed.

        Who does not hold the task changes nothing, because nobody is there to be told.
        """
        rows = self._database.query(
            "SELECT 1 FROM review_assignments WHERE id = ? AND worker = ? AND state = ?",
            (assignment_id, worker.worker_id, WORKING),
        )
        if rows:
            self._presence.left(assignment_id)
            self._alarm.at(self._presence.next_check())

    def waiting(self) -> Waiting:
        """Return how much there is to do."""
        moment = self._clock()
        (row,) = self._database.query(
            "SELECT COALESCE(SUM(free), 0) AS available FROM review_open WHERE expires > ?",
            (moment,),
        )
        (held,) = self._database.query(
            "SELECT COUNT(*) AS held FROM review_assignments "
            "WHERE state IN ('working', 'paused') AND deadline > ?",
            (moment,),
        )
        return Waiting(row["available"], held["held"])

    # For the keeper of time

    def next_deadline(self) -> float | None:
        """Return when the next task has to be taken away, or None."""
        (row,) = self._database.query(
            "SELECT MIN(deadline) AS deadline FROM review_assignments "
            "WHERE state IN ('working', 'paused')"
        )
        return None if row["deadline"] is None else float(row["deadline"])

    def take_back(self) -> list[int]:
        """Take away the tasks whose time is over or whose page is gone; return their loops."""
        moment = self._clock()
        gone = self._presence.gone()
        loops = set()
        try:
            with self._database.transaction() as connection:
                for identifier, state in self._over(gone, moment):
                    loops.add(self._row(identifier)["loop"])
                    self._close(connection, identifier, state, moment)
                for loop in loops:
                    self._loops.settle(connection, loop, moment)
        except BaseException:
            # Nothing was taken away, on a full disk for instance: they are gone next time.
            for identifier in gone:
                self._presence.left(identifier)
            raise
        return sorted(loops)

    def recover(self) -> None:
        """Give the pages that were open when the server ended a while to come back."""
        rows = self._database.query("SELECT id FROM review_assignments WHERE state = ?", (WORKING,))
        for row in rows:
            self._presence.seen(row["id"])

    # Inside a transaction

    def _over(self, gone: Sequence[str], moment: float) -> Iterator[tuple[str, str]]:
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

    def _resumed(
        self, connection: sqlite3.Connection, worker: Worker, job_id: str, moment: float
    ) -> str | None:
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

    def _taken(
        self, connection: sqlite3.Connection, worker: Worker, job_id: str, moment: float
    ) -> str | None:
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

    def _row(self, identifier: str) -> sqlite3.Row:
        (row,) = self._database.query("SELECT * FROM review_tasks WHERE id = ?", (identifier,))
        return row

    def _held(
        self, connection: sqlite3.Connection, worker: Worker, identifier: str, moment: float
    ) -> sqlite3.Row:
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
        return self._row(row["id"])

    def _end(self, worker: Worker, assignment_id: str, state: str) -> None:
        moment = self._clock()
        with self._database.transaction() as connection:
            row = self._held(connection, worker, assignment_id, moment)
            self._close(connection, assignment_id, state, moment)
            self._loops.settle(connection, row["loop"], moment)
        self._presence.forget(assignment_id)
        self._loops.finish(row["loop"])

    def _close(
        self, connection: sqlite3.Connection, identifier: str, state: str, moment: float
    ) -> None:
        connection.execute(
            "UPDATE review_assignments SET spent = CASE state WHEN 'working' "
            "THEN spent + ? - resumed ELSE spent END, state = ? WHERE id = ?",
            (moment, state, identifier),
        )

    @staticmethod
    def _shown(row: sqlite3.Row, moment: float) -> Assignment:
        return Assignment(
            id=row["id"],
            loop_name=row["loop_name"],
            job_id=row["flow"],
            title=row["title"],
            description=row["description"],
            account=row["account"],
            region=row["region"],
            role=row["role"],
            template=row["template"],
            input=json.loads(row["input"]),
            accepted=row["accepted"],
            deadline=row["deadline"],
            spent_seconds=_spent(row, moment),
            time_limit_seconds=row["time_limit"],
            state=row["state"],
        )


def _spent(row: sqlite3.Row, moment: float) -> float:
    spent = float(row["spent"])
    # A clock that was set back does not shorten it.
    return spent + max(0.0, moment - row["resumed"]) if row["state"] == WORKING else spent


def _written(answer: dict[str, Any]) -> str:
    if not isinstance(answer, dict):
        raise AnswerRefused("An answer is an object with the fields of the form.")
    try:
        content = json.dumps(answer, ensure_ascii=False, allow_nan=False)
        content.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise AnswerRefused(f"The answer is not JSON: {error}") from error
    return content
