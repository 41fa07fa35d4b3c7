"""The serving processes of one transform job, from its model's data to their end.

They may be told to end at any moment, from any thread. It knows the model and the request; it must
not know input objects.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from local_sagemaker.containers.container import Container, Containers
from local_sagemaker.errors import AWSError
from local_sagemaker.hosting import model_container
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.models import ModelDataError, ModelSource, stage
from local_sagemaker.hosting.reserve import ReservePolicy
from local_sagemaker.hosting.variants import STARTUP_TIMEOUT
from local_sagemaker.hosting.waiting import WorkerDied
from local_sagemaker.hosting.workers import WorkerFailed, WorkerPlan
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Key
from local_sagemaker.transform import execution_parameters, plan
from local_sagemaker.transform.execution_parameters import ProposalError
from local_sagemaker.transform.job_logs import JobLogs

# From SIGTERM to SIGKILL: what is under way when a job ends is of no use to anybody.
_GRACE = 2.0
_ASKING_SECONDS = 10.0
# A job can wait for a new process, and need not pay for one that only waits.
_NO_RESERVE = ReservePolicy(processor_time=math.inf, duration=math.inf)


class ProcessesFailed(Exception):
    """They do not serve; the message is the job's FailureReason."""


class ProcessesEnded(Exception):
    """They were told to end."""


@dataclass(frozen=True)
class Model:
    """What the processes serve.

    Attributes
    ----------
    source
        The model.
    key
        The job's.
    request
        The parameters of CreateTransformJob.
    """

    source: ModelSource
    key: Key
    request: Mapping[str, Any]


class JobProcesses:
    """The processes of a job.

    Parameters
    ----------
    model
        What they serve.
    containers, objects
        Where they live, and where model data comes from.
    logs
        Where their output goes.
    """

    def __init__(
        self, model: Model, containers: Containers, objects: Objects, logs: JobLogs
    ) -> None:
        self._model = model
        self._containers = containers
        self._objects = objects
        self._logs = logs
        self._lock = threading.Lock()
        self._ending = False
        self._container: Container | None = None
        self._fleet: Fleet | None = None

    def start(self) -> Fleet:
        """Start as many as are needed whatever the container proposes; wait until they serve.

        Raises
        ------
        ProcessesFailed, ProcessesEnded
            When they do not, or shall not.
        """
        container = self._container = self._containers.create()
        source, key = self._model.source, self._model.key
        try:
            environment = self._environment(container)
            stage(self._objects, key.account, source, container.root)
        except AWSError as error:
            raise ProcessesFailed(
                f"ClientError: the model's execution role: {error.message}"
            ) from error
        except ModelDataError as error:
            raise ProcessesFailed(f"ClientError: {error}") from error
        unmet = model_container.unmet_requirement(source, container, self._logs.of_process(1))
        if unmet is not None:
            raise ProcessesFailed(_not_healthy(unmet))
        fleet = Fleet(
            WorkerPlan(
                container=container,
                environment=environment,
                startup_timeout=STARTUP_TIMEOUT,
                request_timeout=plan.invocation_timeout(self._model.request),
                open_log=self._logs.of_process,
            ),
            reserve=_NO_RESERVE,
        )
        with self._lock:
            self._fleet = fleet
        self.resize(fleet, plan.first_processes(self._model.request))
        return fleet

    def resize(self, fleet: Fleet, count: int) -> None:
        """Start or stop processes until there are that many; see `start`."""
        if self._ending:
            raise ProcessesEnded
        try:
            fleet.resize(count)
        except WorkerFailed as error:
            if self._ending:
                raise ProcessesEnded from error
            raise ProcessesFailed(_not_healthy(str(error))) from error

    def proposal(self, fleet: Fleet) -> dict[str, Any]:
        """Return the execution parameters that the container proposes; see `start`."""
        try:
            status, body = fleet.get(execution_parameters.PATH, _ASKING_SECONDS)
            # Most containers know nothing of it and answer 404.
            return execution_parameters.read_proposal(body) if status == HTTPStatus.OK else {}
        except WorkerDied as error:
            if self._ending:
                raise ProcessesEnded from error
            raise ProcessesFailed(f"AlgorithmError: {error}") from error
        except ProposalError as error:
            raise ProcessesFailed(f"AlgorithmError: the container: {error}.") from error

    def tell_to_end(self) -> None:
        """Have them end, whatever they do; returns without waiting."""
        with self._lock:
            self._ending = True
            fleet = self._fleet
        if fleet is not None:
            threading.Thread(
                target=fleet.stop, args=(_GRACE,), name="stop transform", daemon=True
            ).start()

    def close(self) -> None:
        """End them, wait for it, and remove their folder."""
        if self._fleet is not None:
            self._fleet.stop(_GRACE)
        if self._container is not None:
            self._container.remove()

    def _environment(self, container: Container) -> dict[str, str]:
        request, key = self._model.request, self._model.key
        return model_container.environment(
            self._containers,
            container,
            self._model.source,
            account=key.account,
            region=key.region,
            own={**request.get("Environment", {}), **execution_parameters.variables(request)},
        )


def _not_healthy(why: str) -> str:
    return (
        "AlgorithmError: The primary container for the transform job did not pass the ping health "
        f"check. Please check the job's CloudWatch logs. Local SageMaker: {why}"
    )
