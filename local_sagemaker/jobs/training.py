"""Training jobs: the operations that make, stop, show and delete them.

It turns requests into runs and keeps track of those that have not ended; it must not know how a
run does its work.
"""

import threading
from typing import Any

from local_sagemaker.containers.container import Containers
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.jobs import channels, training_launch, training_states
from local_sagemaker.jobs.metric_definitions import MetricDefinitions
from local_sagemaker.jobs.scheduler import Scheduler, Ticket
from local_sagemaker.jobs.training_results import model_location
from local_sagemaker.jobs.training_run import LogMetrics, Services, TrainingRun
from local_sagemaker.logs.store import LogStore
from local_sagemaker.operations import Handler, Shortage, no_shortage
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Key, Record

NOUN = "TrainingJob"

_DEFAULT_MAX_RUNTIME = 24 * 3600
_CLOSE_SECONDS = 10.0


class TrainingJobs:
    """The training jobs of all accounts.

    Parameters
    ----------
    resources, objects, containers, logs
        The rooms that jobs go through.
    scheduler
        Says when a job's turn is.
    shortage
        Says for which jobs there are no instances.
    log_metrics
        Takes the metrics that jobs' logs hold.
    """

    def __init__(
        self,
        resources: Resources,
        objects: Objects,
        containers: Containers,
        logs: LogStore,
        scheduler: Scheduler,
        shortage: Shortage = no_shortage,
        *,
        log_metrics: LogMetrics,
    ) -> None:
        self._resources = resources
        self._scheduler = scheduler
        self._shortage = shortage
        self._services = Services(resources.records, objects, containers, logs, log_metrics)
        self._lock = threading.Lock()
        self._runs: dict[Key, tuple[TrainingRun, Ticket]] = {}

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": self._describe,
            "StopTrainingJob": self._stop,
            "DeleteTrainingJob": self._delete,
        }

    def recover(self) -> None:
        """Fail the jobs that a stopped server left unfinished; their processes are gone."""
        for record in self._resources.records.every(NOUN):
            if not training_states.ended(record):
                self._interrupt(record.key)

    def close(self) -> None:
        """End all jobs; those that run or wait become Failed."""
        self._scheduler.close()
        with self._lock:
            runs = [run for run, _ in self._runs.values()]
        for run in runs:
            run.abort()
        self._scheduler.join(_CLOSE_SECONDS)
        self.recover()

    def _interrupt(self, key: Key) -> None:
        def change(record: Record) -> None:
            if not training_states.ended(record):
                training_states.fail(record, training_states.INTERRUPTED)

        self._resources.records.update(key, change)

    def _create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        request = _completed(params)
        _check(caller, request)
        channels.check(
            self._services.objects, caller.account, caller.region, request["RoleArn"], request
        )
        refusal = training_launch.refusal(request) or channels.refusal(request)
        record = self._resources.create(
            caller, NOUN, request, status="InProgress", body=_first_body(request)
        )
        reason = self._shortage(caller, "CreateTrainingJob", request)
        if reason is None and refusal is not None:
            reason = f"ClientError: the local SageMaker does not run this job: {refusal}"
        if reason is not None:
            self._resources.records.update(
                record.key, lambda record: training_states.fail(record, reason)
            )
        else:
            try:
                self._submit(record, request)
            except BaseException:
                # The caller hears of an error, so there is no job.
                self._resources.records.delete(record.key)
                raise
        return {"TrainingJobArn": record.arn}

    def _submit(self, record: Record, request: dict[str, Any]) -> None:
        run = TrainingRun(self._services, record, request)

        def work() -> None:
            try:
                run()
            finally:
                with self._lock:
                    # A new job may have this name already.
                    if self._runs.get(record.key, (None,))[0] is run:
                        del self._runs[record.key]

        def wait() -> None:
            message = f"Waiting for other jobs to end: {self._scheduler.slots} run at once"

            def change(record: Record) -> None:
                if record.status == "InProgress":
                    training_states.enter(record, "Pending", message)

            self._resources.records.update(record.key, change)

        # Under the lock, so that a job that ends at once is known before it is forgotten.
        with self._lock:
            self._runs[record.key] = (run, self._scheduler.submit(record.key.name, work, wait))

    def _describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._resources.get(caller, NOUN, params["TrainingJobName"])
        shown = self._resources.shown(record)
        running = self._runs.get(record.key)
        if running is not None:
            metrics = running[0].final_metrics()
            shown |= {"FinalMetricDataList": metrics} if metrics else {}
        return shown

    def _stop(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name = params["TrainingJobName"]

        def change(record: Record) -> None:
            if training_states.ended(record):
                raise validation_exception(
                    "The request was rejected because the training job is in status "
                    f"{record.status}."
                )
            if record.status != "Stopping":
                training_states.enter(record, "Stopping")

        record = self._resources.change(caller, NOUN, name, change)
        with self._lock:
            run, ticket = self._runs.get(record.key, (None, None))
        if run is None or ticket is None:
            return {}
        if self._scheduler.cancel(ticket):
            with self._lock:
                self._runs.pop(record.key, None)
            self._resources.records.update(
                record.key, lambda record: training_states.enter(record, "Stopped")
            )
        else:
            run.stop()
        return {}

    def _delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name = params["TrainingJobName"]
        with self._resources.records.database.transaction():
            record = self._resources.get(caller, NOUN, name)
            if not training_states.ended(record):
                raise AWSError(
                    "ResourceInUse",
                    f"The training job {name} is in status {record.status}; only a job that has "
                    "ended can be deleted. Stop it first.",
                )
            self._resources.delete(caller, NOUN, name)
        return {}


def _completed(params: dict[str, Any]) -> dict[str, Any]:
    """Return the request with the service's defaults."""
    stopping = {"MaxRuntimeInSeconds": _DEFAULT_MAX_RUNTIME, **params.get("StoppingCondition", {})}
    return {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        **params,
        "StoppingCondition": stopping,
    }


def _check(caller: Caller, request: dict[str, Any]) -> None:
    """Refuse what the service model allows but the service does not."""
    serverless = "ServerlessJobConfig" in request
    for member in ("AlgorithmSpecification", "ResourceConfig"):
        if member not in request and not serverless:
            raise validation_exception(f"{member} is required for a training job.")
    algorithm = request.get("AlgorithmSpecification", {})
    if not serverless and ("TrainingImage" in algorithm) == ("AlgorithmName" in algorithm):
        raise validation_exception(
            "AlgorithmSpecification needs one of TrainingImage and AlgorithmName."
        )
    role_account = request["RoleArn"].split(":")[4]
    if role_account != caller.account:
        raise AWSError(
            "AccessDeniedException",
            f"Cross-account pass role is not allowed: {request['RoleArn']} is not a role of "
            f"account {caller.account}.",
        )
    stopping = request["StoppingCondition"]
    longest = stopping.get("MaxWaitTimeInSeconds")
    if request["EnableManagedSpotTraining"] and longest is None:
        raise validation_exception(
            "MaxWaitTimeInSeconds is required when EnableManagedSpotTraining is true."
        )
    if longest is not None and longest < stopping["MaxRuntimeInSeconds"]:
        raise validation_exception(
            f"MaxWaitTimeInSeconds ({longest}) must not be less than MaxRuntimeInSeconds "
            f"({stopping['MaxRuntimeInSeconds']})."
        )
    MetricDefinitions(algorithm.get("MetricDefinitions", []))


def _first_body(request: dict[str, Any]) -> dict[str, Any]:
    draft = Record(Key("", "", NOUN, ""), "", 0.0, 0.0, status="InProgress")
    training_states.enter(draft, "Starting")
    return {
        **draft.body,
        "StoppingCondition": request["StoppingCondition"],
        "ModelArtifacts": {"S3ModelArtifacts": str(model_location(request))},
        "ProfilingStatus": "Disabled",
    }
