"""What somebody says about a model that is to stand in the hub, checked.

It knows ids, tasks and versions; it must not know S3, nor the form in which the SDK reads it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from local_sagemaker.jumpstart.published import PublishError

INSTANCE_TYPE = "ml.m5.xlarge"
ZERO_SHOT = "zstc"

# JumpStart's names of tasks, which are part of a model's id, and the pipelines that do them.
PIPELINES = {
    ZERO_SHOT: "zero-shot-classification",
    "tc": "text-classification",
    "tcembedding": "feature-extraction",
    "textgeneration": "text-generation",
    "textgeneration1": "text-generation",
    "textgeneration2": "text-generation",
}
# The length is that of HubContentName, the characters those of a part of an S3 key.
_ID = re.compile(r"[a-z0-9]+-[a-z0-9]+-[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_ID = 63
_LONGEST_TEXT = 1023
_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")
_INSTANCE_TYPE = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,1023}")
_LONGEST_VALUE = 1024


@dataclass(frozen=True)
class Entry:
    """What is said about a model.

    Attributes
    ----------
    model_id
        ``<framework>-<task>-<name>``.
    name, description, license
        What people read.
    environment
        Variables of its container.
    instance_type
        What it is deployed to when nothing else is asked for.

    Raises
    ------
    PublishError
        When a value cannot be used.
    """

    model_id: str
    name: str = ""
    description: str = ""
    license: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    instance_type: str = INSTANCE_TYPE

    def __post_init__(self) -> None:
        _check_id(self.model_id)
        for what in ("name", "description", "license"):
            text = getattr(self, what)
            if len(text) > _LONGEST_TEXT or not text.isprintable():
                raise PublishError(
                    f"the {what} must be one line of at most {_LONGEST_TEXT} characters"
                )
        if not _INSTANCE_TYPE.fullmatch(self.instance_type):
            raise PublishError(
                f"{self.instance_type!r} is no instance type: they look like {INSTANCE_TYPE}"
            )
        for variable, value in self.environment.items():
            _check_variable(variable, value)

    @classmethod
    def from_dict(cls, content: Any) -> "Entry":
        """Read it from JSON; `PublishError` when it has another form."""
        if not isinstance(content, dict) or not content.keys() <= {one.name for one in fields(cls)}:
            raise PublishError("what describes the model is not as `Entry.to_dict` writes it")
        environment = content.get("environment", {})
        if not isinstance(environment, dict) or not _texts([*environment, *environment.values()]):
            raise PublishError("the environment must be a mapping of texts to texts")
        if not _texts(value for name, value in content.items() if name != "environment"):
            raise PublishError("what is said about the model must be texts")
        return cls(**content)

    @property
    def framework(self) -> str:
        """The framework in its id."""
        return self.model_id.split("-")[0]

    @property
    def task(self) -> str:
        """The task in its id."""
        return self.model_id.split("-")[1]

    @property
    def display_name(self) -> str:
        """What to call it."""
        return self.name or self.model_id

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"environment": dict(self.environment)}


def check_task(model_id: str, task: str | None) -> None:
    """Raise `PublishError` when a task is given and is not the one in the id."""
    framework, found, name = [*model_id.split("-", 2), "", ""][:3]
    if task is not None and task != found:
        rest = name or found or framework
        raise PublishError(
            f"the SDK reads a model's task off its id, and {model_id!r} says {found!r}, not "
            f"{task!r}: call it {framework}-{task}-{rest}"
        )


def check_version(version: str) -> tuple[int, int, int]:
    """Return the numbers of a version; `PublishError` when it is none."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise PublishError(f"{version!r} is no version: it must have the form 1.2.3")
    return int(found[1]), int(found[2]), int(found[3])


def _check_id(model_id: str) -> None:
    if not _ID.fullmatch(model_id):
        raise PublishError(
            f"{model_id!r} is no model id: it must be <framework>-<task>-<name> in small letters, "
            "digits and single hyphens, for instance huggingface-zstc-my-model"
        )
    if len(model_id) > _LONGEST_ID:
        raise PublishError(
            f"the model id {model_id} has {len(model_id)} characters: a hub allows {_LONGEST_ID}"
        )


def _check_variable(variable: str, value: str) -> None:
    # The limits are those of CreateModel's Environment.
    if not _VARIABLE.fullmatch(variable):
        raise PublishError(f"{variable!r} cannot be the name of an environment variable")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise PublishError(f"the value of {variable} holds what no environment variable can")
    if len(value) > _LONGEST_VALUE:
        raise PublishError(f"the value of {variable} must have at most {_LONGEST_VALUE} characters")


def _texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
