"""What a signed-in worker does with a task: each takes the fields of a form and returns data.

It must not know HTTP or HTML.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from local_sagemaker.human_review.workers import Worker
from local_sagemaker.human_review.worklist import (
    AnswerRefused,
    Assignment,
    AssignmentGone,
    Worklist,
)

Form = dict[str, str]
Action = Callable[[Worklist, Worker, Form], dict[str, Any]]


def described(held: Assignment) -> dict[str, Any]:
    """Return a task as scripts see it; docs/local-sagemaker.md lists the fields."""
    return {
        "id": held.id,
        "loop": held.loop_name,
        "job": held.job_id,
        "title": held.title,
        "description": held.description,
        "input": held.input,
        "spent_seconds": held.spent_seconds,
        "time_limit_seconds": held.time_limit_seconds,
        "deadline": held.deadline,
        "state": held.state,
    }


def remaining(held: Assignment) -> float:
    """Return the seconds until a task is taken away."""
    return max(0.0, held.deadline - time.time())


def take(worklist: Worklist, worker: Worker, form: Form) -> dict[str, Any]:
    """Take a task of a job."""
    return _next(worklist, worker, form.get("job", ""))


def submit(worklist: Worklist, worker: Worker, form: Form) -> dict[str, Any]:
    """Answer a task, and take the next one of its job."""
    try:
        answer = json.loads(form.get("answer", ""))
    except (ValueError, RecursionError) as error:
        raise AnswerRefused(f"The field `answer` is not JSON: {error}") from error
    job = _job(worklist, worker, form)
    worklist.submit(worker, form.get("id", ""), answer)
    return _next(worklist, worker, job)


def decline(worklist: Worklist, worker: Worker, form: Form) -> dict[str, Any]:
    """Give a task back for good, and take the next one of its job."""
    job = _job(worklist, worker, form)
    worklist.decline(worker, form.get("id", ""))
    return _next(worklist, worker, job)


def release(worklist: Worklist, worker: Worker, form: Form) -> dict[str, Any]:
    """Give a task back to everybody. The next one would be the same, so none is taken."""
    worklist.release(worker, form.get("id", ""))
    return {"task": None}


def pause(worklist: Worklist, worker: Worker, form: Form) -> dict[str, Any]:
    """Put a task aside."""
    worklist.pause(worker, form.get("id", ""))
    return {"task": None}


def seen(worklist: Worklist, worker: Worker, form: Form) -> dict[str, Any]:
    """Note that a task's page is open."""
    held = worklist.get(worker, form.get("id", ""))
    return {"remaining": remaining(held), "state": held.state}


def left(worklist: Worklist, worker: Worker, form: Form) -> dict[str, Any]:
    """Note that a task's page was closed."""
    worklist.left(worker, form.get("id", ""))
    return {}


ACTIONS: dict[str, Action] = {
    "take": take,
    "submit": submit,
    "decline": decline,
    "release": release,
    "pause": pause,
    "seen": seen,
    "left": left,
}


def _job(worklist: Worklist, worker: Worker, form: Form) -> str:
    """Return the job that the next task is to be of: that of the task in hand."""
    try:
        return worklist.get(worker, form.get("id", "")).job_id
    except AssignmentGone as gone:
        if gone.reason == "submitted":
            # Sent once more, because the answer to the first time did not get through.
            return form.get("job", "")
        raise


def _next(worklist: Worklist, worker: Worker, job: str) -> dict[str, Any]:
    taken = worklist.take(worker, job) if job else None
    return {"task": None if taken is None else described(taken)}
