"""The operations of CloudWatch on metrics; alarms, dashboards and math are refused by name.

It words requests, pages and errors as the service does; what is measured is others' matter.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from typing import Any

from local_sagemaker.cloudwatch.statistics import by_period, check_period, statistic
from local_sagemaker.cloudwatch.store import MINUTE, MetricStore, Point, Series, dimensions
from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page

_LISTED = 500
_MOST_DATAPOINTS = 100_800
_MOST_STATISTICS = 1440
_MOST_QUERIES = 500
_MOST_PUT = 1000
_LISTED_SECONDS = 14 * 86_400
_RECENT_SECONDS = 3 * 3600
_OLDEST, _NEWEST = 14 * 86_400, 2 * 3600


class CloudWatch:
    """Answers the ``cloudwatch`` service.

    Parameters
    ----------
    store
        The metrics.
    flush
        Has what is not written yet written, before something is read.
    """

    def __init__(self, store: MetricStore, flush: Callable[[], None]) -> None:
        self._store = store
        self._flush = flush

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "GetMetricData": self._data,
            "GetMetricStatistics": self._statistics,
            "ListMetrics": self._list,
            "PutMetricData": self._put,
        }

    def _list(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("OwningAccount", caller.account) != caller.account:
            raise _invalid("Metrics of other accounts are not listed by the local SageMaker.")
        self._flush()
        recent = "RecentlyActive" in params
        since = time.time() - (_RECENT_SECONDS if recent else _LISTED_SECONDS)
        wanted = params.get("Dimensions", [])
        found = [
            series
            for series in self._store.series(
                caller.account,
                caller.region,
                params.get("Namespace"),
                params.get("MetricName"),
                since,
            )
            if all(_has(series, one) for one in wanted)
        ]
        scope = f"{caller.account}/{caller.region}/metrics"
        chosen, token = _page(found, params, repr, _LISTED, scope)
        return {"Metrics": [_shown(series) for series in chosen], "NextToken": token}

    def _statistics(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if "Statistics" not in params and "ExtendedStatistics" not in params:
            raise AWSError(
                "MissingParameter", "At least one of Statistics, ExtendedStatistics must be given."
            )
        names = params.get("Statistics", []) + params.get("ExtendedStatistics", [])
        computed = {name: statistic(name) for name in names}
        start, end, period = params["StartTime"], params["EndTime"], params["Period"]
        _check_times(start, end)
        check_period(period)
        if (end - start) / period > _MOST_STATISTICS:
            raise AWSError(
                "InvalidParameterCombination",
                f"You have requested up to {int((end - start) / period):,} datapoints, which "
                f"exceeds the limit of {_MOST_STATISTICS:,}. You may reduce the datapoints "
                "requested by increasing Period, or decreasing the time range.",
            )
        points = self._points(_series(caller, params), start, end, period, params.get("Unit"))
        shown = [
            {
                "Timestamp": point.start,
                "Unit": point.unit,
                **{name: compute(point) for name, compute in computed.items()},
            }
            for point in points
        ]
        return {"Label": params["MetricName"], "Datapoints": shown}

    def _data(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        queries = params["MetricDataQueries"]
        _check_queries(queries)
        start, end = params["StartTime"], params["EndTime"]
        _check_times(start, end)
        descending = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
        shown = [query for query in queries if query.get("ReturnData", True)]
        found = [
            (query["Id"], moment, value)
            for query in shown
            for moment, value in self._values(caller, query["MetricStat"], start, end, descending)
        ]
        size = params.get("MaxDatapoints", _MOST_DATAPOINTS)
        asked = {**params, "MaxResults": min(size, _MOST_DATAPOINTS)}
        chosen, token = _page(
            found, asked, lambda one: f"{one[0]}/{one[1]}", size, f"{caller.account}/data"
        )
        return {"MetricDataResults": list(_results(shown, chosen, token)), "NextToken": token}

    def _values(
        self, caller: Caller, wanted: Mapping[str, Any], start: float, end: float, descending: bool
    ) -> list[tuple[float, float]]:
        compute = statistic(wanted["Stat"])
        series = _series(caller, wanted["Metric"])
        points = self._points(series, start, end, wanted["Period"], wanted.get("Unit"))
        by_time: dict[float, list[Point]] = {}
        for point in points:
            by_time.setdefault(point.start, []).append(point)
        values = [(moment, compute(reduce(Point.merged, same))) for moment, same in by_time.items()]
        return values[::-1] if descending else values

    def _points(
        self, series: Series, start: float, end: float, period: int, unit: str | None
    ) -> list[Point]:
        self._flush()
        begin = start // MINUTE * MINUTE
        found = self._store.points(series, begin, end)
        return by_period((p for p in found if unit in (None, p.unit)), begin, period)

    def _put(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        if params.get("EntityMetricData"):
            raise _invalid("EntityMetricData is not kept by the local SageMaker: use MetricData.")
        if params["Namespace"].startswith("AWS/"):
            raise _invalid(
                f"The value {params['Namespace']} for parameter Namespace is invalid: what begins "
                "with AWS/ is put by AWS's services."
            )
        data = params.get("MetricData", [])
        if len(data) > _MOST_PUT:
            raise _invalid(f"The collection MetricData must not have more than {_MOST_PUT} items.")
        self._store.add(
            [
                (_series(caller, {"Namespace": params["Namespace"], **datum}), _point(datum))
                for datum in data
            ]
        )
        return {}


def _check_queries(queries: list[dict[str, Any]]) -> None:
    if not 1 <= len(queries) <= _MOST_QUERIES:
        raise _invalid(f"There must be from 1 to {_MOST_QUERIES} MetricDataQueries.")
    names = [query["Id"] for query in queries]
    if len(set(names)) < len(names):
        raise _invalid("The values for parameter Id in MetricDataQueries must be unique.")
    for query in queries:
        if "MetricStat" not in query:
            raise _invalid(
                f"The query {query['Id']} has no MetricStat: expressions are not computed by the "
                "local SageMaker."
            )
        check_period(query["MetricStat"]["Period"])


def _results(
    queries: list[dict[str, Any]], values: list[tuple[str, float, float]], token: str | None
) -> Iterator[dict[str, Any]]:
    last = values[-1][0] if token else None
    later = False
    for query in queries:
        name = query["Id"]
        mine = [(moment, value) for owner, moment, value in values if owner == name]
        # What comes behind the last value of this page is on the next ones.
        later = later or name == last
        yield {
            "Id": name,
            "Label": query.get("Label") or query["MetricStat"]["Metric"].get("MetricName", ""),
            "Timestamps": [moment for moment, _ in mine],
            "Values": [value for _, value in mine],
            "StatusCode": "PartialData" if later else "Complete",
        }


def _point(datum: Mapping[str, Any]) -> Point:
    moment = datum.get("Timestamp", time.time())
    if not -_OLDEST <= moment - time.time() <= _NEWEST:
        raise _invalid(
            f"The Timestamp of {datum['MetricName']} is more than two weeks ago or more than two "
            "hours ahead."
        )
    unit = datum.get("Unit", "None")
    given = [name for name in ("Value", "Values", "StatisticValues") if name in datum]
    if len(given) != 1:
        raise AWSError(
            "InvalidParameterCombination",
            f"{datum['MetricName']} must have one of Value, Values and StatisticValues.",
        )
    if given == ["StatisticValues"]:
        held = datum["StatisticValues"]
        count, total = held["SampleCount"], held["Sum"]
        return Point(moment, unit, count, total, held["Minimum"], held["Maximum"])
    values = datum.get("Values", [datum.get("Value")])
    counts = datum.get("Counts", [1.0] * len(values))
    if len(counts) != len(values) or not values:
        raise _invalid("The parameters Values and Counts must be of the same size.")
    total = sum(value * count for value, count in zip(values, counts, strict=True))
    return Point(moment, unit, sum(counts), total, min(values), max(values))


def _series(caller: Caller, metric: Mapping[str, Any]) -> Series:
    given = {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
    name, namespace = metric.get("MetricName", ""), metric.get("Namespace", "")
    return Series(caller.account, caller.region, namespace, name, dimensions(given))


def _has(series: Series, wanted: Mapping[str, str]) -> bool:
    held = dict(series.dimensions)
    name = wanted["Name"]
    return name in held and wanted.get("Value", held[name]) == held[name]


def _shown(series: Series) -> dict[str, Any]:
    pairs = [{"Name": name, "Value": value} for name, value in series.dimensions]
    return {"Namespace": series.namespace, "MetricName": series.name, "Dimensions": pairs}


def _check_times(start: float, end: float) -> None:
    if start >= end:
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")


def _page(
    items: list[Any],
    params: dict[str, Any],
    identify: Callable[[Any], str],
    size: int,
    scope: str,
) -> tuple[list[Any], str | None]:
    try:
        return page(items, params, identify, size, scope=scope)
    except AWSError as error:
        raise AWSError("InvalidNextToken", error.message) from error


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidParameterValue", message)
