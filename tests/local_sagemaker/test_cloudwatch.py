"""CloudWatch's metrics: what endpoints really measured, and what programs put there."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.cloudwatch.store import KEPT_SECONDS, MetricStore, Point, Series
from local_sagemaker.database import Database
from tests.local_sagemaker.account_support import new_account
from tests.local_sagemaker.core_support import client_of, fits, refused
from tests.local_sagemaker.daemon_support import killed_and_started_again
from tests.local_sagemaker.endpoint_support import Deployer

pytestmark = pytest.mark.usefixtures("local")
HOUR = timedelta(hours=1)
INVALID = "InvalidParameterValue"


@pytest.fixture
def client() -> Any:
    return new_account().client("cloudwatch")


def put(client: Any, name: str = "loss", at: datetime | None = None, **more: Any) -> None:
    datum = {"MetricName": name, "Timestamp": at or datetime.now(UTC), **more}
    client.put_metric_data(Namespace="Mine", MetricData=[datum])


def query(stat: str = "Sum", period: int = 60, name: str = "loss", **more: Any) -> dict[str, Any]:
    metric = {"Namespace": "Mine", "MetricName": name, "Dimensions": []}
    return {"Id": "q", "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}} | more


def times(**more: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {"StartTime": now - HOUR, "EndTime": now + HOUR, **more}


def test_statistics_of_values_however_they_were_put(client: Any) -> None:
    put(client, Value=4.0)
    put(client, Values=[1.0, 2.0], Counts=[3.0, 1.0])
    put(
        client,
        StatisticValues={"SampleCount": 2.0, "Sum": 20.0, "Minimum": 9.0, "Maximum": 11.0},
    )
    wanted = {"SampleCount": 7.0, "Sum": 29.0, "Average": 29 / 7, "Minimum": 1.0, "Maximum": 11.0}
    answer = client.get_metric_statistics(
        Namespace="Mine", MetricName="loss", Period=7200, Statistics=list(wanted), **times()
    )
    fits(answer, client.meta.service_model.operation_model("GetMetricStatistics").output_shape)
    (point,) = answer["Datapoints"]
    assert {name: point[name] for name in wanted} == pytest.approx(wanted)
    for stat, value in wanted.items():
        answer = client.get_metric_data(MetricDataQueries=[query(stat, 7200)], **times())
        assert answer["MetricDataResults"][0]["Values"] == pytest.approx([value])


def test_data_by_minute_in_both_orders_and_over_pages(client: Any) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
    minutes = [start + timedelta(minutes=number) for number in range(20)]
    for number, minute in enumerate(minutes):
        put(client, at=minute, Value=float(number))
    answer = client.get_metric_data(
        MetricDataQueries=[query()], ScanBy="TimestampAscending", **times()
    )
    fits(answer, client.meta.service_model.operation_model("GetMetricData").output_shape)
    (result,) = answer["MetricDataResults"]
    assert result["Timestamps"] == minutes
    assert result["Values"] == [float(number) for number in range(20)]
    assert result["StatusCode"] == "Complete"
    now = times()
    pages = list(
        client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[query()], MaxDatapoints=7, **now
        )
    )
    found = [value for page in pages for value in page["MetricDataResults"][0]["Values"]]
    assert found == [float(number) for number in reversed(range(20))]
    codes = [page["MetricDataResults"][0]["StatusCode"] for page in pages]
    assert codes == ["PartialData", "PartialData", "Complete"]
    # A period's values are one; the last minute asked for does not count.
    exact = {"StartTime": minutes[0], "EndTime": minutes[10]}
    answer = client.get_metric_data(MetricDataQueries=[query("Sum", 300)], **exact)
    assert answer["MetricDataResults"][0]["Values"] == [5.0 + 6 + 7 + 8 + 9, 0.0 + 1 + 2 + 3 + 4]
    assert answer["MetricDataResults"][0]["Timestamps"] == [minutes[5], minutes[0]]


def test_units_and_dimensions_tell_series_apart(client: Any) -> None:
    put(client, Value=1.0, Unit="Seconds")
    put(client, Value=10.0, Unit="Bytes")
    put(client, Value=100.0, Dimensions=[{"Name": "a", "Value": "b"}])
    asked = {"Namespace": "Mine", "MetricName": "loss", "Period": 7200, "Statistics": ["Sum"]}
    points = client.get_metric_statistics(**asked, **times())["Datapoints"]
    assert {point["Unit"]: point["Sum"] for point in points} == {"Seconds": 1.0, "Bytes": 10.0}
    (point,) = client.get_metric_statistics(**asked, Unit="Bytes", **times())["Datapoints"]
    assert point["Sum"] == 10.0
    paged = client.get_paginator("list_metrics").paginate(Namespace="Mine")
    listed = [metric for page in paged for metric in page["Metrics"]]
    assert [metric["Dimensions"] for metric in listed] == [[{"Name": "a", "Value": "b"}], []]
    for wanted, number in (({"Name": "a"}, 1), ({"Name": "a", "Value": "c"}, 0)):
        assert len(client.list_metrics(Dimensions=[wanted])["Metrics"]) == number
    assert client.list_metrics(Namespace="Mine", RecentlyActive="PT3H")["Metrics"] == listed
    assert new_account().client("cloudwatch").list_metrics()["Metrics"] == []


def test_a_large_request_comes_compressed(client: Any) -> None:
    data = [{"MetricName": f"metric-{number:04d}", "Value": 1.0} for number in range(600)]
    client.put_metric_data(Namespace="Mine", MetricData=data)
    pages = client.get_paginator("list_metrics").paginate(Namespace="Mine")
    sizes = [len(page["Metrics"]) for page in pages]
    assert sizes == [500, 100]


def test_bad_requests(client: Any) -> None:
    refused(client.put_metric_data, INVALID, 400, Namespace="AWS/SageMaker", MetricData=[])
    now = datetime.now(UTC)
    for at in (now - timedelta(days=15), now + timedelta(hours=3)):
        datum = {"MetricName": "m", "Value": 1.0, "Timestamp": at}
        refused(client.put_metric_data, INVALID, Namespace="Mine", MetricData=[datum])
    refused(
        client.put_metric_data,
        "InvalidParameterCombination",
        Namespace="Mine",
        MetricData=[{"MetricName": "m", "Value": 1.0, "Values": [1.0]}],
    )
    data = client.get_metric_data
    assert "p99" in refused(data, INVALID, MetricDataQueries=[query("p99")], **times())
    assert "Id" in refused(data, INVALID, MetricDataQueries=[query(), query()], **times())
    refused(data, INVALID, MetricDataQueries=[query(period=61)], **times())
    math = {"Id": "m", "Expression": "SUM(METRICS())"}
    assert "expressions" in refused(data, INVALID, MetricDataQueries=[math], **times())
    refused(data, "InvalidNextToken", MetricDataQueries=[query()], NextToken="x", **times())
    refused(data, INVALID, MetricDataQueries=[query()], StartTime=now, EndTime=now)
    asked = {"Namespace": "Mine", "MetricName": "m"}
    statistics = client.get_metric_statistics
    refused(statistics, "MissingParameter", Period=60, **asked, **times())
    week = times(StartTime=now - timedelta(days=7))
    message = refused(
        statistics, "InvalidParameterCombination", Period=60, Statistics=["Sum"], **asked, **week
    )
    assert "1,440" in message
    assert "PutMetricAlarm" in refused(
        client.put_metric_alarm,
        "NotImplemented",
        AlarmName="a",
        EvaluationPeriods=1,
        ComparisonOperator="LessThanThreshold",
    )


def test_old_points_are_dropped(tmp_path: Any) -> None:
    database = Database(tmp_path / "state.db")
    store = MetricStore(database)
    series = [Series("1", "r", "N", name, ()) for name in ("old", "new")]
    moments = [time.time() - KEPT_SECONDS - 120, time.time()]
    store.add(
        (one, Point(moment, "None", 1, 1, 1, 1))
        for one, moment in zip(series, moments, strict=True)
    )
    # Opened again it looks at once, else every hour.
    store = MetricStore(database)
    store.add([])
    assert store.points(series[0], 0, time.time() + 60) == []
    assert len(store.points(series[1], 0, time.time() + 60)) == 1
    assert store.series("1", "r", None, None, 0) == [series[1]]
    database.close()


SOMETIMES = """
def model_fn(d): pass
def transform_fn(m, data, c, a):
    if "wrong" in str(data):
        raise ValueError("wrong")
    return data, a
"""


@pytest.mark.slow
def test_what_an_endpoint_measured(fresh: LocalSageMaker) -> None:
    deployer = Deployer(fresh)
    name = deployer.create(deployer.config({"ModelName": deployer.model(SOMETIMES)}))
    deployer.settled(name)
    for data in ("a", "b", "wrong"):
        try:
            deployer.invoke(name, data)
        except deployer.runtime.exceptions.ModelError:
            assert data == "wrong"
    client = client_of("cloudwatch")
    (variant,) = deployer.describe(name)["ProductionVariants"]
    where = {"EndpointName": name, "VariantName": variant["VariantName"]}
    pairs = [{"Name": key, "Value": value} for key, value in where.items()]

    def seen() -> dict[str, float]:
        listed = client.list_metrics(Namespace="AWS/SageMaker", Dimensions=pairs)["Metrics"]
        queries = [
            {"Id": f"m{number}", "MetricStat": {"Metric": metric, "Period": 7200, "Stat": stat}}
            for number, metric in enumerate(listed)
            for stat in ["Average" if metric["MetricName"] == "ModelLatency" else "Sum"]
        ]
        results = client.get_metric_data(MetricDataQueries=queries, **times())
        return {one["Label"]: one["Values"][0] for one in results["MetricDataResults"]}

    before = seen()
    assert 100 < before.pop("ModelLatency") < 60e6
    assert before == {"Invocations": 3, "Invocation4XXErrors": 1, "Invocation5XXErrors": 0}
    # What was seen once stays.
    killed_and_started_again(fresh)
    assert seen()["Invocations"] == 3
