"""Monitoring schedules and what they have led to: executions and alerts, of which there are none.

A schedule is recorded as failed, because no monitoring job runs here; so no execution of it is
listed and it has no alert. All that is read of a schedule is the endpoint it is for.
"""

from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.plain_lists import nothing
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

NOUN = "MonitoringSchedule"


class Monitoring:
    """The operations on schedules and on what they have led to."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "CreateMonitoringSchedule": self.create,
            "UpdateMonitoringSchedule": self.update,
            "ListMonitoringAlertHistory": self.list_history,
            "ListMonitoringAlerts": self.list_alerts,
            "ListMonitoringExecutions": self.list_executions,
            "UpdateMonitoringAlert": self.update_alert,
        }

    def create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Record a schedule, whose definition must be there where it names one."""
        with self._resources.records.database.transaction():
            watched = self._watched(caller, params)
            record = self._resources.create(caller, NOUN, params, body=watched)
        return {"MonitoringScheduleArn": record.arn}

    def update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Replace what a schedule asks for."""
        config = {"MonitoringScheduleConfig": params["MonitoringScheduleConfig"]}

        def change(record: Record) -> None:
            record.body.pop("EndpointName", None)
            record.body |= config | self._watched(caller, params)

        name = params["MonitoringScheduleName"]
        return {
            "MonitoringScheduleArn": self._resources.change(caller, NOUN, name, change).arn,
        }

    def _watched(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the type of a schedule and the endpoint that it is for, if it is for one."""
        config = params["MonitoringScheduleConfig"]
        monitoring_type = config.get("MonitoringType", "DataQuality")
        shown = {"MonitoringType": monitoring_type}
        inputs = config.get("MonitoringJobDefinition", {}).get("MonitoringInputs") or [{}]
        endpoint = inputs[0].get("EndpointInput", {}).get("EndpointName", "")
        if "MonitoringJobDefinitionName" in config:
            noun, name = f"{monitoring_type}JobDefinition", config["MonitoringJobDefinitionName"]
            endpoint = self._resources.get(caller, noun, name).body["EndpointName"]
        return shown | ({"EndpointName": endpoint} if endpoint else {})

    def list_executions(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return no execution: nothing was monitored."""
        return nothing("MonitoringExecutionSummaries", params, f"{caller.account}/{caller.region}")

    def list_alerts(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the alerts of a schedule that exists: none."""
        schedule = self._resources.get(caller, NOUN, params["MonitoringScheduleName"])
        nothing("MonitoringAlertSummaries", params, schedule.arn)
        # By the service model the list is not there rather than empty.
        return {}

    def list_history(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return no change of an alert's state."""
        if "MonitoringScheduleName" in params:
            self._resources.get(caller, NOUN, params["MonitoringScheduleName"])
        return nothing("MonitoringAlertHistory", params, f"{caller.account}/{caller.region}")

    def update_alert(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Refuse: no schedule has an alert."""
        schedule = self._resources.get(caller, NOUN, params["MonitoringScheduleName"])
        raise AWSError(
            "ResourceNotFound",
            f"Monitoring schedule {schedule.arn} has no alert {params['MonitoringAlertName']}: "
            "nothing is monitored here.",
        )
