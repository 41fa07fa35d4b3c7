"""What a model in the hub is, as those who publish, list and remove models see it.

It must not import the server: it is part of what a notebook loads.
"""

from dataclasses import dataclass
from pathlib import Path


class PublishError(ValueError):
    """A model cannot be published or removed; the message says why and what to do."""


@dataclass(frozen=True)
class PublishedModel:
    """One version of a model in the hub.

    Attributes
    ----------
    model_id, version
        What the SDK finds it by.
    task
        The task in its id, for instance ``zstc``.
    name, description, license
        What people read about it.
    instance_type
        What it is deployed to when nothing else is asked for.
    environment
        The variables of its container.
    model_data
        Where its archive lies, ``s3://...``.
    size
        Bytes of the archive.
    aws
        Whether it stands for a model of AWS's own hub, which cannot be replaced or removed.
    created
        Whether this call published it: False where the same contents were there already.
    """

    model_id: str
    version: str
    task: str
    name: str
    description: str
    license: str
    instance_type: str
    environment: dict[str, str]
    model_data: str
    size: int
    aws: bool = False
    created: bool = False


@dataclass(frozen=True)
class Archives:
    """The files of a model that is to be published.

    Attributes
    ----------
    model, script
        Its archive, and that of its script alone where it has one.
    digest
        Of the contents of the first, whatever the archive's own bytes are.
    """

    model: Path
    script: Path | None
    digest: str
