"""A processing job's states, as DescribeProcessingJob tells them.

It changes records; it must not know what makes a job change.
"""

import time

from local_sagemaker.jobs.failure import MAX_REASON
from local_sagemaker.store import Record


def begin(record: Record) -> None:
    """Note that a job's instance is there, from when on AWS bills it."""
    if record.status == "InProgress":
        record.body["ProcessingStartTime"] = time.time()


def stop(record: Record) -> None:
    """Note that a job is being stopped."""
    record.status = "Stopping"


def end(record: Record, status: str, reason: str | None = None, message: str = "") -> None:
    """End a job.

    Parameters
    ----------
    record
        The job's, changed in place.
    status
        ``Completed``, ``Failed`` or ``Stopped``.
    reason
        Why, if it failed.
    message
        What the container said at its end, its ``ExitMessage``; empty if nothing.
    """
    record.status = status
    record.body["ProcessingEndTime"] = time.time()
    if reason is not None:
        record.body["FailureReason"] = reason[:MAX_REASON]
    if message:
        record.body["ExitMessage"] = message
