"""Models and what serves them: what a kind's row says is in `local_sagemaker.kinds.kind`."""

from collections.abc import Mapping
from typing import Any

from local_sagemaker.kinds.kind import Override, Parent


def _variant(request: Mapping[str, Any]) -> dict[str, Any]:
    # The name that the SDK gives to an endpoint's only variant.
    return {"VariantName": request.get("VariantName", "AllTraffic")}


_ENDPOINT = Parent("Endpoint", ("EndpointName",), shown_as="EndpointArn")

ROWS: dict[str, Override] = {
    "Endpoint": Override(),
    "EndpointConfig": Override(label="endpoint configuration"),
    "InferenceComponent": Override(
        parents=(_ENDPOINT,),
        status="Failed",
        invented=_variant,
        ignored=("DeploymentConfig",),
    ),
    "InferenceExperiment": Override(name_key="Name"),
    "InferenceRouter": Override(status="Failed"),
    "Model": Override(),
}
