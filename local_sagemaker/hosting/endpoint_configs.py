"""Endpoint configurations: records whose models must be there and fit.

What an endpoint can do with a configuration is decided when one is made; it must not be known here.
"""

from typing import Any

from local_sagemaker.hosting import serverless
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources


class EndpointConfigs:
    """The creation of endpoint configurations."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def operations(self) -> dict[str, Handler]:
        """Return the handler that takes the place of the generic one."""
        return {"CreateEndpointConfig": self._create}

    def _create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        for variant in params["ProductionVariants"] + params.get("ShadowProductionVariants", []):
            if "ModelName" in variant:
                self._resources.get(caller, "Model", variant["ModelName"])
        serverless.check_configuration(
            params, lambda name: self._resources.get(caller, "Model", name).body
        )
        record = self._resources.create(caller, "EndpointConfig", params)
        return {"EndpointConfigArn": record.arn}
