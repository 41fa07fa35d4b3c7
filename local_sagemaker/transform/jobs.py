"""Transform jobs: the operations that make and stop them.

It turns requests into runs and keeps track of those that have not ended; it must not know how a
run does its work.
"""

import threading
import time
from typing import Any

from local_sagemaker.containers.container import Containers
from local_sagemaker.errors import validation_exception
from local_sagemaker.hosting.models import ModelSource, model_source
from local_sagemaker.identity import EXECUTION_ROLE, Caller
from local_sagemaker.jobs import s3_source
from local_sagemaker.jobs.scheduler import Scheduler, Ticket
from local_sagemaker.logs.store import LogStore
from local_sagemaker.operations import Handler, Shortage, no_shortage
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Key, Record
from local_sagemaker.transform import plan, states
from local_sagemaker.transform.run import Services, TransformRun

NOUN = "TransformJob"

_CLOSE_SECONDS = 10.0


class TransformJobs:
    """The transform jobs of all accounts.

    Parameters
    ----------
    resources, objects, containers, logs
        The rooms that jobs go through.
    scheduler
        Says when a job's turn is.
    shortage
        Says for which jobs there are no instances.
    """

    def __init__(
        self,
        resources: Resources,
        objects: Objects,
        containers: Containers,
        logs: LogStore,
        scheduler: Scheduler,
        shortage: Shortage = no_shortage,
    ) -> None:
        self._resources = resources
        self._scheduler = scheduler
        self._shortage = shortage
        self._services = Services(resources.records, objects, containers, logs)
        self._lock = threading.Lock()
        self._runs: dict[Key, tuple[TransformRun, Ticket]] = {}

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {"CreateTransformJob": self._create, "StopTransformJob": self._stop}

    def recover(self) -> None:
        """Fail the jobs that a stopped server left unfinished; their processes are gone."""
        for record in self._resources.records.every(NOUN):
            if not states.ended(record):
                self._end(record.key, "Failed", states.INTERRUPTED)

    def close(self) -> None:
        """End all jobs; those that run or wait become Failed."""
        self._scheduler.close()
        with self._lock:
            runs = [run for run, _ in self._runs.values()]
        for run in runs:
            run.abort()
        deadline = time.monotonic() + _CLOSE_SECONDS
        for run in runs:
            run.wait(max(0.0, deadline - time.monotonic()))
        self.recover()

    def _end(self, key: Key, status: str, reason: str | None = None) -> None:
        def change(record: Record) -> None:
            if not states.ended(record):
                states.end(record, status, reason)

        self._resources.records.update(key, change)

    def _create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        request = plan.completed(params)
        plan.check(request)
        source = self._model(caller, request["ModelName"])
        s3_source.check(
            self._services.objects,
            caller.account,
            caller.region,
            source.role or f"arn:aws:iam::{caller.account}:role/{EXECUTION_ROLE}",
            [request["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"]],
        )
        refusal = plan.refusal(request)
        record = self._resources.create(caller, NOUN, request, status="InProgress")
        reason = self._shortage(caller, "CreateTransformJob", request)
        if reason is None and refusal is not None:
            reason = f"ClientError: the local SageMaker does not run this job: it has {refusal}"
        if reason is not None:
            self._end(record.key, "Failed", reason)
        else:
            try:
                self._submit(record, request, source)
            except BaseException:
                # The caller hears of an error, so there is no job.
                self._resources.records.delete(record.key)
                raise
        return {"TransformJobArn": record.arn}

    def _model(self, caller: Caller, name: str) -> ModelSource:
        def package(name: str) -> dict[str, Any]:
            return self._resources.get(caller, "ModelPackage", name).body

        return model_source(name, self._resources.get(caller, "Model", name).body, package)

    def _submit(self, record: Record, request: dict[str, Any], source: ModelSource) -> None:
        run = TransformRun(self._services, record, request, source)

        def work() -> None:
            try:
                run()
            finally:
                with self._lock:
                    self._runs.pop(record.key, None)

        # Under the lock, so that a job that ends at once is known before it is forgotten.
        with self._lock:
            self._runs[record.key] = (run, self._scheduler.submit(record.key.name, work))

    def _stop(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        def change(record: Record) -> None:
            if states.ended(record):
                raise validation_exception(
                    "The request was rejected because the transform job is in status "
                    f"{record.status}."
                )
            states.stop(record)

        record = self._resources.change(caller, NOUN, params["TransformJobName"], change)
        with self._lock:
            run, ticket = self._runs.get(record.key, (None, None))
        if run is None or ticket is None:
            return {}
        if self._scheduler.cancel(ticket):
            with self._lock:
                self._runs.pop(record.key, None)
            self._end(record.key, "Stopped")
        else:
            run.stop()
        return {}
