"""A training job's states, as DescribeTrainingJob tells them.

It changes records; it must not know what makes a job change.
"""

import math
import time

from local_sagemaker.jobs.unfinished import ended
from local_sagemaker.store import Record

_MESSAGES = {
    "Starting": "Preparing the job",
    "Pending": "Waiting for other jobs to end",
    "Downloading": "Downloading input data",
    "Training": "Training in progress",
    "Stopping": "Stopping the training job",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}
# What TrainingJobStatus is while SecondaryStatus is one of these; else it stays.
_STATUS = {
    "Stopping": "Stopping",
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped",
}


def enter(record: Record, state: str, message: str | None = None) -> None:
    """Move a job to a secondary status, and close the previous one.

    Parameters
    ----------
    record
        The job's, changed in place.
    state
        A ``SecondaryStatus``.
    message
        What DescribeTrainingJob says about it; the state's own sentence if None.
    """
    now = time.time()
    transitions = record.body.setdefault("SecondaryStatusTransitions", [])
    if transitions:
        transitions[-1].setdefault("EndTime", now)
    transition = {"Status": state, "StartTime": now, "StatusMessage": message or _MESSAGES[state]}
    record.body["SecondaryStatus"] = state
    record.status = _STATUS.get(state, record.status)
    if state == "Downloading":
        record.body["TrainingStartTime"] = now
    if ended(record):
        transition["EndTime"] = now
        _count_time(record, now)
    transitions.append(transition)


def fail(record: Record, reason: str) -> None:
    """End a job as Failed."""
    record.body["FailureReason"] = reason[:1024]
    enter(record, "Failed", reason[:1024])


def queue(record: Record, slots: int) -> None:
    """Note that a job waits for one of so many slots."""
    if record.status == "InProgress":
        enter(record, "Pending", f"Waiting for other jobs to end: {slots} run at once")


def _count_time(record: Record, now: float) -> None:
    started = record.body.get("TrainingStartTime")
    if started is None:
        return
    seconds = max(1, math.ceil(now - started))
    record.body |= {
        "TrainingEndTime": now,
        "TrainingTimeInSeconds": seconds,
        "BillableTimeInSeconds": seconds,
    }
