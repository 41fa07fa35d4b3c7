"""Service quotas, as a new AWS account has them: no GPU at all.

What really limits a local job is the scheduler; these figures exist so that code which asks
for quotas first goes the way it would go in an account that was never granted any. It must not
know what runs.
"""

from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page

SERVICE = "sagemaker"
_USES = ("training job", "endpoint", "processing job", "transform job")
# Instances per use. AWS grants new accounts a few general-purpose instances and sets every GPU
# type to 0 until a request for more is approved.
_INSTANCES = {
    "ml.t3.medium": 2,
    "ml.m5.large": 4,
    "ml.m5.xlarge": 4,
    "ml.m5.2xlarge": 4,
    "ml.c5.xlarge": 4,
    "ml.c5.2xlarge": 4,
    "ml.g4dn.xlarge": 0,
    "ml.g5.xlarge": 0,
    "ml.g5.2xlarge": 0,
    "ml.g6.xlarge": 0,
    "ml.p3.2xlarge": 0,
}


class Quotas:
    """The operations of Service Quotas that read SageMaker's."""

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "ListServiceQuotas": self._list,
            "ListAWSDefaultServiceQuotas": self._list,
            "GetServiceQuota": self._get,
            "GetAWSDefaultServiceQuota": self._get,
        }

    def _list(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        quotas = _quotas(caller, params["ServiceCode"])
        chosen, token = page(quotas, params, lambda quota: str(quota["QuotaCode"]), default=100)
        return {"Quotas": chosen, "NextToken": token}

    def _get(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        for quota in _quotas(caller, params["ServiceCode"]):
            if quota["QuotaCode"] == params["QuotaCode"]:
                return {"Quota": quota}
        raise AWSError(
            "NoSuchResourceException", f"There is no quota {params['QuotaCode']} of {SERVICE}."
        )


def _quotas(caller: Caller, service: str) -> list[dict[str, Any]]:
    if service != SERVICE:
        raise AWSError(
            "NoSuchResourceException",
            f"The local SageMaker knows the quotas of {SERVICE} only, not of {service}.",
        )
    quotas = []
    for use in _USES:
        for instance_type, value in _INSTANCES.items():
            # AWS's codes are opaque; these are this server's own and say so by their form.
            code = f"L-local-{instance_type}-{use}".replace(" ", "-").replace(".", "-")
            quotas.append(
                {
                    "ServiceCode": SERVICE,
                    "ServiceName": "Amazon SageMaker",
                    "QuotaArn": f"arn:aws:servicequotas:{caller.region}:{caller.account}:"
                    f"{SERVICE}/{code}",
                    "QuotaCode": code,
                    "QuotaName": f"{instance_type} for {use} usage",
                    "Value": float(value),
                    "Unit": "None",
                    "Adjustable": True,
                    "GlobalQuota": False,
                }
            )
    return quotas
