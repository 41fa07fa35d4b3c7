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
from local_sagemaker.hosting.endpoint_plan import EndpointPlan
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.model_container import ProcessLogs
from local_sagemaker.hosting.models import ModelDataError, stage
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Route, Variant
from local_sagemaker.hosting.statistics import Statistics
from local_sagemaker.hosting.variants import ASYNC_PAYLOAD, MEGABYTE, VariantPlan
from local_sagemaker.hosting.workers import STOP_GRACE, WorkerFailed, WorkerPlan
from local_sagemaker.logs.store import LogStore, LogWriter
from local_sagemaker.s3.objects import Objects

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

    Attributes
    ----------
    statistics
        Of the requests to all variants.
    """

    def __init__(self, containers: Containers, objects: Objects, logs: LogStore) -> None:
        self._containers = containers
        self._objects = objects
        self._logs = logs
        self.statistics = Statistics()

    def start(
        self,
        key: RouteKey,
        plan: EndpointPlan,
        note: Callable[[Deployed], None],
        on_trouble: Callable[[], None],
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

        Raises
        ------
        DeploymentFailed
            If a variant does not come up. What was noted must then be stopped.
        """
        started = [
            self._start_variant(key, variant, plan.asynchronous is not None, note, on_trouble)
            for variant in plan.variants
        ]
        return Route(tuple(started), plan.asynchronous)

    def _start_variant(
        self,
        key: RouteKey,
        plan: VariantPlan,
        asynchronous: bool,
        note: Callable[[Deployed], None],
        on_trouble: Callable[[], None],
    ) -> Variant:
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
        )
        note(Deployed(fleet, container, logs))
        try:
            stage(self._objects, key.account, plan.source, container.root)
            unmet = model_container.unmet_requirement(plan.source, container, logs.open(1))
            if unmet is not None:
                raise DeploymentFailed(_not_healthy(plan.name, unmet))
            fleet.start(plan.processes)
        except ModelDataError as error:
            raise DeploymentFailed(shortened(str(error))) from error
        except WorkerFailed as error:
            raise DeploymentFailed(_not_healthy(plan.name, str(error))) from error
        return Variant(
            name=plan.name,
            weight=plan.weight,
            fleet=fleet,
            max_payload=ASYNC_PAYLOAD if asynchronous else plan.max_payload,
            instances=plan.instances,
            statistics=self.statistics.of(key, plan.name),
            max_concurrency=plan.max_concurrency,
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

        return ProcessLogs(
            open_stream,
            model_container.introduction(plan.source, plan.wanted_processes, plan.processes),
        )


def _not_healthy(variant: str, why: str) -> str:
    return shortened(
        f"The primary container for production variant {variant} did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint. Local SageMaker: " + why
    )
