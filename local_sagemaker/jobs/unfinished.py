"""The jobs of one kind that have not ended: made, queued, stopped, deleted, ended with the server.

This is what training, transform and processing jobs have in common. It knows records, queues and
threads; it must not know what a job does, nor what its states are called.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.jobs.scheduler import Scheduler, Ticket
from local_sagemaker.operations import Shortage, no_shortage
from local_sagemaker.resources import Resources
from local_sagemaker.store import Key, Record

INTERRUPTED = "InternalServerError: the local SageMaker was stopped while this job ran"
"""Why a job failed that the server's end took along."""

IN_PROGRESS = ("InProgress", "Stopping")
"""Statuses of a job that has not ended."""

_CLOSE_SECONDS = 10.0


def ended(record: Record) -> bool:
    """Tell whether a job is over."""
    return record.status not in IN_PROGRESS


class Run(Protocol):
    """A job's work; see `local_sagemaker.jobs.run.JobRun`."""

    def __call__(self) -> None:
        """Do all of it."""

    def stop(self) -> None:
        """End it early because somebody asked for that; return at once."""

    def abort(self) -> None:
        """End it because the server ends; return at once."""


Work = TypeVar("Work", bound=Run)


@dataclass(frozen=True)
class States:
    """How a kind of jobs notes where a job is; each function changes the record in place.

    Attributes
    ----------
    fail
        It has failed, for a reason.
    stop
        It is being stopped.
    stopped
        It was stopped before its turn came.
    queue
        It waits for one of so many slots; None where the kind has no word for it.
    """

    fail: Callable[[Record, str], None]
    stop: Callable[[Record], None]
    stopped: Callable[[Record], None]
    queue: Callable[[Record, int], None] | None = None


@dataclass
class _Entry(Generic[Work]):
    run: Work
    ticket: Ticket | None = None
    over: threading.Event = field(default_factory=threading.Event)


class UnfinishedJobs(Generic[Work]):
    """Keeps track of them.

    Parameters
    ----------
    noun
        Their kind, ``TrainingJob``.
    resources
        Where their records are.
    states
        How their records change.
    scheduler
        Says when a job's turn is.
    shortage
        Says for which jobs there are no instances.
    """

    def __init__(
        self,
        noun: str,
        resources: Resources,
        states: States,
        scheduler: Scheduler,
        shortage: Shortage = no_shortage,
    ) -> None:
        self._noun = noun
        self._label = resources.kinds[noun].label
        self._resources = resources
        self._states = states
        self._scheduler = scheduler
        self._shortage = shortage
        self._lock = threading.Lock()
        self._entries: dict[Key, _Entry[Work]] = {}

    def create(
        self,
        caller: Caller,
        request: dict[str, Any],
        run: Callable[[Record], Work],
        *,
        body: dict[str, Any] | None = None,
        refusal: str | None = None,
    ) -> Record:
        """Write a job down and let it run when its turn comes.

        Parameters
        ----------
        caller, request
            Whose, and the parameters of its Create operation.
        run
            Returns the job's work, given its record.
        body
            Further members that Describe shows.
        refusal
            Why it is not run here; it fails at once then, as it does for want of instances.
        """
        record = self._resources.create(caller, self._noun, request, status="InProgress", body=body)
        reason = self._shortage(caller, f"Create{self._noun}", request)
        if reason is None and refusal is not None:
            reason = f"ClientError: the local SageMaker does not run this job: {refusal}"
        if reason is not None:
            self._fail(record.key, reason)
            return record
        try:
            self._submit(record, run(record))
        except BaseException:
            # The caller hears of an error, so there is no job.
            self._resources.records.delete(record.key)
            raise
        return record

    def run(self, key: Key) -> Work | None:
        """Return the work of a job that has not ended, or None."""
        entry = self._entries.get(key)
        return entry.run if entry is not None else None

    def stop(self, caller: Caller, name: str) -> None:
        """Stop a job; ``ValidationException`` when it has ended."""

        def change(record: Record) -> None:
            if ended(record):
                raise validation_exception(
                    f"The request was rejected because the {self._label} is in status "
                    f"{record.status}."
                )
            if record.status != "Stopping":
                self._states.stop(record)

        record = self._resources.change(caller, self._noun, name, change)
        with self._lock:
            entry = self._entries.get(record.key)
        if entry is None or entry.ticket is None:
            return
        if self._scheduler.cancel(entry.ticket):
            self._forget(record.key, entry)
            self._end(record.key, self._states.stopped)
        else:
            entry.run.stop()

    def delete(self, caller: Caller, name: str) -> None:
        """Delete a job that has ended; ``ResourceInUse`` for any other."""
        with self._resources.records.database.transaction():
            record = self._resources.get(caller, self._noun, name)
            if not ended(record):
                raise AWSError(
                    "ResourceInUse",
                    f"The {self._label} {name} is in status {record.status}; only a job that has "
                    "ended can be deleted. Stop it first.",
                )
            self._resources.delete(caller, self._noun, name)

    def recover(self) -> None:
        """Fail the jobs that a stopped server left unfinished; their processes are gone."""
        for record in self._resources.records.every(self._noun):
            if not ended(record):
                self._fail(record.key, INTERRUPTED)

    def close(self) -> None:
        """End all jobs; those that run or wait become Failed."""
        self._scheduler.close()
        with self._lock:
            entries = list(self._entries.values())
        for entry in entries:
            entry.run.abort()
        deadline = time.monotonic() + _CLOSE_SECONDS
        for entry in entries:
            if entry.ticket is not None and entry.ticket.started:
                entry.over.wait(max(0.0, deadline - time.monotonic()))
        self.recover()

    def _submit(self, record: Record, run: Work) -> None:
        entry = _Entry(run)

        def work() -> None:
            try:
                run()
            finally:
                self._forget(record.key, entry)
                entry.over.set()

        def wait() -> None:
            queue = self._states.queue
            if queue is not None:
                slots = self._scheduler.slots
                self._resources.records.update(record.key, lambda record: queue(record, slots))

        # Under the lock, so that a job that ends at once is known before it is forgotten.
        with self._lock:
            self._entries[record.key] = entry
            try:
                entry.ticket = self._scheduler.submit(record.key.name, work, wait)
            except BaseException:
                del self._entries[record.key]
                raise

    def _forget(self, key: Key, entry: _Entry[Work]) -> None:
        with self._lock:
            # A new job may have this name already.
            if self._entries.get(key) is entry:
                del self._entries[key]

    def _fail(self, key: Key, reason: str) -> None:
        self._end(key, lambda record: self._states.fail(record, reason))

    def _end(self, key: Key, change: Callable[[Record], None]) -> None:
        def end(record: Record) -> None:
            if not ended(record):
                change(record)

        self._resources.records.update(key, end)
