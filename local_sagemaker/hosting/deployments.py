"""One generation of an endpoint: from its variants' plans to processes that serve, and back.

It lays out the folders and starts the fleets. What a record says, and
when which generation takes over, is the endpoints' matter.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from local_sagemaker.containers.container import Container, Containers
from local_sagemaker.errors import AWSError
from local_sagemaker.hosting import model_container
from local_sagemaker.hosting.condition import shortened
from local_sagemaker.hosting.demand import DemandPolicy
from local_sagemaker.hosting.endpoint_plan import EndpointPlan
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.model_container import ProcessLogs
from local_sagemaker.hosting.models import ModelDataError, stage
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Route, Variant
from local_sagemaker.hosting.serverless import made_for_gpus
from local_sagemaker.hosting.statistics import Statistics
from local_sagemaker.hosting.variants import ASYNC_PAYLOAD, MEGABYTE, VariantPlan
from local_sagemaker.hosting.workers import STOP_GRACE, WorkerFailed, WorkerPlan
from local_sagemaker.logs.store import LogStore, LogWriter
from local_sagemaker.s3.objects import Objects
from local_sagemaker.settings import IDLE_SECONDS

_MODEL_SERVER_TIMEOUT = 60


class DeploymentFailed(Exception):
    """A generation did not come up; the message is the endpoint's FailureReason."""


@dataclass(frozen=True)
class Deployed:
    """The processes of one variant, where they live, and where their output goes."""

    fleet: Fleet
    container: Container
    logs: ProcessLogs

    def stop(self, grace: float = STOP_GRACE) -> None:
        """End the processes, each after the request that it has, and remove their folder.

        Parameters
        ----------
        grace
            Seconds from SIGTERM to SIGKILL.
        """
        self.fleet.stop(grace)
        self.container.remove()
        self.logs.close()


class Deployments:
    """Starts and stops generations of endpoints.

    Parameters
    ----------
    containers
        Where their processes live.
    objects
        Where model data comes from.
    logs
        Where the processes' output goes.
    idle_seconds
        After how long without a request the processes of a serverless variant leave.

    Attributes
    ----------
    statistics
        Of the requests to all variants.
    """

    def __init__(
        self,
        containers: Containers,
        objects: Objects,
        logs: LogStore,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._containers = containers
        self._objects = objects
        self._logs = logs
        self._idle_seconds = idle_seconds
        self.statistics = Statistics()

    def start(
        self,
        key: RouteKey,
        plan: EndpointPlan,
        note: Callable[[Deployed], None],
        on_trouble: Callable[[], None],
        *,
        proven: bool = False,
    ) -> Route:
        """Start a generation and wait until all of its processes serve.

        Parameters
        ----------
        key
            Whose endpoint.
        plan
            What it is to be.
        note
            Told of each variant before its processes start, so that they can be stopped at any
            time.
        on_trouble
            Called from a thread when what `Fleet.trouble` says of a variant has changed.
        proven
            Whether it has served before, so that serverless variants need not show that they can.

        Raises
        ------
        DeploymentFailed
            If a variant does not come up. What was noted must then be stopped.
        """
        started = []
        for variant in plan.variants:
            made = self._prepare(key, variant, plan.asynchronous is not None, note, on_trouble)
            # Serverless ones sleep until they are asked.
            if not proven or variant.extent[0]:
                _serve(variant, made.fleet)
            started.append(made)
        return Route(tuple(started), plan.asynchronous)

    def _prepare(
        self,
        key: RouteKey,
        plan: VariantPlan,
        asynchronous: bool,
        note: Callable[[Deployed], None],
        on_trouble: Callable[[], None],
    ) -> Variant:
        if plan.serverless and made_for_gpus(plan.source.image):
            raise DeploymentFailed(
                f"The image {plan.source.image} of the serverless production variant {plan.name} "
                "is made for GPUs, which serverless endpoints do not have."
            )
        container = self._containers.create()
        logs = self._logs_of(key, plan)
        try:
            environment = self._environment(key, plan, container)
            if asynchronous:
                largest = str(ASYNC_PAYLOAD // MEGABYTE)
                environment.setdefault("SAGEMAKER_MAX_PAYLOAD_IN_MB", largest)
        except BaseException:
            container.remove()
            raise
        fleet = Fleet(
            WorkerPlan(
                container=container,
                environment=environment,
                startup_timeout=plan.startup_timeout,
                request_timeout=float(
                    plan.source.positive("SAGEMAKER_MODEL_SERVER_TIMEOUT", _MODEL_SERVER_TIMEOUT)
                ),
                open_log=logs.open,
            ),
            on_trouble=lambda _: on_trouble(),
            demand=self._demand(key, plan),
        )
        note(Deployed(fleet, container, logs))
        try:
            stage(self._objects, key.account, plan.source, container.root)
            unmet = model_container.unmet_requirement(plan.source, container, logs.open(1))
            if unmet is not None:
                raise DeploymentFailed(_not_healthy(plan.name, unmet))
        except ModelDataError as error:
            raise DeploymentFailed(shortened(str(error))) from error
        return Variant(
            name=plan.name,
            weight=plan.weight,
            fleet=fleet,
            max_payload=ASYNC_PAYLOAD if asynchronous else plan.max_payload,
            instances=plan.instances,
            statistics=self.statistics.of(key, plan.name),
            max_concurrency=plan.max_concurrency,
        )

    def _demand(self, key: RouteKey, plan: VariantPlan) -> DemandPolicy | None:
        if plan.serverless is None:
            return None
        return DemandPolicy(
            most=plan.processes,
            idle_seconds=self._idle_seconds,
            memory_mb=plan.serverless["MemorySizeInMB"],
            on_start=self.statistics.of(key, plan.name).cold_start,
        )

    def _environment(
        self, key: RouteKey, plan: VariantPlan, container: Container
    ) -> dict[str, str]:
        try:
            return model_container.environment(
                self._containers, container, plan.source, account=key.account, region=key.region
            )
        except AWSError as error:
            raise DeploymentFailed(f"The model's execution role: {error.message}") from error

    def _logs_of(self, key: RouteKey, plan: VariantPlan) -> ProcessLogs:
        def open_stream(_number: int) -> LogWriter:
            group = f"/aws/sagemaker/Endpoints/{key.endpoint}"
            name = f"{plan.name}/i-{secrets.token_hex(9)[:17]}"
            return self._logs.writer(key.account, key.region, group, name)

        head = model_container.introduction(plan.source, plan.wanted_processes, plan.processes)
        if plan.serverless is not None:
            head.append(
                "Local SageMaker: serverless. A process starts when a request needs one, and "
                f"leaves after {self._idle_seconds:g} s without any."
            )
        return ProcessLogs(open_stream, head)


def _serve(plan: VariantPlan, fleet: Fleet) -> None:
    try:
        fleet.start(plan.extent[0])
    except WorkerFailed as error:
        raise DeploymentFailed(_not_healthy(plan.name, str(error))) from error


def _not_healthy(variant: str, why: str) -> str:
    return shortened(
        f"The primary container for production variant {variant} did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint. Local SageMaker: " + why
    )
