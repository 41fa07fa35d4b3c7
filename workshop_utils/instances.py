"""Instance types: which one to train or serve on, and what the account's quota says about it."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.session import Session

GPU = "ml.g4dn.xlarge"
CPU = "ml.m5.xlarge"
AUTO = "auto"
# EC2 retired its P3 instances at the end of 2025; SageMaker still lists the type.
_RETIRING = ("ml.p3.",)
_GPU_FAMILIES = ("ml.p", "ml.g")
# What may stand in for another type: general families of the processors that our images are for.
_FAMILIES = (
    *("m4", "m5", "m5d", "m6i", "m7i", "c4", "c5", "c5d", "c6i", "c7i", "r5", "r6i"),
    *("g4dn", "g5", "g6", "g6e"),
)
_SIZES = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge")
# AWS lists thousands of SageMaker quotas, a hundred per request at most.
_PAGE = 100
_quotas_read: dict[tuple[str, str], "dict[str, Quota]"] = {}


@dataclass(frozen=True)
class Quota:
    """What an account may use at once of one thing.

    Attributes
    ----------
    name, code
        By which the Service Quotas console finds it.
    value
        In units that the name tells.
    """

    name: str
    code: str
    value: float


class QuotaTooLow(Exception):
    """The account may not start the machines; the message says which and what to do."""


def is_gpu(instance_type: str) -> bool:
    """Tell whether an instance type has an NVIDIA GPU."""
    return instance_type.startswith(_GPU_FAMILIES)


def for_training(session: Session, instance_type: str = AUTO) -> str:
    """Return the instance type to train on.

    Parameters
    ----------
    session
        Whose quota counts.
    instance_type
        A type, taken as it is, or ``auto``: a GPU if the account may start one, otherwise a
        CPU. New accounts may not: their quota is 0.

    Returns
    -------
    str
        The type. A sentence that says why is printed when ``auto`` decided.
    """
    if instance_type.startswith(_RETIRING):
        warnings.warn(
            f"{instance_type}: EC2 has retired P3 instances; {GPU} is the type to use.",
            stacklevel=2,
        )
    if instance_type != AUTO:
        return instance_type
    try:
        quota = training_quota(session, GPU)
    except (BotoCoreError, ClientError) as error:
        reason = type(error).__name__
        if isinstance(error, ClientError):
            reason = error.response["Error"]["Code"]
        print(
            f"Training on {CPU}: the account's quota of {GPU} cannot be read ({reason}). If you "
            f"know that there is one, pass instance_type={GPU!r}."
        )
        return CPU
    if quota >= 1:
        print(f"Training on {GPU}: the account's quota is {quota:g}.")
        return GPU
    print(f"Training on {CPU}: the account's quota of {GPU} for training jobs is {quota:g}.")
    return CPU


def training_quota(session: Session, instance_type: str) -> float:
    """Return how many instances of a type training jobs may use at once in this account."""
    return quota(session, instance_type, "training job")


def quota(session: Session, instance_type: str, use: str) -> float:
    """Return how many instances of a type the account may use at once.

    Parameters
    ----------
    session
        Whose account.
    instance_type
        For instance ``ml.m5.xlarge``.
    use
        ``training job``, ``endpoint``, ``transform job``: AWS has a quota for each.
    """
    found = quotas(session).get(quota_name(instance_type, use))
    return found.value if found is not None else 0.0


def quota_name(instance_type: str, use: str) -> str:
    """Return what Service Quotas calls the quota of an instance type for one use."""
    return f"{instance_type} for {use} usage"


def quotas(session: Session) -> Mapping[str, Quota]:
    """Return the account's quotas of SageMaker by name.

    AWS is asked once per kernel, because that takes many requests.
    """
    key = (session.account, session.region)
    if key not in _quotas_read:
        _quotas_read[key] = _read_quotas(session)
    return _quotas_read[key]


def forget_quotas(session: Session) -> None:
    """Have the account's quotas read again, for who waits for a request to be approved."""
    _quotas_read.pop((session.account, session.region), None)


def require(session: Session, instance_type: str, use: str, count: int = 1) -> None:
    """Make sure that the account may start instances, as far as its quota is known.

    Raises
    ------
    QuotaTooLow
        In one sentence, with what to do.
    """
    try:
        value = quota(session, instance_type, use)
    except (BotoCoreError, ClientError):
        # Who may not read quotas may still start machines; SageMaker has the last word.
        return
    if value < count:
        raise QuotaTooLow(
            f"This account may use {value:g} {instance_type} at once for the purpose "
            f"'{use} usage', and {count} is asked for: request a higher quota of "
            f"'{instance_type} for {use} usage' in the Service Quotas console, or pass another "
            f"instance_type, for instance {CPU!r}."
        )


def for_serving(
    session: Session, preferred: str, supported: Sequence[str], use: str = "endpoint"
) -> str:
    """Return an instance type that a model runs on and that the account may start.

    Parameters
    ----------
    session
        Whose quota counts.
    preferred, supported
        What the model's publisher says: the default type and all types.
    use
        As in `quota`.

    Returns
    -------
    str
        The preferred type, else the first supported one with a quota: those without a GPU first,
        which are cheaper. A sentence is printed when it is not the preferred one.

    Raises
    ------
    QuotaTooLow
        When there is none.
    """
    others = sorted((t for t in supported if t != preferred), key=is_gpu)
    candidates = [t for t in [preferred, *others] if not t.startswith(_RETIRING)]
    try:
        found = [t for t in candidates if quota(session, t, use) >= 1]
    except (BotoCoreError, ClientError):
        found = candidates
    if not found:
        raise QuotaTooLow(
            f"The model runs on {', '.join([preferred, *others])}, and this account may start none "
            f"of them: request a quota '... for {use} usage' in the Service Quotas console."
        )
    if found[0] != preferred:
        print(f"{found[0]} instead of {preferred}, which this account may not start.")
    return found[0]


def _read_quotas(session: Session) -> dict[str, Quota]:
    found = _listed(session, "list_service_quotas")
    try:
        # The list of what applies to the account leaves out quotas that only have a default.
        return _listed(session, "list_aws_default_service_quotas") | found
    except (BotoCoreError, ClientError):
        return found


def _listed(session: Session, operation: str) -> dict[str, Quota]:
    pages = session.client("service-quotas").get_paginator(operation)
    return {
        str(quota["QuotaName"]): Quota(
            str(quota["QuotaName"]), str(quota["QuotaCode"]), float(quota["Value"])
        )
        for page in pages.paginate(ServiceCode="sagemaker", PaginationConfig={"PageSize": _PAGE})
        for quota in page["Quotas"]
    }


def next_best(session: Session, instance_type: str, use: str, count: int = 1) -> Quota | None:
    """Return the quota of the type that comes nearest to one that the account may not start.

    Parameters
    ----------
    session
        Whose account.
    instance_type, use
        As in `quota`.
    count
        How many are needed at once.

    Returns
    -------
    Quota or None
        Of a type of the same kind, with or without a GPU: the next larger one before the next
        smaller one, and those of the same family before others. None when there is none.
    """
    ending = quota_name("", use)
    wanted = _rank(instance_type)
    found = []
    for one in quotas(session).values():
        other = one.name.removesuffix(ending)
        fits = one.name.endswith(ending) and one.value >= count and is_gpu(other) == wanted.gpu
        if not fits or other == instance_type or other.startswith(_RETIRING):
            continue
        rank = _rank(other)
        if rank.family in _FAMILIES and rank.size >= 0:
            further = rank.size - wanted.size
            found.append((further < 0, abs(further), rank.family != wanted.family, one))
    return min(found, key=lambda row: (*row[:3], row[3].name))[3] if found else None


@dataclass(frozen=True)
class _Rank:
    family: str
    size: int
    gpu: bool


def _rank(instance_type: str) -> _Rank:
    _, family, size = [*instance_type.split("."), "", ""][:3]
    place = _SIZES.index(size) if size in _SIZES else -1
    return _Rank(family, place, is_gpu(instance_type))
