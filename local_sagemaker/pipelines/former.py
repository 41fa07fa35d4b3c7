"""Finds results of earlier executions of a pipeline, for caching and selective execution.

It reads records; it must not know why a result is wanted.
"""

from dataclasses import dataclass

from local_sagemaker.database import now
from local_sagemaker.pipelines.state import (
    SUCCEEDED,
    StepState,
    executions_of,
    pipeline_key,
    steps_of,
)
from local_sagemaker.store import Key, Record, Records


@dataclass(frozen=True)
class Result:
    """A step that succeeded, and the ARN of the execution that carried it out."""

    arn: str
    state: StepState


def cached(
    records: Records, execution: Record, step: str, key: str, expires: float | None, noun: str
) -> Result | None:
    """Return the latest result of the same work in the same pipeline, or None.

    Parameters
    ----------
    records
        Where executions are.
    execution
        The one that asks.
    step
        The step's name.
    key
        What makes it the same work, from `local_sagemaker.pipelines.cache`.
    expires
        The greatest age in seconds, or None.
    noun
        The kind of what it made. A result whose job is no longer there does not count.
    """
    pipeline = records.get(pipeline_key(execution.key, execution))
    if pipeline is None:
        return None
    found: Result | None = None
    for record in executions_of(records, pipeline):
        state = steps_of(record).get(step)
        if state is None or state.status != SUCCEEDED or state.cached_from or state.source:
            continue
        if state.cache_key != key or state.ended is None or state.job is None:
            continue
        if expires is not None and state.ended + expires < now():
            continue
        job = Key(record.key.account, record.key.region, noun, state.job)
        if records.get(job) is None:
            continue
        if found is None or state.ended > (found.state.ended or 0.0):
            found = Result(record.arn, state)
    return found
