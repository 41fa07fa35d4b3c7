"""The part of JSONPath that InputFilter and OutputFilter may hold.

Operators after ``$``, as AWS's developer guide lists them ("Associate Prediction Results with
Input Records"): ``.name``, ``.*`` and ``[*]``, ``['a','b']``, ``[0,2]``, ``[-1]``, ``[1:4]``,
``[:5]``, ``[2:]``. It knows values that JSON can carry; it must not know formats or jobs.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_PICK = r"-?\d*\s*:\s*-?\d*|-?\d+"
_STEP = re.compile(
    rf"\.(?P<name>[\w-]+)|(?P<every>\.\*|\[\s*\*\s*\])"
    rf"|\[\s*(?P<names>(?:{_QUOTED})(?:\s*,\s*(?:{_QUOTED}))*)\s*\]"
    rf"|\[\s*(?P<picks>(?:{_PICK})(?:\s*,\s*(?:{_PICK}))*)\s*\]"
)
_SUPPORTED = "$, .name, *, ['a','b'], [0,2], [-1], [1:4], [:5], [2:]"


class PathError(ValueError):
    """A text is no such path."""


class PathMismatch(Exception):
    """A value does not have what a path leads to."""


@dataclass(frozen=True)
class _Every:
    """All members of an object or an array, as an array."""


@dataclass(frozen=True)
class _Names:
    """Members of an object: one as its value, several as an object."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class _Picks:
    """Items of an array: a single index as its value, anything else as an array."""

    picks: tuple[int | slice, ...]


_Step = _Every | _Names | _Picks


@dataclass(frozen=True)
class JSONPath:
    """A path.

    Attributes
    ----------
    text
        As it was written.
    steps
        What it means.
    """

    text: str
    steps: tuple[_Step, ...]

    @classmethod
    def parse(cls, text: str) -> "JSONPath":
        """Read a path; `PathError` for what is none, or uses more of JSONPath."""
        position = 1
        steps: list[_Step] = []
        if not text.startswith("$"):
            raise PathError(f"{text!r} must begin with $")
        while position < len(text):
            found = _STEP.match(text, position)
            if found is None:
                raise PathError(
                    f"{text!r} cannot be read from {text[position:]!r} on: {_SUPPORTED}"
                )
            steps.append(_step(found))
            position = found.end()
        return cls(text, tuple(steps))

    @property
    def whole(self) -> bool:
        """Whether it leads to all of a value."""
        return not self.steps

    def of(self, value: Any) -> Any:
        """Return what it leads to in a value; `PathMismatch` when that is not there."""
        try:
            return _follow(value, self.steps)
        except PathMismatch as error:
            raise PathMismatch(f"{self.text} does not fit: {error}") from None


def _step(found: re.Match[str]) -> _Step:
    if found["every"]:
        return _Every()
    if found["name"]:
        return _Names((found["name"],))
    if found["names"]:
        quoted = re.findall(_QUOTED, found["names"])
        return _Names(tuple(re.sub(r"\\(.)", r"\1", text[1:-1]) for text in quoted))
    return _Picks(tuple(_pick(text) for text in found["picks"].split(",")))


def _pick(text: str) -> int | slice:
    if ":" not in text:
        return int(text)
    start, _, end = text.partition(":")
    return slice(int(start) if start.strip() else None, int(end) if end.strip() else None)


def _follow(value: Any, steps: Sequence[_Step]) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if isinstance(step, _Every):
        return [_follow(item, rest) for item in _members(value)]
    if isinstance(step, _Names):
        if not isinstance(value, Mapping):
            raise PathMismatch(f"there are no names in {_kind(value)}")
        for name in step.names:
            if name not in value:
                raise PathMismatch(f"there is no {name!r}, only {_listed(value)}")
        if len(step.names) == 1:
            return _follow(value[step.names[0]], rest)
        return {name: _follow(value[name], rest) for name in step.names}
    if not isinstance(value, list):
        raise PathMismatch(f"there are no indexes in {_kind(value)}")
    if len(step.picks) == 1 and isinstance(step.picks[0], int):
        return _follow(_item(value, step.picks[0]), rest)
    return [_follow(item, rest) for pick in step.picks for item in _picked(value, pick)]


def _members(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list):
        return value
    raise PathMismatch(f"there are no members in {_kind(value)}")


def _picked(value: list[Any], pick: int | slice) -> list[Any]:
    return value[pick] if isinstance(pick, slice) else [_item(value, pick)]


def _item(value: list[Any], index: int) -> Any:
    if not -len(value) <= index < len(value):
        raise PathMismatch(f"there is no index {index} in {len(value)} items")
    return value[index]


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "an object"
    return "an array" if isinstance(value, list) else f"the value {str(value)[:40]!r}"


def _listed(value: Mapping[str, Any]) -> str:
    names = ", ".join(map(repr, list(value)[:8]))
    return (names or "an empty object") + (", …" if len(value) > 8 else "")
