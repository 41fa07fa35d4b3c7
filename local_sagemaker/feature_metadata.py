"""What people write about the features of a feature group: descriptions and parameters.

It must not know feature values: no feature store is run here.
"""

from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

NOUN = "FeatureGroup"
# botocore, FeatureParameterAdditions and DescribeFeatureMetadataResponse.Parameters.
MAX_PARAMETERS = 25
_NOTES = "FeatureMetadata"


class FeatureMetadata:
    """The operations on the metadata of single features."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "DescribeFeatureMetadata": self.describe,
            "UpdateFeatureMetadata": self.update,
        }

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return what is known about a feature."""
        group = self._resources.get(caller, NOUN, params["FeatureGroupName"])
        feature = _feature(group, params["FeatureName"])
        notes = group.private.get(_NOTES, {}).get(feature["FeatureName"], {})
        parameters = notes.get("Parameters", {})
        return {
            "FeatureGroupArn": group.arn,
            "FeatureGroupName": group.key.name,
            "FeatureName": feature["FeatureName"],
            "FeatureType": feature["FeatureType"],
            "CreationTime": group.created,
            "LastModifiedTime": notes.get("LastModifiedTime", group.created),
            "Description": notes.get("Description"),
            "Parameters": [{"Key": key, "Value": value} for key, value in parameters.items()],
        }

    def update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change a feature's description, add parameters and remove others."""

        def change(group: Record) -> None:
            feature = _feature(group, params["FeatureName"])
            notes = group.private.setdefault(_NOTES, {}).setdefault(feature["FeatureName"], {})
            if "Description" in params:
                notes["Description"] = params["Description"]
            parameters = notes.setdefault("Parameters", {})
            for parameter in params.get("ParameterAdditions", ()):
                parameters[parameter["Key"]] = parameter["Value"]
            for key in params.get("ParameterRemovals", ()):
                parameters.pop(key, None)
            if len(parameters) > MAX_PARAMETERS:
                raise validation_exception(
                    f"A feature can have at most {MAX_PARAMETERS} parameters; these would be "
                    f"{len(parameters)}."
                )
            notes["LastModifiedTime"] = now()

        self._resources.change(caller, NOUN, params["FeatureGroupName"], change)
        return {}


def _feature(group: Record, name: str) -> dict[str, Any]:
    features: list[dict[str, Any]] = group.body["FeatureDefinitions"]
    for feature in features:
        if feature["FeatureName"] == name:
            return feature
    raise AWSError("ResourceNotFound", f"The feature group {group.arn} has no feature {name}.")
