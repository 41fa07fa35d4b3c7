"""Service Quotas answers as a new account's would: no GPU until one asked for it."""

import re
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.control import ControlError
from tests.local_sagemaker.account_support import new_account
from tests.local_sagemaker.core_support import client_of, fits, refused

pytestmark = pytest.mark.usefixtures("local")


@pytest.fixture
def client() -> Any:
    return client_of("service-quotas")


def listed(client: Any, operation: str = "list_service_quotas", **params: Any) -> dict[str, float]:
    pages = client.get_paginator(operation).paginate(ServiceCode="sagemaker", **params)
    return {quota["QuotaName"]: quota["Value"] for page in pages for quota in page["Quotas"]}


def test_a_new_account_has_cpu_instances_and_no_gpu(client: Any) -> None:
    quotas = listed(client)
    assert quotas["ml.m5.xlarge for training job usage"] > 0
    assert quotas["ml.m5.xlarge for endpoint usage"] > 0
    gpus = {name: value for name, value in quotas.items() if name.startswith(("ml.g", "ml.p"))}
    assert "ml.g4dn.xlarge for training job usage" in gpus
    assert set(gpus.values()) == {0.0}


@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages(client: Any, size: int) -> None:
    assert listed(client, PaginationConfig={"PageSize": size}) == listed(client)


def test_defaults_are_the_same(client: Any) -> None:
    assert listed(client, "list_aws_default_service_quotas") == listed(client)


def test_one_quota(client: Any) -> None:
    answer = client.list_service_quotas(ServiceCode="sagemaker", MaxResults=1)
    fits(answer, client.meta.service_model.operation_model("ListServiceQuotas").output_shape)
    quota = answer["Quotas"][0]
    for name in ("get_service_quota", "get_aws_default_service_quota"):
        found = getattr(client, name)(ServiceCode="sagemaker", QuotaCode=quota["QuotaCode"])
        assert found["Quota"] == quota


def test_what_is_not_there(client: Any) -> None:
    missing = "NoSuchResourceException"
    assert "L-nothing" in refused(
        client.get_service_quota, missing, 400, ServiceCode="sagemaker", QuotaCode="L-nothing"
    )
    assert "ec2" in refused(client.list_service_quotas, missing, 400, ServiceCode="ec2")


def test_codes_are_aws_s_own(client: Any) -> None:
    found = {
        quota["QuotaName"]: quota["QuotaCode"]
        for page in client.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
        for quota in page["Quotas"]
    }
    # Each is on record in public code of others, beside the source that quotas.json names.
    assert found["ml.g4dn.xlarge for training job usage"] == "L-3F53BF0F"
    assert found["ml.g5.xlarge for endpoint usage"] == "L-1928E07B"
    assert found[
        "Maximum total concurrency that can be allocated across all serverless endpoints"
    ] == ("L-96300102")
    assert len(set(found.values())) == len(found)
    assert all(re.fullmatch("L-[0-9A-F]{8}", code) for code in found.values())


GPU = {"ServiceCode": "sagemaker", "QuotaCode": "L-1928E07B"}


def test_a_request_waits_until_it_is_granted(local: LocalSageMaker) -> None:
    account = new_account()
    client = account.client("service-quotas")
    model = client.meta.service_model
    asked = client.request_service_quota_increase(**GPU, DesiredValue=2.0)
    fits(asked, model.operation_model("RequestServiceQuotaIncrease").output_shape)
    identifier = asked["RequestedQuota"]["Id"]
    assert asked["RequestedQuota"]["Status"] == "PENDING"
    assert client.get_service_quota(**GPU)["Quota"]["Value"] == 0.0
    refused(
        client.request_service_quota_increase,
        "ResourceAlreadyExistsException",
        400,
        **GPU,
        DesiredValue=3.0,
    )
    name = "ml.g5.xlarge for endpoint usage"
    granted = local.grant_quota(name, 2, account=account.number)
    assert granted == {"name": name, "code": "L-1928E07B", "value": 2.0, "approved": 1}
    assert client.get_service_quota(**GPU)["Quota"]["Value"] == 2.0
    assert client.get_aws_default_service_quota(**GPU)["Quota"]["Value"] == 0.0
    assert listed(client)[name] == 2.0
    found = client.get_requested_service_quota_change(RequestId=identifier)
    assert found["RequestedQuota"]["Status"] == "APPROVED"
    (request,) = client.list_requested_service_quota_change_history()["RequestedQuotas"]
    assert request["Id"] == identifier
    history = client.list_requested_service_quota_change_history_by_quota
    assert len(history(**GPU, Status="APPROVED")["RequestedQuotas"]) == 1
    assert history(**GPU, Status="PENDING")["RequestedQuotas"] == []
    refused(
        client.request_service_quota_increase, "IllegalArgumentException", **GPU, DesiredValue=2.0
    )
    other = new_account().client("service-quotas")
    assert other.get_service_quota(**GPU)["Quota"]["Value"] == 0.0
    refused(
        other.get_requested_service_quota_change, "NoSuchResourceException", RequestId=identifier
    )


@pytest.mark.parametrize(("quota", "value"), [("nothing", 1), ("L-1928E07B", -1)])
def test_what_cannot_be_granted(local: LocalSageMaker, quota: str, value: float) -> None:
    with pytest.raises(ControlError, match="quota"):
        local.grant_quota(quota, value)
