"""How an endpoint does: whether it serves, and what its variants were asked.

It reads routes and statistics; it must not change anything.
"""

from typing import Any

from local_sagemaker.hosting.endpoint_plan import EndpointPlan
from local_sagemaker.hosting.routes import Route
from local_sagemaker.store import Record

IN_SERVICE, OUT_OF_SERVICE = "InService", "OutOfService"
_REASON_LENGTH = 1024  # FailureReason of DescribeEndpoint, in botocore's model


def status_of(route: Route) -> tuple[str, str | None]:
    """Return the status of an endpoint with a route, and what is wrong with it, or None.

    As long as one variant serves it is in service.
    """
    troubles = {
        variant.name: trouble for variant in route.variants if (trouble := variant.fleet.trouble)
    }
    if not troubles:
        return IN_SERVICE, None
    status = OUT_OF_SERVICE if len(troubles) == len(route.variants) else IN_SERVICE
    reason = " ".join(f"Production variant {name}: {why}" for name, why in troubles.items())
    return status, shortened(reason)


def shortened(reason: str) -> str:
    """Return a FailureReason of the length it may have: what happened, and at its end, why."""
    if len(reason) <= _REASON_LENGTH:
        return reason
    head = 250
    return f"{reason[:head]} … {reason[head + 3 - _REASON_LENGTH :]}"


def statistics_of(record: Record, route: Route | None) -> dict[str, Any]:
    """Return how an endpoint does, as ``status`` shows it; see `Endpoints.statistics`."""
    plan = EndpointPlan.of(record)
    wanted = {variant.name: variant.extent[0] for variant in plan.variants}
    return {
        "account": record.key.account,
        "region": record.key.region,
        "endpoint": record.key.name,
        "status": record.status,
        "created": record.created,
        "config": plan.config,
        "variants": [
            {
                "variant": variant.name,
                "weight": variant.weight,
                "serverless": variant.max_concurrency is not None,
                "processes": variant.fleet.size,
                "processes_wanted": wanted.get(variant.name, variant.fleet.size),
                "replaced": variant.fleet.replaced,
                "queued": variant.fleet.queued,
                "trouble": variant.fleet.trouble,
                **variant.statistics.to_dict(),
            }
            for variant in (route.variants if route else ())
        ],
    }
