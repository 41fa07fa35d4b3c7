"""The form in which AWS's SDK reads what the hub says about a model.

A *spec* is the JSON that lies in the content bucket. It is the one truth: the manifest, the lists
and the hub's documents are made from it. What only this server needs stands in it under ``local``.

Source of the form: what the SDK reads (``sagemaker.core.jumpstart.types`` of 3.12 and 3.27).
"""

from dataclasses import dataclass
from typing import Any

from local_sagemaker.jumpstart.entry import PIPELINES, ZERO_SHOT, Entry
from local_sagemaker.jumpstart.images import IMAGES
from local_sagemaker.jumpstart.published import PublishedModel

Spec = dict[str, Any]

BUCKET_PREFIX = "jumpstart-cache-prod-"
# The first release of the SDK's third generation.
_MIN_SDK_VERSION = "3.0.0"
_PATIENCE = 3600
_INSTANCE_TYPES = [
    "ml.m5.large",
    "ml.m5.xlarge",
    "ml.m5.2xlarge",
    "ml.c5.xlarge",
    "ml.c5.2xlarge",
    "ml.g4dn.xlarge",
    "ml.g5.xlarge",
    "ml.g5.2xlarge",
]
_ZERO_SHOT_EXAMPLE = {
    "sequences": "one day I will see the world",
    "candidate_labels": ["travel", "cooking", "dancing"],
}
_EXAMPLES: dict[str, tuple[str, dict[str, Any]]] = {
    "zero-shot-classification": ("sequences", _ZERO_SHOT_EXAMPLE),
    "text-classification": ("inputs", {"inputs": "a film to see twice"}),
    "feature-extraction": ("inputs", {"inputs": "a sentence to embed"}),
    "text-generation": (
        "inputs",
        {"inputs": "Once upon a time", "parameters": {"max_new_tokens": 20}},
    ),
}


@dataclass(frozen=True)
class Artifacts:
    """Where a model's archives lie in the content bucket, and what is in them.

    Attributes
    ----------
    model, script
        Keys of the model's archive and of that of its script alone; the second may be None.
    size
        Bytes of what has to be loaded.
    digest
        Tells whether the contents of two versions are the same.
    """

    model: str
    script: str | None
    size: int
    digest: str


def specification(
    entry: Entry, version: str, artifacts: Artifacts, *, image: str, aws: bool, source: str
) -> Spec:
    """Return the spec of a version.

    Parameters
    ----------
    entry
        What is said about the model.
    version
        Which version.
    artifacts
        Where its archives lie.
    image
        Which of the images of `images.IMAGES` it names.
    aws
        Whether it stands for a model of AWS's hub.
    source
        A page about the model; its id where there is none.
    """
    images = IMAGES[image]
    spec: Spec = {
        "model_id": entry.model_id,
        "url": source,
        "version": version,
        "min_sdk_version": _MIN_SDK_VERSION,
        "training_supported": False,
        "incremental_training_supported": False,
        "hosting_artifact_key": artifacts.model,
        "hosting_prepacked_artifact_key": artifacts.model,
        "hosting_use_script_uri": False,
        "hosting_instance_type_variants": {
            "regional_aliases": images.aliases(),
            "variants": images.variants(),
        },
        "inference_vulnerable": False,
        "inference_dependencies": [],
        "inference_vulnerabilities": [],
        "training_vulnerable": False,
        "training_dependencies": [],
        "training_vulnerabilities": [],
        "deprecated": False,
        "inference_environment_variables": [
            *(_variable(name, value) for name, value in entry.environment.items()),
            *([] if artifacts.script is None else _SCRIPT_VARIABLES),
        ],
        "metrics": [],
        "default_inference_instance_type": entry.instance_type,
        "supported_inference_instance_types": sorted({*_INSTANCE_TYPES, entry.instance_type}),
        "model_kwargs": {},
        "deploy_kwargs": {
            "model_data_download_timeout": _PATIENCE,
            "container_startup_health_check_timeout": _PATIENCE,
        },
        "predictor_specs": {
            "default_content_type": "application/json",
            "supported_content_types": ["application/json"],
            "default_accept_type": "application/json",
            "supported_accept_types": ["application/json"],
        },
        "inference_volume_size": 256,
        "inference_enable_network_isolation": False,
        "resource_name_base": entry.model_id.replace("huggingface-", "hf-", 1),
        "local": {
            "entry": entry.to_dict(),
            "aws": aws,
            "digest": artifacts.digest,
            "size": artifacts.size,
        },
    }
    if artifacts.script is not None:
        spec["hosting_script_key"] = artifacts.script
    if example := _EXAMPLES.get(PIPELINES.get(entry.task, "")):
        prompt, body = example
        spec["default_payloads"] = {
            "example": {
                "content_type": "application/json",
                "accept": "application/json",
                "prompt_key": prompt,
                "body": body,
            }
        }
    return spec


def _variable(name: str, value: str, *, required: bool = True) -> dict[str, Any]:
    return {
        "name": name,
        "type": "text",
        "default": value,
        "scope": "container",
        "required_for_model_class": required,
    }


# For those who create a model by boto3: the SDK sets them itself.
_SCRIPT_VARIABLES = [
    _variable("SAGEMAKER_PROGRAM", "inference.py", required=False),
    _variable("SAGEMAKER_SUBMIT_DIRECTORY", "/opt/ml/model/code", required=False),
    _variable("SAGEMAKER_CONTAINER_LOG_LEVEL", "20", required=False),
]


def entry_of(spec: Spec) -> Entry:
    """Return what was said about a model."""
    return Entry(**spec["local"]["entry"])


def spec_key(model_id: str, version: str) -> str:
    """Return where the spec of a version lies."""
    return f"community_models/{model_id}/specs_v{version}.json"


def header(spec: Spec) -> dict[str, Any]:
    """Return a version's line of the manifest."""
    return {
        "model_id": spec["model_id"],
        "version": spec["version"],
        "min_version": spec["min_sdk_version"],
        "spec_key": spec_key(spec["model_id"], spec["version"]),
        "deprecated": False,
        "search_keywords": keywords(spec),
    }


def keywords(spec: Spec) -> list[str]:
    """Return what a model can be found by: as the hub has them, in small letters."""
    entry = entry_of(spec)
    words = [f"@framework:{entry.framework}", f"@task:{entry.task}", entry.task]
    if pipeline := PIPELINES.get(entry.task):
        words += [f"@task:{pipeline}", pipeline]
    if entry.task == ZERO_SHOT:
        words.append("zero-shot text classification")
    if entry.license:
        words.append(f"@license:{entry.license.lower()}"[:255])
    return words


def published(spec: Spec, region: str, *, created: bool = False) -> PublishedModel:
    """Return a version as those see it who publish and list models."""
    entry = entry_of(spec)
    return PublishedModel(
        model_id=entry.model_id,
        version=spec["version"],
        task=entry.task,
        name=entry.display_name,
        description=entry.description,
        license=entry.license,
        instance_type=entry.instance_type,
        environment=dict(entry.environment),
        model_data=f"s3://{BUCKET_PREFIX}{region}/{spec['hosting_prepacked_artifact_key']}",
        size=spec["local"]["size"],
        aws=spec["local"]["aws"],
        created=created,
    )
