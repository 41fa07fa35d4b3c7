"""BatchPutMetrics and BatchGetMetrics, and the summaries that trial components show."""

import math
import os
import signal
import statistics
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home

# A minute that began a while ago, so that a test can place points within it.
MINUTE = int(time.time()) // 3600 * 3600 - 7200


@pytest.fixture
def metrics(local: LocalSageMaker) -> Any:
    return boto3.client("sagemaker-metrics", endpoint_url=local.url)


@pytest.fixture
def component(local: LocalSageMaker) -> str:
    name = f"run-{uuid.uuid4().hex[:8]}"
    client = boto3.client("sagemaker", endpoint_url=local.url)
    client.create_trial_component(TrialComponentName=name)
    return name


def described(name: str) -> dict[str, Any]:
    shown: dict[str, Any] = boto3.client("sagemaker").describe_trial_component(
        TrialComponentName=name
    )
    return shown


def summaries(name: str) -> dict[str, dict[str, Any]]:
    return {metric["MetricName"]: metric for metric in described(name)["Metrics"]}


def put(metrics: Any, name: str, *points: tuple[Any, ...]) -> Any:
    data = []
    for metric, value, at, *step in points:
        point = {"MetricName": metric, "Value": value, "Timestamp": at}
        data.append(point | ({"Step": step[0]} if step else {}))
    answer = metrics.batch_put_metrics(TrialComponentName=name, MetricData=data)
    return answer.get("Errors")


def get(metrics: Any, name: str, metric: str = "loss", **changes: Any) -> dict[str, Any]:
    query = {
        "MetricName": metric,
        "ResourceArn": described(name)["TrialComponentArn"],
        "MetricStat": "Last",
        "Period": "IterationNumber",
        "XAxisType": "IterationNumber",
    } | changes
    answer: dict[str, Any] = metrics.batch_get_metrics(MetricQueries=[query])
    return dict(answer["MetricQueryResults"][0])


def test_a_summary_is_computed_over_all_points(metrics, component):
    values = [0.9, 0.5, 0.7, 0.1, 0.3]
    assert put(metrics, component, *[("loss", v, MINUTE + i) for i, v in enumerate(values)]) is None
    # Late news: logged afterwards, but older than what is there.
    put(metrics, component, ("loss", 0.95, MINUTE - 60), ("acc", 1.0, MINUTE))
    every = [*values, 0.95]
    loss, acc = summaries(component)["loss"], summaries(component)["acc"]
    assert (loss["Count"], loss["Min"], loss["Max"], loss["Last"]) == (6, 0.1, 0.95, 0.3)
    assert loss["Avg"] == pytest.approx(statistics.fmean(every))
    assert loss["StdDev"] == pytest.approx(statistics.pstdev(every))
    assert loss["TimeStamp"].timestamp() == MINUTE + 4
    assert loss["SourceArn"] == described(component)["TrialComponentArn"]
    assert (acc["Count"], acc["StdDev"], acc["Last"]) == (1, 0.0, 1.0)


def test_among_points_of_one_second_the_last_to_arrive_is_the_last(metrics, component):
    put(metrics, component, ("loss", 3.0, MINUTE, 3), ("loss", 1.0, MINUTE, 1))
    put(metrics, component, ("loss", 2.0, MINUTE, 2))
    assert summaries(component)["loss"]["Last"] == 2.0


def test_each_bad_point_is_named_by_its_index_and_the_others_are_kept(metrics, component):
    now = time.time()
    errors = put(
        metrics,
        component,
        ("loss", 1.0, now),
        ("loss", float("nan"), now),
        ("loss", 2.0, now - 15 * 24 * 3600),
        ("loss", 3.0, now + 3 * 3600),
        ("loss", float("inf"), now),
        ("loss", 4.0, now, 2**31),
        ("loss", 1e200, now),
        ("loss", 5.0, now),
    )
    assert errors == [{"Code": "VALIDATION_ERROR", "MetricIndex": i} for i in (1, 2, 3, 4, 5, 6)]
    assert (summaries(component)["loss"]["Count"], summaries(component)["loss"]["Max"]) == (2, 5.0)


def test_points_for_a_component_that_is_not_there_are_refused(metrics):
    errors = put(metrics, "nobody", ("loss", 1.0, time.time()), ("loss", 2.0, time.time()))
    assert errors == [{"Code": "VALIDATION_ERROR", "MetricIndex": i} for i in (0, 1)]


def test_a_component_with_capitals_takes_metrics_under_its_lower_case_name(metrics):
    name = f"Mixed-{uuid.uuid4().hex[:8]}"
    boto3.client("sagemaker").create_trial_component(TrialComponentName=name)
    assert put(metrics, name.lower(), ("loss", 1.0, time.time())) is None
    assert summaries(name)["loss"]["Count"] == 1


@pytest.mark.parametrize(
    ("statistic", "expected"),
    [
        ("Min", [1.0, 2.0]),
        ("Max", [5.0, 2.0]),
        ("Avg", [3.0, 2.0]),
        ("Count", [3.0, 1.0]),
        ("Last", [3.0, 2.0]),
        ("StdDev", [math.sqrt(8 / 3), 0.0]),
    ],
)
def test_a_curve_has_one_value_per_iteration(metrics, component, statistic, expected):
    put(
        metrics,
        component,
        ("loss", 1.0, MINUTE, 0),
        ("loss", 2.0, MINUTE + 1, 7),
        ("loss", 5.0, MINUTE + 2, 0),
        ("loss", 3.0, MINUTE + 3, 0),
    )
    curve = get(metrics, component, MetricStat=statistic)
    assert curve["Status"] == "Complete"
    assert curve["XAxisValues"] == [0, 7]
    assert curve["MetricValues"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("period", "axis", "xs", "values"),
    [
        ("OneMinute", "Timestamp", [MINUTE, MINUTE + 60, MINUTE + 300], [2.0, 1.0, 1.0]),
        ("FiveMinute", "Timestamp", [MINUTE, MINUTE + 300], [3.0, 1.0]),
        ("OneHour", "Timestamp", [MINUTE], [4.0]),
        ("IterationNumber", "Timestamp", [MINUTE + 59, MINUTE + 60, MINUTE + 301], [2.0, 1.0, 1.0]),
        ("OneMinute", "IterationNumber", [1, 2, 3], [2.0, 1.0, 1.0]),
    ],
)
def test_periods_and_axes(metrics, component, period, axis, xs, values):
    put(
        metrics,
        component,
        ("loss", 1.0, MINUTE, 1),
        ("loss", 2.0, MINUTE + 59, 1),
        ("loss", 3.0, MINUTE + 60, 2),
        ("loss", 4.0, MINUTE + 301, 3),
    )
    curve = get(metrics, component, Period=period, XAxisType=axis, MetricStat="Count")
    assert (curve["XAxisValues"], curve["MetricValues"]) == (xs, values)


def test_start_and_end_are_seconds_and_belong_to_the_range(metrics, component):
    put(metrics, component, *[("loss", float(i), MINUTE + i, i) for i in range(10)])
    curve = get(metrics, component, Start=MINUTE + 3, End=MINUTE + 5)
    assert curve["XAxisValues"] == [3, 4, 5]


def test_a_metric_without_steps_has_a_curve_over_time_and_says_so(metrics, component):
    put(metrics, component, ("loss", 1.0, MINUTE), ("loss", 2.0, MINUTE + 120))
    by_step = get(metrics, component)
    assert (by_step["Status"], by_step["XAxisValues"]) == ("Complete", [])
    assert "without a Step" in by_step["Message"]
    by_time = get(metrics, component, Period="OneMinute", XAxisType="Timestamp")
    assert by_time["MetricValues"] == [1.0, 2.0]


def test_one_wrong_query_does_not_spoil_the_others(metrics, component):
    put(metrics, component, ("loss", 1.0, MINUTE, 0))
    arn = described(component)["TrialComponentArn"]
    common = {"MetricStat": "Max", "Period": "IterationNumber", "XAxisType": "IterationNumber"}
    answer = metrics.batch_get_metrics(
        MetricQueries=[
            {"MetricName": "loss", "ResourceArn": arn + "-not"} | common,
            {"MetricName": "loss", "ResourceArn": arn} | common,
            {"MetricName": "nothing", "ResourceArn": arn} | common,
        ]
    )["MetricQueryResults"]
    assert [result["Status"] for result in answer] == ["ValidationError", "Complete", "Complete"]
    assert "-not" in answer[0]["Message"]
    assert answer[1]["MetricValues"] == [1.0]
    assert "nothing" in answer[2]["Message"]


@pytest.mark.slow
def test_many_writers_lose_nothing_of_ten_thousand_points(metrics, component):
    def write(writer: int) -> None:
        mine = boto3.session.Session().client("sagemaker-metrics")
        for start in range(0, 1250, 10):
            steps = [8 * number + writer for number in range(start, start + 10)]
            points = [("loss", 1 / (1 + step), MINUTE + step // 100, step) for step in steps]
            assert put(mine, component, *points) is None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert summaries(component)["loss"]["Count"] == 10_000
    curve = get(metrics, component)
    assert curve["XAxisValues"] == list(range(10_000))
    assert curve["MetricValues"] == pytest.approx([1 / (1 + step) for step in range(10_000)])


@pytest.mark.slow
def test_what_was_acknowledged_survives_a_killed_server(fresh):
    client, metrics = boto3.client("sagemaker"), boto3.client("sagemaker-metrics")
    client.create_experiment(ExperimentName="e")
    client.create_trial(TrialName="t", ExperimentName="e")
    client.create_trial_component(TrialComponentName="c", Parameters={"a": {"NumberValue": 1}})
    client.associate_trial_component(TrialName="t", TrialComponentName="c")
    put(metrics, "c", *[("loss", float(i), MINUTE + i, i) for i in range(10)])
    running = Home(fresh.home).server()
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    fresh.close()
    with LocalSageMaker(home=fresh.home):
        shown = described("c")
        assert shown["Metrics"][0]["Count"] == 10
        assert shown["Parameters"] == {"a": {"NumberValue": 1.0}}
        listed = boto3.client("sagemaker").list_trial_components(ExperimentName="e")
        assert len(listed["TrialComponentSummaries"]) == 1
        curve = get(boto3.client("sagemaker-metrics"), "c")
        assert curve["XAxisValues"] == list(range(10))
