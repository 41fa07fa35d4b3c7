"""A pipeline's definition: parameters and steps, as the JSON of version 2020-12-01 has them.

It reads and checks the shape of each part; how the parts fit together is checked by
`local_sagemaker.pipelines.graph`. It must not know executions.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.pipelines import conditions, work
from local_sagemaker.pipelines.cache import CacheConfig
from local_sagemaker.pipelines.documents import read_json
from local_sagemaker.pipelines.expressions import ExpressionError, references
from local_sagemaker.pipelines.parameters import Parameter
from local_sagemaker.pipelines.retries import RetryPolicy

VERSION = "2020-12-01"
COMPLETED, ANY = "Completed", "Any"
TRIGGERS = (COMPLETED, "Failed", "Stopped", ANY)

_STEP_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_BRANCHES = (("IfSteps", True), ("ElseSteps", False))
_RETRIED = frozenset({*work.WORKS, "Tuning", "AutoML"})


@dataclass(frozen=True)
class PropertyFile:
    """A JSON file in an output of a processing job, which conditions may read."""

    output: str
    path: str


@dataclass(frozen=True)
class Branch:
    """Where a step stands that runs only when a condition has an outcome."""

    condition: str
    outcome: bool


@dataclass(frozen=True)
class Step:
    """A step of a pipeline.

    Attributes
    ----------
    name, type
        What it is called, and what it does.
    arguments
        Of the operation behind it, with expressions; of a condition, its ``Conditions`` only.
    after
        ``DependsOn``: the names of steps and how they must have ended, of `TRIGGERS`.
    branch
        The condition that it is a step of, or None.
    retry_policies, cache, property_files
        As the definition has them.
    shown
        What lists show of it beside its name: display name and description.
    """

    name: str
    type: str
    arguments: Mapping[str, Any]
    after: Mapping[str, str] = field(default_factory=dict)
    branch: Branch | None = None
    retry_policies: tuple[RetryPolicy, ...] = ()
    cache: CacheConfig | None = None
    property_files: Mapping[str, PropertyFile] = field(default_factory=dict)
    shown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Definition:
    """What a pipeline does.

    Attributes
    ----------
    parameters
        By name.
    steps
        By name, in the order of the text, those in branches of conditions among them.
    experiment
        ``PipelineExperimentConfig``, with expressions, or None.
    """

    parameters: Mapping[str, Parameter]
    steps: Mapping[str, Step]
    experiment: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, text: str) -> "Definition":
        """Read a definition.

        Raises
        ------
        AWSError
            ``ValidationException`` that names the first thing that is wrong.
        """
        try:
            return cls._read(read_json(text))
        except RecursionError as error:
            raise validation_exception("The PipelineDefinition is nested too deeply.") from error
        except ValueError as error:
            raise validation_exception(f"The PipelineDefinition is not JSON: {error}.") from error

    @classmethod
    def _read(cls, document: Any) -> "Definition":
        if not isinstance(document, dict):
            raise validation_exception("The PipelineDefinition must be a JSON object.")
        if document.get("Version") != VERSION:
            raise validation_exception(
                f"The PipelineDefinition must have the Version {VERSION!r}, not "
                f"{document.get('Version')!r}."
            )
        parameters: dict[str, Parameter] = {}
        for item in _list(document, "Parameters", "The PipelineDefinition"):
            parameter = Parameter.read(item)
            if parameter.name in parameters:
                raise validation_exception(f"Parameter '{parameter.name}' is defined twice.")
            parameters[parameter.name] = parameter
        steps: dict[str, Step] = {}
        for step in _steps(_list(document, "Steps", "The PipelineDefinition"), None):
            if step.name in steps:
                raise validation_exception(
                    f"Step names must be unique: two steps are called '{step.name}'."
                )
            steps[step.name] = step
        return cls(parameters, steps, _experiment(document.get("PipelineExperimentConfig")))


def _experiment(document: Any) -> Mapping[str, Any] | None:
    members = {"ExperimentName", "TrialName"}
    if document is not None and not (isinstance(document, dict) and members <= document.keys()):
        raise validation_exception(
            "PipelineExperimentConfig needs an ExperimentName and a TrialName, or is left out."
        )
    return document


def _steps(documents: list[Any], branch: Branch | None) -> Iterator[Step]:
    for document in documents:
        step = _step(document, branch)
        yield step
        if step.type == work.CONDITION:
            for member, outcome in _BRANCHES:
                inner = _list(document["Arguments"], member, f"Step '{step.name}'")
                yield from _steps(inner, Branch(step.name, outcome))


def _step(document: Any, branch: Branch | None) -> Step:
    name = document.get("Name") if isinstance(document, dict) else None
    if not isinstance(name, str) or not _STEP_NAME.fullmatch(name):
        raise validation_exception(
            f"The step name {name!r} must be 1 to 64 of A-Z, a-z, 0-9, '-' and '_'."
        )
    kind = document.get("Type")
    if not isinstance(kind, str) or kind not in work.TYPES:
        raise validation_exception(
            f"Step '{name}' has the type {kind!r}. There are: {', '.join(sorted(work.TYPES))}."
        )
    try:
        return Step(
            name,
            kind,
            _arguments(kind, document.get("Arguments")),
            dict(_after(item) for item in _list(document, "DependsOn", f"Step '{name}'")),
            branch,
            _retry_policies(kind, document),
            _cache(document.get("CacheConfig")),
            dict(map(_property_file, _list(document, "PropertyFiles", f"Step '{name}'"))),
            {
                f"Step{key}": document[key]
                for key in ("DisplayName", "Description")
                if isinstance(document.get(key), str)
            },
        )
    except ExpressionError as error:
        raise validation_exception(f"Step '{name}': {error}.") from error
    except AWSError as error:
        raise validation_exception(f"Step '{name}': {error.message}") from error


def _arguments(kind: str, arguments: Any) -> dict[str, Any]:
    if kind in work.NOT_RUN:
        # Some of them have none; when their turn comes they fail for what they are.
        return dict(arguments) if isinstance(arguments, dict) else {}
    if not isinstance(arguments, dict):
        raise ExpressionError("Arguments must be a JSON object")
    kept = dict(arguments)
    if kind == work.CONDITION:
        conditions.check(arguments.get("Conditions"))
        kept = {"Conditions": arguments["Conditions"]}
    for _ in references(kept):
        pass
    return kept


def _cache(document: Any) -> CacheConfig | None:
    return None if document is None else CacheConfig.read(document)


def _after(item: Any) -> tuple[str, str]:
    """Read an entry of DependsOn: a step's name, or one with the way in which it must end."""
    if isinstance(item, str):
        return item, COMPLETED
    name, trigger = (item.get("Step"), item.get("Trigger")) if isinstance(item, dict) else ("", "")
    if not isinstance(name, str) or trigger not in TRIGGERS:
        raise ExpressionError(
            f"DependsOn has {item!r}, which is neither a step's name nor a Step with a Trigger "
            f"of {', '.join(TRIGGERS)}"
        )
    return name, trigger


def _retry_policies(kind: str, document: Mapping[str, Any]) -> tuple[RetryPolicy, ...]:
    policies = _list(document, "RetryPolicies", "It")
    if policies and kind not in _RETRIED:
        raise ExpressionError(f"a step of type {kind} has no RetryPolicies")
    return tuple(map(RetryPolicy.read, policies))


def _property_file(document: Any) -> tuple[str, PropertyFile]:
    members = ("PropertyFileName", "OutputName", "FilePath")
    found = [document.get(member) if isinstance(document, dict) else None for member in members]
    if not all(isinstance(text, str) and text for text in found):
        raise ExpressionError(f"a property file needs {', '.join(members)}: {document!r}")
    name, output, path = map(str, found)
    return name, PropertyFile(output, path)


def _list(document: Mapping[str, Any], member: str, owner: str) -> list[Any]:
    value = document.get(member)
    if value is None:
        return []
    if not isinstance(value, list):
        raise validation_exception(f"{owner} has {member}, which must be a list.")
    return value
