"""What the plan's resources cost while they are there.

It asks for the machines behind endpoints and running jobs; prices are `workshop_utils.costs`'.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils import costs
from workshop_utils.cleanup import kinds
from workshop_utils.cleanup.asking import all_at_once
from workshop_utils.cleanup.errors import GaveUp, persist
from workshop_utils.cleanup.kinds import BY_SLUG, UNDER_WAY
from workshop_utils.cleanup.resource import Resource
from workshop_utils.session import Session

_PATIENCE = 60.0
_USES = {
    kinds.TRAINING: "training",
    kinds.PROCESSING: "processing",
    kinds.TRANSFORM: "transform",
}
# Where Describe shows the machines of a job.
_MACHINES = {
    kinds.TRAINING: ("ResourceConfig",),
    kinds.PROCESSING: ("ProcessingResources", "ClusterConfig"),
    kinds.TRANSFORM: ("TransformResources",),
}
_FREE = ("Failed", "Deleting", "OutOfService")


def priced(session: Session, resources: Iterable[Resource]) -> list[Resource]:
    """Return resources with what each costs an hour; None where that is not known."""
    return list(all_at_once(partial(_priced, session), resources))


def _priced(session: Session, one: Resource) -> Resource:
    try:
        if one.kind == kinds.ENDPOINT and one.status not in _FREE:
            return _endpoint(session, one)
        if one.kind in _USES and one.status in UNDER_WAY:
            return _job(session, one)
    except (BotoCoreError, ClientError, GaveUp):
        # It has gone, or may not be looked into; neither is a reason not to delete it.
        return replace(one, usd_per_hour=None)
    if one.kind in (kinds.TUNING, kinds.AUTOML) and one.status in UNDER_WAY:
        return replace(one, usd_per_hour=None, note="it costs what its jobs cost")
    return one


def _endpoint(session: Session, one: Resource) -> Resource:
    client = session.client("sagemaker")
    shown = _patiently(client.describe_endpoint, EndpointName=one.name)
    made_of = _patiently(
        client.describe_endpoint_config, EndpointConfigName=shown["EndpointConfigName"]
    )
    counts = {
        variant["VariantName"]: variant.get("CurrentInstanceCount")
        for variant in shown.get("ProductionVariants", [])
    }
    variants = [*made_of["ProductionVariants"], *made_of.get("ShadowProductionVariants", [])]
    machines = [
        (
            str(variant["InstanceType"]),
            int(counts.get(variant["VariantName"]) or variant.get("InitialInstanceCount", 1)),
        )
        for variant in variants
        if "InstanceType" in variant
    ]
    note = _told(machines) or "serverless: free while nobody asks"
    return replace(one, usd_per_hour=_sum(session, "hosting", machines), note=note)


def _job(session: Session, one: Resource) -> Resource:
    noun = BY_SLUG[one.kind].noun
    describe = getattr(session.client("sagemaker"), xform_name(f"Describe{noun}"))
    place: dict[str, Any] = _patiently(describe, **{f"{noun}Name": one.name})
    for member in _MACHINES[one.kind]:
        place = place[member]
    groups = place.get("InstanceGroups") or [place]
    machines = [(str(group["InstanceType"]), int(group["InstanceCount"])) for group in groups]
    note = _told(machines)
    return replace(one, usd_per_hour=_sum(session, _USES[one.kind], machines), note=note)


def _patiently(operation: Any, **asked: Any) -> dict[str, Any]:
    found: dict[str, Any] = persist(partial(operation, **asked), passing=_PATIENCE)
    return found


def _sum(session: Session, use: str, machines: Sequence[tuple[str, int]]) -> float | None:
    prices = [
        (costs.hourly(use, machine, session.region).usd_per_hour, count)
        for machine, count in machines
    ]
    if any(price is None for price, _ in prices):
        return None
    return sum((price or 0.0) * count for price, count in prices)


def _told(machines: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} × {machine}" for machine, count in machines)
