"""Points of minutes as statistics of longer times.

It knows points and the names of statistics; it must not know where points are kept.
"""

from collections.abc import Callable, Iterable

from local_sagemaker.cloudwatch.store import MINUTE, Point
from local_sagemaker.errors import AWSError

STATISTICS: dict[str, Callable[[Point], float]] = {
    "SampleCount": lambda point: point.count,
    "Sum": lambda point: point.total,
    "Average": lambda point: point.total / point.count if point.count else 0.0,
    "Minimum": lambda point: point.least,
    "Maximum": lambda point: point.most,
}
_FINE_PERIODS = (1, 5, 10, 20, 30)


def check_period(period: int) -> None:
    """Refuse a period that CloudWatch does not have."""
    if period not in _FINE_PERIODS and period % MINUTE:
        raise AWSError(
            "InvalidParameterValue",
            f"The value {period} for parameter Period must be 1, 5, 10, 20, 30 or a multiple of "
            "60.",
        )


def statistic(name: str) -> Callable[[Point], float]:
    """Return what computes a statistic; percentiles and trimmed means are refused by name."""
    if name not in STATISTICS:
        raise AWSError(
            "InvalidParameterValue",
            f"The statistic {name!r} is not one of {', '.join(STATISTICS)}: the local SageMaker "
            "keeps sums by minute, from which it cannot compute others.",
        )
    return STATISTICS[name]


def by_period(points: Iterable[Point], start: float, period: int) -> list[Point]:
    """Return points of periods, one for each unit, counted from a start, oldest first."""
    found: dict[tuple[float, str], Point] = {}
    for point in points:
        begin = start + (point.start - start) // period * period
        place = (begin, point.unit)
        moved = Point(begin, point.unit, point.count, point.total, point.least, point.most)
        found[place] = found[place].merged(moved) if place in found else moved
    return [found[place] for place in sorted(found)]
