"""Carries out one execution: starts steps as they become ready, and ends when none is left.

One thread decides, and sleeps until a step has ended or somebody changed something; each step
under way has a thread of its own. All of it is on disk, so a run begins where the last one, of
this server or of one that was killed, has left off. It must not know requests.
"""

import logging
import threading

from local_sagemaker.database import now
from local_sagemaker.identity import Caller
from local_sagemaker.pipelines import experiment, order, work
from local_sagemaker.pipelines.definition import Definition, Step
from local_sagemaker.pipelines.instant import settle
from local_sagemaker.pipelines.making import Making
from local_sagemaker.pipelines.scope import StepScope
from local_sagemaker.pipelines.state import (
    EXECUTING,
    FAILED,
    STOPPED,
    STOPPING,
    StepState,
    change_step,
    keep_steps,
    pipeline_key,
    step_state,
    steps_of,
    write_at_last,
)
from local_sagemaker.pipelines.step_run import Closed, Services, StepRun
from local_sagemaker.store import Key, Record, RecordMissing

FAILURE = "Step failure: One or multiple steps failed."

_LOG = logging.getLogger(__name__)
# Each step under way has a thread, and a definition may have thousands of steps.
_USUAL_LIMIT, _GREATEST_LIMIT = 50, 200


class _NoLonger(Exception):
    """The execution was stopped in this moment."""


class Run:
    """An execution under way.

    Parameters
    ----------
    services
        The rooms that steps go through.
    key
        Of the execution's record.
    definition
        What it executes.
    """

    def __init__(self, services: Services, key: Key, definition: Definition) -> None:
        self._services = services
        self._records = services.records
        self._key = key
        self._definition = definition
        self._changed = threading.Event()
        self._closed = False
        self._lock = threading.Lock()
        self._under_way: dict[str, StepRun] = {}
        self._tracked: dict[str, str] = {}

    def poke(self) -> None:
        """Look again at what can start."""
        self._changed.set()

    def stop(self) -> None:
        """Let the steps under way end early; the record says already that it is stopping."""
        with self._lock:
            runs = list(self._under_way.values())
        for run in runs:
            run.stop()
        self._changed.set()

    def close(self) -> None:
        """Let all threads end; what is on disk stays as it is."""
        with self._lock:
            self._closed = True
            runs = list(self._under_way.values())
        for run in runs:
            run.close()
        self._changed.set()

    def __call__(self) -> None:
        """Carry the execution out to its end, or until `close`."""
        record = self._record()
        named = record.body.get("PipelineExperimentConfig")
        if named is not None:
            caller = self._caller(record, "experiment")
            self._tracked = experiment.made(self._services.calls, caller, named)
        for name, state in steps_of(record).items():
            if state.under_way:
                self._go(self._definition.steps[name])
        while True:
            self._changed.clear()
            if self._closed:
                return
            if not self._advance():
                self._finish()
                return
            self._changed.wait()

    def _record(self) -> Record:
        record = self._records.get(self._key)
        if record is None:
            raise RecordMissing(self._key)
        return record

    def _advance(self) -> bool:
        """Start what can start; tell whether anything is under way."""
        record = self._record()
        states = steps_of(record)
        running = sum(state.under_way for state in states.values())
        if record.status != EXECUTING:
            return bool(running)
        asked = record.private.get("MaxParallelExecutionSteps", _USUAL_LIMIT)
        limit = min(asked, _GREATEST_LIMIT)
        chosen = order.startable(self._definition, states, record.private.get("Selected"))
        chosen = chosen[: max(0, limit - running)]
        for step in chosen:
            self._begin(step)
        return bool(running or chosen)

    def _begin(self, step: Step) -> None:
        def change(record: Record) -> None:
            if record.status != EXECUTING:
                raise _NoLonger
            states = steps_of(record)
            number = max((state.number for state in states.values()), default=0) + 1
            keep_steps(record, {**states, step.name: StepState(number, now())})

        try:
            self._records.update(self._key, change)
        except _NoLonger:
            self._changed.set()
        else:
            self._go(step)

    def _go(self, step: Step) -> None:
        """Let a step that has begun go on in a thread of its own."""
        record = self._record()
        if step.type not in work.WORKS:
            self._settle(step)
            return
        run = StepRun(
            self._services,
            record,
            step,
            self._making(record, step),
            self._scope,
        )
        with self._lock:
            self._under_way[step.name] = run
        # Whoever stops or closes from now on finds it; whoever did before is seen here.
        if self._record().status == STOPPING:
            run.stop()
        if self._closed:
            run.close()
        name = f"{self._key.name}/{step.name}"
        threading.Thread(target=self._work, args=(step, run), name=name, daemon=True).start()

    def _work(self, step: Step, run: StepRun) -> None:
        try:
            run()
        except Closed:
            return
        except RecordMissing:
            _LOG.warning("%s was deleted while step %s ran", self._key.name, step.name)
        except Exception as error:  # noqa: BLE001  (nobody else would end the step)
            if self._closed:
                return
            _LOG.exception("Step %s of %s failed", step.name, self._key.name)
            self._give_up(step, error)
        finally:
            with self._lock:
                self._under_way.pop(step.name, None)
            self._changed.set()

    def _give_up(self, step: Step, error: Exception) -> None:
        reason = (
            f"InternalServerError: the local SageMaker failed: {type(error).__name__}: {error}. "
            "Its server.log has the details."
        )
        write_at_last(
            lambda: change_step(
                self._records, self._key, step.name, lambda state: state.end(FAILED, reason)
            ),
            lambda: self._closed,
        )

    def _settle(self, step: Step) -> None:
        # Outside a transaction, because it may read objects.
        settled = step_state(self._records, self._key, step.name)
        settle(step, settled, self._scope())
        change_step(
            self._records, self._key, step.name, lambda state: vars(state).update(vars(settled))
        )
        self._changed.set()

    def _finish(self) -> None:
        def change(record: Record) -> None:
            if record.status == STOPPING:
                record.status = STOPPED
                return
            record.status = order.result(self._definition, steps_of(record))
            if record.status == FAILED:
                record.body["FailureReason"] = FAILURE

        self._records.update(self._key, change)

    def _scope(self, job: str | None = None) -> StepScope:
        record = self._record()
        pipeline = self._records.get(pipeline_key(self._key, record))
        arn = pipeline.arn if pipeline is not None else ""
        return StepScope(self._definition, record, arn, self._services.objects, job)

    def _making(self, record: Record, step: Step) -> Making:
        return Making(
            self._services.calls,
            self._caller(record, step.name),
            work.WORKS[step.type],
            record.private["Id"],
            record.arn,
            step.name,
            self._tracked,
        )

    def _caller(self, record: Record, purpose: str) -> Caller:
        """Return the session of the pipeline's role in which something is asked for."""
        role = record.body["RoleArn"].rpartition("/")[2]
        session = f"sagemaker-pipeline-{record.private['Id']}-{purpose}"[:64]
        return Caller(
            account=self._key.account,
            region=self._key.region,
            arn=f"arn:aws:sts::{self._key.account}:assumed-role/{role}/{session}",
            user_id=session,
            access_key="",
        )
