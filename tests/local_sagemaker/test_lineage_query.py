"""QueryLineage, lineage groups and search suggestions, through boto3 and the SDK's own classes."""

import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import refused


@pytest.fixture
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return boto3.client("sagemaker")


@pytest.fixture
def unique() -> Callable[[str], str]:
    suffix = uuid.uuid4().hex[:12]
    return lambda name: f"{name}-{suffix}"


class Graph:
    """data → run → model → endpoint, and a second data set that only a chart comes from."""

    def __init__(self, client: Any, unique: Callable[[str], str]) -> None:
        self._client = client
        self.data = self._artifact(unique("s3://b/data"), "DataSet", {"lab": unique("1")})
        self.model = self._artifact(unique("s3://b/model"), "Model", {"lab": unique("2")})
        self.run = client.create_trial_component(TrialComponentName=unique("run"))[
            "TrialComponentArn"
        ]
        self.endpoint = client.create_context(
            ContextName=unique("endpoint"),
            ContextType="Endpoint",
            Source={"SourceUri": unique("arn:aws:sagemaker:endpoint")},
        )["ContextArn"]
        self.chart = self._artifact(unique("s3://b/chart"), "Chart", {})
        self._edge(self.data, self.run, "ContributedTo")
        self._edge(self.run, self.model, "Produced")
        self._edge(self.model, self.endpoint, "AssociatedWith")
        self._edge(self.data, self.chart, "DerivedFrom")

    def _artifact(self, uri: str, kind: str, properties: dict[str, str]) -> str:
        answer = self._client.create_artifact(
            ArtifactType=kind, Source={"SourceUri": uri}, Properties=properties
        )
        return str(answer["ArtifactArn"])

    def _edge(self, source: str, destination: str, kind: str) -> None:
        self._client.add_association(
            SourceArn=source, DestinationArn=destination, AssociationType=kind
        )

    def vertices(self, start: str, **query: Any) -> set[str]:
        answer = self._client.query_lineage(StartArns=[start], **query)
        return {vertex["Arn"] for vertex in answer["Vertices"]}


@pytest.fixture
def graph(client: Any, unique: Callable[[str], str]) -> Graph:
    return Graph(client, unique)


def test_a_direction_is_followed_to_its_end(graph: Graph) -> None:
    down = {graph.run, graph.model, graph.endpoint}
    assert graph.vertices(graph.run, Direction="Descendants") == down
    assert graph.vertices(graph.run, Direction="Ascendants") == {graph.run, graph.data}
    # A chart is neither before nor after the run.
    assert graph.vertices(graph.run) == down | {graph.data}
    every = down | {graph.data, graph.chart}
    assert graph.vertices(graph.data, Direction="Descendants") == every


def test_a_walk_has_a_depth(graph: Graph) -> None:
    near = graph.vertices(graph.data, Direction="Descendants", MaxDepth=1)
    assert near == {graph.data, graph.run, graph.chart}
    further = graph.vertices(graph.data, Direction="Descendants", MaxDepth=2)
    assert further == near | {graph.model}


def test_entities_are_filtered_by_what_they_are(graph: Graph, unique: Callable[[str], str]) -> None:
    def down(**filters: Any) -> set[str]:
        return graph.vertices(graph.data, Direction="Descendants", Filters=filters)

    assert down(LineageTypes=["Context"]) == {graph.endpoint}
    assert down(Types=["Model", "Endpoint"]) == {graph.model, graph.endpoint}
    assert down(Types=["Model"], LineageTypes=["Context"]) == set()
    either = {"lab": unique("2"), "other": "x"}
    assert down(Properties=either) == {graph.model}
    assert down(CreatedBefore=1) == set()
    assert len(down(CreatedAfter=1, ModifiedAfter=1, LineageTypes=["Artifact"])) == 3


def test_edges_come_with_what_lies_on_the_way(client: Any, graph: Graph) -> None:
    answer = client.query_lineage(
        StartArns=[graph.data],
        Direction="Descendants",
        IncludeEdges=True,
        Filters={"LineageTypes": ["Context"]},
    )
    edges = {
        (edge["SourceArn"], edge["DestinationArn"], edge["AssociationType"])
        for edge in answer["Edges"]
    }
    assert edges == {
        (graph.data, graph.run, "ContributedTo"),
        (graph.run, graph.model, "Produced"),
        (graph.model, graph.endpoint, "AssociatedWith"),
    }
    types = {vertex["Arn"]: vertex["LineageType"] for vertex in answer["Vertices"]}
    assert types == {
        graph.data: "Artifact",
        graph.run: "TrialComponent",
        graph.model: "Artifact",
        graph.endpoint: "Context",
    }


def test_a_circle_ends_and_is_told_once(client: Any, graph: Graph) -> None:
    client.add_association(SourceArn=graph.endpoint, DestinationArn=graph.data)
    answer = client.query_lineage(
        StartArns=[graph.data], Direction="Descendants", IncludeEdges=True
    )
    assert len(answer["Vertices"]) == 5
    assert len(answer["Edges"]) == 5


def test_pages_tell_every_vertex_and_every_edge_once(client: Any, graph: Graph) -> None:
    query = {"StartArns": [graph.data], "Direction": "Descendants", "IncludeEdges": True}
    whole = client.query_lineage(**query)
    vertices, edges, token = [], [], {}
    while True:
        part = client.query_lineage(**query, MaxResults=2, **token)
        assert len(part["Vertices"]) <= 2
        vertices += part["Vertices"]
        edges += part["Edges"]
        if "NextToken" not in part:
            break
        token = {"NextToken": part["NextToken"]}
    assert vertices == whole["Vertices"]
    assert sorted(map(str, edges)) == sorted(map(str, whole["Edges"]))


def test_without_a_start_filters_choose(client: Any, unique: Callable[[str], str]) -> None:
    arn = client.create_artifact(
        ArtifactType=unique("T")[:20], Source={"SourceUri": unique("s3://alone")}
    )["ArtifactArn"]
    found = client.query_lineage(Filters={"Types": [unique("T")[:20]]})["Vertices"]
    assert [vertex["Arn"] for vertex in found] == [arn]
    refused(client.query_lineage, "ValidationException")
    gone = arn[:-4] + "0000"
    refused(client.query_lineage, "ResourceNotFound", StartArns=[gone])


def test_the_sdk_s_query_finds_the_data_of_an_endpoint(graph: Graph) -> None:
    query = pytest.importorskip("sagemaker.core.lineage.query")
    helper = pytest.importorskip("sagemaker.core.helper.session_helper")
    result = query.LineageQuery(helper.Session()).query(
        start_arns=[graph.endpoint],
        direction=query.LineageQueryDirectionEnum.ASCENDANTS,
        query_filter=query.LineageFilter(sources=[query.LineageSourceEnum.DATASET]),
        include_edges=False,
    )
    assert [vertex.arn for vertex in result.vertices] == [graph.data]


def test_every_account_has_one_lineage_group(client: Any) -> None:
    (group,) = client.list_lineage_groups()["LineageGroupSummaries"]
    name = group["LineageGroupName"]
    assert name == "sagemaker-default-lineage-group"
    assert group["LineageGroupArn"].endswith(f":lineage-group/{name}")
    described = client.describe_lineage_group(LineageGroupName=name)
    assert described["CreationTime"] == group["CreationTime"]
    assert client.list_lineage_groups(CreatedBefore=1)["LineageGroupSummaries"] == []
    refused(client.describe_lineage_group, "ResourceNotFound", LineageGroupName="another")
    refused(client.get_lineage_group_policy, "ResourceNotFound", LineageGroupName=name)


def suggested(client: Any, resource: str, hint: str | None = None) -> list[str]:
    more = {}
    if hint is not None:
        more["SuggestionQuery"] = {"PropertyNameQuery": {"PropertyNameHint": hint}}
    answer = client.get_search_suggestions(Resource=resource, **more)
    return [item["PropertyName"] for item in answer["PropertyNameSuggestions"]]


def test_properties_are_suggested_and_search_knows_them(
    client: Any, unique: Callable[[str], str]
) -> None:
    key = unique("rate")
    client.create_trial_component(
        TrialComponentName=unique("c"),
        Parameters={key: {"NumberValue": 0.1}},
        InputArtifacts={key: {"Value": "s3://b/in"}},
        Tags=[{"Key": key, "Value": "x"}],
    )
    resource = "ExperimentTrialComponent"
    assert suggested(client, resource, f"parameters.{key}") == [f"Parameters.{key}"]
    assert suggested(client, resource, f"Tags.{key}") == [f"Tags.{key}"]
    assert suggested(client, resource, f"InputArtifacts.{key}") == [f"InputArtifacts.{key}.Value"]
    assert suggested(client, resource, "TrialComponentN") == ["TrialComponentName"]
    assert suggested(client, resource, "nothing has this name") == []
    for name in suggested(client, resource):
        filters = [{"Name": name, "Operator": "Exists"}]
        client.search(Resource=resource, SearchExpression={"Filters": filters})
    refused(client.get_search_suggestions, "ValidationException", Resource="FeatureMetadata")
