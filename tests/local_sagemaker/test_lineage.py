"""Artifacts, actions, contexts and associations, through boto3 and the SDK's own classes."""

import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import refused


@pytest.fixture
def client(local: LocalSageMaker) -> Any:
    return boto3.client("sagemaker", endpoint_url=local.url)


@pytest.fixture
def unique() -> Callable[[str], str]:
    suffix = uuid.uuid4().hex[:8]
    return lambda name: f"{name}-{suffix}"


def artifact(client: Any, uri: str, etag: str | None = None, **more: Any) -> str:
    source: dict[str, Any] = {"SourceUri": uri}
    if etag:
        source["SourceTypes"] = [{"SourceIdType": "S3ETag", "Value": etag}]
    answer = client.create_artifact(**({"ArtifactType": "DataSet", "Source": source} | more))
    return str(answer["ArtifactArn"])


def test_an_artifact_is_its_source(client, unique):
    uri = unique("s3://bucket/data")
    arn = artifact(client, uri, "1", ArtifactName="train", Tags=[{"Key": "a", "Value": "b"}])
    assert artifact(client, uri, "1", ArtifactName="again", Properties={"x": "y"}) == arn
    others = {artifact(client, uri), artifact(client, uri, "2"), artifact(client, uri + "2", "1")}
    assert len(others | {arn}) == 4
    shown = client.describe_artifact(ArtifactArn=arn)
    assert (shown["ArtifactName"], shown["ArtifactType"]) == ("train", "DataSet")
    assert shown["Source"]["SourceTypes"] == [{"SourceIdType": "S3ETag", "Value": "1"}]
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    listed = client.list_artifacts(SourceUri=uri)["ArtifactSummaries"]
    assert len(listed) == 3
    assert client.list_artifacts(SourceUri=uri, ArtifactType="Model")["ArtifactSummaries"] == []


def test_an_artifact_goes_by_arn_or_by_source(client, unique):
    uri = unique("s3://bucket/gone")
    arn = artifact(client, uri)
    assert client.delete_artifact(Source={"SourceUri": uri})["ArtifactArn"] == arn
    refused(client.describe_artifact, "ResourceNotFound", ArtifactArn=arn)
    refused(client.delete_artifact, "ResourceNotFound", ArtifactArn=arn)
    refused(client.delete_artifact, "ValidationException")


def test_properties_are_overwritten_as_a_whole(client, unique):
    arn = artifact(client, unique("s3://p"), Properties={"a": "1", "b": "2"})
    client.update_artifact(ArtifactArn=arn, Properties={"c": "3", "d": "4"}, ArtifactName="named")
    client.update_artifact(ArtifactArn=arn, PropertiesToRemove=["d", "never"])
    shown = client.describe_artifact(ArtifactArn=arn)
    assert shown["Properties"] == {"c": "3"}
    assert shown["ArtifactName"] == "named"


@pytest.mark.parametrize("noun", ["action", "context"])
def test_actions_and_contexts(client, unique, noun):
    title = noun.title()
    name, uri = unique(noun), unique("s3://source")
    create = getattr(client, f"create_{noun}")
    params = {f"{title}Name": name, f"{title}Type": "Deploy", "Source": {"SourceUri": uri}}
    arn = create(**params)[f"{title}Arn"]
    assert "already exist" in refused(create, "ValidationException", **params)
    getattr(client, f"update_{noun}")(
        **{f"{title}Name": name, "Description": "why", "Properties": {"a": "b"}}
    )
    shown = getattr(client, f"describe_{noun}")(**{f"{title}Name": name})
    assert (shown["Description"], shown["Properties"]) == ("why", {"a": "b"})
    listed = getattr(client, f"list_{noun}s")(SourceUri=uri)[f"{title}Summaries"]
    assert [summary[f"{title}Arn"] for summary in listed] == [arn]
    getattr(client, f"delete_{noun}")(**{f"{title}Name": name})
    refused(getattr(client, f"describe_{noun}"), "ResourceNotFound", **{f"{title}Name": name})


def test_associations_are_edges_between_what_exists(client, unique):
    data = artifact(client, unique("s3://data"), ArtifactName="data")
    model = artifact(client, unique("s3://model"), ArtifactType="Model")
    component = client.create_trial_component(TrialComponentName=unique("run"))
    run = component["TrialComponentArn"]
    client.add_association(SourceArn=data, DestinationArn=run, AssociationType="ContributedTo")
    client.add_association(SourceArn=run, DestinationArn=model, AssociationType="Produced")
    message = refused(
        client.add_association, "ValidationException", SourceArn=data, DestinationArn=run
    )
    assert "already exists" in message
    refused(client.add_association, "ResourceNotFound", SourceArn=data + "0", DestinationArn=run)
    refused(client.add_association, "ValidationException", SourceArn=data, DestinationArn=data)

    incoming = client.list_associations(DestinationArn=run)["AssociationSummaries"]
    assert len(incoming) == 1
    assert incoming[0]["SourceName"] == "data"
    assert incoming[0]["DestinationName"] == unique("run")
    assert (incoming[0]["SourceType"], incoming[0]["AssociationType"]) == (
        "DataSet",
        "ContributedTo",
    )
    assert client.list_associations(SourceArn=run, AssociationType="Produced")[
        "AssociationSummaries"
    ]
    assert not client.list_associations(SourceArn=run, AssociationType="SameAs")[
        "AssociationSummaries"
    ]
    assert not client.list_associations(SourceArn=run, DestinationType="DataSet")[
        "AssociationSummaries"
    ]

    client.delete_association(SourceArn=run, DestinationArn=model)
    refused(client.delete_association, "ResourceNotFound", SourceArn=run, DestinationArn=model)
    assert not client.list_associations(SourceArn=run)["AssociationSummaries"]


def test_two_parts_of_an_experiment_are_not_associated_by_hand(client, unique):
    run = client.create_trial_component(TrialComponentName=unique("run"))["TrialComponentArn"]
    exp = client.create_experiment(ExperimentName=unique("exp"))["ExperimentArn"]
    message = refused(
        client.add_association, "ValidationException", SourceArn=run, DestinationArn=exp
    )
    assert "two experiment entities" in message


def test_an_entity_with_associations_stays_and_a_deleted_run_takes_its_edges_along(client, unique):
    data = artifact(client, unique("s3://held"))
    name = unique("run")
    run = client.create_trial_component(TrialComponentName=name)["TrialComponentArn"]
    client.add_association(SourceArn=data, DestinationArn=run)
    message = refused(client.delete_artifact, "ValidationException", ArtifactArn=data)
    assert "associations" in message
    client.delete_trial_component(TrialComponentName=name)
    assert not client.list_associations(SourceArn=data)["AssociationSummaries"]
    client.delete_artifact(ArtifactArn=data)


def test_associations_come_in_sorted_pages(client, unique):
    action = client.create_action(
        ActionName=unique("action"), ActionType="Train", Source={"SourceUri": "x"}
    )["ActionArn"]
    sources = [artifact(client, unique(f"s3://in/{number}")) for number in range(12)]
    for source in sources:
        client.add_association(SourceArn=source, DestinationArn=action)
    first = client.list_associations(DestinationArn=action)
    assert [s["SourceArn"] for s in first["AssociationSummaries"]] == sources[:1:-1]
    pages = client.get_paginator("list_associations").paginate(
        DestinationArn=action, SortBy="SourceArn", SortOrder="Ascending", MaxResults=5
    )
    listed = [s["SourceArn"] for page in pages for s in page["AssociationSummaries"]]
    assert listed == sorted(sources)


def test_regions_do_not_see_each_other(client, local, unique):
    elsewhere = boto3.client("sagemaker", region_name="eu-west-1", endpoint_url=local.url)
    here, there = artifact(client, unique("s3://r")), artifact(elsewhere, unique("s3://r"))
    action = client.create_action(
        ActionName=unique("a"), ActionType="Train", Source={"SourceUri": "x"}
    )["ActionArn"]
    client.add_association(SourceArn=here, DestinationArn=action)
    refused(elsewhere.delete_association, "ResourceNotFound", SourceArn=here, DestinationArn=action)
    refused(client.add_association, "ResourceNotFound", SourceArn=there, DestinationArn=action)
    assert elsewhere.list_associations(DestinationArn=action)["AssociationSummaries"] == []
