"""A transform job's states, as DescribeTransformJob tells them.

It changes records; it must not know what makes a job change.
"""

import time

from local_sagemaker.hosting.condition import shortened
from local_sagemaker.store import Record


def begin(record: Record) -> None:
    """Note that a job's instances are there, from when on AWS bills them."""
    if record.status == "InProgress":
        record.body["TransformStartTime"] = time.time()


def stop(record: Record) -> None:
    """Note that a job is being stopped."""
    record.status = "Stopping"


def end(record: Record, status: str, reason: str | None = None) -> None:
    """End a job.

    Parameters
    ----------
    record
        The job's, changed in place.
    status
        ``Completed``, ``Failed`` or ``Stopped``.
    reason
        Why, if it failed.
    """
    record.status = status
    record.body["TransformEndTime"] = time.time()
    if reason is not None:
        record.body["FailureReason"] = shortened(reason)
