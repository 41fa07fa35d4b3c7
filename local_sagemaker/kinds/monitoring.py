"""Model monitoring: what a kind's row says is in `local_sagemaker.kinds.kind`."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from local_sagemaker.kinds.kind import Override


def _watched(kind: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the endpoint that a definition is for, empty for one of batch transforms."""
    watched = request[f"{kind}JobInput"].get("EndpointInput", {})
    return {"EndpointName": watched.get("EndpointName", "")}


def _definition(kind: str) -> Override:
    return Override(
        name_key="JobDefinitionName",
        invented=partial(_watched, kind),
        aliases={
            "EndpointName": "EndpointName",
            "MonitoringJobDefinitionName": "JobDefinitionName",
            "MonitoringJobDefinitionArn": "JobDefinitionArn",
        },
    )


ROWS: dict[str, Override] = {
    **{
        f"{kind}JobDefinition": _definition(kind)
        for kind in ("DataQuality", "ModelBias", "ModelExplainability", "ModelQuality")
    },
    "MonitoringSchedule": Override(
        status="Failed",
        aliases={
            "MonitoringJobDefinitionName": "MonitoringScheduleConfig.MonitoringJobDefinitionName"
        },
    ),
}
