"""Experiments, trials and trial components through boto3: names, merging, membership, deletion."""

import math
import time
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import refused

pytestmark = pytest.mark.usefixtures("local")


@pytest.fixture
def client(local: LocalSageMaker) -> Any:
    return boto3.client("sagemaker", endpoint_url=local.url)


@pytest.fixture
def unique() -> Callable[[str], str]:
    suffix = uuid.uuid4().hex[:8]
    return lambda name: f"{name}-{suffix}"


def experiment(client: Any, unique: Callable[[str], str]) -> tuple[str, str, str]:
    names = unique("exp"), unique("trial"), unique("comp")
    client.create_experiment(ExperimentName=names[0])
    client.create_trial(TrialName=names[1], ExperimentName=names[0])
    client.create_trial_component(TrialComponentName=names[2])
    client.associate_trial_component(TrialName=names[1], TrialComponentName=names[2])
    return names


def test_a_name_is_its_own_display_name_and_case_does_not_matter(client, unique):
    name = unique("MixedCase")
    arn = client.create_experiment(ExperimentName=name)["ExperimentArn"]
    assert arn.endswith(f":experiment/{name.lower()}")
    shown = client.describe_experiment(ExperimentName=name.upper())
    assert (shown["ExperimentName"], shown["DisplayName"]) == (name, name)
    assert shown["ExperimentArn"] == arn
    message = refused(
        client.create_experiment, "ValidationException", ExperimentName=name.swapcase()
    )
    assert "already exists" in message


@pytest.mark.parametrize("noun", ["experiment", "trial", "trial_component"])
def test_creating_again_is_refused_and_changes_nothing(client, unique, noun):
    exp, trial, comp = experiment(client, unique)
    key, name = {
        "experiment": ("ExperimentName", exp),
        "trial": ("TrialName", trial),
        "trial_component": ("TrialComponentName", comp),
    }[noun]
    before = getattr(client, f"describe_{noun}")(**{key: name})
    again = {key: name, "DisplayName": "other"}
    if noun == "trial":
        again["ExperimentName"] = exp
    message = refused(getattr(client, f"create_{noun}"), "ValidationException", **again)
    assert "already exists" in message
    assert "must be unique within an AWS account" in message
    after = getattr(client, f"describe_{noun}")(**{key: name})
    del before["ResponseMetadata"], after["ResponseMetadata"]
    assert after == before


def test_what_is_not_there_is_not_found(client, unique):
    name = unique("none")
    _, trial, comp = experiment(client, unique)
    missing = "ResourceNotFound"
    refused(client.describe_experiment, missing, ExperimentName=name)
    refused(client.describe_trial, missing, TrialName=name)
    refused(client.describe_trial_component, missing, TrialComponentName=name)
    refused(client.create_trial, missing, TrialName=unique("t2"), ExperimentName=name)
    refused(client.update_trial_component, missing, TrialComponentName=name)
    refused(client.update_trial, missing, TrialName=name, DisplayName="x")
    refused(client.delete_experiment, missing, ExperimentName=name)
    refused(client.associate_trial_component, missing, TrialName=trial, TrialComponentName=name)
    refused(client.associate_trial_component, missing, TrialName=name, TrialComponentName=comp)
    refused(client.list_trials, missing, ExperimentName=name)
    refused(client.list_trial_components, missing, TrialName=name)


def test_updating_a_component_merges_by_key(client, unique):
    name = unique("merge")
    client.create_trial_component(
        TrialComponentName=name,
        Parameters={"lr": {"NumberValue": 0.1}, "base": {"StringValue": "minilm"}},
        InputArtifacts={"train": {"Value": "s3://b/train", "MediaType": "text/csv"}},
    )
    client.update_trial_component(
        TrialComponentName=name,
        DisplayName="shown",
        Status={"PrimaryStatus": "InProgress", "Message": "training"},
        StartTime=1_700_000_000,
        Parameters={"lr": {"NumberValue": 0.2}, "shots": {"NumberValue": 8}},
        OutputArtifacts={"model": {"Value": "s3://b/model"}},
    )
    # The SDK sends what it loaded, together with the names to remove.
    client.update_trial_component(
        TrialComponentName=name,
        Status={"PrimaryStatus": "Completed"},
        EndTime=1_700_000_100,
        Parameters={"base": {"StringValue": "minilm"}},
        ParametersToRemove=["base", "never-there"],
        InputArtifactsToRemove=["train"],
    )
    shown = client.describe_trial_component(TrialComponentName=name)
    assert shown["Parameters"] == {"lr": {"NumberValue": 0.2}, "shots": {"NumberValue": 8}}
    assert shown["InputArtifacts"] == {}
    assert shown["OutputArtifacts"] == {"model": {"Value": "s3://b/model"}}
    assert shown["Status"] == {"PrimaryStatus": "Completed"}
    assert (shown["StartTime"].timestamp(), shown["EndTime"].timestamp()) == (
        1_700_000_000,
        1_700_000_100,
    )
    assert shown["DisplayName"] == "shown"
    assert shown["LastModifiedTime"] > shown["CreationTime"]


def test_a_component_holds_300_parameters_and_not_one_more(client, unique):
    name = unique("full")
    client.create_trial_component(
        TrialComponentName=name,
        Parameters={f"p{number}": {"NumberValue": number} for number in range(299)},
    )
    one = {"last": {"StringValue": "x"}}
    client.update_trial_component(TrialComponentName=name, Parameters=one)
    message = refused(
        client.update_trial_component,
        "ValidationException",
        TrialComponentName=name,
        Parameters={"more": {"StringValue": "x"}},
    )
    assert "301" in message
    assert "300" in message
    assert len(client.describe_trial_component(TrialComponentName=name)["Parameters"]) == 300


@pytest.mark.parametrize(
    "value", [{}, {"NumberValue": 1.0, "StringValue": "1"}, {"NumberValue": float("nan")}]
)
def test_a_parameter_is_a_text_or_a_finite_number(client, unique, value):
    message = refused(
        client.create_trial_component,
        "ValidationException",
        TrialComponentName=unique("bad"),
        Parameters={"lr": value},
    )
    assert "lr" in message


def test_updating_an_experiment_and_a_trial(client, unique):
    exp, trial, _ = experiment(client, unique)
    client.update_experiment(ExperimentName=exp, Description="why", DisplayName="Shown")
    assert client.describe_experiment(ExperimentName=exp)["Description"] == "why"
    client.update_experiment(ExperimentName=exp, Description="")
    shown = client.describe_experiment(ExperimentName=exp)
    assert "Description" not in shown
    assert shown["DisplayName"] == "Shown"
    client.update_trial(TrialName=trial, DisplayName="Shown")
    assert client.describe_trial(TrialName=trial)["DisplayName"] == "Shown"


def test_membership(client, unique):
    exp, trial, comp = experiment(client, unique)
    client.associate_trial_component(TrialName=trial, TrialComponentName=comp)
    other = unique("other")
    client.create_trial(TrialName=other, ExperimentName=exp)
    message = refused(
        client.disassociate_trial_component,
        "ResourceNotFound",
        TrialName=other,
        TrialComponentName=comp,
    )
    assert "not associated" in message
    client.associate_trial_component(TrialName=other, TrialComponentName=comp.upper())
    trials = client.list_trials(TrialComponentName=comp)["TrialSummaries"]
    assert {summary["TrialName"] for summary in trials} == {trial, other}
    of_experiment = client.list_trial_components(ExperimentName=exp)["TrialComponentSummaries"]
    assert [summary["TrialComponentName"] for summary in of_experiment] == [comp]
    client.disassociate_trial_component(TrialName=other, TrialComponentName=comp)
    assert client.list_trial_components(TrialName=other)["TrialComponentSummaries"] == []


def test_components_are_listed_in_pages_by_one_filter(client, unique):
    exp, trial, comp = experiment(client, unique)
    names = [unique(f"run-{number:02d}") for number in range(23)]
    for number, name in enumerate(names):
        if number == 12:  # at a whole second, which is all that boto3 1.43 sends of a time
            noon = math.ceil(time.time())
            time.sleep(max(0, noon - time.time()))
        client.create_trial_component(TrialComponentName=name)
        client.associate_trial_component(TrialName=trial, TrialComponentName=name)
    first = client.list_trial_components(TrialName=trial)
    assert len(first["TrialComponentSummaries"]) == 10
    assert first["TrialComponentSummaries"][0]["TrialComponentName"] == names[-1]
    pages = client.get_paginator("list_trial_components").paginate(
        ExperimentName=exp, SortBy="Name", SortOrder="Ascending", MaxResults=7
    )
    listed = [s["TrialComponentName"] for page in pages for s in page["TrialComponentSummaries"]]
    assert listed == sorted([comp, *names])
    early = client.list_trial_components(TrialName=trial, CreatedBefore=noon, MaxResults=100)[
        "TrialComponentSummaries"
    ]
    assert {s["TrialComponentName"] for s in early} == {comp, *names[:12]}
    refused(
        client.list_trial_components, "ValidationException", TrialName=trial, ExperimentName=exp
    )
    assert (
        client.list_trial_components(SourceArn="arn:aws:sagemaker:::training-job/none")[
            "TrialComponentSummaries"
        ]
        == []
    )


def test_what_holds_something_is_not_deleted(client, unique):
    exp, trial, comp = experiment(client, unique)
    message = refused(client.delete_experiment, "ValidationException", ExperimentName=exp)
    assert "trials and cannot be deleted" in message
    message = refused(client.delete_trial, "ValidationException", TrialName=trial)
    assert "components and cannot be deleted" in message
    message = refused(client.delete_trial_component, "ValidationException", TrialComponentName=comp)
    assert "is linked to 1 or more trials and cannot be deleted" in message
    client.disassociate_trial_component(TrialName=trial, TrialComponentName=comp)
    client.delete_trial_component(TrialComponentName=comp)
    client.delete_trial(TrialName=trial)
    client.delete_experiment(ExperimentName=exp)
    refused(client.describe_experiment, "ResourceNotFound", ExperimentName=exp)


def test_a_new_component_inherits_nothing_from_a_deleted_one(client, unique):
    _, trial, comp = experiment(client, unique)
    metrics = boto3.client("sagemaker-metrics")
    point = {"MetricName": "acc", "Value": 1.0, "Timestamp": time.time()}
    metrics.batch_put_metrics(TrialComponentName=comp, MetricData=[point])
    assert client.describe_trial_component(TrialComponentName=comp)["Metrics"]
    client.disassociate_trial_component(TrialName=trial, TrialComponentName=comp)
    client.delete_trial_component(TrialComponentName=comp)
    client.create_trial_component(TrialComponentName=comp)
    shown = client.describe_trial_component(TrialComponentName=comp)
    assert shown["Metrics"] == []
    assert client.list_trials(TrialComponentName=comp)["TrialSummaries"] == []
    assert client.list_tags(ResourceArn=shown["TrialComponentArn"])["Tags"] == []


def test_a_component_is_described_by_its_arn_and_carries_tags(client, unique):
    name = unique("tagged")
    arn = client.create_trial_component(
        TrialComponentName=name, Tags=[{"Key": "team", "Value": "nlp"}]
    )["TrialComponentArn"]
    shown = client.describe_trial_component(TrialComponentName=arn)
    assert shown["TrialComponentName"] == name
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "nlp"}]


def test_regions_do_not_see_each_other(client, unique):
    exp, _, comp = experiment(client, unique)
    elsewhere = boto3.client("sagemaker", region_name="eu-west-1")
    refused(elsewhere.describe_experiment, "ResourceNotFound", ExperimentName=exp)
    elsewhere.create_experiment(ExperimentName=exp)
    elsewhere.create_trial(TrialName=unique("there"), ExperimentName=exp)
    assert elsewhere.list_trial_components(ExperimentName=exp)["TrialComponentSummaries"] == []
    found = elsewhere.search(
        Resource="ExperimentTrialComponent",
        SearchExpression={"Filters": [{"Name": "TrialComponentName", "Value": comp}]},
    )
    assert found["Results"] == []
