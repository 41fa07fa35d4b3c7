"""What workers do: find tasks, take one, answer it or give it back.

Every change is one transaction, so that no task is lost or held twice however many workers ask at
once. What an answer leads to is `local_sagemaker.human_review.endings`' matter; this module must
not know HTTP, S3, or what a page looks like.
"""

import json
from collections.abc import Callable
from typing import Any

from local_sagemaker.database import Database, now
from local_sagemaker.human_review.documents import written
from local_sagemaker.human_review.endings import Endings
from local_sagemaker.human_review.holds import Holds
from local_sagemaker.human_review.presence import Presence
from local_sagemaker.human_review.tables import (
    DECLINED,
    IN_PROGRESS,
    PAUSED,
    RELEASED,
    STOPPED,
    SUBMITTED,
    WORKING,
)
from local_sagemaker.human_review.tasks import (
    AVAILABLE,
    STOPPED_JOB,
    AnswerRefused,
    Assignment,
    AssignmentGone,
    Job,
    Waiting,
    assignment_of,
    spent,
)
from local_sagemaker.human_review.time_keeper import Alarm
from local_sagemaker.human_review.workers import Worker

__all__ = ["AnswerRefused", "Assignment", "AssignmentGone", "Job", "Waiting", "Worklist"]


class Worklist:
    """The tasks of one server.

    Parameters
    ----------
    database
        Where they are kept.
    endings
        What an answer leads to.
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
        endings: Endings,
        presence: Presence,
        alarm: Alarm,
        clock: Callable[[], float] = now,
    ) -> None:
        self._database = database
        self._endings = endings
        self._presence = presence
        self._alarm = alarm
        self._holds = Holds(database, alarm)
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
            identifier = self._holds.resumed(connection, worker, job_id, moment)
            if identifier is None:
                identifier = self._holds.taken(connection, worker, job_id, moment)
            if identifier is None:
                return None
            assignment = assignment_of(self._holds.row(identifier), moment)
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
            row = self._holds.held(connection, worker, assignment_id, moment)
        self._presence.seen(assignment_id)
        return assignment_of(row, moment)

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
                row = self._holds.held(connection, worker, assignment_id, moment)
            except AssignmentGone as gone:
                if gone.reason == SUBMITTED:
                    return
                raise
            connection.execute(
                "UPDATE review_assignments SET state = ?, spent = ?, submitted = ?, answer = ? "
                "WHERE id = ?",
                (SUBMITTED, spent(row, moment), moment, content, assignment_id),
            )
            self._endings.settle(connection, row["loop"], moment)
        self._presence.forget(assignment_id)
        self._endings.finish(row["loop"])

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
            row = self._holds.held(connection, worker, assignment_id, moment)
            # Who leaves a task of a loop that is being stopped cannot come back to it.
            state = PAUSED if row["status"] == IN_PROGRESS else STOPPED
            self._holds.close(connection, assignment_id, state, moment)
            self._endings.settle(connection, row["loop"], moment)
        self._presence.forget(assignment_id)
        self._endings.finish(row["loop"])

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
                for identifier, state in self._holds.over(gone, moment):
                    loops.add(self._holds.row(identifier)["loop"])
                    self._holds.close(connection, identifier, state, moment)
                for loop in loops:
                    self._endings.settle(connection, loop, moment)
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

    def _end(self, worker: Worker, assignment_id: str, state: str) -> None:
        moment = self._clock()
        with self._database.transaction() as connection:
            row = self._holds.held(connection, worker, assignment_id, moment)
            self._holds.close(connection, assignment_id, state, moment)
            self._endings.settle(connection, row["loop"], moment)
        self._presence.forget(assignment_id)
        self._endings.finish(row["loop"])


def _written(answer: dict[str, Any]) -> str:
    if not isinstance(answer, dict):
        raise AnswerRefused("An answer is an object with the fields of the form.")
    try:
        return written(answer)
    except ValueError as error:
        raise AnswerRefused(f"The answer is not JSON: {error}") from error
