"""Search: finds resources of one kind by what they are, sorts them and cuts them into pages.

What can be asked about a kind comes from its shape in botocore's ``SearchRecord``. A resource
that this server does not keep is refused by name: an empty answer would look like the truth. It
must not know what any kind is for.
"""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.model import ServiceModel, StructureShape

from local_sagemaker.errors import validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record
from local_sagemaker.tracking.search_expression import as_number, predicate
from local_sagemaker.tracking.search_properties import CASELESS, STRUCTURE, TEXT, Document, resolve

Documents = Callable[[Caller, list[Record]], list[Document]]
_Hit = tuple[Record, Document]

# Search calls two kinds by names of its own; SearchRecord and all else use the nouns.
_NOUNS = {"ExperimentTrial": "Trial", "ExperimentTrialComponent": "TrialComponent"}


class Search:
    """The operation Search.

    Parameters
    ----------
    resources
        The records, and what Describe shows of them.
    model
        The service model of ``sagemaker``.
    documents
        For kinds of which Search shows more than Describe: what it shows, by noun.
    """

    def __init__(
        self, resources: Resources, model: ServiceModel, documents: Mapping[str, Documents]
    ) -> None:
        self._resources = resources
        self._documents = documents
        members = model.shape_for("SearchRecord").members
        self._shapes: dict[str, StructureShape] = {
            resource: members[noun]
            for resource in model.shape_for("ResourceType").enum
            if (noun := _NOUNS.get(resource, resource)) in members and noun in resources.kinds
        }

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {"Search": self.search}

    def search(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return one page of the resources that satisfy the expression.

        Raises
        ------
        AWSError
            ``ValidationException`` for a resource, property, operator or value that cannot be
            searched by.
        """
        shape, noun = self._searched(params["Resource"])
        if params.get("CrossAccountFilterOption") == "CrossAccount":
            raise validation_exception(
                "The local SageMaker has no resources that other accounts share; "
                "CrossAccountFilterOption can only be SameAccount."
            )
        expression = params.get("SearchExpression")
        wanted = predicate(shape, expression) if expression is not None else None
        visible = _visibility(params.get("VisibilityConditions", []))
        order = _sorting(shape, params)
        records = self._candidates(caller, noun, expression or {})
        hits = [
            (record, document)
            for record, document in zip(
                records, self._shown(caller, noun, shape, records), strict=True
            )
            if (wanted is None or wanted(document)) and visible(document)
        ]
        chosen, token = page(order(hits), params, lambda hit: hit[0].arn)
        return {
            "Results": [{noun: document} for _, document in chosen],
            "NextToken": token,
            "TotalHits": {"Value": len(hits), "Relation": "EqualTo"},
        }

    def every(self, caller: Caller, resource: str) -> tuple[StructureShape, list[Document]]:
        """Return the shape of a searched resource, and all documents of it that the caller has."""
        shape, noun = self._searched(resource)
        records = self._resources.records.list_kind(caller.account, caller.region, noun)
        return shape, self._shown(caller, noun, shape, records)

    def _searched(self, resource: str) -> tuple[StructureShape, str]:
        if resource not in self._shapes:
            raise validation_exception(
                f"The local SageMaker cannot search for {resource}. It searches for: "
                f"{', '.join(sorted(self._shapes))}."
            )
        return self._shapes[resource], _NOUNS.get(resource, resource)

    def _candidates(self, caller: Caller, noun: str, expression: dict[str, Any]) -> list[Record]:
        """Return the records worth looking at: one, where the expression asks for a name.

        The SDK's `Run` asks for one name at every start, among thousands of runs.
        """
        name_key = self._resources.kinds[noun].name_key
        if name_key in CASELESS and expression.get("Operator") != "Or":
            for part in expression.get("Filters", []):
                if part["Name"] == name_key and (part.get("Operator") or "Equals") == "Equals":
                    key = self._resources.key(caller, noun, part["Value"].lower())
                    found = self._resources.records.get(key)
                    return [found] if found else []
        return self._resources.records.list_kind(caller.account, caller.region, noun)

    def _shown(
        self, caller: Caller, noun: str, shape: StructureShape, records: list[Record]
    ) -> list[Document]:
        if noun in self._documents:
            shown = self._documents[noun](caller, records)
        else:
            shown = [self._resources.shown(record) for record in records]
        if "Tags" in shape.members:
            for record, document in zip(records, shown, strict=True):
                tags = self._resources.records.tags(record.arn)
                document["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        return shown


def _visibility(conditions: list[dict[str, str]]) -> Callable[[Document], bool]:
    """Return whether a document is not excluded by a tag that has another value."""
    wanted = {}
    for condition in conditions:
        prefix, _, tag = condition.get("Key", "").partition(".")
        if prefix != "Tags" or not tag:
            raise validation_exception(
                f"The key of a visibility condition must have the form Tags.<key>, not "
                f"{condition.get('Key')!r}."
            )
        wanted[tag] = condition.get("Value", "")

    def visible(document: Document) -> bool:
        tags = {tag["Key"]: tag["Value"] for tag in document.get("Tags", [])}
        return all(tags.get(key, value) == value for key, value in wanted.items())

    return visible


def _sorting(shape: StructureShape, params: dict[str, Any]) -> Callable[[list[_Hit]], list[_Hit]]:
    """Return how to sort hits; those without the property come last either way."""
    name = params.get("SortBy")
    descending = params.get("SortOrder") != "Ascending"
    if not name or name.lower() == "lastmodifiedtime":
        return lambda hits: sorted(hits, key=_modified, reverse=descending)
    prop = resolve(shape, name)
    if prop.type == STRUCTURE:
        raise validation_exception(f"{name!r} has no value of its own and cannot be sorted by.")

    def key(hit: _Hit) -> tuple[bool, float, str, str]:
        value = prop.read(hit[1])[0]
        number = None if prop.type == TEXT else as_number(value)
        text = str(value).lower() if prop.caseless else str(value)
        return (number is None, number or 0.0, text, hit[0].arn)

    def order(hits: list[_Hit]) -> list[_Hit]:
        having = [hit for hit in hits if prop.read(hit[1])]
        lacking = [hit for hit in hits if not prop.read(hit[1])]
        return sorted(having, key=key, reverse=descending) + sorted(lacking, key=_modified)

    return order


def _modified(hit: _Hit) -> tuple[float, str]:
    return (hit[0].modified, hit[0].arn)
