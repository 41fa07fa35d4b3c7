"""The parameters of a pipeline: types, defaults, and the values that an execution is given.

On the wire every value is a text; here it gets its type. It must not know what it is used for.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import validation_exception
from local_sagemaker.pipelines.expressions import as_text

_TYPES: Mapping[str, tuple[type, ...]] = {
    "String": (str,),
    "Integer": (int,),
    "Float": (int, float),
    "Boolean": (bool,),
}
_INTEGER = re.compile(r"[+-]?\d{1,19}")
_BOOLEANS = {"true": True, "false": False}
_NAME = re.compile(r"[A-Za-z0-9\-_]{1,256}")


@dataclass(frozen=True)
class Parameter:
    """A parameter of a definition.

    Attributes
    ----------
    name, type
        What it is called, and ``String``, ``Integer``, ``Float`` or ``Boolean``.
    default
        Its value when none is given; None where one must be given.
    choices
        The only values that it can have; empty for any.
    """

    name: str
    type: str
    default: Any = None
    choices: tuple[Any, ...] = ()

    @classmethod
    def read(cls, document: Any) -> "Parameter":
        """Read one from a definition; ``ValidationException`` for what is none."""
        if not isinstance(document, dict):
            raise validation_exception(f"{document!r} is not a parameter of a pipeline.")
        name, kind = document.get("Name"), document.get("Type")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise validation_exception(
                f"The parameter name {name!r} must be 1 to 256 of A-Z, a-z, 0-9, '-' and '_'."
            )
        if not isinstance(kind, str) or kind not in _TYPES:
            raise validation_exception(
                f"Parameter '{name}' has the type {kind!r}: use one of {', '.join(_TYPES)}."
            )
        choices = document.get("EnumValues") or []
        if not isinstance(choices, list):
            raise validation_exception(f"EnumValues of parameter '{name}' must be a list.")
        parameter = cls(name, kind, document.get("DefaultValue"), tuple(choices))
        for value in (parameter.default, *choices):
            if value is not None:
                parameter._check_type(value)
        if parameter.default is not None:
            parameter._check_choice(parameter.default)
        return parameter

    def typed(self, text: str) -> Any:
        """Return the value that a text means.

        Raises
        ------
        AWSError
            ``ValidationException`` when it is none of this type, or not one of the choices.
        """
        value = self._parsed(text)
        if value is None:
            raise validation_exception(
                f"Unexpected type for parameter '{self.name}': {text!r} is not of type {self.type}."
            )
        self._check_choice(value)
        return value

    def _parsed(self, text: str) -> Any:
        if self.type == "String":
            return text
        if self.type == "Boolean":
            return _BOOLEANS.get(text.lower())
        if self.type == "Integer":
            return int(text) if _INTEGER.fullmatch(text) else None
        try:
            number = float(text)
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def _check_type(self, value: Any) -> None:
        fits = isinstance(value, _TYPES[self.type])
        if not fits or (isinstance(value, bool) and self.type != "Boolean"):
            raise validation_exception(
                f"Unexpected type for parameter '{self.name}': {value!r} is not of type "
                f"{self.type}."
            )

    def _check_choice(self, value: Any) -> None:
        if self.choices and value not in self.choices:
            raise validation_exception(
                f"Parameter '{self.name}' must be one of "
                f"{', '.join(map(as_text, self.choices))}, not {as_text(value)}."
            )


def values(known: Mapping[str, Parameter], given: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Return the value of every parameter of an execution, with its type.

    Parameters
    ----------
    known
        The definition's parameters by name.
    given
        ``PipelineParameters`` of the request.

    Raises
    ------
    AWSError
        ``ValidationException`` for a parameter that is unknown, given twice or not given, or has
        a value of another type.
    """
    texts: dict[str, str] = {}
    for item in given:
        name = item["Name"]
        if name not in known:
            has = ", ".join(known) or "none"
            raise validation_exception(
                f"Unknown parameter '{name}'. The pipeline's parameters: {has}."
            )
        if name in texts:
            raise validation_exception(f"Parameter '{name}' is given more than once.")
        texts[name] = item["Value"]
    found = {}
    for name, parameter in known.items():
        if name in texts:
            found[name] = parameter.typed(texts[name])
        elif parameter.default is None:
            raise validation_exception(
                f"Parameter '{name}' is undefined. It has no default: give it a value."
            )
        else:
            found[name] = parameter.default
    return found
