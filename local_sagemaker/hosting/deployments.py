"""One generation of an endpoint: from its variants' plans to processes that serve, and back.

It lays out the folders, prepares the environments and starts the fleets. What a record says, and
when which generation takes over, is the endpoints' matter.
"""

import secrets
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from local_sagemaker.containers import requirements_check
from local_sagemaker.containers.container import Container, Containers
from local_sagemaker.errors import AWSError
from local_sagemaker.hosting.condition import shortened
from local_sagemaker.hosting.endpoint_plan import EndpointPlan
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.models import (
    ModelDataError,
    container_environment,
    requirements_file,
    stage,
)
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Route, Variant
from local_sagemaker.hosting.statistics import Statistics
from local_sagemaker.hosting.variants import ASYNC_PAYLOAD, MEGABYTE, VariantPlan
from local_sagemaker.hosting.workers import STOP_GRACE, WorkerFailed, WorkerPlan
from local_sagemaker.identity import EXECUTION_ROLE
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
    streams: "_Streams"

    def stop(self, grace: float = STOP_GRACE) -> None:
        """End the processes, each after the request that it has, and remove their folder.

        Parameters
        ----------
        grace
            Seconds from SIGTERM to SIGKILL.
        """
        self.fleet.stop(grace)
        self.container.remove()
        self.streams.close()


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
        streams = _Streams(self._logs, key, plan)
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
                open_log=streams.open,
            ),
            on_trouble=lambda _: on_trouble(),
        )
        note(Deployed(fleet, container, streams))
        try:
            stage(self._objects, key.account, plan.source, container.root)
            self._check_requirements(plan, container, streams)
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
        own = {
            # Several processes share the machine's cores.
            "OMP_NUM_THREADS": "1",
            "SAGEMAKER_BASE_DIR": str(container.root),
            "SM_MODEL_DIR": str(container.root / "model"),
            "SAGEMAKER_REGION": key.region,
            **container_environment(plan.source, container.root),
        }
        role = plan.source.role or f"arn:aws:iam::{key.account}:role/{EXECUTION_ROLE}"
        try:
            return self._containers.environment(
                container,
                role_arn=role,
                account=key.account,
                region=key.region,
                lifetime=None,
                own=own,
            )
        except AWSError as error:
            raise DeploymentFailed(f"The model's execution role: {error.message}") from error

    def _check_requirements(
        self, plan: VariantPlan, container: Container, streams: "_Streams"
    ) -> None:
        path = requirements_file(plan.source, container.root)
        if path is None:
            return
        report = requirements_check.check(path)
        for warning in report.warnings:
            streams.open(1).write(f"WARNING: {warning}")
        if report.failure:
            streams.open(1).write(report.failure)
            raise DeploymentFailed(_not_healthy(plan.name, report.failure))


class _Stream:
    """The log stream of one process and its successors."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def write(self, line: str) -> None:
        # Neither a full disk nor a last line after the end is a reason to end a process.
        with suppress(OSError):
            self._writer.write(line)

    def close(self) -> None:
        self._writer.close()


class _Streams:
    """The log streams of one variant: one for each of its processes."""

    def __init__(self, logs: LogStore, key: RouteKey, plan: VariantPlan) -> None:
        self._logs = logs
        self._key = key
        self._plan = plan
        self._lock = threading.Lock()
        self._streams: dict[int, _Stream] = {}

    def open(self, number: int) -> _Stream:
        with self._lock:
            if number not in self._streams:
                self._streams[number] = self._new()
            return self._streams[number]

    def _new(self) -> _Stream:
        group = f"/aws/sagemaker/Endpoints/{self._key.endpoint}"
        name = f"{self._plan.name}/i-{secrets.token_hex(9)[:17]}"
        stream = _Stream(self._logs.writer(self._key.account, self._key.region, group, name))
        for line in _introduction(self._plan):
            stream.write(line)
        return stream

    def close(self) -> None:
        with self._lock:
            for stream in self._streams.values():
                stream.close()


def _introduction(plan: VariantPlan) -> list[str]:
    version = sys.version.split()[0]
    how = (
        f"Local SageMaker: the image {plan.source.image or '(none)'} is not run. The model is "
        f"served by Python {version} of {sys.prefix}, by the rules of the SageMaker Hugging Face "
        "inference toolkit."
    )
    lines = [how]
    if plan.wanted_processes > plan.processes:
        lines.append(
            f"Local SageMaker: {plan.wanted_processes} processes were asked for; {plan.processes} "
            "serve on this machine."
        )
    return lines


def _not_healthy(variant: str, why: str) -> str:
    return shortened(
        f"The primary container for production variant {variant} did not pass the ping health "
        "check. Please check CloudWatch logs for this endpoint. Local SageMaker: " + why
    )
