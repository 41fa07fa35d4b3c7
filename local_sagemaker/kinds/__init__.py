"""The kinds of resources that this server keeps, as one reviewed table in pieces by theme."""

from botocore.model import ServiceModel

from local_sagemaker.kinds import (
    capacity,
    edge,
    features,
    hosting,
    human_review,
    jobs,
    monitoring,
    registry,
    studio,
    tracking,
    training,
)
from local_sagemaker.kinds.kind import Kind, Override, Parent, derive

__all__ = ["ROWS", "Kind", "Override", "Parent", "declared_kinds", "derive"]

ROWS: dict[str, Override] = (
    capacity.ROWS
    | edge.ROWS
    | features.ROWS
    | hosting.ROWS
    | human_review.ROWS
    | jobs.ROWS
    | monitoring.ROWS
    | registry.ROWS
    | studio.ROWS
    | tracking.ROWS
    | training.ROWS
)


def declared_kinds(model: ServiceModel) -> dict[str, Kind]:
    """Return the kinds that this server keeps, by noun; those that an older model lacks are not."""
    known = set(model.operation_names)
    return {
        noun: derive(model, noun, row) for noun, row in ROWS.items() if f"Create{noun}" in known
    }
