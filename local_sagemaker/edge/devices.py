"""Devices of a fleet: registered, changed, shown and deregistered.

A device that is registered has not connected: there is no agent of AWS's that could. It must not
know deployments.
"""

from typing import Any

from local_sagemaker import tags
from local_sagemaker.database import now
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.resources import Resources
from local_sagemaker.store import Key, Record, RecordExists

NOUN = "Device"
FLEET = "DeviceFleet"


class Devices:
    """The operations on devices, and those on fleets that are about their devices."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._records = resources.records

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "DeleteDeviceFleet": self.delete_fleet,
            "DeregisterDevices": self.deregister,
            "DescribeDevice": self.describe,
            "GetDeviceFleetReport": self.report,
            "ListDevices": self.list_devices,
            "RegisterDevices": self.register,
            "UpdateDevices": self.update,
        }

    def register(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Add devices to a fleet: all of them, or none when one is there already."""
        added = tags.checked(params.get("Tags"))
        with self._records.database.transaction():
            fleet = self._fleet(caller, params)
            for device in params["Devices"]:
                moment = now()
                key = _key(fleet, device["DeviceName"])
                arn = f"{fleet.arn}/device/{device['DeviceName']}"
                body = device | {"DeviceFleetName": fleet.key.name}
                try:
                    self._records.insert(Record(key, arn, moment, moment, body=body))
                except RecordExists as error:
                    raise validation_exception(f"Device {arn} is already registered.") from error
                self._records.put_tags(arn, added)
        return {}

    def deregister(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Take devices out of a fleet; those that are not in it are no error."""
        with self._records.database.transaction():
            fleet = self._fleet(caller, params)
            for name in params["DeviceNames"]:
                self._records.delete(_key(fleet, name))
        return {}

    def update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change descriptions and thing names: of all devices, or of none when one is missing."""
        with self._records.database.transaction():
            fleet = self._fleet(caller, params)
            for device in params["Devices"]:
                record = self._get(fleet, device["DeviceName"])
                changes = dict(device)

                def change(record: Record, changes: dict[str, Any] = changes) -> None:
                    record.body |= changes

                self._records.update(record.key, change)
        return {}

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return a device; no model is on it, so there is one page."""
        record = self._get(self._fleet(caller, params), params["DeviceName"])
        return _shown(record)

    def list_devices(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return devices, of a fleet if one is named.

        None has ever reported, so none passes a filter on what it reported.
        """
        devices = self._records.list_kind(caller.account, caller.region, NOUN)
        name = params.get("DeviceFleetName")
        if name is not None:
            devices = [device for device in devices if device.body["DeviceFleetName"] == name]
        if "LatestHeartbeatAfter" in params or "ModelName" in params:
            devices = []
        scope = f"{caller.account}/{caller.region}"
        chosen, token = page(devices, params, lambda device: device.key.name, scope=scope)
        return {"DeviceSummaries": [_shown(device) for device in chosen], "NextToken": token}

    def report(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return how many devices a fleet has; none is connected."""
        fleet = self._fleet(caller, params)
        return self._resources.shown(fleet) | {
            "ReportGenerated": now(),
            "DeviceStats": {
                "ConnectedDeviceCount": 0,
                "RegisteredDeviceCount": len(self.of_fleet(fleet)),
            },
            "AgentVersions": [],
            "ModelStats": [],
        }

    def delete_fleet(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a fleet that has no devices any more."""
        with self._records.database.transaction():
            fleet = self._fleet(caller, params)
            if self.of_fleet(fleet):
                raise AWSError(
                    "ResourceInUse",
                    f"Device fleet {fleet.arn} has devices. Deregister them first.",
                )
            self._resources.delete(caller, FLEET, fleet.key.name)
        return {}

    def of_fleet(self, fleet: Record) -> list[Record]:
        """Return the devices of a fleet by their names."""
        every = self._records.list_kind(fleet.key.account, fleet.key.region, NOUN)
        return sorted(
            (device for device in every if device.body["DeviceFleetName"] == fleet.key.name),
            key=lambda device: device.key.name,
        )

    def _fleet(self, caller: Caller, params: dict[str, Any]) -> Record:
        return self._resources.get(caller, FLEET, params["DeviceFleetName"])

    def _get(self, fleet: Record, name: str) -> Record:
        record = self._records.get(_key(fleet, name))
        if record is None:
            raise AWSError(
                "ResourceNotFound", f"Device {name} is not registered in fleet {fleet.key.name}."
            )
        return record


def _key(fleet: Record, name: str) -> Key:
    return Key(fleet.key.account, fleet.key.region, NOUN, f"{fleet.key.name}/{name}")


def _shown(record: Record) -> dict[str, Any]:
    return record.body | {"DeviceArn": record.arn, "RegistrationTime": record.created}
