"""What monitoring schedules have led to: executions and alerts, of which there are none.

A schedule is recorded as failed, because no monitoring job runs here; so no execution of it is
listed and it has no alert. It must not know what a schedule asks for.
"""

from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.plain_lists import nothing
from local_sagemaker.resources import Resources

NOUN = "MonitoringSchedule"


class Monitoring:
    """The operations about what schedules have led to."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "ListMonitoringAlertHistory": self.list_history,
            "ListMonitoringAlerts": self.list_alerts,
            "ListMonitoringExecutions": self.list_executions,
            "UpdateMonitoringAlert": self.update_alert,
        }

    def list_executions(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return no execution: nothing was monitored."""
        return nothing("MonitoringExecutionSummaries", params, f"{caller.account}/{caller.region}")

    def list_alerts(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the alerts of a schedule that exists: none."""
        schedule = self._resources.get(caller, NOUN, params["MonitoringScheduleName"])
        return nothing("MonitoringAlertSummaries", params, schedule.arn)

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
