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
        print(f"The quota of {GPU} cannot be read ({error}); training on {CPU}.")
        return CPU
    if quota >= 1:
        print(f"Training on {GPU}: the account's quota is {quota:g}.")
        return GPU
    print(f"Training on {CPU}: the account's quota of {GPU} for training jobs is {quota:g}.")
    return CPU


def training_quota(session: Session, instance_type: str) -> float:
    """Return how many instances of a type training jobs may use at once in this account."""
    wanted = f"{instance_type} for training job usage"
    pages = session.client("service-quotas").get_paginator("list_service_quotas")
    for page in pages.paginate(ServiceCode="sagemaker"):
        for quota in page["Quotas"]:
            if quota["QuotaName"] == wanted:
                return float(quota["Value"])
    return 0.0
