"""CreateEndpoint, UpdateEndpoint and DeleteEndpoint: what they check, and what then happens.

Each operation changes the record and returns; a thread does the rest. It knows records and
generations; it must not know processes or requests.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from local_sagemaker.errors import validation_exception
from local_sagemaker.hosting.deployments import Deployed, DeploymentFailed, Deployments
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.generations import Generations
from local_sagemaker.hosting.models import model_source
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Route, Routes
from local_sagemaker.hosting.variants import VariantPlan, retained
from local_sagemaker.hosting.workers import WorkerFailed
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.store import Key, Record, RecordMissing

_LOG = logging.getLogger(__name__)
_DRAIN = 60.0  # the longest a request may take (AWS's developer guide)
_CLOSE_PATIENCE = 5.0
_RETRY_SECONDS = 1.0
_IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
_NOT_SERVED = ("AsyncInferenceConfig", "ExplainerConfig", "ShadowProductionVariants")


class Endpoints:
    """The endpoints of all accounts.

    Parameters
    ----------
    resources
        The generic operations and the records.
    deployments
        Starts and stops generations.
    routes
        Where requests find the current generation.
    """

    def __init__(self, resources: Resources, deployments: Deployments, routes: Routes) -> None:
        self._resources = resources
        self._records = resources.records
        self._deployments = deployments
        self._routes = routes
        self._generations = Generations()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def operations(self) -> dict[str, Handler]:
        """Return the handlers that take the place of the generic ones."""
        return {
            "CreateEndpoint": self._create,
            "UpdateEndpoint": self._update,
            "UpdateEndpointWeightsAndCapacities": self._update_weights,
            "DeleteEndpoint": self._delete,
        }

    # Operations

    def _create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        plans = self._plans(caller, params["EndpointConfigName"])
        record = self._resources.create(
            caller,
            "Endpoint",
            params,
            status="Creating",
            private={"plans": [plan.to_dict() for plan in plans]},
        )
        self._background(self._bring_up, record.key, plans)
        return {"EndpointArn": record.arn}

    def _update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name = params["EndpointName"]
        current = self._resources.get(caller, "Endpoint", name)
        plans = self._plans(caller, params["EndpointConfigName"])
        if params.get("RetainAllVariantProperties"):
            excluded = params.get("ExcludeRetainedVariantProperties") or []
            plans = retained(plans, _plans_of(current), excluded)
        config = params["EndpointConfigName"]
        record = self._begin(caller, name, "Updating", wanted=_wanted(plans, config))
        self._background(self._replace, record.key, plans, config)
        return {"EndpointArn": record.arn}

    def _update_weights(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name = params["EndpointName"]
        current = self._resources.get(caller, "Endpoint", name)
        wanted = {item["VariantName"]: item for item in params["DesiredWeightsAndCapacities"]}
        plans = _plans_of(current)
        if unknown := wanted.keys() - {plan.name for plan in plans}:
            raise validation_exception(
                f"The endpoint {name} has no production variant {', '.join(sorted(unknown))}."
            )
        plans = [plan.resized(wanted.get(plan.name, {})) for plan in plans]
        record = self._begin(caller, name, "Updating", wanted=_wanted(plans))
        self._background(self._resize, record.key, plans)
        return {"EndpointArn": record.arn}

    def _delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        record = self._begin(caller, params["EndpointName"], "Deleting", also_from="Failed")
        self._background(self._take_down, record.key)
        return {}

    def _begin(
        self,
        caller: Caller,
        name: str,
        status: str,
        *,
        also_from: str | None = None,
        wanted: dict[str, Any] | None = None,
    ) -> Record:
        """Move an endpoint at rest to a status of work; refuse one that is being worked on.

        What an update wants is kept, for the server may be killed before it is done.
        """

        def change(record: Record) -> None:
            if record.status in _IN_PROGRESS:
                raise validation_exception(f'Cannot update in-progress endpoint "{record.arn}".')
            if record.status not in {"InService", also_from}:
                raise validation_exception(
                    f'Cannot update endpoint "{record.arn}": it is {record.status}, and '
                    "DeleteEndpoint is all that can be done with it."
                )
            record.status = status
            if wanted is not None:
                record.private["wanted"] = wanted

        return self._resources.change(caller, "Endpoint", name, change)

    def _plans(self, caller: Caller, config_name: str) -> list[VariantPlan]:
        config = self._resources.get(caller, "EndpointConfig", config_name).body
        for member in _NOT_SERVED:
            if config.get(member):
                raise validation_exception(
                    f"The local SageMaker cannot serve the endpoint configuration {config_name}: "
                    f"it has {member}. Leave it out, or use AWS for it."
                )
        return [self._plan(caller, variant) for variant in config["ProductionVariants"]]

    def _plan(self, caller: Caller, variant: dict[str, Any]) -> VariantPlan:
        if "ModelName" not in variant:
            raise validation_exception(
                f"The local SageMaker cannot serve the variant {variant['VariantName']}: it names "
                "no model, as variants for inference components do. Use AWS for it."
            )
        model = self._resources.get(caller, "Model", variant["ModelName"])
        return VariantPlan.of(variant, model_source(variant["ModelName"], model.body))

    # What happens after an operation has returned

    def _background(self, work: Callable[..., None], key: Key, *arguments: Any) -> None:
        def run() -> None:
            try:
                work(key, *arguments)
            except RecordMissing:
                _LOG.warning("The endpoint %s is gone", key.name)
            except Exception as error:  # noqa: BLE001 - nobody else would ever hear of it
                _LOG.exception("Work on the endpoint %s failed", key.name)
                self._fail(key, f"The local SageMaker failed: {type(error).__name__}: {error}")
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=run, name=f"endpoint {key.name}", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _bring_up(
        self, key: Key, plans: list[VariantPlan], update_failed: str | None = None
    ) -> None:
        try:
            route = self._start(key, plans)
        except DeploymentFailed as error:
            self._fail(key, str(error))
            return
        self._routes.put(_route_key(key), route)
        self._settle(key, plans, route, failure=update_failed)

    def _bring_back(
        self, key: Key, plans: list[VariantPlan], wanted: dict[str, Any] | None
    ) -> None:
        try:
            reason = None if wanted is None else self._finish_update(key, wanted)
            if wanted is None or reason is not None:
                self._bring_up(key, plans, reason)
        finally:
            self._routes.no_longer_expect(_route_key(key))

    def _finish_update(self, key: Key, wanted: dict[str, Any]) -> str | None:
        """Start what an interrupted update asked for; return why it cannot be had, or None."""
        plans = [VariantPlan.from_dict(content) for content in wanted["plans"]]
        try:
            route = self._start(key, plans)
        except DeploymentFailed as error:
            return str(error)
        self._routes.put(_route_key(key), route)
        self._settle(key, plans, route, wanted["config"])
        return None

    def _replace(self, key: Key, plans: list[VariantPlan], config: str) -> None:
        current = self._routes.get(_route_key(key))
        try:
            route = self._start(key, plans)
        except DeploymentFailed as error:
            self._roll_back(key, str(error))
            return
        self._routes.put(_route_key(key), route)
        self._settle(key, plans, route, config)
        replaced = [variant.fleet for variant in current.variants] if current else []
        for fleet in replaced:
            fleet.drain(_DRAIN)
        self._generations.stop(_route_key(key), replaced)

    def _resize(self, key: Key, plans: list[VariantPlan]) -> None:
        current = self._routes.get(_route_key(key))
        if current is None:
            raise RuntimeError(f"the endpoint {key.name} is in service and has no route")
        sizes = [variant.fleet.size for variant in current.variants]
        try:
            for variant, plan in zip(current.variants, plans, strict=True):
                variant.fleet.resize(plan.processes)
        except WorkerFailed as error:
            for variant, size in zip(current.variants, sizes, strict=True):
                variant.fleet.resize(size)
            self._roll_back(key, f"The endpoint could not be scaled: {error}")
            return
        variants = [
            replace(variant, weight=plan.weight)
            for variant, plan in zip(current.variants, plans, strict=True)
        ]
        route = Route(tuple(variants))
        self._routes.put(_route_key(key), route)
        self._settle(key, plans, route)

    def _take_down(self, key: Key) -> None:
        self._routes.remove(_route_key(key))
        self._generations.stop(_route_key(key))
        self._deployments.statistics.forget(_route_key(key))
        self._write_down(key, lambda: self._records.delete(key))

    def _start(self, key: Key, plans: list[VariantPlan]) -> Route:
        """Start a generation; one that does not come up leaves nothing behind."""
        route_key = _route_key(key)
        started: list[Fleet] = []

        def note(deployed: Deployed) -> None:
            started.append(deployed.fleet)
            self._generations.add(route_key, deployed)

        try:
            return self._deployments.start(route_key, plans, note)
        except DeploymentFailed:
            self._generations.stop(route_key, started)
            raise
        except Exception as error:
            _LOG.exception("Starting the endpoint %s failed", key.name)
            self._generations.stop(route_key, started)
            # An endpoint that is updated goes on with what it has.
            raise DeploymentFailed(
                f"The local SageMaker failed: {type(error).__name__}: {error}"
            ) from error

    def _settle(
        self,
        key: Key,
        plans: list[VariantPlan],
        route: Route,
        config: str | None = None,
        failure: str | None = None,
    ) -> None:
        """Write down that a route serves."""

        def change(record: Record) -> None:
            record.status = "InService"
            record.body.pop("FailureReason", None)
            if failure is not None:
                record.body["FailureReason"] = failure
            if config is not None:
                record.body["EndpointConfigName"] = config
            record.body["ProductionVariants"] = [
                plan.summary(variant.fleet.size, record.modified)
                for plan, variant in zip(plans, route.variants, strict=True)
            ]
            record.private["plans"] = [plan.to_dict() for plan in plans]
            record.private.pop("wanted", None)

        self._change(key, change)

    def _roll_back(self, key: Key, reason: str) -> None:
        """Write down that an update failed; as on AWS, the endpoint goes on with what it had."""

        def change(record: Record) -> None:
            record.status = "InService"
            record.body["FailureReason"] = reason
            record.private.pop("wanted", None)

        self._change(key, change)

    def _fail(self, key: Key, reason: str) -> None:
        def change(record: Record) -> None:
            record.status = "Failed"
            record.body["FailureReason"] = reason

        self._change(key, change)

    def _change(self, key: Key, change: Callable[[Record], None]) -> None:
        # A generation that dies because the server stops is no fact about the endpoint.
        if not self._generations.closed:
            self._write_down(key, lambda: self._records.update(key, change))

    def _write_down(self, key: Key, write: Callable[[], object]) -> None:
        while True:
            try:
                write()
            except sqlite3.OperationalError:
                # On a full disk nobody would ever learn of it, nor could delete the endpoint.
                _LOG.exception("cannot write down yet what became of the endpoint %s", key.name)
                if self._generations.closed:
                    raise
                time.sleep(_RETRY_SECONDS)
            else:
                return

    def statistics(self) -> list[dict[str, Any]]:
        """Return how every endpoint does, as ``status`` shows it.

        Returns
        -------
        list of dict
            ``account``, ``region``, ``endpoint``, ``status``, ``created`` (seconds since the
            epoch), ``config`` and ``variants``: of each ``variant``, ``weight``, ``processes``
            that serve and ``processes_wanted``, ``queued``, ``trouble`` (None, or why no process
            serves), and `VariantStatistics.to_dict`. No variants where nothing serves.
        """
        return [self._statistics_of(record) for record in self._records.every("Endpoint")]

    def _statistics_of(self, record: Record) -> dict[str, Any]:
        route = self._routes.get(_route_key(record.key))
        wanted = {plan.name: plan.processes for plan in _plans_of(record)}
        return {
            "account": record.key.account,
            "region": record.key.region,
            "endpoint": record.key.name,
            "status": record.status,
            "created": record.created,
            "config": record.body["EndpointConfigName"],
            "variants": [
                {
                    "variant": variant.name,
                    "weight": variant.weight,
                    "processes": variant.fleet.size,
                    "processes_wanted": wanted.get(variant.name, variant.fleet.size),
                    "queued": variant.fleet.queued,
                    "trouble": variant.fleet.trouble,
                    **variant.statistics.to_dict(),
                }
                for variant in (route.variants if route else ())
            ],
        }

    # The server's own start and end

    def recover(self) -> None:
        """Bring endpoints back that were in service, and finish what was under way."""
        for record in self._records.every("Endpoint"):
            if record.status == "Deleting":
                self._background(self._take_down, record.key)
            elif record.status == "Creating":
                self._background(self._bring_up, record.key, _plans_of(record))
            elif record.status in {"InService", "Updating", "SystemUpdating"}:
                self._records.update(record.key, _being_restored)
                self._routes.expect(_route_key(record.key))
                wanted = record.private.get("wanted")
                self._background(self._bring_back, record.key, _plans_of(record), wanted)

    def close(self) -> None:
        """End all processes; endpoints come back with the next start."""
        for route_key in self._routes.every():
            self._routes.remove(route_key)
        self._generations.close()
        with self._lock:
            threads = list(self._threads)
        deadline = time.monotonic() + _CLOSE_PATIENCE
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _being_restored(record: Record) -> None:
    record.status = "SystemUpdating"


def _route_key(key: Key) -> RouteKey:
    return RouteKey(key.account, key.region, key.name)


def _wanted(plans: list[VariantPlan], config: str | None = None) -> dict[str, Any]:
    return {"plans": [plan.to_dict() for plan in plans], "config": config}


def _plans_of(record: Record) -> list[VariantPlan]:
    return [VariantPlan.from_dict(content) for content in record.private["plans"]]
