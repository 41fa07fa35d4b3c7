"""Training jobs: the operations that make, stop, show and delete them.

It turns requests into runs; it must not know how a run does its work.
"""

from typing import Any

from local_sagemaker.containers.container import Containers
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.jobs import channels, profiler_rules, training_launch, training_states
from local_sagemaker.jobs.metric_definitions import MetricDefinitions
from local_sagemaker.jobs.scheduler import Scheduler
from local_sagemaker.jobs.training_results import model_location
from local_sagemaker.jobs.training_run import LogMetrics, Services, TrainingRun
from local_sagemaker.jobs.unfinished import States, UnfinishedJobs
from local_sagemaker.logs.store import LogStore
from local_sagemaker.operations import Handler, Shortage, no_shortage
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Key, Record

NOUN = "TrainingJob"

_DEFAULT_MAX_RUNTIME = 24 * 3600


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
        self._services = Services(resources.records, objects, containers, logs, log_metrics)
        self._jobs: UnfinishedJobs[TrainingRun] = UnfinishedJobs(
            NOUN,
            resources,
            States(
                fail=training_states.fail,
                stop=lambda record: training_states.enter(record, "Stopping"),
                stopped=lambda record: training_states.enter(record, "Stopped"),
                queue=training_states.queue,
            ),
            scheduler,
            shortage,
        )
        self.recover = self._jobs.recover
        self.close = self._jobs.close

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "CreateTrainingJob": self._create,
            "DescribeTrainingJob": self._describe,
            "StopTrainingJob": self._stop,
            "DeleteTrainingJob": self._delete,
        }

    def _create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        request = _completed(params)
        _check(caller, request)
        channels.check(
            self._services.objects, caller.account, caller.region, request["RoleArn"], request
        )
        record = self._jobs.create(
            caller,
            request,
            lambda record: TrainingRun(self._services, record, request),
            body=_first_body(request),
            refusal=training_launch.refusal(request) or channels.refusal(request),
        )
        return {"TrainingJobArn": record.arn}

    def _describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._resources.get(caller, NOUN, params["TrainingJobName"])
        shown = self._resources.shown(record)
        run = self._jobs.run(record.key)
        if run is not None:
            metrics = run.final_metrics()
            shown |= {"FinalMetricDataList": metrics} if metrics else {}
        return shown

    def _stop(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._jobs.stop(caller, params["TrainingJobName"])
        return {}

    def _delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._jobs.delete(caller, params["TrainingJobName"])
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
    rules = profiler_rules.statuses(request)
    return {
        **draft.body,
        "StoppingCondition": request["StoppingCondition"],
        "ModelArtifacts": {"S3ModelArtifacts": str(model_location(request))},
        "ProfilingStatus": "Disabled",
        **({"ProfilerRuleEvaluationStatuses": rules} if rules else {}),
    }
