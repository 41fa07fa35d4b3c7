"""The expressions of a definition: ``Get``, ``Std:Join`` and ``Std:JsonGet``.

They stand where a value would. It finds what they refer to, for checks and for the order of steps,
and puts values in their place. It must not know where values come from: a `Scope` does.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from local_sagemaker.pipelines.paths import Part, PathError, find, parse

GET, JOIN, JSON_GET = "Get", "Std:Join", "Std:JsonGet"

PARAMETERS, EXECUTION, STEPS = "Parameters", "Execution", "Steps"
PROPERTY_FILES = "PropertyFiles"

_ROOTS = (PARAMETERS, EXECUTION, STEPS)
_MEMBERS = {JOIN: {"On", "Values"}, JSON_GET: {"PropertyFile", "S3Uri", "Path"}}
_SHOWN = 200


class ExpressionError(ValueError):
    """An expression cannot be read or has no value; the message names it."""


@dataclass(frozen=True)
class Reference:
    """What a ``Get`` refers to.

    Attributes
    ----------
    text
        As the definition has it.
    root
        ``Parameters``, ``Execution`` or ``Steps``.
    name
        Of the parameter, variable or step.
    path
        Where in what the step's resource is described as.
    """

    text: str
    root: str
    name: str
    path: tuple[Part, ...]

    @classmethod
    def parse(cls, text: Any) -> "Reference":
        """Read the operand of a ``Get``; `ExpressionError` for what is none."""
        try:
            root, name, *path = parse(text) if isinstance(text, str) else ()
        except (PathError, ValueError) as error:
            raise _unreadable(GET, text) from error
        if root not in _ROOTS or not isinstance(name, str) or (path and root != STEPS):
            raise _unreadable(GET, text)
        return cls(text, str(root), name, tuple(path))

    @property
    def property_file(self) -> str | None:
        """The name of the property file that it refers to, or None."""
        if self.root == STEPS and len(self.path) == 2 and self.path[0] == PROPERTY_FILES:
            return str(self.path[1])
        return None


class Scope(Protocol):
    """What the expressions of a step can see."""

    def value(self, reference: Reference) -> Any:
        """Return the value of a reference; `ExpressionError` when it has none."""

    def property_file(self, reference: Reference) -> Any:
        """Return the content of a property file; `ExpressionError` when there is none."""

    def object(self, uri: str) -> Any:
        """Return the content of a JSON object in S3; `ExpressionError` when there is none."""


def references(value: Any) -> Iterator[Reference]:
    """Return all references in a value, at any depth.

    Raises
    ------
    ExpressionError
        For an expression that cannot be read.
    """
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, Mapping):
        name = _function(value)
        if name == GET:
            yield Reference.parse(value[GET])
            return
        if name is not None:
            _check_function(name, value[name])
        for item in value.values():
            yield from references(item)


def resolve(value: Any, scope: Scope) -> Any:
    """Return a value with its expressions replaced by theirs.

    Raises
    ------
    ExpressionError
        When one of them has none.
    """
    if isinstance(value, list):
        return [resolve(item, scope) for item in value]
    if not isinstance(value, Mapping):
        return value
    name = _function(value)
    if name == GET:
        return scope.value(Reference.parse(value[GET]))
    if name is None:
        return {key: resolve(item, scope) for key, item in value.items()}
    _check_function(name, value[name])
    return _join(value[JOIN], scope) if name == JOIN else _json_get(value[JSON_GET], scope)


def as_text(value: Any) -> str:
    """Return a value as AWS writes it into a text: booleans in lower case, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def is_expression(value: Any) -> bool:
    """Tell whether a value stands for another one."""
    return isinstance(value, Mapping) and _function(value) is not None


def _function(value: Mapping[str, Any]) -> str | None:
    """Return which function a value is, or None for a plain structure."""
    if len(value) != 1:
        return None
    (name,) = value
    return name if name == GET or name.startswith("Std:") else None


def _check_function(name: str, operand: Any) -> None:
    known = _MEMBERS.get(name)
    if known is None:
        raise ExpressionError(f"there is no function {name[:_SHOWN]!r}: use {JOIN} or {JSON_GET}")
    if not isinstance(operand, dict) or not operand.keys() <= known:
        raise _unreadable(name, operand)
    if name == JOIN and not (
        isinstance(operand.get("On", ""), str) and isinstance(operand.get("Values"), list)
    ):
        raise _unreadable(name, operand)
    if name == JSON_GET:
        given = [member for member in ("PropertyFile", "S3Uri") if member in operand]
        if len(given) != 1 or not isinstance(operand.get("Path"), str):
            raise _unreadable(name, operand)
        if given == ["PropertyFile"]:
            _file_reference(operand)
        try:
            parse(operand["Path"])
        except PathError as error:
            raise ExpressionError(str(error)) from error


def _file_reference(operand: Mapping[str, Any]) -> Reference:
    file = operand["PropertyFile"]
    reference = Reference.parse(file.get(GET) if isinstance(file, dict) else file)
    if reference.property_file is None:
        raise ExpressionError(
            f"{reference.text!r} is not a property file: {JSON_GET} needs "
            f"{STEPS}.<step>.{PROPERTY_FILES}.<name>"
        )
    return reference


def _join(operand: Mapping[str, Any], scope: Scope) -> str:
    values = [as_text(resolve(item, scope)) for item in operand["Values"]]
    return str(operand.get("On", "")).join(values)


def _json_get(operand: Mapping[str, Any], scope: Scope) -> Any:
    if "PropertyFile" in operand:
        reference = _file_reference(operand)
        document, called = scope.property_file(reference), reference.text
    else:
        called = as_text(resolve(operand["S3Uri"], scope))
        document = scope.object(called)
    try:
        return find(document, parse(operand["Path"]))
    except PathError as error:
        raise ExpressionError(f"{operand['Path']!r} of {called}: {error}") from error


def _unreadable(name: str, operand: Any) -> ExpressionError:
    return ExpressionError(f"{json.dumps({name: operand})[:_SHOWN]} cannot be read")
