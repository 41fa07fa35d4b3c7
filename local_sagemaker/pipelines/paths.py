"""Paths into JSON: ``metrics.accuracy['value']``, ``$.folds[0]``, ``Outputs['train'].S3Output``.

One grammar serves the properties of steps and the files that `Std:JsonGet` reads. It must not know
where a document comes from.
"""

import re
from typing import Any

Part = str | int

_PART = re.compile(
    r"\.?(?P<name>[^.\[\]'\"]+)|\[(?P<index>\d+)\]|\[(?P<quote>['\"])(?P<key>.*?)(?P=quote)\]"
)
_SHOWN = 200


class PathError(ValueError):
    """A path cannot be read, or leads nowhere; the message says which part of it."""


def parse(text: str) -> tuple[Part, ...]:
    """Return the parts of a path; a leading ``$`` means the document and may be left out.

    Raises
    ------
    PathError
        When it is no path.
    """
    rest = text.removeprefix("$")
    parts: list[Part] = []
    position = 0
    while position < len(rest):
        found = _PART.match(rest, position)
        if found is None:
            raise PathError(f"{text[:_SHOWN]!r} is not a path: {rest[position:][:_SHOWN]!r} in it")
        if found["index"] is not None:
            parts.append(int(found["index"]))
        else:
            parts.append(found["name"] if found["key"] is None else found["key"])
        position = found.end()
    return tuple(parts)


def find(document: Any, parts: tuple[Part, ...]) -> Any:
    """Return what a path leads to.

    A text also finds an item of a list: the one that has it as the value of a member called
    ``…Name``, as ``Outputs['train']`` means the output whose ``OutputName`` is ``train``.

    Raises
    ------
    PathError
        When it leads nowhere.
    """
    here = document
    for depth, part in enumerate(parts):
        try:
            here = _step(here, part)
        except LookupError as error:
            way = "".join(_written(part) for part in parts[: depth + 1])
            raise PathError(f"there is nothing at {way[:_SHOWN]}") from error
    return here


def _step(here: Any, part: Part) -> Any:
    if isinstance(here, dict) and isinstance(part, str):
        return here[part]
    if isinstance(here, list) and isinstance(part, int):
        return here[part]
    if isinstance(here, list):
        for item in here:
            if isinstance(item, dict) and any(
                key.endswith("Name") and value == part for key, value in item.items()
            ):
                return item
    raise LookupError(part)


def _written(part: Part) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{part}"
