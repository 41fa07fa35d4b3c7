"""The contents of hubs through boto3: their versions, and what can change of them."""

import json
import uuid
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import refused

DOCUMENT = json.dumps({"Url": "some", "TrainingSupported": False})


@pytest.fixture
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return boto3.client("sagemaker")


@pytest.fixture
def hub(client: Any) -> str:
    name = f"hub-{uuid.uuid4().hex[:12]}"
    client.create_hub(HubName=name, HubDescription="models of one's own")
    return name


def imported(client: Any, hub: str, name: str = "nli", **more: Any) -> str:
    request = {
        "HubName": hub,
        "HubContentName": name,
        "HubContentType": "Model",
        "DocumentSchemaVersion": "2.2.0",
        "HubContentDocument": DOCUMENT,
    }
    return str(client.import_hub_content(**request | more)["HubContentArn"])


def content(hub: str, name: str = "nli", **more: Any) -> dict[str, Any]:
    return {"HubName": hub, "HubContentType": "Model", "HubContentName": name} | more


def versions(client: Any, hub: str, name: str = "nli", **more: Any) -> list[str]:
    answer = client.list_hub_content_versions(**content(hub, name), **more)
    return [item["HubContentVersion"] for item in answer["HubContentSummaries"]]


def test_a_content_is_described_in_its_newest_version(client, hub):
    arn = imported(client, hub, HubContentVersion="1.9.0", HubContentSearchKeywords=["nli"])
    assert arn.endswith(f":hub-content/{hub}/Model/nli/1.9.0")
    imported(client, hub, HubContentVersion="1.10.0", HubContentDisplayName="NLI")
    newest = client.describe_hub_content(**content(hub))
    assert (newest["HubContentVersion"], newest["HubContentDisplayName"]) == ("1.10.0", "NLI")
    assert newest["HubContentStatus"] == "Available"
    assert json.loads(newest["HubContentDocument"]) == json.loads(DOCUMENT)
    older = client.describe_hub_content(**content(hub, HubContentVersion="1.9.0"))
    assert older["HubContentArn"] == arn
    assert older["HubContentSearchKeywords"] == ["nli"]
    assert imported(client, hub).endswith("/1.10.1")
    assert set(versions(client, hub)) == {"1.9.0", "1.10.0", "1.10.1"}
    assert set(versions(client, hub, MinVersion="1.10.0")) == {"1.10.0", "1.10.1"}


def test_a_hub_lists_each_content_once_by_type(client, hub):
    imported(client, hub, "first", HubContentVersion="1.0.0")
    imported(client, hub, "first", HubContentVersion="2.0.0")
    imported(client, hub, "second", DocumentSchemaVersion="3.0.0")
    imported(client, hub, "third", HubContentType="Notebook")

    def listed(**more: Any) -> list[tuple[str, str]]:
        answer = client.list_hub_contents(HubName=hub, HubContentType="Model", **more)
        items = answer["HubContentSummaries"]
        return [(item["HubContentName"], item["HubContentVersion"]) for item in items]

    by_name = {"SortBy": "HubContentName", "SortOrder": "Ascending"}
    assert listed(**by_name) == [("first", "2.0.0"), ("second", "1.0.0")]
    assert listed(NameContains="sec") == [("second", "1.0.0")]
    assert listed(MaxSchemaVersion="2.9.9") == [("first", "2.0.0")]
    assert listed(CreationTimeBefore=1) == []
    assert listed(**by_name, MaxResults=1) == [("first", "2.0.0")]


def test_only_what_people_read_changes(client, hub):
    imported(client, hub, HubContentVersion="1.0.0")
    client.update_hub_content(
        **content(hub, HubContentVersion="1.0.0"),
        HubContentDescription="better",
        SupportStatus="Deprecated",
    )
    described = client.describe_hub_content(**content(hub))
    assert described["HubContentDescription"] == "better"
    assert described["SupportStatus"] == "Deprecated"
    assert described["LastModifiedTime"] > described["CreationTime"]


def test_what_is_not_there_or_there_already_is_refused(client, hub):
    imported(client, hub, HubContentVersion="1.0.0")
    with pytest.raises(client.exceptions.ResourceInUse):
        imported(client, hub, HubContentVersion="1.0.0")
    with pytest.raises(client.exceptions.ResourceNotFound):
        imported(client, f"{hub}-not")
    for wrong in ({"HubContentDocument": "no JSON"}, {"HubContentVersion": "1x0x0"}):
        with pytest.raises(client.exceptions.ClientError, match="ValidationException"):
            imported(client, hub, **wrong)
    describe = client.describe_hub_content
    refused(describe, "ResourceNotFound", **content(hub, "other"))
    refused(describe, "ResourceNotFound", **content(hub, HubContentVersion="9.0.0"))
    refused(client.list_hub_content_versions, "ResourceNotFound", **content(hub, "other"))
    message = refused(
        client.create_hub_content_reference,
        "NotImplemented",
        HubName=hub,
        SageMakerPublicHubContentArn=(
            "arn:aws:sagemaker:us-east-1:aws:hub-content/SageMakerPublicHub/Model/some/1.0.0"
        ),
    )
    assert "CreateHubContentReference is not run locally" in message


def test_a_hub_goes_when_it_is_empty(client, hub):
    arn = imported(client, hub, Tags=[{"Key": "a", "Value": "b"}])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    message = refused(client.delete_hub, "ResourceInUse", HubName=hub)
    assert "1 content(s)" in message
    gone = content(hub, HubContentVersion="1.0.0")
    client.delete_hub_content(**gone)
    refused(client.delete_hub_content, "ResourceNotFound", **gone)
    client.delete_hub(HubName=hub)
    refused(client.describe_hub, "ResourceNotFound", HubName=hub)


def test_the_sdk_reads_a_content(client, hub):
    resources = pytest.importorskip("sagemaker.core.resources")
    imported(client, hub)
    loaded = resources.HubContent.get(
        hub_name=hub, hub_content_type="Model", hub_content_name="nli"
    )
    assert loaded.hub_content_version == "1.0.0"
