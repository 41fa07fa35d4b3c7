"""Property names of Search: what a name like ``Metrics.accuracy.Max`` means in a document.

Names follow the shape of the resource in botocore's model, so a name that the resource does not
have is known to be wrong whatever the data. It must not know operators, nor which resources
exist.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_sagemaker.errors import AWSError, validation_exception

Document = dict[str, Any]
_Read = Callable[[Document], list[Any]]

TEXT = "text"
NUMBER = "number"
TIMESTAMP = "timestamp"
BOOLEAN = "boolean"
# A value of a map: a parameter may be a number or a text, a hyperparameter is a text that may
# stand for a number.
ANY = "any"
# Has no value of its own, only members.
STRUCTURE = "structure"
_TYPES = {
    "string": TEXT,
    "integer": NUMBER,
    "long": NUMBER,
    "float": NUMBER,
    "double": NUMBER,
    "timestamp": TIMESTAMP,
    "boolean": BOOLEAN,
}
# "The name … is not case-sensitive": botocore's text on these three members.
CASELESS = frozenset({"ExperimentName", "TrialName", "TrialComponentName"})


@dataclass(frozen=True)
class Property:
    """A property of a searched resource.

    Attributes
    ----------
    name
        As it was asked for.
    type
        One of the types above.
    read
        Returns the values in a document: none if absent, several if a list lies on the way.
    caseless
        Whether the case of its text does not matter.
    hyperparameter
        Whether it is a text that may stand for a number, and is compared as an integer when an
        integer is asked for: "the decimal hyperparameter values are treated as integers".
    """

    name: str
    type: str
    read: _Read
    caseless: bool = False
    hyperparameter: bool = False


@dataclass(frozen=True)
class Elements:
    """A property that is a list of structures, for nested filters."""

    shape: StructureShape
    read: _Read


def resolve(shape: StructureShape, name: str) -> Property:
    """Return the property that a name means.

    Besides members and their members a name may be ``Tags.<key>``, ``Parameters.<name>``,
    ``HyperParameters.<name>``, ``InputArtifacts.<name>.Value`` and ``Metrics.<name>``, the
    latter with a statistic (``.Max``) for trial components; without one it is the last value.
    Member names ignore case, as in the service (``metrics.test:accuracy.max``).

    Raises
    ------
    AWSError
        ``ValidationException`` for a property that the resource does not have.
    """
    head, _, rest = name.partition(".")
    if head.lower() == "tags" and "Tags" in shape.members:
        return _tags(name, rest)
    if head.lower() == "metrics" and rest:
        if "Metrics" in shape.members:
            return _component_metric(name, rest, shape.members["Metrics"])
        if "FinalMetricDataList" in shape.members:
            return _final_metric(name, rest)
    return _descend(shape, shape, name, name, lambda document: [document], "")


def elements(shape: StructureShape, name: str) -> Elements:
    """Return the list of structures that a name means, or raise ``ValidationException``."""
    inner: Shape = shape
    path: list[str] = []
    for part in name.split("."):
        inner = inner.member if isinstance(inner, ListShape) else inner
        member = _member(inner, part) if isinstance(inner, StructureShape) else None
        if member is None:
            raise _unknown(shape, name)
        inner = inner.members[member]
        path.append(member)
    if not isinstance(inner, ListShape) or not isinstance(inner.member, StructureShape):
        raise validation_exception(
            f"NestedPropertyName {name!r} is not a list of structures, which nested filters need."
        )

    def read(document: Document) -> list[Any]:
        values: list[Any] = [document]
        for member in path:
            values = _step(values, member)
        return values

    return Elements(inner.member, read)


def _descend(
    root: StructureShape, shape: Shape, name: str, rest: str, read: _Read, member: str
) -> Property:
    """Follow what is left of a name into a shape."""
    if isinstance(shape, ListShape):
        return _descend(root, shape.member, name, rest, read, member)
    if isinstance(shape, MapShape):
        return _entry(root, shape, name, rest, read, member)
    if isinstance(shape, StructureShape):
        if not rest:
            return Property(name, STRUCTURE, read)
        head, _, tail = rest.partition(".")
        found = _member(shape, head)
        if found is None:
            raise _unknown(root, name)
        inner = shape.members[found]
        return _descend(root, inner, name, tail, lambda d: _step(read(d), found), found)
    if rest:
        raise _unknown(root, name)
    return Property(name, _TYPES.get(shape.type_name, TEXT), read, caseless=member in CASELESS)


def _entry(
    root: StructureShape, shape: MapShape, name: str, rest: str, read: _Read, member: str
) -> Property:
    """Return the property for an entry of a map, whose key may hold dots."""
    if not rest:
        return Property(name, STRUCTURE, read)
    if not isinstance(shape.value, StructureShape):
        return Property(
            name,
            ANY,
            lambda document: _step(read(document), rest),
            hyperparameter=member == "HyperParameters",
        )
    key, _, last = rest.rpartition(".")
    field = _member(shape.value, last) if key else None
    if field is not None:
        return _descend(
            root,
            shape.value.members[field],
            name,
            "",
            lambda document: _step(_step(read(document), key), field),
            field,
        )
    # A parameter is its string or number, an artifact its value.
    fields = [f for f in ("StringValue", "NumberValue", "Value") if f in shape.value.members]
    return Property(
        name,
        ANY,
        lambda document: [value for f in fields for value in _step(_step(read(document), rest), f)],
    )


def _tags(name: str, key: str) -> Property:
    def read(document: Document) -> list[Any]:
        tags = document.get("Tags") or []
        if key:
            return [tag["Value"] for tag in tags if tag["Key"] == key]
        return [text for tag in tags for text in (tag["Key"], tag["Value"])]

    return Property(name, TEXT, read)


def _component_metric(name: str, rest: str, shape: ListShape) -> Property:
    metric, _, last = rest.rpartition(".")
    statistic = _member(shape.member, last) if metric else None
    if statistic in (None, "MetricName", "SourceArn"):
        metric, statistic = rest, "Last"
    chosen = statistic or "Last"

    def read(document: Document) -> list[Any]:
        found = [m for m in document.get("Metrics") or [] if m["MetricName"] == metric]
        return _step(found, chosen)

    return Property(name, TIMESTAMP if chosen == "TimeStamp" else NUMBER, read)


def _final_metric(name: str, metric: str) -> Property:
    def read(document: Document) -> list[Any]:
        metrics = document.get("FinalMetricDataList") or []
        return _step([m for m in metrics if m["MetricName"] == metric], "Value")

    return Property(name, NUMBER, read)


def _step(values: Iterable[Any], member: str) -> list[Any]:
    """Return a member of each value, lists flattened, what is absent left out."""
    found: list[Any] = []
    for value in values:
        inner = value.get(member) if isinstance(value, dict) else None
        if isinstance(inner, list):
            found.extend(inner)
        elif inner is not None:
            found.append(inner)
    return found


def _member(shape: StructureShape, name: str) -> str | None:
    if name in shape.members:
        return name
    folded = {member.lower(): member for member in shape.members}
    return folded.get(name.lower())


def _unknown(shape: StructureShape, name: str) -> AWSError:
    return validation_exception(
        f"Unknown property name: {name}. A {shape.name} has: {', '.join(shape.members)}."
    )
