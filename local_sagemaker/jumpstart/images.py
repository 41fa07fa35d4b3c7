"""Which container image a model of the hub names, by instance type and region.

The images are recorded and not run here. It must not know a model.

Source of tags and registries: the SageMaker Python SDK 3.27, ``image_uri_config/huggingface.json``.
"""

from dataclasses import dataclass

_REGISTRY = "763104351884"
_REGIONS = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
]
_OTHER_REGISTRIES = {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}
_REGISTRIES = dict.fromkeys(_REGIONS, _REGISTRY) | _OTHER_REGISTRIES

CPU_FAMILIES = (
    "c4",
    "c5",
    "c5d",
    "c6i",
    "c7i",
    "m4",
    "m5",
    "m5d",
    "m6i",
    "m7i",
    "r5",
    "r6i",
    "t2",
    "t3",
)
GPU_FAMILIES = ("g4dn", "g5", "g6", "p3", "p4d")


@dataclass(frozen=True)
class Images:
    """The images of one container: for instances without and with a GPU.

    Attributes
    ----------
    cpu, gpu
        Repository and tag; ``cpu`` is None where it runs on GPUs only.
    """

    cpu: str | None
    gpu: str

    def variants(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return which image each family of instances takes, as the SDK's specs have it."""
        return {
            family: {"regional_properties": {"image_uri": f"${alias}"}}
            for families, alias in ((CPU_FAMILIES, "cpu_uri"), (GPU_FAMILIES, "gpu_uri"))
            for family in families
        }

    def aliases(self) -> dict[str, dict[str, str]]:
        """Return the addresses of both images in every region."""
        return {
            region: {
                "cpu_uri": _address(region, self.cpu or self.gpu),
                "gpu_uri": _address(region, self.gpu),
            }
            for region in sorted(_REGISTRIES)
        }


IMAGES = {
    "inference": Images(
        "huggingface-pytorch-inference:2.6.0-transformers5.5.3-cpu-py312-ubuntu22.04",
        "huggingface-pytorch-inference:2.6.0-transformers5.5.3-gpu-py312-cu124-ubuntu22.04",
    ),
    # Here, too, it is named for an instance without a GPU: no image is run.
    "tgi": Images(
        None, "huggingface-pytorch-tgi-inference:2.1.1-tgi1.4.0-gpu-py310-cu121-ubuntu20.04"
    ),
}


def _address(region: str, image: str) -> str:
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{_REGISTRIES[region]}.dkr.ecr.{region}.{domain}/{image}"
