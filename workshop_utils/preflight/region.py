"""Whether the region has what the labs need of it: SageMaker, container images, the hub's model.

It must not know the account's rights.
"""

from collections.abc import Callable, Sequence

from botocore.exceptions import UnknownRegionError

from workshop_utils import hub_models, instances, jumpstart
from workshop_utils.estimators import training_image
from workshop_utils.hosting import EndpointFailed, inference_image
from workshop_utils.hub_models import JumpStartError
from workshop_utils.preflight.finding import Finding, blocker, ok, warning
from workshop_utils.session import Session

AREA = "region"
_ELSEWHERE = "Work in a region that has it, for instance us-east-1: set AWS_DEFAULT_REGION."


def images(session: Session, labs: Sequence[int]) -> list[Finding]:
    """Look up the region and the images that jobs and endpoints run in, in the installed SDK."""
    region = session.region
    if not _known(session):
        return [
            blocker(
                AREA,
                f"The installed botocore does not know SageMaker in {region}.",
                "Nothing of the labs can run where SageMaker is not.",
                f"{_ELSEWHERE} If {region} is new, update boto3.",
            )
        ]
    wanted: list[tuple[str, Callable[[str, str], str], str]] = [
        ("inference", inference_image, instances.CPU),
    ]
    if {1, 3} & set(labs):
        wanted += [
            ("training", training_image, instances.CPU),
            ("training on a GPU", training_image, instances.GPU),
        ]
    return [_image(region, purpose, uri, kind) for purpose, uri, kind in wanted]


def _image(region: str, purpose: str, uri: Callable[[str, str], str], kind: str) -> Finding:
    try:
        image = uri(region, kind).rpartition("/")[2]
    except (ValueError, EndpointFailed) as error:
        level = warning if instances.is_gpu(kind) else blocker
        return level(
            AREA,
            f"The installed SageMaker SDK knows no image for {purpose} in {region}: {error}",
            "A job or endpoint there would have no container to run in.",
            f"{_ELSEWHERE} If the region is new, update the package sagemaker.",
        )
    return ok(AREA, f"Image for {purpose}: `{image}`.")


def hub(session: Session, _: Sequence[int]) -> list[Finding]:
    """Look the zero-shot model up in the region's JumpStart hub."""
    try:
        model = hub_models.describe(session, jumpstart.BART)
    except JumpStartError as error:
        return [
            blocker(
                AREA,
                f"JumpStart has no {jumpstart.BART} in {session.region}: {error}",
                "Lab 2 deploys it.",
                f"{_ELSEWHERE} Or pass another model of `hub_models.find(ws, task='zstc')`.",
            )
        ]
    return [ok(AREA, f"JumpStart has {model.model_id}, version {model.version}.")]


def _known(session: Session) -> bool:
    try:
        partition = session.boto.get_partition_for_region(session.region)
    except UnknownRegionError:
        return False
    return session.region in session.boto.get_available_regions("sagemaker", partition)
