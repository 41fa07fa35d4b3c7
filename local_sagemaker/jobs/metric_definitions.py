"""Finds the metrics that a job's request defines in the lines of its log.

It knows regular expressions and numbers; it must not know where points go.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from local_sagemaker.errors import validation_exception

SEARCHED = 8192
"""Characters of a line that are searched. Expressions like ``.*loss=(.*)`` take a time that grows
with the square of a line's length, in which the whole server stands still."""


@dataclass(frozen=True)
class Point:
    """A value of a metric; ``timestamp`` is in seconds since the epoch."""

    name: str
    value: float
    timestamp: float


class MetricDefinitions:
    """The metric definitions of one job and the last value of each.

    Only the first `SEARCHED` characters of a line are searched.

    Every match in a line is a point; the value is what the first group caught, or the whole
    match where the expression has no group. What is not a finite number is no point.

    Parameters
    ----------
    definitions
        ``AlgorithmSpecification.MetricDefinitions``.

    Raises
    ------
    AWSError
        ``ValidationException`` when an expression cannot be compiled.
    """

    def __init__(self, definitions: Sequence[dict[str, str]]) -> None:
        self._expressions: list[tuple[str, re.Pattern[str]]] = []
        self._final: dict[str, Point] = {}
        for definition in definitions:
            name, regex = definition["Name"], definition["Regex"]
            try:
                self._expressions.append((name, re.compile(regex)))
            except re.error as error:
                raise validation_exception(
                    f"The Regex {regex!r} of the metric definition {name!r} is not a regular "
                    f"expression: {error}."
                ) from error

    def __bool__(self) -> bool:
        return bool(self._expressions)

    def match(self, line: str, timestamp: float) -> list[Point]:
        """Return the points of one line."""
        points = []
        for name, expression in self._expressions:
            for match in expression.finditer(line, 0, SEARCHED):
                value = _number(match[1] if expression.groups else match[0])
                if value is not None:
                    points.append(Point(name, value, timestamp))
        # A new dictionary, so that a reader in another thread always sees a whole one.
        if points:
            self._final = {**self._final, **{point.name: point for point in points}}
        return points

    def final(self) -> list[dict[str, Any]]:
        """Return the last point of each metric as ``FinalMetricDataList`` shows it."""
        return [
            {"MetricName": point.name, "Value": point.value, "Timestamp": point.timestamp}
            for point in self._final.values()
        ]


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
