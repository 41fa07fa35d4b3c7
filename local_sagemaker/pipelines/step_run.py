"""Carries out one step that makes something: attempts, retries, and the wait for a job's end.

Everything that it decides is on disk before it is done, so that another server can go on:

- The name of an attempt's job is kept before the job is asked for. Whoever goes on looks for the
  job first: one that is there is the attempt, one that is not is asked for now.
- A job that the end of a server interrupted has failed; the step's retry policies decide.
- When a retry is due is kept; what is left of the wait is waited.

It must not know other steps.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError
from local_sagemaker.pipelines import cache, retries
from local_sagemaker.pipelines.calls import Calls
from local_sagemaker.pipelines.definition import Step
from local_sagemaker.pipelines.expressions import ExpressionError, Scope
from local_sagemaker.pipelines.former import cached
from local_sagemaker.pipelines.making import Making
from local_sagemaker.pipelines.state import (
    FAILED,
    STOPPED,
    STOPPING,
    SUCCEEDED,
    StepState,
    change_step,
    step_state,
)
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Key, Record, RecordMissing, Records

_ENDED = ("Completed", "Failed", "Stopped")


@dataclass(frozen=True)
class Services:
    """The rooms that steps go through."""

    records: Records
    objects: Objects
    calls: Calls


class Closed(Exception):
    """The server ends; another one goes on from what is on disk."""


class _AttemptFailed(Exception):
    """An attempt failed; ``exception`` is the one of `retries` that it is, if any."""

    def __init__(self, reason: str, exception: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.exception = exception


class _Stopped(Exception):
    """The execution is being stopped, and nothing of this step is under way."""


class StepRun:
    """One step under way.

    Parameters
    ----------
    services
        The rooms.
    execution
        The execution's record, as it was when the step began.
    step
        The step.
    making
        What it makes.
    scope
        Returns what its expressions see, given the name of its job.
    """

    def __init__(
        self,
        services: Services,
        execution: Record,
        step: Step,
        making: Making,
        scope: Callable[[str], Scope],
    ) -> None:
        self._services = services
        self._execution = execution
        self._step = step
        self._making = making
        self._scope = scope
        self._lock = threading.Lock()
        self._interrupted = threading.Event()
        self._stopping = False
        self._closed = False
        self._job: str | None = None

    def stop(self) -> None:
        """Let the step end early, and its job with it."""
        with self._lock:
            self._stopping = True
            job = self._job
        self._interrupted.set()
        if job is not None:
            self._stop_job(job)

    def close(self) -> None:
        """Let the thread end; what is on disk stays as it is."""
        self._closed = True
        self._interrupted.set()

    def __call__(self) -> None:
        """Carry the step out.

        Raises
        ------
        Closed
            After `close`.
        """
        try:
            while self._attempted():
                pass
        except ExpressionError as error:
            self._end(FAILED, f"ClientError: {error}")
        except _Stopped:
            self._end(STOPPED)

    def _attempted(self) -> bool:
        """Make an attempt when it is due; tell whether there is to be another one."""
        self._pause()
        try:
            self._attempt()
        except _AttemptFailed as failure:
            if self._stopping:
                raise _Stopped from failure
            return self._another(failure)
        return False

    def _pause(self) -> None:
        due = self._state().retry_at
        if due is not None:
            self._interrupted.wait(max(0.0, due - now()))
        if self._closed:
            raise Closed

    def _attempt(self) -> None:
        state = self._state()
        name = state.job
        # One that is there already must be seen to, even when the execution stops.
        arn = self._making.made(name) if name is not None else None
        if arn is None:
            if self._stopping:
                raise _Stopped
            if name is None:
                name = self._making.new_name(self._step.arguments)
            arguments = self._making.request(self._step.arguments, self._scope(name))
            if self._taken_from_cache(state, arguments):
                return
            arn = self._make(name, arguments)
        assert name is not None
        self._follow(name, arn)

    def _make(self, name: str, arguments: Mapping[str, Any]) -> str:
        def begin(state: StepState) -> None:
            if state.job is None:
                state.attempts += 1
            state.job, state.retry_at, state.metadata = name, None, {}

        self._change(begin)
        try:
            return self._making.make(name, arguments)
        except AWSError as error:
            # The answer may have been lost on its way, and the job be there.
            arn = self._making.made(name) if error.status >= 500 else None
            if arn is not None:
                return arn
            operation = f"sagemaker:Create{self._making.work.noun}"
            raise _AttemptFailed(
                f"ClientError: Failed to invoke {operation}. Error Details: {error.message}",
                retries.of_refusal(error),
            ) from error

    def _follow(self, name: str, arn: str) -> None:
        """Wait for the end of what was made, and note how it ended."""

        def made(state: StepState) -> None:
            state.metadata = {self._making.work.metadata: {"Arn": arn}}

        self._change(made)
        work = self._making.work
        if work.status_key is None:
            self._succeed(self._making.result(name, arn))
            return
        with self._lock:
            self._job = name
            stopping = self._stopping
        if stopping:
            self._stop_job(name)
        self._wait(name)
        described = self._making.describe(name)
        status = described[work.status_key]
        if status == "Completed":
            self._succeed(described)
        elif self._stopping:
            self._end(STOPPED)
        elif status == "Stopped":
            self._end(STOPPED, f"ClientError: the job {name} was stopped before it was done.")
        else:
            reason = str(described.get("FailureReason", "the job failed and gave no reason"))
            raise _AttemptFailed(f"ClientError: {reason}", retries.of_failure(reason))

    def _wait(self, name: str) -> None:
        key = self._execution.key
        job = Key(key.account, key.region, self._making.work.noun, name)
        try:
            self._services.records.wait(job, lambda record: self._closed or record.status in _ENDED)
        except RecordMissing:
            raise _AttemptFailed(f"ClientError: the job {name} was deleted.") from None
        if self._closed:
            raise Closed

    def _taken_from_cache(self, state: StepState, arguments: Mapping[str, Any]) -> bool:
        """Take the result of the same work, if that is allowed and there is one."""
        key = cache.key(self._step.type, arguments)
        config = self._step.cache
        former = None
        if key is not None and config is not None and config.enabled and state.attempts == 0:
            former = cached(
                self._services.records,
                self._execution,
                self._step.name,
                key,
                config.expires,
                self._making.work.noun,
            )

        def note(state: StepState) -> None:
            state.cache_key = key
            if former is not None:
                state.cached_from = former.arn
                state.metadata = former.state.metadata
                state.described = former.state.described
                state.job = former.state.job
                state.end(SUCCEEDED)
                state.started = state.ended or state.started

        self._change(note)
        return former is not None

    def _another(self, failure: _AttemptFailed) -> bool:
        """Note when the next attempt is due, or that there is none; tell which."""
        state = self._state()
        exception = failure.exception
        found = retries.policy_for(self._step.retry_policies, exception) if exception else None
        delay = None
        if found is not None:
            number, policy = str(found[0]), found[1]
            delay = policy.delay(state.retries.get(number, 0), now() - state.started)
        if found is None or delay is None:
            why = ""
            # AWS explains it of a job that was refused, and not of one that ran.
            if exception is not None and not state.metadata:
                exhausted = state.attempts if found is not None else None
                why = retries.why_not(exception, self._execution.arn, self._step.name, exhausted)
            self._end(FAILED, failure.reason + why)
            return False
        wait = delay

        def note(state: StepState) -> None:
            state.retries[number] = state.retries.get(number, 0) + 1
            state.retry_at, state.job = now() + wait, None

        self._change(note)
        return True

    def _stop_job(self, job: str) -> None:
        def note(state: StepState) -> None:
            if state.under_way:
                state.status = STOPPING

        self._change(note)
        self._making.stop(job)

    def _succeed(self, described: dict[str, Any]) -> None:
        def note(state: StepState) -> None:
            state.described = described
            state.end(SUCCEEDED)

        self._change(note)

    def _end(self, status: str, reason: str | None = None) -> None:
        self._change(lambda state: state.end(status, reason))

    def _state(self) -> StepState:
        return step_state(self._services.records, self._execution.key, self._step.name)

    def _change(self, change: Callable[[StepState], None]) -> StepState:
        return change_step(self._services.records, self._execution.key, self._step.name, change)
