"""Service Quotas answers as a new account's would: no GPU until one asked for it."""

from typing import Any

import pytest

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
    refused(
        client.request_service_quota_increase,
        "NotImplemented",
        400,
        ServiceCode="sagemaker",
        QuotaCode="L-x",
        DesiredValue=1.0,
    )
