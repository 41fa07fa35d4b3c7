"""Transform jobs: the operations that make and stop them.

It turns requests into runs; it must not know how a run does its work.
"""

from typing import Any

from local_sagemaker.containers.container import Containers
from local_sagemaker.hosting.models import ModelSource, model_source
from local_sagemaker.identity import EXECUTION_ROLE, Caller
from local_sagemaker.jobs import s3_source
from local_sagemaker.jobs.scheduler import Scheduler
from local_sagemaker.jobs.unfinished import States, UnfinishedJobs
from local_sagemaker.logs.store import LogStore
from local_sagemaker.operations import Handler, Shortage, no_shortage
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.transform import plan, states
from local_sagemaker.transform.run import Services, TransformRun

NOUN = "TransformJob"


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
        self._services = Services(resources.records, objects, containers, logs)
        self._jobs: UnfinishedJobs[TransformRun] = UnfinishedJobs(
            NOUN,
            resources,
            States(
                fail=lambda record, reason: states.end(record, "Failed", reason),
                stop=states.stop,
                stopped=lambda record: states.end(record, "Stopped"),
            ),
            scheduler,
            shortage,
        )
        self.recover = self._jobs.recover
        self.close = self._jobs.close

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {"CreateTransformJob": self._create, "StopTransformJob": self._stop}

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
        record = self._jobs.create(
            caller,
            request,
            lambda record: TransformRun(self._services, record, request, source),
            refusal=None if refusal is None else f"it has {refusal}",
        )
        return {"TransformJobArn": record.arn}

    def _model(self, caller: Caller, name: str) -> ModelSource:
        def package(name: str) -> dict[str, Any]:
            return self._resources.get(caller, "ModelPackage", name).body

        return model_source(name, self._resources.get(caller, "Model", name).body, package)

    def _stop(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._jobs.stop(caller, params["TransformJobName"])
        return {}
