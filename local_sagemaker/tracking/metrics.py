"""The sagemaker-metrics service: BatchPutMetrics and BatchGetMetrics over the stored series.

It turns requests into points and series into curves. It must not know where points are kept, nor
what an experiment is beyond the trial component that a request names.
"""

import math
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.store import Record, Records
from local_sagemaker.tracking.metric_series import LARGEST_VALUE, MetricSeries, Point

# The service takes points between two weeks before and two hours after now; the SDK checks the
# same window (sagemaker.core.experiments._metrics).
OLDEST_POINT = 14 * 24 * 3600
NEWEST_POINT = 2 * 3600
# Step is a 32-bit integer in the service model.
_LARGEST_STEP = 2**31 - 1
_PERIODS = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}


class Metrics:
    """The operations of sagemaker-metrics.

    Parameters
    ----------
    series
        Where points are kept.
    records
        Where the resource that an ARN names is looked up.
    trial_component
        Finds a trial component of a caller by its lower-case name.
    """

    def __init__(
        self,
        series: MetricSeries,
        records: Records,
        trial_component: Callable[[Caller, str], Record | None],
    ) -> None:
        self._series = series
        self._records = records
        self._trial_component = trial_component

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {"BatchPutMetrics": self.batch_put, "BatchGetMetrics": self.batch_get}

    def batch_put(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Store the points that are valid; name the index of every other one.

        The model gives this operation no error of its own, so points for a trial component that
        does not exist are refused one by one as well.
        """
        now = time.time()
        points = [
            Point(raw["MetricName"], raw["Value"], raw["Timestamp"], raw.get("Step"))
            for raw in params["MetricData"]
        ]
        # One transaction, so that no points arrive for a component that is being deleted.
        with self._records.database.transaction():
            component = self._trial_component(caller, params["TrialComponentName"])
            taken = [component is not None and _acceptable(point, now) for point in points]
            if component is not None:
                good = [point for point, fine in zip(points, taken, strict=True) if fine]
                self._series.append(component.arn, good)
        refused = [
            {"Code": "VALIDATION_ERROR", "MetricIndex": index}
            for index, fine in enumerate(taken)
            if not fine
        ]
        # The model wants at least one element in the list, so without errors there is no list.
        return {"Errors": refused} if refused else {}

    def batch_get(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Answer each query by itself: one that is wrong does not spoil the others."""
        return {
            "MetricQueryResults": [self._answer(caller, query) for query in params["MetricQueries"]]
        }

    def _answer(self, caller: Caller, query: dict[str, Any]) -> dict[str, Any]:
        arn, name = query["ResourceArn"], query["MetricName"]
        record = self._records.by_arn(arn)
        owner = (caller.account, caller.region)
        if record is None or (record.key.account, record.key.region) != owner:
            return _result("ValidationError", message=f"Could not find resource {arn!r}.")
        points = self._series.points(arn, name, query.get("Start"), query.get("End"))
        groups = _grouped(points, query["Period"])
        if query["XAxisType"] == "IterationNumber":
            placed = [(_last_step(group), group) for group in groups]
        else:
            seconds = _PERIODS.get(query["Period"])
            placed = [(_instant(group, seconds), group) for group in groups]
        statistic = query["MetricStat"]
        curve = sorted((x, _statistic(group, statistic)) for x, group in placed if x is not None)
        message = None
        if not points:
            message = f"There are no values of metric {name!r} in this range."
        elif not curve:
            message = f"Metric {name!r} was logged without a Step; use XAxisType Timestamp."
        return _result("Complete", curve, message)


def _acceptable(point: Point, now: float) -> bool:
    return (
        -LARGEST_VALUE <= point.value <= LARGEST_VALUE
        and now - OLDEST_POINT <= point.at <= now + NEWEST_POINT
        and (point.step is None or point.step <= _LARGEST_STEP)
    )


def _grouped(points: Sequence[Point], period: str) -> list[list[Point]]:
    """Return the points of each period; with IterationNumber, of each step that is known."""
    if period == "IterationNumber":
        steps: dict[int, list[Point]] = {}
        for point in points:
            if point.step is not None:
                steps.setdefault(point.step, []).append(point)
        return list(steps.values())
    seconds = _PERIODS[period]
    return [list(group) for _, group in groupby(points, key=lambda point: point.at // seconds)]


def _last_step(group: Sequence[Point]) -> int | None:
    return max((point.step for point in group if point.step is not None), default=None)


def _instant(group: Sequence[Point], seconds: int | None) -> int:
    """Return where a period begins, or when a step was last logged; seconds since the epoch."""
    if seconds is None:
        return int(group[-1].at)
    return int(group[0].at // seconds) * seconds


def _statistic(group: Sequence[Point], name: str) -> float:
    values = [point.value for point in group]
    if name == "StdDev":
        mean = math.fsum(values) / len(values)
        return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
    statistics: dict[str, Callable[[list[float]], float]] = {
        "Min": min,
        "Max": max,
        "Avg": lambda numbers: math.fsum(numbers) / len(numbers),
        "Count": len,
        "Last": lambda numbers: numbers[-1],
    }
    return float(statistics[name](values))


def _result(
    status: str, curve: Sequence[tuple[int, float]] = (), message: str | None = None
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "Status": status,
        "XAxisValues": [x for x, _ in curve],
        "MetricValues": [value for _, value in curve],
    }
    return result | ({"Message": message} if message else {})
