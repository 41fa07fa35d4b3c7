"""What a pipeline is made of: names, places in S3, machines; and a digest of all of it.

It must not know how a definition is written.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from workshop_utils import estimators, instances

SCRIPTS = estimators.SCRIPTS / "sentiment"


@dataclass(frozen=True)
class Recipe:
    """What a pipeline is made of; the same recipe makes the same definition.

    Attributes
    ----------
    name, group
        Of the pipeline, and of the model package group that it registers versions in.
    base, test, encoder
        S3 prefixes of the labelled rows to begin with, of the fixed test set, and of the encoder
        that is fine-tuned.
    reviews
        The S3 prefix below which people's answers come to lie; holds at least one object.
    no_champion
        An S3 prefix without a model, for as long as nothing was approved; likewise not empty.
    training_type, processing_type, serving_type
        Instance types; the first two are defaults of parameters.
    retry_seconds
        The pause before a job's first retry; it doubles with each, eight times at most. Five
        seconds add up to 21 minutes, in which somebody else's job may end.
    hyperparameters
        Of the training script, where they are not its defaults.
    """

    name: str
    group: str
    base: str
    test: str
    encoder: str
    reviews: str
    no_champion: str
    training_type: str = instances.CPU
    processing_type: str = instances.CPU
    serving_type: str = instances.CPU
    retry_seconds: int = 5
    hyperparameters: Mapping[str, str | int | float] = field(default_factory=dict)

    def digest(self) -> str:
        """Return a short name of everything the definition follows from, the scripts included."""
        total = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode())
        for path in _script_files():
            total.update(f"{path.relative_to(SCRIPTS).as_posix()}\n".encode())
            total.update(path.read_bytes())
        return total.hexdigest()[:12]


def _script_files() -> list[Path]:
    return sorted(
        path for path in SCRIPTS.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )
