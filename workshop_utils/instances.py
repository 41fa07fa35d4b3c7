"""Instance types: which one to train or serve on, and what the account's quota says about it."""

import warnings
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.session import Session

GPU = "ml.g4dn.xlarge"
CPU = "ml.m5.xlarge"
AUTO = "auto"
# EC2 retired its P3 instances at the end of 2025; SageMaker still lists the type.
_RETIRING = ("ml.p3.",)
_GPU_FAMILIES = ("ml.p", "ml.g")
# AWS lists thousands of SageMaker quotas, a hundred per request at most.
_PAGE = 100
_quotas_read: dict[tuple[str, str], dict[str, float]] = {}


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

    AWS is asked once per kernel, because that takes many requests.

    Parameters
    ----------
    session
        Whose account.
    instance_type
        For instance ``ml.m5.xlarge``.
    use
        ``training job``, ``endpoint``, ``transform job``: AWS has a quota for each.
    """
    key = (session.account, session.region)
    if key not in _quotas_read:
        _quotas_read[key] = _read_quotas(session)
    return _quotas_read[key].get(f"{instance_type} for {use} usage", 0.0)


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


def _read_quotas(session: Session) -> dict[str, float]:
    pages = session.client("service-quotas").get_paginator("list_service_quotas")
    return {
        str(quota["QuotaName"]): float(quota["Value"])
        for page in pages.paginate(ServiceCode="sagemaker", PaginationConfig={"PageSize": _PAGE})
        for quota in page["Quotas"]
    }
