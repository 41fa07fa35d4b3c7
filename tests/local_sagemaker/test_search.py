"""Search through boto3: operators, nesting, metrics, tags, sorting, paging, and what is refused."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.protocol import service_model
from local_sagemaker.tracking.search_expression import predicate

RUNS = (
    # name, learning rate, base model, accuracies, colour
    ("alpha", 0.5, "minilm", (0.2, 0.9, 0.6), "red"),
    ("beta", 2.0, "minilm", (0.7, 0.8), "blue"),
    ("gamma", 10.0, "mpnet", (0.5,), None),
    ("delta", None, None, (), "red"),
)


@dataclass(frozen=True)
class Bench:
    """Four runs of one experiment; names carry a suffix of the test session's own."""

    client: Any
    suffix: str

    def name(self, run: str) -> str:
        return f"{run}-{self.suffix}"

    def search(self, *filters: tuple[str, ...], **params: Any) -> list[str]:
        """Search the runs of this experiment and return their short names, as they came."""
        mine = {"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": self.name("exp")}
        parts = [dict(zip(("Name", "Operator", "Value"), part, strict=False)) for part in filters]
        expression = {"Filters": [mine, *parts]} | params.pop("SearchExpression", {})
        answer = self.client.search(
            Resource="ExperimentTrialComponent", SearchExpression=expression, **params
        )
        return [
            result["TrialComponent"]["TrialComponentName"].removesuffix(f"-{self.suffix}")
            for result in answer["Results"]
        ]


@pytest.fixture(scope="module")
def bench(local: LocalSageMaker) -> Bench:
    made = Bench(boto3.client("sagemaker", endpoint_url=local.url), uuid.uuid4().hex[:8])
    client, metrics = made.client, boto3.client("sagemaker-metrics")
    client.create_experiment(ExperimentName=made.name("exp"), Description="few-shot")
    for trial in ("one", "two"):
        client.create_trial(TrialName=made.name(trial), ExperimentName=made.name("exp"))
    for name, rate, base, accuracies, colour in RUNS:
        parameters: dict[str, Any] = {}
        if rate is not None:
            parameters = {"lr": {"NumberValue": rate}, "base.model": {"StringValue": base}}
        client.create_trial_component(
            TrialComponentName=made.name(name),
            Parameters=parameters,
            InputArtifacts={"train": {"Value": f"s3://bucket/{name}.csv", "MediaType": "text/csv"}},
            Status={"PrimaryStatus": "Completed" if accuracies else "Failed"},
            StartTime=1_700_000_000,
            Tags=[{"Key": "colour.main", "Value": colour}] if colour else [],
        )
        client.associate_trial_component(
            TrialName=made.name("one"), TrialComponentName=made.name(name)
        )
        for step, value in enumerate(accuracies):
            point = {"MetricName": "test:acc", "Value": value, "Timestamp": time.time()}
            metrics.batch_put_metrics(
                TrialComponentName=made.name(name), MetricData=[point | {"Step": step}]
            )
    client.associate_trial_component(
        TrialName=made.name("two"), TrialComponentName=made.name("alpha")
    )
    return made


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("Parameters.lr", "Equals", "2"), {"beta"}),
        (("Parameters.lr", "NotEquals", "2"), {"alpha", "gamma", "delta"}),
        (("Parameters.lr", "GreaterThan", "0.5"), {"beta", "gamma"}),
        (("Parameters.lr", "GreaterThanOrEqualTo", "0.5"), {"alpha", "beta", "gamma"}),
        (("Parameters.lr", "LessThan", "10"), {"alpha", "beta"}),
        (("Parameters.lr", "LessThanOrEqualTo", "10"), {"alpha", "beta", "gamma"}),
        (("Parameters.lr", "Exists"), {"alpha", "beta", "gamma"}),
        (("Parameters.lr", "NotExists"), {"delta"}),
        (("Parameters.lr.NumberValue", "GreaterThan", "5"), {"gamma"}),
        (("Parameters.base.model", "Equals", "minilm"), {"alpha", "beta"}),
        (("Parameters.base.model", "Contains", "mini"), {"alpha", "beta"}),
        (("Parameters.base.model", "In", "mpnet, other"), {"gamma"}),
        (("Parameters.base.model", "GreaterThan", "1"), set()),
        (("Metrics.test:acc.Max", "GreaterThan", "0.75"), {"alpha", "beta"}),
        (("metrics.test:acc.min", "LessThan", "0.4"), {"alpha"}),
        (("Metrics.test:acc", "Equals", "0.6"), {"alpha"}),
        (("Metrics.test:acc.Count", "Equals", "2"), {"beta"}),
        (("Metrics.test:acc", "NotExists"), {"delta"}),
        (
            ("Metrics.test:acc.TimeStamp", "GreaterThan", "2020-01-01T00:00:00"),
            {"alpha", "beta", "gamma"},
        ),
        (("Tags.colour.main", "Equals", "red"), {"alpha", "delta"}),
        (("Tags.colour.main", "NotEquals", "red"), {"beta", "gamma"}),
        (("Tags.colour.main", "Exists"), {"alpha", "beta", "delta"}),
        (("Tags", "Contains", "blu"), {"beta"}),
        (("Status.PrimaryStatus", "Equals", "Failed"), {"delta"}),
        (("Status", "Exists"), {"alpha", "beta", "gamma", "delta"}),
        (("InputArtifacts.train.Value", "Contains", "gamma.csv"), {"gamma"}),
        (
            ("InputArtifacts.train.MediaType", "Equals", "text/csv"),
            {"alpha", "beta", "gamma", "delta"},
        ),
        (("StartTime", "Equals", "2023-11-14T22:13:20"), {"alpha", "beta", "gamma", "delta"}),
        (("StartTime", "LessThan", "2023-11-14T22:13:20Z"), set()),
        (
            ("CreationTime", "GreaterThan", "2023-01-01T00:00:00"),
            {"alpha", "beta", "gamma", "delta"},
        ),
        (("Source.SourceArn", "Exists"), set()),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_filters(bench, asked, found):
    assert set(bench.search(asked)) == found


def test_names_ignore_case_and_an_operator_is_not_needed(bench):
    assert bench.search(("TrialComponentName", "Equals", bench.name("ALPHA"))) == ["alpha"]
    assert bench.search(("TrialComponentName", "Contains", "PHA")) == ["alpha"]
    result = bench.client.search(
        Resource="ExperimentTrial",
        SearchExpression={"Filters": [{"Name": "TrialName", "Value": bench.name("TWO")}]},
    )["Results"]
    assert [r["Trial"]["TrialName"] for r in result] == [bench.name("two")]
    components = result[0]["Trial"]["TrialComponentSummaries"]
    assert [c["TrialComponentName"] for c in components] == [bench.name("alpha")]


def test_parents(bench):
    one = ("Parents.TrialName", "Equals", bench.name("one"))
    two = ("Parents.TrialName", "Equals", bench.name("two"))
    assert set(bench.search(one)) == {"alpha", "beta", "gamma", "delta"}
    assert bench.search(one, two) == ["alpha"]
    result = bench.client.search(
        Resource="ExperimentTrialComponent",
        SearchExpression={
            "Filters": [{"Name": "TrialComponentName", "Value": bench.name("alpha")}]
        },
    )
    assert result["TotalHits"] == {"Value": 1, "Relation": "EqualTo"}
    shown = result["Results"][0]["TrialComponent"]
    exp = bench.name("exp")
    assert shown["Parents"] == [
        {"TrialName": bench.name("one"), "ExperimentName": exp},
        {"TrialName": bench.name("two"), "ExperimentName": exp},
    ]
    assert shown["Metrics"][0]["Max"] == 0.9
    assert shown["Tags"] == [{"Key": "colour.main", "Value": "red"}]


def test_one_parent_must_satisfy_all_nested_filters(bench):
    def nested(*parts: tuple[str, str]) -> list[str]:
        filters = [{"Name": n, "Operator": "Equals", "Value": v} for n, v in parts]
        expression = {
            "NestedFilters": [{"NestedPropertyName": "Parents", "Filters": filters}],
        }
        return bench.search(SearchExpression=expression)

    exp = ("Parents.ExperimentName", bench.name("exp"))
    assert nested(exp, ("Parents.TrialName", bench.name("two"))) == ["alpha"]
    assert (
        nested(("Parents.TrialName", bench.name("one")), ("Parents.TrialName", bench.name("two")))
        == []
    )


def test_or_and_subexpressions(bench):
    def equal(name: str, value: str) -> dict[str, str]:
        return {"Name": name, "Operator": "Equals", "Value": value}

    either = {
        "Operator": "Or",
        "Filters": [equal("Parameters.lr", "10")],
        "SubExpressions": [
            {"Filters": [equal("Tags.colour.main", "red"), equal("Parameters.lr", "0.5")]}
        ],
    }
    assert set(bench.search(SearchExpression={"SubExpressions": [either]})) == {"alpha", "gamma"}


@pytest.mark.parametrize(
    ("sort", "order", "expected"),
    [
        ("Metrics.test:acc.Max", "Descending", ["alpha", "beta", "gamma", "delta"]),
        ("metrics.test:acc.max", "Ascending", ["gamma", "beta", "alpha", "delta"]),
        ("Parameters.lr", "Ascending", ["alpha", "beta", "gamma", "delta"]),
        ("TrialComponentName", "Descending", ["gamma", "delta", "beta", "alpha"]),
        ("CreationTime", "Ascending", ["alpha", "beta", "gamma", "delta"]),
        ("LastModifiedTime", "Descending", ["delta", "gamma", "beta", "alpha"]),
    ],
)
def test_sorting_puts_what_has_no_value_last(bench, sort, order, expected):
    assert bench.search(SortBy=sort, SortOrder=order) == expected


def test_the_latest_change_comes_first_unless_asked_otherwise(bench):
    assert bench.search() == ["delta", "gamma", "beta", "alpha"]


def test_pages(bench):
    mine = {"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": bench.name("exp")}
    pages = list(
        bench.client.get_paginator("search").paginate(
            Resource="ExperimentTrialComponent",
            SearchExpression={"Filters": [mine]},
            SortBy="CreationTime",
            SortOrder="Ascending",
            MaxResults=3,
        )
    )
    assert [len(page["Results"]) for page in pages] == [3, 1]
    assert all(page["TotalHits"]["Value"] == 4 for page in pages)


def test_visibility_conditions_exclude_other_values_of_a_tag(bench):
    conditions = [{"Key": "Tags.colour.main", "Value": "red"}]
    found = bench.search(VisibilityConditions=conditions)
    assert set(found) == {"alpha", "gamma", "delta"}


def test_experiments_and_model_package_groups(bench):
    name = bench.name("group")
    bench.client.create_model_package_group(
        ModelPackageGroupName=name, Tags=[{"Key": "lab", "Value": bench.suffix}]
    )
    found = bench.client.search(
        Resource="ModelPackageGroup",
        SearchExpression={"Filters": [{"Name": "Tags.lab", "Value": bench.suffix}]},
    )["Results"]
    assert [r["ModelPackageGroup"]["ModelPackageGroupName"] for r in found] == [name]
    found = bench.client.search(
        Resource="Experiment",
        SearchExpression={
            "Filters": [
                {"Name": "ExperimentName", "Operator": "Contains", "Value": bench.suffix},
                {"Name": "Description", "Operator": "Equals", "Value": "few-shot"},
            ]
        },
    )["Results"]
    assert [r["Experiment"]["ExperimentName"] for r in found] == [bench.name("exp")]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"Resource": "FeatureMetadata"}, "cannot search for FeatureMetadata"),
        ({"Resource": "ImageVersion"}, "cannot search for ImageVersion"),
        ({"Resource": "Planet"}, "enum value set"),
        ({"CrossAccountFilterOption": "CrossAccount"}, "SameAccount"),
        ({"SearchExpression": {}}, "at least one"),
        ({"SortBy": "TrialName"}, "Unknown property name: TrialName"),
        ({"SortBy": "Parameters"}, "no value of its own"),
        ({"NextToken": "nonsense"}, "NextToken"),
        ({"VisibilityConditions": [{"Key": "colour", "Value": "x"}]}, "Tags.<key>"),
    ],
)
def test_what_cannot_be_searched_is_refused(bench, params, said):
    with pytest.raises(ClientError) as caught:
        bench.client.search(**({"Resource": "ExperimentTrialComponent"} | params))
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert said in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("TrialName", "Equals", "x"), "Unknown property name: TrialName"),
        (("Parents.Name", "Equals", "x"), "Unknown property name: Parents.Name"),
        (("DisplayName.First", "Equals", "x"), "Unknown property name"),
        (("DisplayName", "GreaterThan", "x"), "not supported for text"),
        (("StartTime", "Contains", "2023"), "not supported for timestamp"),
        (("StartTime", "LessThan", "yesterday"), "ISO 8601"),
        (("Metrics.acc.Max", "GreaterThan", "much"), "floating-point decimal"),
        (("Metrics.acc.Max", "In", "1,2"), "not supported for number"),
        (("Status", "Equals", "Completed"), "no value of its own"),
        (("DisplayName", "Equals"), "needs a Value"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else None,
)
def test_a_filter_that_makes_no_sense_is_refused_by_name(bench, asked, said):
    with pytest.raises(ClientError) as caught:
        bench.search(asked)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    message = caught.value.response["Error"]["Message"]
    assert said in message
    assert asked[0] in message


def test_nested_filters_are_checked(bench):
    def refused(nested: dict[str, Any]) -> str:
        with pytest.raises(ClientError) as caught:
            bench.search(SearchExpression={"NestedFilters": [nested]})
        return str(caught.value.response["Error"]["Message"])

    one = {"Name": "TrialName", "Value": "x"}
    assert "must start with 'Parents.'" in refused(
        {"NestedPropertyName": "Parents", "Filters": [one]}
    )
    assert "not a list" in refused({"NestedPropertyName": "Status", "Filters": [one]})
    assert "Unknown" in refused({"NestedPropertyName": "Nothing", "Filters": [one]})


def test_at_most_50_parts(bench):
    part = {"Name": "DisplayName", "Operator": "Exists"}
    deep = {"Filters": [part] * 20, "SubExpressions": [{"Filters": [part] * 20}] * 2}
    with pytest.raises(ClientError, match="at most 50"):
        bench.search(SearchExpression=deep)


@pytest.mark.parametrize(
    ("name", "sign", "value", "found"),
    [
        ("HyperParameters.lr", "LessThan", "0.5", True),
        ("HyperParameters.lr", "Equals", "0.30", True),
        # "If the specified Value is an integer, the decimal hyperparameter values are treated as
        # integers": 0.3 counts as 0.
        ("HyperParameters.lr", "Equals", "0", True),
        ("HyperParameters.lr", "GreaterThan", "0", False),
        ("HyperParameters.base", "Equals", "minilm", True),
        ("HyperParameters.base", "GreaterThan", "1", False),
        ("Metrics.eval:acc", "GreaterThan", "0.9", True),
        ("Metrics.eval:acc", "LessThan", "0.9", False),
        ("InputDataConfig.ChannelName", "Equals", "test", True),
        ("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "bucket", True),
        ("ResourceConfig.InstanceCount", "Equals", "1", True),
        ("EnableNetworkIsolation", "Equals", "true", True),
        ("EnableNetworkIsolation", "Equals", "False", False),
        ("TrainingJobStatus", "In", "Failed,Completed", True),
    ],
)
def test_training_jobs_are_searched_by_their_own_properties(name, sign, value, found):
    shape = service_model("sagemaker").shape_for("TrainingJob")
    job = {
        "HyperParameters": {"lr": "0.3", "base": "minilm"},
        "FinalMetricDataList": [{"MetricName": "eval:acc", "Value": 0.91, "Timestamp": 1.0}],
        "InputDataConfig": [
            {
                "ChannelName": channel,
                "DataSource": {"S3DataSource": {"S3Uri": f"s3://bucket/{channel}"}},
            }
            for channel in ("train", "test")
        ],
        "ResourceConfig": {"InstanceCount": 1},
        "EnableNetworkIsolation": True,
        "TrainingJobStatus": "Completed",
    }
    asked = {"Filters": [{"Name": name, "Operator": sign, "Value": value}]}
    assert predicate(shape, asked)(job) is found
