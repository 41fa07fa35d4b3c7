"""What a serverless variant may be: SageMaker's rules beyond the ranges of the service model.

They are those of the developer guide ("Deploy models with Amazon SageMaker Serverless Inference",
feature exclusions), and of the descriptions in botocore's model. It reads requests and records; it
must not know how a variant is run.
"""

from collections.abc import Callable, Sequence
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception

_MEMORY_STEP = 1024
_INSTANCES_ONLY = (
    "InstanceType",
    "InitialInstanceCount",
    "InstancePools",
    "AcceleratorType",
    "VolumeSizeInGB",
    "ManagedInstanceScaling",
    "RoutingConfig",
    "InferenceAmiVersion",
    "CapacityReservationConfig",
)
_NOT_OF_CONFIGURATIONS = (
    "ShadowProductionVariants",
    "AsyncInferenceConfig",
    "ExplainerConfig",
    "VpcConfig",
    "EnableNetworkIsolation",
    "CrossRegionTrafficConfig",
)


def check_configuration(body: dict[str, Any], model: Callable[[str], dict[str, Any]]) -> None:
    """Refuse an endpoint configuration that asks for what serverless variants do not have.

    Parameters
    ----------
    body
        The parameters of CreateEndpointConfig.
    model
        Returns the body of a Model record by its name.

    Raises
    ------
    AWSError
        ``ValidationException``.
    """
    serverless = [v for v in body["ProductionVariants"] if v.get("ServerlessConfig")]
    for variant in body.get("ShadowProductionVariants", []):
        if variant.get("ServerlessConfig"):
            raise _refused(variant["VariantName"], "shadow variants are not serverless")
    for variant in serverless:
        name = variant["VariantName"]
        _check_size(name, variant["ServerlessConfig"])
        if given := [member for member in _INSTANCES_ONLY if member in variant]:
            raise _refused(name, f"{', '.join(given)} cannot be given beside ServerlessConfig")
        if len(body["ProductionVariants"]) > 1:
            raise _refused(name, "a serverless endpoint has one production variant")
        if given := [member for member in _NOT_OF_CONFIGURATIONS if body.get(member)]:
            raise _refused(name, f"{', '.join(given)} is not supported")
        if (body.get("DataCaptureConfig") or {}).get("EnableCapture"):
            raise _refused(name, "DataCaptureConfig is not supported")
        if "ModelName" in variant:
            check_model(name, model(variant["ModelName"]))


def check_model(variant: str, body: dict[str, Any]) -> None:
    """Refuse a model that a serverless variant cannot have; see `check_configuration`."""
    containers = body.get("Containers") or [body.get("PrimaryContainer") or {}]
    if body.get("VpcConfig"):
        raise _refused(variant, "its model has a VpcConfig, and VPCs are not supported")
    if body.get("EnableNetworkIsolation"):
        raise _refused(variant, "its model has network isolation, which is not supported")
    if len(containers) > 1:
        raise _refused(variant, "its model has several containers, and one is supported")
    if containers[0].get("ModelDataSource"):
        raise _refused(variant, "its model has a ModelDataSource, and a ModelDataUrl is supported")
    if containers[0].get("Mode") == "MultiModel":
        raise _refused(variant, "its model is a multi-model one, which is not supported")


def check_update(config: dict[str, Any]) -> None:
    """Refuse concurrencies that do not fit together, of a ServerlessConfig that was updated."""
    provisioned, most = config.get("ProvisionedConcurrency", 0), config["MaxConcurrency"]
    if provisioned > most:
        raise validation_exception(
            f"ProvisionedConcurrency is {provisioned}, and MaxConcurrency is {most}: the "
            "provisioned concurrency should be less than or equal to the maximum."
        )


def check_conversion(
    endpoint: str, current: Sequence[dict[str, Any] | None], new: Sequence[dict[str, Any] | None]
) -> None:
    """Refuse to make a serverless endpoint of one with instances; the way back is open.

    Parameters
    ----------
    endpoint
        Its name.
    current, new
        The ServerlessConfig of each variant, None for instances.
    """
    if any(new) and not all(current):
        raise validation_exception(
            f"The endpoint {endpoint} has instances, and an endpoint with instances cannot be "
            "converted to a serverless one. Create another endpoint."
        )


def made_for_gpus(image: str) -> bool:
    """Tell from its name whether an image is one of AWS's for GPUs, which serverless has not."""
    return "-gpu-" in image.rpartition("/")[2]


def _check_size(variant: str, config: dict[str, Any]) -> None:
    memory = config["MemorySizeInMB"]
    if memory % _MEMORY_STEP:
        raise _refused(
            variant,
            f"MemorySizeInMB is {memory}, and valid values are in 1 GB increments: 1024 MB, "
            "2048 MB, 3072 MB, 4096 MB, 5120 MB, or 6144 MB",
        )
    check_update(config)


def _refused(variant: str, why: str) -> AWSError:
    return validation_exception(f"The production variant {variant} is serverless: {why}.")
