"""Requests made from botocore's input shapes: the least that an operation accepts, and the most.

Every text satisfies its pattern and its length, so a request passes the server's validation.
"""

import re
from collections.abc import Iterator
from typing import Any

import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape

try:
    from re import _parser as parser  # type: ignore[attr-defined]  # private, as is its module
except ImportError:  # pragma: no cover
    import sre_parse as parser

_ARN = "arn:aws:{service}:us-east-1:111122223333:{rest}"
# Tried before a text is made from its pattern; the first that fits is what a person would write.
_TEXTS = (
    "text",
    "a-name",
    "s3://a-bucket/a-key",
    "https://a-host.example.com/path",
    "arn:aws:iam::111122223333:role/SomeRole",
    _ARN.format(service="sagemaker", rest="model/some"),
    _ARN.format(service="sns", rest="some-topic"),
    _ARN.format(service="lambda", rest="function:some"),
    "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image",
    "111122223333",
    "1.0",
    "10.0.0.0/16",
)
_SECONDS = 1_700_000_000


def request(shape: StructureShape | None, *, most: bool = False) -> dict[str, Any]:
    """Return a request that an operation accepts.

    Parameters
    ----------
    shape
        The operation's input.
    most
        Whether all members are there, instead of the required ones.
    """
    return {} if shape is None else _structure(shape, most, ())


def _structure(shape: StructureShape, most: bool, above: tuple[str, ...]) -> dict[str, Any]:
    inside = (*above, shape.name)
    names = list(shape.members) if most else list(shape.required_members)
    if shape.is_tagged_union:
        names = list(shape.members)[:1]
    return {
        name: _value(shape.members[name], most, inside)
        for name in names
        if not _within(shape.members[name], inside) or name in shape.required_members
    }


def _within(shape: Shape, above: tuple[str, ...]) -> bool:
    """Tell whether a shape would hold itself without end."""
    if isinstance(shape, ListShape):
        return _within(shape.member, above)
    return shape.name in above


def _value(shape: Shape, most: bool, above: tuple[str, ...]) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape, most, above)
    if isinstance(shape, ListShape):
        least = int(shape.metadata.get("min", 0))
        amount = max(least, 1 if most and shape.metadata.get("max") != 0 else 0)
        return [_value(shape.member, most, above) for _ in range(amount)]
    if isinstance(shape, MapShape):
        some = most or shape.metadata.get("min", 0) > 0
        return {_value(shape.key, most, above): _value(shape.value, most, above)} if some else {}
    if shape.type_name == "string":
        return text(shape)
    least = shape.metadata.get("min", 1)
    number = min(max(least, 1), shape.metadata.get("max", max(least, 1)))
    return {
        "integer": int(number),
        "long": int(number),
        "float": float(number),
        "double": float(number),
        "boolean": True,
        "timestamp": _SECONDS,
        "blob": b"x",
    }[shape.type_name]


def text(shape: Shape) -> str:
    """Return a text that satisfies the shape's enum, or its pattern and length."""
    enum = shape.metadata.get("enum")
    if enum:
        return str(enum[0])
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
    pattern = shape.metadata.get("pattern", "(?s).*")
    for candidate in _candidates(pattern, least):
        if least <= len(candidate) <= most and _matches(pattern, candidate):
            return candidate
    raise LookupError(f"no text for {shape.name}: {shape.metadata}")


def _matches(pattern: str, candidate: str) -> bool:
    try:
        return regex.fullmatch(pattern, candidate) is not None
    except regex.error:
        # Java's way to name characters outside the basic plane; the server has a reading of it.
        return True


def _candidates(pattern: str, least: int) -> Iterator[str]:
    yield from _TEXTS
    yield "a" * least
    try:
        parsed = parser.parse(pattern)
    except re.error:
        return
    for repeats in (0, 1, 2, 3, 5, 8, 12, 20, 36, least):
        yield _from_pattern(parsed, repeats)


def _from_pattern(parsed: Any, repeats: int) -> str:
    return "".join(_from_token(str(op), value, repeats) for op, value in parsed)


def _from_token(op: str, value: Any, repeats: int) -> str:
    if op == "LITERAL":
        return chr(value)
    if op in ("MAX_REPEAT", "MIN_REPEAT"):
        low, high, inside = value
        return _from_pattern(inside, repeats) * max(low, min(int(high), repeats))
    if op == "SUBPATTERN":
        return _from_pattern(value[-1], repeats)
    if op == "BRANCH":
        return _from_pattern(value[1][0], repeats)
    if op == "IN":
        return _from_set(value)
    return "" if op in ("AT", "ASSERT", "ASSERT_NOT") else "a"


def _from_set(items: Any) -> str:
    for op, value in items:
        if str(op) == "LITERAL":
            return chr(value)
        if str(op) == "RANGE":
            return chr(value[0])
        if str(op) == "CATEGORY":
            return "1" if "DIGIT" in str(value) else "a"
    return "a"
