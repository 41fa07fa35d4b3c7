"""Whether the account may start what the labs start: instances by use, and serverless endpoints.

It must not know how quotas are read.
"""

from collections.abc import Sequence

from workshop_utils import instances
from workshop_utils.hosting import Serverless
from workshop_utils.instances import Quota
from workshop_utils.preflight.finding import Finding, blocker, ok, warning
from workshop_utils.preflight.needs import MACHINES, Machines
from workshop_utils.session import Session

AREA = "quotas"
_ENDPOINTS = "Maximum number of serverless endpoints"
_CONCURRENCY = "Maximum total concurrency that can be allocated across all serverless endpoints"


def check(session: Session, labs: Sequence[int]) -> list[Finding]:
    """Compare the account's quotas with what labs start at once."""
    # Whoever waits for a higher quota asks again and again in one kernel.
    instances.forget_quotas(session)
    needed = [need for need in MACHINES if set(need.labs) & set(labs)]
    return [_instances(session, need, labs) for need in needed] + _serverless(session)


def _instances(session: Session, need: Machines, labs: Sequence[int]) -> Finding:
    name = instances.quota_name(need.instance_type, need.use)
    quota = instances.quotas(session).get(name)
    if quota is not None and quota.value >= 1:
        return ok(AREA, f"{name}: {quota.value:g} at once.")
    starts = " and ".join(f"Lab {lab}" for lab in need.labs if lab in labs)
    what = f"The quota `{name}` is 0 here"
    what += f" (code {quota.code})." if quota else ", for Service Quotas does not list it."
    do = _request(session, quota)
    other = instances.next_best(session, need.instance_type, need.use)
    if other is not None:
        instead = other.name.partition(" ")[0]
        do += (
            f" Meanwhile pass `instance_type={instead!r}` to the helper: its quota for "
            f"{need.use} usage is {other.value:g} (code {other.code})."
        )
    if need.optional:
        why = f"{starts} would use one; without it {need.optional}."
        return warning(AREA, what, why, do)
    why = f"{starts} starts one; 0 is what new accounts have, and the request would be refused."
    return blocker(AREA, what, why, do)


def _request(session: Session, quota: Quota | None) -> str:
    place = f"https://{session.region}.console.aws.amazon.com/servicequotas/home/services/sagemaker"
    if quota is None:
        return f"Look for it in the Service Quotas console, {place}/quotas."
    return (
        f"Request 1 or more: {place}/quotas/{quota.code}; small increases are often granted within "
        "hours, GPUs within days."
    )


def _serverless(session: Session) -> list[Finding]:
    wanted = Serverless()
    return [
        _serverless_one(session, _ENDPOINTS, 1, "endpoints"),
        _serverless_one(session, _CONCURRENCY, wanted.max_concurrency, "requests at once in all"),
        # Service Quotas has none for it; the maximum is that of the API.
        ok(AREA, f"Serverless endpoints: {wanted.memory_mb} MB of memory each, 6144 at most."),
    ]


def _serverless_one(session: Session, name: str, needed: int, unit: str) -> Finding:
    quota = instances.quotas(session).get(name)
    if quota is not None and quota.value >= needed:
        return ok(AREA, f"Serverless endpoints: {quota.value:g} {unit}, {needed} needed.")
    there = f"is {quota.value:g} (code {quota.code})" if quota else "is not listed here"
    return warning(
        AREA,
        f"The quota `{name}` {there}; an endpoint of the labs asks for {needed}.",
        "A serverless endpoint costs nothing while nobody asks it; machines are billed all along.",
        f"{_request(session, quota)} Meanwhile pass `serverless=False` to deploy on an instance.",
    )
