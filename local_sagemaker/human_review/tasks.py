"""What a worker sees of human review: jobs, tasks, and why a task is not there any more.

It knows words and rows only; it must not know how anything changes.
"""

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from local_sagemaker.human_review.tables import WORKING

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


def assignment_of(row: sqlite3.Row, moment: float) -> Assignment:
    """Return what a row of ``review_tasks`` is to its worker at a moment."""
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
        spent_seconds=spent(row, moment),
        time_limit_seconds=row["time_limit"],
        state=row["state"],
    )


def spent(row: sqlite3.Row, moment: float) -> float:
    """Return the seconds that were spent on a task until a moment."""
    before = float(row["spent"])
    # A clock that was set back does not shorten it.
    return before + max(0.0, moment - row["resumed"]) if row["state"] == WORKING else before
