"""One run of one processing job, from its slot in the queue to its last state.

It leads a job through its container and tells its record how it ended; it must not know requests
or other jobs.
"""

from dataclasses import dataclass
from typing import Any

from local_sagemaker.containers.container import ROOT, Container, Containers
from local_sagemaker.containers.process import Exit
from local_sagemaker.jobs import failure
from local_sagemaker.jobs.container_run import Command, ContainerRun
from local_sagemaker.jobs.job_log import JobLog
from local_sagemaker.jobs.run import JobFailed, Outcome
from local_sagemaker.logs.follower import PROCESSING_JOBS
from local_sagemaker.logs.store import LogStore
from local_sagemaker.processing import launch, states
from local_sagemaker.processing import request as asked
from local_sagemaker.processing.launch import LaunchError
from local_sagemaker.processing.outputs import OutputError, Outputs
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Record, Records

# botocore's shape ExitMessage.
_LONGEST_MESSAGE = 1024


@dataclass(frozen=True)
class Services:
    """What a run needs of the server."""

    records: Records
    objects: Objects
    containers: Containers
    logs: LogStore


class ProcessingRun(ContainerRun):
    """A job that has not ended.

    Parameters
    ----------
    services
        The rooms it goes through.
    record
        The job's, as created.
    request
        The parameters of CreateProcessingJob, completed.
    """

    def __init__(self, services: Services, record: Record, request: dict[str, Any]) -> None:
        super().__init__(
            services.records,
            record,
            services.containers,
            JobLog(services.logs, record.key, PROCESSING_JOBS),
            float(request["StoppingCondition"]["MaxRuntimeInSeconds"]),
        )
        self._services = services
        self._request = request
        self._message = ""

    def _work(self, container: Container) -> Outcome:
        self._change(states.begin)
        # Its code was written for that folder, and what it says of the private one helps nobody.
        self._log.rename(str(container.root), ROOT)
        try:
            return self._process_inputs(container)
        except (LaunchError, OutputError) as error:
            raise JobFailed(f"ClientError: {error}") from error

    def _process_inputs(self, container: Container) -> Outcome:
        key, objects = self.key, self._services.objects
        outputs = Outputs(objects, key.account, key.region, container, asked.outputs(self._request))
        outputs.prepare()
        words = launch.prepare(
            container, objects, key.account, self._record.arn, self._request, self._log.say
        )
        command = Command(words, self._environment(container), launch.working_directory(container))
        with outputs.following():
            ended = self._run(container, command)
        if self._aborted:
            return self._interrupted()
        if ended is None:
            return Outcome("Stopped")
        self._log.check()
        self._message = _exit_message(container)
        if self._late:
            self._log.say(f"WARNING: stopped after MaxRuntimeInSeconds, {self._limit:g} seconds")
        outputs.upload()
        if self._has_failed(ended):
            return Outcome("Failed", self._reason(ended))
        return Outcome("Stopped" if self._late else "Completed")

    def _environment(self, container: Container) -> dict[str, str]:
        environment = self._services.containers.environment(
            container,
            role_arn=self._request["RoleArn"],
            account=self.key.account,
            region=self.key.region,
            lifetime=self._lifetime,
            own=self._request.get("Environment", {}),
        )
        # Compiled code would hold the job's own folder, and an output may hold all of the code.
        return {"PYTHONDONTWRITEBYTECODE": "1", **environment}

    def _reason(self, ended: Exit) -> str:
        return failure.algorithm_error(ended, self._message, self._log.tail)

    def _end(self, record: Record, outcome: Outcome) -> None:
        # A stop was acknowledged, so it counts, even if it came a moment too late.
        if record.status == "Stopping" and outcome.reason is None:
            outcome = Outcome("Stopped")
        states.end(record, outcome.state, outcome.reason, self._message)


def _exit_message(container: Container) -> str:
    """Return what the container says at its end, for ``ExitMessage``."""
    path = container.root / "output" / "message"
    try:
        content = path.read_bytes()[: 4 * _LONGEST_MESSAGE]
    except OSError:
        return ""
    text = content.decode(errors="replace").replace(str(container.root), ROOT)
    return text.strip()[:_LONGEST_MESSAGE]
