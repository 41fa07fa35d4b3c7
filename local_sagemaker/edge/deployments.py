"""Edge deployment plans and their stages, as plans: no stage is ever started here.

It must not know how devices are registered.
"""

from typing import Any

from local_sagemaker.edge.devices import FLEET, Devices
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

NOUN = "EdgeDeploymentPlan"


class EdgeDeployments:
    """The operations on plans and stages that are not those of every resource."""

    def __init__(self, resources: Resources, devices: Devices) -> None:
        self._resources = resources
        self._devices = devices

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "CreateEdgeDeploymentPlan": self.create,
            "CreateEdgeDeploymentStage": self.add_stages,
            "DeleteEdgeDeploymentStage": self.delete_stage,
            "DescribeEdgeDeploymentPlan": self.describe,
            "ListStageDevices": self.list_devices,
        }

    def create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create a plan for a fleet that exists."""
        stages = [_stage(stage) for stage in params.get("Stages", [])]
        _check_names(stages)
        with self._resources.records.database.transaction():
            self._resources.get(caller, FLEET, params["DeviceFleetName"])
            record = self._resources.create(caller, NOUN, params, body={"Stages": stages})
        return {"EdgeDeploymentPlanArn": record.arn}

    def add_stages(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Add stages behind those that a plan has."""

        def change(record: Record) -> None:
            stages = record.body["Stages"] + [_stage(stage) for stage in params["Stages"]]
            _check_names(stages)
            record.body["Stages"] = stages

        self._resources.change(caller, NOUN, params["EdgeDeploymentPlanName"], change)
        return {}

    def delete_stage(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Take a stage out of a plan."""

        def change(record: Record) -> None:
            stage = _named(record, params["StageName"])
            record.body["Stages"] = [other for other in record.body["Stages"] if other != stage]

        self._resources.change(caller, NOUN, params["EdgeDeploymentPlanName"], change)
        return {}

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return a plan with a page of its stages."""
        record = self._resources.get(caller, NOUN, params["EdgeDeploymentPlanName"])
        shown = self._resources.shown(record)
        stages, token = page(
            shown["Stages"], params, lambda stage: stage["StageName"], scope=record.arn
        )
        return shown | {"Stages": stages, "NextToken": token}

    def list_devices(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the devices that a stage would deploy to."""
        plan = self._resources.get(caller, NOUN, params["EdgeDeploymentPlanName"])
        stage = _named(plan, params["StageName"])
        fleet = self._resources.get(caller, FLEET, plan.body["DeviceFleetName"])
        devices = self._devices.of_fleet(fleet)
        chosen = _selected(stage["DeviceSelectionConfig"], devices)
        shown, token = page(chosen, params, lambda device: device.key.name, scope=plan.arn)
        return {
            "DeviceDeploymentSummaries": [
                device.body
                | {
                    "EdgeDeploymentPlanArn": plan.arn,
                    "EdgeDeploymentPlanName": plan.key.name,
                    "StageName": stage["StageName"],
                    "DeviceArn": device.arn,
                    "DeviceDeploymentStatus": "READYTODEPLOY",
                }
                for device in shown
            ],
            "NextToken": token,
        }


def _stage(stage: dict[str, Any]) -> dict[str, Any]:
    """Return a new stage as Describe shows it: nothing is deployed."""
    return (
        {"DeploymentConfig": {"FailureHandlingPolicy": "ROLLBACK_ON_FAILURE"}}
        | stage
        | {
            "DeploymentStatus": {
                "StageStatus": "READYTODEPLOY",
                "EdgeDeploymentSuccessInStage": 0,
                "EdgeDeploymentPendingInStage": 0,
                "EdgeDeploymentFailedInStage": 0,
            },
        }
    )


def _check_names(stages: list[dict[str, Any]]) -> None:
    names = [stage["StageName"] for stage in stages]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise validation_exception(f"An edge deployment plan cannot have two stages {repeated}.")


def _named(plan: Record, name: str) -> dict[str, Any]:
    stages: list[dict[str, Any]] = plan.body["Stages"]
    for stage in stages:
        if stage["StageName"] == name:
            return stage
    raise AWSError("ResourceNotFound", f"The plan {plan.key.name} has no stage {name}.")


def _selected(selection: dict[str, Any], devices: list[Record]) -> list[Record]:
    kind = selection["DeviceSubsetType"]
    if kind == "PERCENTAGE":
        # Of a small fleet at least one device, as somebody who asks for 1% of ten expects.
        count = -(-len(devices) * selection.get("Percentage", 0) // 100)
        return devices[:count]
    if kind == "SELECTION":
        names = set(selection.get("DeviceNames", ()))
        return [device for device in devices if device.body["DeviceName"] in names]
    text = selection.get("DeviceNameContains", "")
    return [device for device in devices if text in device.body["DeviceName"]]
