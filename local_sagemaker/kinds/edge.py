"""Fleets of edge devices: what a kind's row says is in `local_sagemaker.kinds.kind`."""

from collections.abc import Mapping
from typing import Any

from local_sagemaker.kinds.kind import Override


def _not_deployed(request: Mapping[str, Any]) -> dict[str, Any]:
    del request
    return dict.fromkeys(
        ("EdgeDeploymentSuccess", "EdgeDeploymentPending", "EdgeDeploymentFailed"), 0
    )


ROWS: dict[str, Override] = {
    "DeviceFleet": Override(),
    "EdgeDeploymentPlan": Override(
        slug="edge-deployment",
        label="edge deployment plan",
        invented=_not_deployed,
    ),
}
