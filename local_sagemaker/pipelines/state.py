"""How far an execution is, as it is kept on disk.

An execution is one record; its steps that have started are in it, so that a step's end and what
follows from it are written together. It must not know what steps do.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.store import Key, Record, RecordMissing, Records

KIND = "PipelineExecution"
PIPELINE = "Pipeline"

EXECUTING, STOPPING, STOPPED = "Executing", "Stopping", "Stopped"
FAILED, SUCCEEDED, PARTLY = "Failed", "Succeeded", "CompletedWithFailures"
UNDER_WAY = frozenset({EXECUTING, STOPPING})
"""Statuses of an execution that has not ended, and of a step that has not, beside ``Starting``."""

_STEPS = "Steps"
_LONGEST_REASON = 1024
# Seconds between attempts to write what the disk does not take.
_PATIENCE = 2.0

_LOG = logging.getLogger(__name__)


@dataclass
class StepState:
    """A step that has started.

    Attributes
    ----------
    number
        How many had started before it.
    status
        ``Executing``, ``Stopping``, ``Stopped``, ``Failed`` or ``Succeeded``.
    started, ended
        Seconds since the epoch; None while it has not ended.
    attempts
        How often it was tried.
    reason
        Why it has failed.
    metadata
        As lists show it.
    job
        The name of what the present attempt makes. It is noted before it is made.
    described
        What Describe answered of it at its end: what expressions refer to.
    outcome
        Of a condition.
    cache_key, cached_from
        What it has in common with steps of the same work, and the ARN of the execution whose
        result it has taken.
    retries
        The number of retries by each retry policy.
    retry_at
        When the next attempt is due, while one is waited for.
    source
        The ARN of the execution that it was taken from in a selective execution.
    """

    number: int
    started: float
    status: str = EXECUTING
    ended: float | None = None
    attempts: int = 0
    reason: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    job: str | None = None
    described: dict[str, Any] = field(default_factory=dict)
    outcome: bool | None = None
    cache_key: str | None = None
    cached_from: str | None = None
    retries: dict[str, int] = field(default_factory=dict)
    retry_at: float | None = None
    source: str | None = None

    def end(self, status: str, reason: str | None = None) -> None:
        """Note that it has ended."""
        self.status, self.ended, self.retry_at = status, now(), None
        self.reason = reason[:_LONGEST_REASON] if reason else None

    @property
    def under_way(self) -> bool:
        """Whether it has not ended."""
        return self.ended is None

    @property
    def went_wrong(self) -> bool:
        """Whether it has ended otherwise than it should."""
        return self.status in (FAILED, STOPPED)


def steps_of(record: Record) -> dict[str, StepState]:
    """Return the steps of an execution that have started, by name, in the order of their start."""
    return {name: StepState(**kept) for name, kept in record.private[_STEPS].items()}


def keep_steps(record: Record, steps: Mapping[str, StepState]) -> None:
    """Put the steps of an execution into its record."""
    record.private[_STEPS] = {name: asdict(step) for name, step in steps.items()}


def step_state(records: Records, key: Key, name: str) -> StepState:
    """Return a step of an execution that has started."""
    record = records.get(key)
    if record is None:
        raise RecordMissing(key)
    return StepState(**record.private[_STEPS][name])


def change_step(
    records: Records, key: Key, name: str, change: Callable[[StepState], None]
) -> StepState:
    """Change a step that has started, in one transaction; return it as it then is."""
    changed: list[StepState] = []

    def apply(record: Record) -> None:
        step = StepState(**record.private[_STEPS][name])
        change(step)
        record.private[_STEPS][name] = asdict(step)
        changed.append(step)

    records.update(key, apply)
    return changed[-1]


def write_at_last(write: Callable[[], object], closed: Callable[[], bool]) -> None:
    """Write what there is nobody to tell of when it fails, as soon as the disk takes it.

    Parameters
    ----------
    write
        Changes a record; that it is gone is an end, too.
    closed
        Tells whether the server ends, and another one is to see to it.
    """
    while not closed():
        try:
            write()
        except RecordMissing:
            return
        except Exception:  # noqa: BLE001  (whatever it is, the execution must not hang for ever)
            _LOG.exception("The end of a pipeline's execution cannot be written")
            time.sleep(_PATIENCE)
        else:
            return


def executions_of(records: Records, pipeline: Record) -> list[Record]:
    """Return the executions of a pipeline, oldest first."""
    key = pipeline.key
    return records.list_kind(key.account, key.region, KIND, prefix=f"{key.name}/")


def execution_key(pipeline: Key, identifier: str) -> Key:
    """Return the key of an execution of a pipeline."""
    return Key(pipeline.account, pipeline.region, KIND, f"{pipeline.name}/{identifier}")


def pipeline_key(execution: Key, record: Record) -> Key:
    """Return the key of the pipeline that an execution is of."""
    return Key(execution.account, execution.region, PIPELINE, record.private["Pipeline"])


def find_execution(records: Records, caller: Caller, arn: str) -> Record:
    """Return an execution of the caller's; ``ResourceNotFound`` when it is not there."""
    record = records.by_arn(arn)
    if record is not None:
        key = record.key
        if (key.kind, key.account, key.region) == (KIND, caller.account, caller.region):
            return record
    raise AWSError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
