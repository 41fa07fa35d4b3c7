"""Instance types: which one to train or serve on, and what the account's quota says about it."""

import warnings

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
_quotas_read: dict[tuple[str, str, str], float] = {}


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
    """Return how many instances of a type training jobs may use at once in this account.

    AWS is asked once per kernel, because that takes many requests.
    """
    key = (session.account, session.region, instance_type)
    if key not in _quotas_read:
        _quotas_read[key] = _read_quota(session, f"{instance_type} for training job usage")
    return _quotas_read[key]


def _read_quota(session: Session, name: str) -> float:
    pages = session.client("service-quotas").get_paginator("list_service_quotas")
    for page in pages.paginate(ServiceCode="sagemaker", PaginationConfig={"PageSize": _PAGE}):
        for quota in page["Quotas"]:
            if quota["QuotaName"] == name:
                return float(quota["Value"])
    return 0.0
