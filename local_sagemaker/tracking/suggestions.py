"""GetSearchSuggestions: property names that begin with what somebody has typed so far.

Suggested are the names that Search would take: the members of a resource, and what the caller's
own resources have as tags, hyperparameters, parameters and metrics. It must not know how
documents are made.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from botocore.model import ListShape, MapShape, StructureShape

from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.tracking.search import Search
from local_sagemaker.tracking.search_properties import Document

# botocore, PropertyNameSuggestion: a name has 255 characters at most; the list has no limit of
# its own, so one is set that a person can still read.
LONGEST_NAME = 255
MOST = 100


class Suggestions:
    """The operation GetSearchSuggestions."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {"GetSearchSuggestions": self.suggest}

    def suggest(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the names that begin with the hint, case ignored; all of them without a hint."""
        shape, documents = self._search.every(caller, params["Resource"])
        query = (params.get("SuggestionQuery") or {}).get("PropertyNameQuery") or {}
        hint = str(query.get("PropertyNameHint", "")).lower()
        names = {name for name in _names(shape, documents) if name.lower().startswith(hint)}
        fitting = sorted(name for name in names if len(name) <= LONGEST_NAME)
        return {"PropertyNameSuggestions": [{"PropertyName": name} for name in fitting[:MOST]]}


def _names(shape: StructureShape, documents: Iterable[Document]) -> Iterator[str]:
    for name, member in shape.members.items():
        if name == "Tags" or _is_metrics(name, member):
            continue
        if isinstance(member, StructureShape):
            yield from (f"{name}.{inner}" for inner in member.members)
        elif not isinstance(member, ListShape | MapShape):
            yield name
    for document in documents:
        yield from _own(shape, document)


def _own(shape: StructureShape, document: Document) -> Iterator[str]:
    """Yield the names that a resource has because its owner chose them."""
    for name, member in shape.members.items():
        content = document.get(name)
        if not content:
            continue
        if name == "Tags":
            yield from (f"Tags.{tag['Key']}" for tag in content)
        elif _is_metrics(name, member):
            yield from (f"Metrics.{metric['MetricName']}" for metric in content)
        elif isinstance(member, MapShape):
            artifacts = isinstance(member.value, StructureShape) and "Value" in member.value.members
            yield from (f"{name}.{key}.Value" if artifacts else f"{name}.{key}" for key in content)


def _is_metrics(name: str, member: Any) -> bool:
    return isinstance(member, ListShape) and name in ("Metrics", "FinalMetricDataList")
