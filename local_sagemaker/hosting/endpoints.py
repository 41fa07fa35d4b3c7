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
from local_sagemaker.hosting.condition import (
    IN_SERVICE,
    OUT_OF_SERVICE,
    statistics_of,
    status_of,
)
from local_sagemaker.hosting.deployments import Deployed, DeploymentFailed, Deployments
from local_sagemaker.hosting.endpoint_plan import EndpointPlan, forget_wanted, set_or_remove
from local_sagemaker.hosting.fleet import Fleet
from local_sagemaker.hosting.generations import Generations
from local_sagemaker.hosting.route_key import RouteKey
from local_sagemaker.hosting.routes import Route, Routes
from local_sagemaker.hosting.serverless import check_conversion
from local_sagemaker.hosting.workers import WorkerFailed
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler, Shortage, no_shortage
from local_sagemaker.resources import Resources
from local_sagemaker.store import Key, Record, RecordMissing

_LOG = logging.getLogger(__name__)
_DRAIN = 60.0  # the longest a request may take (AWS's developer guide)
_CLOSE_PATIENCE = 5.0
_RETRY_SECONDS = 1.0
_IN_PROGRESS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


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
    shortage
        Says for which endpoints there are no instances.
    """

    def __init__(
        self,
        resources: Resources,
        deployments: Deployments,
        routes: Routes,
        shortage: Shortage = no_shortage,
    ) -> None:
        self._shortage = shortage
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
        plan = EndpointPlan.read(self._resources, caller, params["EndpointConfigName"])
        plan = replace(plan, deployment=params.get("DeploymentConfig"))
        record = self._resources.create(
            caller, "Endpoint", params, status="Creating", private=plan.private()
        )
        shortage = self._shortage(caller, "CreateEndpoint", params)
        if shortage is None:
            self._background(self._bring_up, record.key, plan)
        else:
            self._background(self._fail, record.key, shortage)
        return {"EndpointArn": record.arn}

    def _update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name = params["EndpointName"]
        current = self._resources.get(caller, "Endpoint", name)
        plan = EndpointPlan.read(self._resources, caller, params["EndpointConfigName"])
        if params.get("RetainAllVariantProperties"):
            excluded = params.get("ExcludeRetainedVariantProperties") or []
            plan = plan.retaining(EndpointPlan.of(current), excluded)
        deployment = params.get("DeploymentConfig")
        if deployment is None and params.get("RetainDeploymentConfig"):
            deployment = EndpointPlan.of(current).deployment
        plan = replace(plan, deployment=deployment)
        before = EndpointPlan.of(current)
        check_conversion(
            name, [v.serverless for v in before.variants], [v.serverless for v in plan.variants]
        )
        record = self._begin(caller, name, "Updating", wanted=plan)
        shortage = self._shortage(caller, "UpdateEndpoint", params)
        if shortage is None:
            self._background(self._replace, record.key, plan)
        else:
            self._background(self._roll_back, record.key, shortage)
        return {"EndpointArn": record.arn}

    def _update_weights(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name = params["EndpointName"]
        current = self._resources.get(caller, "Endpoint", name)
        plan = EndpointPlan.of(current).resized(name, params["DesiredWeightsAndCapacities"])
        record = self._begin(caller, name, "Updating", wanted=plan)
        self._background(self._resize, record.key, plan)
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
        wanted: EndpointPlan | None = None,
    ) -> Record:
        """Move an endpoint at rest to a status of work; refuse one that is being worked on.

        What an update wants is kept, for the server may be killed before it is done.
        """

        def change(record: Record) -> None:
            if record.status in _IN_PROGRESS:
                raise validation_exception(f'Cannot update in-progress endpoint "{record.arn}".')
            if record.status not in {IN_SERVICE, OUT_OF_SERVICE, also_from}:
                raise validation_exception(
                    f'Cannot update endpoint "{record.arn}": it is {record.status}, and '
                    "DeleteEndpoint is all that can be done with it."
                )
            record.status = status
            if wanted is not None:
                wanted.keep_wanted(record)

        return self._resources.change(caller, "Endpoint", name, change)

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
        self,
        key: Key,
        plan: EndpointPlan,
        update_failed: str | None = None,
        *,
        proven: bool = False,
    ) -> None:
        try:
            route = self._start(key, plan, proven=proven)
        except DeploymentFailed as error:
            self._fail(key, str(error))
            return
        self._routes.put(_route_key(key), route)
        self._settle(key, plan, route, failure=update_failed)

    def _bring_back(self, key: Key, plan: EndpointPlan, wanted: EndpointPlan | None) -> None:
        try:
            reason = None if wanted is None else self._finish_update(key, wanted)
            if wanted is None or reason is not None:
                self._bring_up(key, plan, reason, proven=True)
        finally:
            self._routes.no_longer_expect(_route_key(key))

    def _finish_update(self, key: Key, wanted: EndpointPlan) -> str | None:
        """Start what an interrupted update asked for; return why it cannot be had, or None."""
        try:
            route = self._start(key, wanted)
        except DeploymentFailed as error:
            return str(error)
        self._routes.put(_route_key(key), route)
        self._settle(key, wanted, route)
        return None

    def _replace(self, key: Key, plan: EndpointPlan) -> None:
        current = self._routes.get(_route_key(key))
        try:
            route = self._start(key, plan)
        except DeploymentFailed as error:
            self._roll_back(key, str(error))
            return
        self._routes.put(_route_key(key), route)
        self._settle(key, plan, route)
        replaced = [variant.fleet for variant in current.variants] if current else []
        for fleet in replaced:
            fleet.drain(_DRAIN)
        self._generations.stop(_route_key(key), replaced)

    def _resize(self, key: Key, plan: EndpointPlan) -> None:
        current = self._routes.get(_route_key(key))
        if current is None:
            raise RuntimeError(f"the endpoint {key.name} is in service and has no route")
        pairs = list(zip(current.variants, plan.variants, strict=True))
        extents = [variant.fleet.extent for variant in current.variants]
        # Weights need not wait for the capacities.
        weighted = [
            replace(
                variant,
                weight=wanted.weight,
                instances=wanted.instances,
                max_concurrency=wanted.max_concurrency,
            )
            for variant, wanted in pairs
        ]
        route = replace(current, variants=tuple(weighted))
        self._routes.put(_route_key(key), route)
        try:
            for variant, wanted in pairs:
                variant.fleet.resize(*wanted.extent)
        except WorkerFailed as error:
            self._routes.put(_route_key(key), current)
            for variant, extent in zip(current.variants, extents, strict=True):
                variant.fleet.resize(*extent)
            self._roll_back(key, f"The endpoint could not be scaled: {error}")
            return
        self._settle(key, plan, route)

    def _take_down(self, key: Key) -> None:
        self._routes.remove(_route_key(key))
        self._generations.stop(_route_key(key))
        self._deployments.statistics.forget(_route_key(key))
        self._write_down(key, lambda: self._records.delete(key))

    def _start(self, key: Key, plan: EndpointPlan, *, proven: bool = False) -> Route:
        """Start a generation; one that does not come up leaves nothing behind."""
        route_key = _route_key(key)
        started: list[Fleet] = []

        def note(deployed: Deployed) -> None:
            started.append(deployed.fleet)
            self._generations.add(route_key, deployed)

        try:
            return self._deployments.start(
                route_key, plan, note, lambda: self._note_condition(key), proven=proven
            )
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
        self, key: Key, plan: EndpointPlan, route: Route, failure: str | None = None
    ) -> None:
        """Write down that a route serves, and why an update to another failed."""

        def change(record: Record) -> None:
            plan.keep(record)
            record.body["ProductionVariants"] = [
                wanted.summary(variant.fleet.size, record.modified)
                for wanted, variant in zip(plan.variants, route.variants, strict=True)
            ]
            forget_wanted(record)
            _set_condition(record, route, failure)

        self._change(key, change)

    def _roll_back(self, key: Key, reason: str) -> None:
        """Write down that an update failed; as on AWS, the endpoint goes on with what it had."""
        route = self._routes.get(_route_key(key))

        def change(record: Record) -> None:
            record.status = status_of(route)[0] if route else OUT_OF_SERVICE
            record.body["FailureReason"] = reason
            forget_wanted(record)

        self._change(key, change)

    def _note_condition(self, key: Key) -> None:
        """Write down that an endpoint at rest serves no more, or again."""

        def change(record: Record) -> None:
            route = self._routes.get(_route_key(key))
            if route is not None and record.status in {IN_SERVICE, OUT_OF_SERVICE}:
                _set_condition(record, route)

        try:
            self._change(key, change)
        except RecordMissing:
            _LOG.info("The endpoint %s is gone", key.name)

    def _fail(self, key: Key, reason: str) -> None:
        def change(record: Record) -> None:
            record.status = "Failed"
            record.body["FailureReason"] = reason
            forget_wanted(record)

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
            that serve and ``processes_wanted`` (0 where they come with requests: ``serverless``),
            how many were ``replaced`` because they died,
            ``queued``, ``trouble`` (None, or why no process serves), and
            `VariantStatistics.to_dict`. No variants where nothing serves.
        """
        return [
            statistics_of(record, self._routes.get(_route_key(record.key)))
            for record in self._records.every("Endpoint")
        ]

    # The server's own start and end

    def recover(self) -> None:
        """Bring endpoints back that were in service, and finish what was under way."""
        for record in self._records.every("Endpoint"):
            if record.status == "Deleting":
                self._background(self._take_down, record.key)
            elif record.status == "Creating":
                self._background(self._bring_up, record.key, EndpointPlan.of(record))
            elif record.status in {IN_SERVICE, OUT_OF_SERVICE, "Updating", "SystemUpdating"}:
                self._records.update(record.key, _being_restored)
                self._routes.expect(_route_key(record.key))
                self._background(
                    self._bring_back,
                    record.key,
                    EndpointPlan.of(record),
                    EndpointPlan.wanted(record),
                )

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


def _set_condition(record: Record, route: Route, failure: str | None = None) -> None:
    record.status, reason = status_of(route)
    set_or_remove(record.body, "FailureReason", reason or failure)
