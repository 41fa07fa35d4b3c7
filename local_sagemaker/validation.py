"""Checks a request against botocore's service model, in AWS's own words.

botocore's client-side validator knows required members and types only; the service also checks
lengths, ranges, patterns and enums. The texts follow "1 validation error detected: Value 'x' at
'modelName' failed to satisfy constraint: …". It must not know any operation by name.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from local_sagemaker.errors import AWSError, validation_exception

# AWS cuts long values out of its messages too.
_SHOWN = 256
# Some of the model's patterns take quadratic time or worse. A value that is longer than both its
# limit and this is refused for its length alone; what takes longer than a second does not match.
_LONGEST_MATCHED = 4096
_MATCH_SECONDS = 1.0
# Java's way to say "outside the basic plane", in UTF-16.
_SURROGATES = "\\uD800\\uDC00-\\uDBFF\\uDFFF"


def validate(params: dict[str, Any], shape: StructureShape | None) -> None:
    """Refuse parameters that break the shape's constraints.

    Raises
    ------
    AWSError
        ``ValidationException`` that lists every violation.
    """
    if shape is None:
        return
    problems = list(_structure(params, shape, ""))
    if problems:
        count = len(problems)
        noun = "error" if count == 1 else "errors"
        raise validation_exception(
            f"{count} validation {noun} detected: " + "; ".join(problems[:10])
        )


def _structure(value: Any, shape: StructureShape, path: str) -> Iterator[str]:
    if shape.is_document_type:
        return
    _expect(isinstance(value, dict), value, shape, path)
    for name in shape.required_members:
        if value.get(name) is None:
            yield _violation(None, _join(path, name), "Member must not be null")
    for name, member in shape.members.items():
        if value.get(name) is not None:
            yield from _value(value[name], member, _join(path, name))
    if shape.is_tagged_union and len([v for v in value.values() if v is not None]) != 1:
        yield _violation(
            ", ".join(sorted(value)), path or "input", "Exactly one member of the union must be set"
        )


def _value(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        yield from _structure(value, shape, path)
    elif isinstance(shape, ListShape):
        _expect(isinstance(value, list), value, shape, path)
        yield from _size(value, len(value), shape, path)
        for number, item in enumerate(value, start=1):
            yield from _item(item, shape.member, f"{path}.{number}.member")
    elif isinstance(shape, MapShape):
        _expect(isinstance(value, dict), value, shape, path)
        yield from _size(value, len(value), shape, path)
        for key, item in value.items():
            yield from _value(key, shape.key, f"{path}.key")
            yield from _item(item, shape.value, f"{path}.{key}.value")
    else:
        yield from _scalar(value, shape, path)


def _item(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if value is None:
        yield _violation(None, path, "Member must not be null")
    else:
        yield from _value(value, shape, path)


def _scalar(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, StringShape):
        _expect(isinstance(value, str), value, shape, path)
        yield from _text(value, shape, path)
    elif shape.type_name == "boolean":
        _expect(isinstance(value, bool), value, shape, path)
    elif shape.type_name == "blob":
        yield from _size(value, len(value), shape, path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        whole = shape.type_name in ("integer", "long")
        number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        _expect(number, value, shape, path)
        yield from _range(value, shape, path)


def _text(value: str, shape: StringShape, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield _violation(
            value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        )
        return
    yield from _size(value, len(value), shape, path)
    pattern = shape.metadata.get("pattern")
    if len(value) > max(_LONGEST_MATCHED, shape.metadata.get("max", len(value))):
        return
    if pattern and not _matches(pattern, value):
        yield _violation(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _size(value: Any, length: int, shape: Shape, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and length > most:
        yield _violation(value, path, f"Member must have length less than or equal to {most}")
    if least is not None and length < least:
        yield _violation(value, path, f"Member must have length greater than or equal to {least}")


def _range(value: float, shape: Shape, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and value > most:
        yield _violation(value, path, f"Member must have value less than or equal to {most}")
    if least is not None and value < least:
        yield _violation(value, path, f"Member must have value greater than or equal to {least}")


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    try:
        return compiled is None or compiled.fullmatch(value, timeout=_MATCH_SECONDS) is not None
    except TimeoutError:
        return False


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> regex.Pattern[str] | None:
    # The model's patterns are Java's (``\p{L}`` and the like); what is not even readable with the
    # regex library is not checked.
    try:
        return regex.compile(pattern.replace(_SURROGATES, "\U00010000-\U0010ffff"), regex.DOTALL)
    except regex.error:
        return None


def _expect(fits: bool, value: Any, shape: Shape, path: str) -> None:
    if not fits:
        raise AWSError(
            "SerializationException",
            f"{path or 'The request'} must be of type {shape.type_name}, "
            f"but it is {str(value)[:_SHOWN]!r}",
        )


def _violation(value: Any, path: str, constraint: str) -> str:
    shown = "Value null" if value is None else f"Value '{str(value)[:_SHOWN]}'"
    return f"{shown} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    lowered = name[:1].lower() + name[1:]
    return f"{path}.{lowered}" if path else lowered
