"""Processing jobs: the operations that make, stop and delete them.

It turns requests into runs; it must not know how a run does its work.
"""

from typing import Any

from local_sagemaker.containers.container import Containers
from local_sagemaker.identity import Caller
from local_sagemaker.jobs import s3_source
from local_sagemaker.jobs.scheduler import Scheduler
from local_sagemaker.jobs.unfinished import States, UnfinishedJobs
from local_sagemaker.logs.store import LogStore
from local_sagemaker.operations import Handler, Shortage, no_shortage
from local_sagemaker.processing import request as asked
from local_sagemaker.processing import states
from local_sagemaker.processing.run import ProcessingRun, Services
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects

NOUN = "ProcessingJob"


class ProcessingJobs:
    """The processing jobs of all accounts.

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
        self._services = Services(resources.records, objects, containers, logs)
        self._jobs: UnfinishedJobs[ProcessingRun] = UnfinishedJobs(
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
        return {
            "CreateProcessingJob": self._create,
            "StopProcessingJob": self._stop,
            "DeleteProcessingJob": self._delete,
        }

    def _create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        request = asked.completed(params)
        asked.check(caller, request)
        refusal = asked.refusal(request)
        if refusal is None:
            sources = [one.channel["DataSource"]["S3DataSource"] for one in asked.inputs(request)]
            s3_source.check(
                self._services.objects,
                caller.account,
                caller.region,
                request["RoleArn"],
                [source["S3Uri"] for source in sources],
            )
        record = self._jobs.create(
            caller,
            request,
            lambda record: ProcessingRun(self._services, record, request),
            refusal=refusal,
        )
        return {"ProcessingJobArn": record.arn}

    def _stop(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._jobs.stop(caller, params["ProcessingJobName"])
        return {}

    def _delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._jobs.delete(caller, params["ProcessingJobName"])
        return {}
