"""QueryLineage: walks the associations from one entity, as far and in the direction that is asked.

The walk is breadth first over the edges of the caller's account and region, so a vertex is found
at its least depth. It reads only; it must not know who drew the edges.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record
from local_sagemaker.tracking.lineage import Associations, entity_type

# botocore, QueryLineageRequest.MaxDepth and .MaxResults: their greatest values.
MAX_DEPTH = 10
MAX_VERTICES = 50
# botocore, LineageType. An experiment may have associations too and is walked through, but no
# vertex can stand for it.
_LINEAGE_NOUNS = ("TrialComponent", "Artifact", "Context", "Action")


@dataclass(frozen=True)
class _Edge:
    source: str
    destination: str
    kind: str | None

    def shown(self) -> dict[str, Any]:
        """Return the edge as QueryLineage answers it."""
        return {
            "SourceArn": self.source,
            "DestinationArn": self.destination,
            "AssociationType": self.kind,
        }


@dataclass
class _Graph:
    """The edges by their ends."""

    outgoing: dict[str, list[_Edge]] = field(default_factory=lambda: defaultdict(list))
    incoming: dict[str, list[_Edge]] = field(default_factory=lambda: defaultdict(list))

    def add(self, edge: _Edge) -> None:
        """Take an edge in."""
        self.outgoing[edge.source].append(edge)
        self.incoming[edge.destination].append(edge)

    def walk(self, starts: Iterable[str], depth: int, *, down: bool) -> Iterator[tuple[str, _Edge]]:
        """Yield every edge that can be reached and the entity it leads to, nearest first.

        A diamond's far end comes once per edge, so that all paths to it are known.
        """
        seen = set(starts)
        border = sorted(seen)
        for _ in range(depth):
            further = []
            for arn in border:
                for edge in (self.outgoing if down else self.incoming).get(arn, ()):
                    other = edge.destination if down else edge.source
                    yield other, edge
                    if other not in seen:
                        seen.add(other)
                        further.append(other)
            border = further


class LineageQuery:
    """The operation QueryLineage."""

    def __init__(self, resources: Resources, associations: Associations) -> None:
        self._resources = resources
        self._associations = associations

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {"QueryLineage": self.query}

    def query(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the entities that are connected with the start, and the edges if asked.

        With ``IncludeEdges`` the answer also holds what lies between the start and an entity
        that passes the filters; without, only those that pass. Without a start every entity is
        looked at, and there has to be a filter.
        """
        filters = params.get("Filters") or {}
        starts = params.get("StartArns") or []
        if not starts and not filters:
            raise validation_exception("QueryLineage needs StartArns, Filters or both.")
        with self._resources.records.database.transaction():
            if starts:
                vertices, edges = self._connected(caller, starts[0], params)
            else:
                vertices, edges = self._every(caller), []
            wanted = _filter(filters)
            passing = {arn for arn, record in vertices.items() if wanted(record)}
        included = bool(params.get("IncludeEdges", False))
        if included and starts:
            edges = _on_the_way(edges, starts[0], passing)
            passing |= {end for edge in edges for end in (edge.source, edge.destination)}
        shown = [
            _vertex(record)
            for arn, record in vertices.items()
            if arn in passing and record.key.kind in _LINEAGE_NOUNS
        ]
        scope = f"{caller.account}/{caller.region}/lineage"
        chosen, token = page(shown, params, lambda v: v["Arn"], MAX_VERTICES, scope=scope)
        answer: dict[str, Any] = {"Vertices": chosen, "Edges": [], "NextToken": token}
        if included:
            # An edge is told with the page of its later end, so each is told once.
            position = {vertex["Arn"]: number for number, vertex in enumerate(shown)}
            here = {position[vertex["Arn"]] for vertex in chosen}
            answer["Edges"] = [
                edge.shown()
                for edge in edges
                if edge.source in position
                and edge.destination in position
                and max(position[edge.source], position[edge.destination]) in here
            ]
        return answer

    def _every(self, caller: Caller) -> dict[str, Record]:
        return {
            record.arn: record
            for noun in _LINEAGE_NOUNS
            for record in self._resources.records.list_kind(caller.account, caller.region, noun)
        }

    def _connected(
        self, caller: Caller, start: str, params: dict[str, Any]
    ) -> tuple[dict[str, Record], list[_Edge]]:
        """Return what the walk meets, nearest first, and the edges that it went along."""
        met = {start: self._find(caller, start)}
        graph = _Graph()
        for row in self._associations.list(caller):
            graph.add(_Edge(row["source"], row["destination"], row["type"]))
        depth = MAX_DEPTH if params.get("MaxDepth") is None else params["MaxDepth"]
        direction = params.get("Direction") or "Both"
        edges: dict[_Edge, None] = {}
        for name, down in (("Ascendants", False), ("Descendants", True)):
            if direction not in (name, "Both"):
                continue
            for arn, edge in graph.walk([start], depth, down=down):
                if arn not in met:
                    met[arn] = self._find(caller, arn)
                edges[edge] = None
        return met, list(edges)

    def _find(self, caller: Caller, arn: str) -> Record:
        record = self._resources.records.by_arn(arn)
        owner = (caller.account, caller.region)
        if record is None or (record.key.account, record.key.region) != owner:
            raise AWSError("ResourceNotFound", f"Resource '{arn}' does not exist.")
        return record


def _on_the_way(edges: list[_Edge], start: str, passing: set[str]) -> list[_Edge]:
    """Return the edges that lie on a path from the start to an entity that passes."""
    graph = _Graph()
    for edge in edges:
        graph.add(edge)
    kept: set[_Edge] = set()
    for down in (False, True):
        away = {edge for _, edge in graph.walk([start], len(edges), down=down)}
        kept |= away & {edge for _, edge in graph.walk(passing, len(edges), down=not down)}
    return [edge for edge in edges if edge in kept]


def _filter(filters: dict[str, Any]) -> Callable[[Record], bool]:
    """Return whether an entity passes all filters; of several properties one is enough."""
    kinds = filters.get("LineageTypes") or []
    types = filters.get("Types") or []
    properties = (filters.get("Properties") or {}).items()

    def wanted(record: Record) -> bool:
        having = record.body.get("Properties", {})
        return (
            (not kinds or record.key.kind in kinds)
            and (not types or entity_type(record) in types)
            and (not properties or any(having.get(key) == value for key, value in properties))
            and record.created < filters.get("CreatedBefore", float("inf"))
            and record.created > filters.get("CreatedAfter", 0.0)
            and record.modified < filters.get("ModifiedBefore", float("inf"))
            and record.modified > filters.get("ModifiedAfter", 0.0)
        )

    return wanted


def _vertex(record: Record) -> dict[str, Any]:
    # botocore's Type is 40 characters long at most.
    return {
        "Arn": record.arn,
        "Type": entity_type(record)[:40],
        "LineageType": record.key.kind,
    }
