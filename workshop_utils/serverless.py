"""Whether a model can be served without machines of one's own, and with how much memory.

It decides from what the service says of the model, so everywhere alike. It must not know how an
endpoint is made. The rules are those of SageMaker's developer guide on Serverless Inference, and
of ContainerDefinition in botocore's model.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from workshop_utils.hosting import Serverless
from workshop_utils.session import Session

_MEGABYTE = 1024 * 1024
_STEP, _MOST = 1024, 6144
# The model server with Python, torch and transformers, before it has a model.
_BASE_MB = 2048
# The model in memory, and what it computes with, for each byte of its archive.
_FACTOR = 2.0


def choose(session: Session, model: str, asked: Serverless | bool | None) -> Serverless | None:
    """Decide whether a model gets a serverless endpoint; say so where nobody had decided.

    Parameters
    ----------
    session
        Where the model is.
    model
        The SageMaker model's name.
    asked
        What was asked for: one of a certain size, any (True), none (False), or whatever fits
        (None): then a small model for CPUs gets one, which costs nothing while nobody asks it.

    Returns
    -------
    Serverless or None
        None for an endpoint with machines. A line says so where something else was asked for.
    """
    if asked is False:
        return None
    body = session.client("sagemaker").describe_model(ModelName=model)
    container = _container(session, body)
    obstacle = _obstacle(body, container)
    size = None if obstacle else _size(session, container.get("ModelDataUrl"))
    if obstacle is None and not isinstance(asked, Serverless) and fitting(size) is None:
        obstacle = _too_large(size)
    if obstacle is not None:
        if asked is not None:
            print(f"An endpoint with machines instead of a serverless one: {obstacle}.")
        return None
    if isinstance(asked, Serverless):
        return asked
    chosen = fitting(size)
    if asked is None and chosen is not None:
        print(
            f"A serverless endpoint with {chosen.memory_mb} MB: it is billed while it answers, and "
            "the first request after a pause waits until it is awake."
        )
    return chosen


def fitting(size: int | None) -> Serverless | None:
    """Return the smallest serverless endpoint for a model's archive, None if it is too large.

    Parameters
    ----------
    size
        Bytes of the archive; None where they are not known, and then nothing fits.
    """
    if size is None:
        return None
    wanted = _BASE_MB + _FACTOR * size / _MEGABYTE
    memory = _STEP * -int(-wanted // _STEP)
    return Serverless(memory) if memory <= _MOST else None


def _container(session: Session, body: Mapping[str, Any]) -> dict[str, Any]:
    containers = body.get("Containers") or [body.get("PrimaryContainer") or {}]
    container = dict(containers[0])
    if package := container.get("ModelPackageName"):
        described = session.client("sagemaker").describe_model_package(ModelPackageName=package)
        packaged = described.get("InferenceSpecification", {}).get("Containers") or [{}]
        container = packaged[0] | container
    return container


def _obstacle(body: Mapping[str, Any], container: Mapping[str, Any]) -> str | None:
    if body.get("VpcConfig"):
        return "the model is in a VPC, and serverless endpoints have none"
    if body.get("EnableNetworkIsolation"):
        return "the model has network isolation, and serverless endpoints have none"
    if len(body.get("Containers") or ()) > 1:
        return "the model has several containers, and serverless endpoints have one"
    if "-gpu-" in str(container.get("Image", "")).rpartition("/")[2]:
        return "its image is for GPUs, and serverless endpoints have none"
    if container.get("ModelDataSource"):
        return "its data lies in S3 unpacked, and serverless endpoints take archives only"
    return None


def _too_large(size: int | None) -> str:
    if size is None:
        return "it has no archive of a known size, and a cold start that fetches weights is slow"
    return f"its archive has {size / _MEGABYTE:,.0f} MB, too much for {_MOST} MB of memory"


def _size(session: Session, uri: str | None) -> int | None:
    bucket, _, key = (uri or "").removeprefix("s3://").partition("/")
    if not key:
        return None
    try:
        return int(session.client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"])
    except ClientError:
        # Whoever may not look at an archive may still deploy it.
        return None
