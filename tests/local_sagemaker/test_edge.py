"""Devices and deployment plans through boto3: what is planned is kept, and nothing is deployed."""

import uuid
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import refused


@pytest.fixture
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return boto3.client("sagemaker")


@pytest.fixture
def fleet(client: Any) -> str:
    name = f"fleet-{uuid.uuid4().hex[:12]}"
    client.create_device_fleet(
        DeviceFleetName=name, OutputConfig={"S3OutputLocation": "s3://b/fleet"}
    )
    return name


def register(client: Any, fleet: str, *names: str) -> None:
    devices = [{"DeviceName": name, "IotThingName": f"thing-{name}"} for name in names]
    client.register_devices(DeviceFleetName=fleet, Devices=devices)


def listed(client: Any, fleet: str, **filters: Any) -> list[str]:
    answer = client.list_devices(DeviceFleetName=fleet, **filters)
    return [device["DeviceName"] for device in answer["DeviceSummaries"]]


def test_devices_are_registered_changed_and_deregistered(client, fleet):
    register(client, fleet, "camera", "robot")
    described = client.describe_device(DeviceFleetName=fleet, DeviceName="camera")
    assert described["IotThingName"] == "thing-camera"
    assert described["DeviceArn"].endswith(f":device-fleet/{fleet}/device/camera")
    assert "LatestHeartbeat" not in described
    client.update_devices(
        DeviceFleetName=fleet, Devices=[{"DeviceName": "camera", "Description": "at the door"}]
    )
    described = client.describe_device(DeviceFleetName=fleet, DeviceName="camera")
    assert described["Description"] == "at the door"
    assert sorted(listed(client, fleet)) == ["camera", "robot"]
    assert listed(client, fleet, LatestHeartbeatAfter=1) == []
    client.deregister_devices(DeviceFleetName=fleet, DeviceNames=["camera", "never"])
    assert listed(client, fleet) == ["robot"]
    refused(client.describe_device, "ResourceNotFound", DeviceFleetName=fleet, DeviceName="camera")


def test_devices_are_registered_all_or_none(client, fleet):
    register(client, fleet, "camera")
    with pytest.raises(client.exceptions.ClientError, match="already registered"):
        register(client, fleet, "robot", "camera")
    assert listed(client, fleet) == ["camera"]
    with pytest.raises(client.exceptions.ResourceNotFound):
        register(client, f"{fleet}-not", "camera")


def test_a_fleet_s_report_counts_and_claims_no_connection(client, fleet):
    register(client, fleet, "camera", "robot")
    report = client.get_device_fleet_report(DeviceFleetName=fleet)
    assert report["DeviceStats"] == {"ConnectedDeviceCount": 0, "RegisteredDeviceCount": 2}
    assert report["ModelStats"] == report["AgentVersions"] == []
    refused(client.delete_device_fleet, "ResourceInUse", DeviceFleetName=fleet)
    client.deregister_devices(DeviceFleetName=fleet, DeviceNames=["camera", "robot"])
    client.delete_device_fleet(DeviceFleetName=fleet)
    refused(client.describe_device_fleet, "ResourceNotFound", DeviceFleetName=fleet)


def stage(name: str, **selection: Any) -> dict[str, Any]:
    return {"StageName": name, "DeviceSelectionConfig": selection}


def test_a_plan_s_stages_are_kept_and_never_started(client, fleet):
    register(client, fleet, "camera-1", "camera-2", "robot")
    plan = f"plan-{fleet}"
    request = {
        "EdgeDeploymentPlanName": plan,
        "ModelConfigs": [{"ModelHandle": "m", "EdgePackagingJobName": "some"}],
        "DeviceFleetName": fleet,
    }
    create = client.create_edge_deployment_plan
    refused(create, "ResourceNotFound", **request | {"DeviceFleetName": f"{fleet}-not"})
    first = stage("first", DeviceSubsetType="SELECTION", DeviceNames=["robot"])
    create(**request, Stages=[first])
    more = [
        stage("cameras", DeviceSubsetType="NAMECONTAINS", DeviceNameContains="camera"),
        stage("half", DeviceSubsetType="PERCENTAGE", Percentage=50),
    ]
    client.create_edge_deployment_stage(EdgeDeploymentPlanName=plan, Stages=more)
    refused(
        client.create_edge_deployment_stage,
        "ValidationException",
        EdgeDeploymentPlanName=plan,
        Stages=[first],
    )
    described = client.describe_edge_deployment_plan(EdgeDeploymentPlanName=plan)
    assert [s["StageName"] for s in described["Stages"]] == ["first", "cameras", "half"]
    states = {s["DeploymentStatus"]["StageStatus"] for s in described["Stages"]}
    assert states == {"READYTODEPLOY"}
    assert described["EdgeDeploymentSuccess"] == 0

    def devices(name: str) -> list[str]:
        answer = client.list_stage_devices(EdgeDeploymentPlanName=plan, StageName=name)
        return [device["DeviceName"] for device in answer["DeviceDeploymentSummaries"]]

    assert devices("first") == ["robot"]
    assert devices("cameras") == ["camera-1", "camera-2"]
    assert devices("half") == ["camera-1", "camera-2"]
    start = client.start_edge_deployment_stage
    message = refused(start, "NotImplemented", EdgeDeploymentPlanName=plan, StageName="first")
    assert "StartEdgeDeploymentStage is not run locally" in message
    client.delete_edge_deployment_stage(EdgeDeploymentPlanName=plan, StageName="first")
    one = client.describe_edge_deployment_plan(EdgeDeploymentPlanName=plan, MaxResults=1)
    assert [s["StageName"] for s in one["Stages"]] == ["cameras"]
    assert one["NextToken"]
    client.delete_edge_deployment_plan(EdgeDeploymentPlanName=plan)
