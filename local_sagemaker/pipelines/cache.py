"""Step caching: what makes two steps the same work, and for how long a result counts.

It must not know where former results are kept.

Source: "Caching pipeline steps" of the developer guide, which lists the attributes.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import validation_exception

ATTRIBUTES: Mapping[str, tuple[str, ...]] = {
    "Training": (
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "DebugRuleConfigurations",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ),
    "Processing": ("AppSpecification", "Environment", "ProcessingInputs"),
    "Transform": ("DataProcessing", "Environment", "ModelName", "TransformInput"),
}
"""The arguments of a step that count, by its type; a type that is not here is not cached."""

# Seconds of the units of an ISO 8601 duration, before and after its ``T``.
_DATE = {"Y": 365 * 86400, "M": 30 * 86400, "W": 7 * 86400, "D": 86400}
_TIME = {"H": 3600, "M": 60, "S": 1}
_UNITS = re.compile(r"(\d+(?:\.\d+)?)([A-Z])")
_DURATION = re.compile(r"P?((?:\d+(?:\.\d+)?[YMWD])*)(?:T((?:\d+(?:\.\d+)?[HMS])+))?")


@dataclass(frozen=True)
class CacheConfig:
    """Whether a step takes a former result, and how old that may be, in seconds, None for any."""

    enabled: bool
    expires: float | None = None

    @classmethod
    def read(cls, document: Any) -> "CacheConfig":
        """Read one from a definition; ``ValidationException`` for what is none."""
        if not isinstance(document, dict) or not isinstance(document.get("Enabled"), bool):
            raise validation_exception("A CacheConfig needs Enabled, true or false.")
        after = document.get("ExpireAfter")
        return cls(document["Enabled"], None if after is None else seconds(after))


def seconds(text: Any) -> float:
    """Return the length of an ISO 8601 duration; ``30d`` and ``T12H`` are understood as well.

    Raises
    ------
    AWSError
        ``ValidationException`` for what is no duration.
    """
    found = _DURATION.fullmatch(text.upper()) if isinstance(text, str) else None
    if found is None or not any(found.groups()):
        raise validation_exception(
            f"ExpireAfter {text!r} is not a duration as ISO 8601 writes it: P30D, PT1H, P1DT12H."
        )
    return sum(
        float(number) * units[unit]
        for part, units in ((found[1], _DATE), (found[2], _TIME))
        for number, unit in _UNITS.findall(part or "")
    )


def key(kind: str, arguments: Mapping[str, Any]) -> str | None:
    """Return what two steps of the same work have in common, or None where nothing is cached.

    Parameters
    ----------
    kind
        The step's type.
    arguments
        Its arguments with all expressions resolved.
    """
    attributes = ATTRIBUTES.get(kind)
    if attributes is None:
        return None
    chosen = {name: arguments[name] for name in attributes if name in arguments}
    text = json.dumps([kind, chosen], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
