"""A model of the hub as DescribeHubContent shows it: a document made from its spec.

Source of the members: ``sagemaker.core.jumpstart.models.HubContentDocument`` and
``sagemaker.core.jumpstart.hub.interfaces.HubModelDocument`` of the SDK 3.27.
"""

from typing import Any

from local_sagemaker.jumpstart.specification import BUCKET_PREFIX, Spec, entry_of

SCHEMA_VERSION = "2.3.0"


def document(spec: Spec, region: str) -> dict[str, Any]:
    """Return the document of a version.

    Parameters
    ----------
    spec
        The version.
    region
        Where it is asked for: addresses in it are those of the region.
    """
    entry = entry_of(spec)
    images = _images(spec, region)
    kwargs = spec["deploy_kwargs"]
    content: dict[str, Any] = {
        "Url": spec["url"],
        "MinSdkVersion": spec["min_sdk_version"],
        "ModelTypes": ["OPEN_WEIGHTS"],
        "Capabilities": [],
        "TrainingSupported": False,
        "IncrementalTrainingSupported": False,
        "DynamicContainerDeploymentSupported": False,
        "Task": entry.task,
        "Framework": entry.framework,
        "DataType": "text",
        "License": entry.license,
        "GatedBucket": False,
        "HostingEcrUri": images.get(_family(entry.instance_type), next(iter(images.values()), "")),
        "HostingArtifactS3DataType": "S3Object",
        "HostingArtifactCompressionType": "Gzip",
        "HostingArtifactUri": _uri(region, spec["hosting_artifact_key"]),
        "HostingPrepackedArtifactUri": _uri(region, spec["hosting_prepacked_artifact_key"]),
        "HostingPrepackedArtifactVersion": spec["version"],
        "HostingUseScriptUri": spec["hosting_use_script_uri"],
        "HostingInstanceTypeVariants": {
            "Aliases": {},
            "Variants": {
                family: {"Properties": {"ImageUri": image}} for family, image in images.items()
            },
        },
        "InferenceDependencies": [],
        "InferenceEnvironmentVariables": [
            {
                "Name": variable["name"],
                "Type": variable["type"],
                "Default": variable["default"],
                "Scope": variable["scope"],
                "RequiredForModelClass": variable["required_for_model_class"],
            }
            for variable in spec["inference_environment_variables"]
        ],
        "DefaultInferenceInstanceType": spec["default_inference_instance_type"],
        "SupportedInferenceInstanceTypes": spec["supported_inference_instance_types"],
        "InferenceVolumeSize": spec["inference_volume_size"],
        "InferenceEnableNetworkIsolation": spec["inference_enable_network_isolation"],
        "ModelDataDownloadTimeout": kwargs["model_data_download_timeout"],
        "ContainerStartupHealthCheckTimeout": kwargs["container_startup_health_check_timeout"],
        "ResourceNameBase": spec["resource_name_base"],
        "SageMakerSdkPredictorSpecifications": {
            "DefaultContentType": spec["predictor_specs"]["default_content_type"],
            "SupportedContentTypes": spec["predictor_specs"]["supported_content_types"],
            "DefaultAcceptType": spec["predictor_specs"]["default_accept_type"],
            "SupportedAcceptTypes": spec["predictor_specs"]["supported_accept_types"],
        },
    }
    if "hosting_script_key" in spec:
        content["HostingScriptUri"] = _uri(region, spec["hosting_script_key"])
    if "default_payloads" in spec:
        content["DefaultPayloads"] = {
            name: {
                "ContentType": payload["content_type"],
                "PromptKey": payload["prompt_key"],
                "Body": payload["body"],
            }
            for name, payload in spec["default_payloads"].items()
        }
    return content


def _uri(region: str, key: str) -> str:
    return f"s3://{BUCKET_PREFIX}{region}/{key}"


def _family(instance_type: str) -> str:
    return instance_type.split(".")[1]


def _images(spec: Spec, region: str) -> dict[str, str]:
    """Return the image of each family of instances; none in a region that has no registry."""
    variants = spec["hosting_instance_type_variants"]
    addresses = variants["regional_aliases"].get(region, {})
    return {
        family: addresses[alias]
        for family, content in variants["variants"].items()
        if (alias := content["regional_properties"]["image_uri"].removeprefix("$")) in addresses
    }
