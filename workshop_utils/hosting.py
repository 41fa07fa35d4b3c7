"""What an endpoint runs on: the image, the machines, and how the service is told of them.

It must not know of endpoints themselves.
"""

from dataclasses import dataclass
from typing import Any

from workshop_utils import instances

# What jobs write today is read by transformers 5 only. Studio's SDK (3.12) knows no image that has
# it, although its registry does; the URI differs in the version alone.
_TRANSFORMERS = "5.5.3"
_KNOWN_TO_EVERY_SDK = "4.51.3"
_PYTORCH = "pytorch2.6.0"
# Before it answers, the container installs the model's requirements from the internet.
_STARTUP_SECONDS = 600
_VARIANT = "AllTraffic"


class EndpointFailed(Exception):
    """An endpoint did not come into service; the message has the reason it gave."""


def inference_image(region: str, instance_type: str) -> str:
    """Return the URI of the Hugging Face inference image, the same one with every SDK.

    Raises
    ------
    EndpointFailed
        When there is none for the region or the instance type.
    """
    from sagemaker.core import image_uris

    try:
        uri: str = image_uris.retrieve(
            framework="huggingface",
            region=region,
            version=_KNOWN_TO_EVERY_SDK,
            base_framework_version=_PYTORCH,
            py_version="py312",
            instance_type=instance_type,
            image_scope="inference",
        )
    except ValueError as error:
        raise EndpointFailed(
            f"No Hugging Face inference image fits {instance_type} in {region}: {error}"
        ) from error
    return uri.replace(f"transformers{_KNOWN_TO_EVERY_SDK}", f"transformers{_TRANSFORMERS}")


@dataclass(frozen=True)
class Serverless:
    """An endpoint without machines of one's own: billed per request, and slow after a pause.

    It has no GPU, no VPC and no network isolation.

    Attributes
    ----------
    memory_mb
        1024 to 6144, in steps of 1024. New accounts may have less than the most.
    max_concurrency
        Requests at once, 1 to 200; further ones are throttled. The serverless endpoints of an
        account and region share a quota.
    """

    memory_mb: int = 3072
    max_concurrency: int = 4


@dataclass(frozen=True)
class Hosting:
    """What an endpoint runs on.

    Attributes
    ----------
    instance_type, instance_count
        The machines, billed until the endpoint is deleted.
    serverless
        Instead of machines.
    kms_key
        Encrypts the machines' disks.
    startup_seconds, download_seconds
        How long the container and the model's data may take; None: the service's default for the
        latter.
    """

    instance_type: str = instances.CPU
    instance_count: int = 1
    serverless: Serverless | None = None
    kms_key: str | None = None
    startup_seconds: int = _STARTUP_SECONDS
    download_seconds: int | None = None

    def configuration(self, name: str, model: str, tags: list[dict[str, str]]) -> dict[str, Any]:
        """Return the request of CreateEndpointConfig for one model that gets all traffic."""
        return {
            "EndpointConfigName": name,
            "ProductionVariants": [self._variant(model)],
            "Tags": tags,
            **({"KmsKeyId": self.kms_key} if self.kms_key else {}),
        }

    def _variant(self, model: str) -> dict[str, Any]:
        variant: dict[str, Any] = {"VariantName": _VARIANT, "ModelName": model}
        if self.serverless is not None:
            return variant | {
                "ServerlessConfig": {
                    "MemorySizeInMB": self.serverless.memory_mb,
                    "MaxConcurrency": self.serverless.max_concurrency,
                }
            }
        if self.download_seconds is not None:
            variant["ModelDataDownloadTimeoutInSeconds"] = self.download_seconds
        return variant | {
            "InstanceType": self.instance_type,
            "InitialInstanceCount": self.instance_count,
            "ContainerStartupHealthCheckTimeoutInSeconds": self.startup_seconds,
        }
