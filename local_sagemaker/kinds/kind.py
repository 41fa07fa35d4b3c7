"""What a resource kind is: derived from botocore's model and one row of exceptions.

From the model follow a kind's operations, the member that names it, its ARN member, whether it
has a status, and which errors it answers. A row of the tables beside this module says what cannot
be derived: ARN forms, identifiers, labels in messages, sort defaults. It must not know how
records are kept.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.model import ListShape, ServiceModel, StructureShape

from local_sagemaker.coverage import NOUNS, Coverage, failure_reason, plural

Invent = Callable[[Mapping[str, Any]], dict[str, Any]]
_REASONS = ("FailureReason", "FailureMessage", "StatusReason", "StatusMessage", "ErrorDetails")


@dataclass(frozen=True)
class Parent:
    """What must be there before a resource, and cannot be deleted as long as it is.

    Attributes
    ----------
    noun
        The parent's kind.
    members
        The members of the request that name it, as its own requests do; a request without the
        last of them has no such parent.
    shown_as
        The member in which Describe shows the parent's ARN, or None.
    """

    noun: str
    members: tuple[str, ...]
    shown_as: str | None = None


@dataclass(frozen=True)
class Override:
    """What the service model does not say about a kind.

    Attributes
    ----------
    slug
        The resource part of the ARN; the noun in kebab case if None.
    label
        How messages call the kind; the slug with blanks if None.
    name_key
        The member that names it; ``<Noun>Name``, or the first required ``…Name``, if None.
    address
        The members that together tell one from another, as Describe, Update and Delete have
        them; the name alone if empty. ``A|B`` is whichever of the two a request holds.
    generated
        Identifiers that this server makes: the member and a prefix, to which twelve letters and
        digits are added, capital ones after ``app-``.
    arn_generated
        Whether the ARN ends in an identifier of its own instead of the name.
    parents
        What must be there before.
    status
        The first status, or None where it has none. Of work that is not run, the one that says
        it failed.
    invented
        Members that Describe must show and the request does not hold, from the request; of an
        Update's, those that it sets.
    kept
        Members of the request that are kept though Describe does not show them.
    aliases
        What other requests and answers call the members that Describe shows; a dotted path
        leads into a structure.
    added
        Members of Update whose items are added to a list that Describe shows.
    removed
        Members of Update that take away what Describe shows: a flag and the member that goes, or,
        with an empty text, the names of the members that go.
    ignored
        Members of Create or Update that change nothing here.
    version_key
        The member that counts the versions, of which older ones stay readable.
    exists, missing
        Message templates with ``{label}``, ``{name}`` and ``{arn}``, for a name that is taken
        or not there; AWS's usual ones if None.
    exists_code, missing_code
        Error codes, where the model does not name the one that is really answered.
    sort_by, descending
        How List sorts when nothing is asked.
    """

    slug: str | None = None
    label: str | None = None
    name_key: str | None = None
    address: tuple[str, ...] = ()
    generated: Mapping[str, str] = field(default_factory=dict)
    arn_generated: bool = False
    parents: tuple[Parent, ...] = ()
    status: str | None = None
    invented: Invent | None = None
    kept: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    added: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    version_key: str | None = None
    exists: str | None = None
    exists_code: str | None = None
    missing: str | None = None
    missing_code: str | None = None
    sort_by: str = "CreationTime"
    descending: bool = True


@dataclass(frozen=True)
class Kind:
    """One kind of resource, ready for the generic operations.

    Attributes
    ----------
    noun, slug, label
        botocore's noun, the resource part of the ARN, and how messages call it.
    name_key, status_key
        The members of its name and status.
    address
        The members whose values, joined by slashes, are the name of its record.
    arn_key, shown_arn_key
        The members of its ARN in the answers of Create and of Describe.
    wrapper
        The member that holds everything Describe shows, or None.
    describe
        The shape of what Describe shows, without its wrapper.
    operations
        The names of the operations by verb.
    inputs
        The members of the operations' requests, by verb.
    list_key, summary
        The member of List's answer that holds the items, and their shape.
    failure
        Members that say why it has failed; empty unless it is work that is not run.
    delete_code
        The error for one that others need.
    row
        What the table says.
    """

    noun: str
    slug: str
    label: str
    name_key: str
    address: tuple[str, ...]
    arn_key: str
    shown_arn_key: str
    wrapper: str | None
    status_key: str | None
    exists: str
    exists_code: str
    missing: str
    missing_code: str
    delete_code: str
    describe: StructureShape
    operations: Mapping[str, str]
    inputs: Mapping[str, tuple[str, ...]]
    failure: Mapping[str, str]
    row: Override
    list_key: str | None = None
    summary: StructureShape | None = None

    @property
    def status(self) -> str | None:
        """The status of a new one, or None."""
        return self.row.status


def derive(model: ServiceModel, noun: str, row: Override) -> Kind:
    """Read one kind off the service model.

    Raises
    ------
    LookupError
        When the model lacks what every kind needs: a Create and a Describe operation, a name
        and an ARN.
    """
    operations = _operations(model, noun)
    if not {"create", "describe"} <= operations.keys():
        raise LookupError(f"{noun}: the service model has no Create and Describe operation")
    create = model.operation_model(operations["create"])
    describe = model.operation_model(operations["describe"])
    name_key = row.name_key or _name_key(noun, create.input_shape)
    wrapper, shown = _unwrapped(noun, describe.output_shape)
    shown_arn_key = _arn_key(noun, shown)
    arn_key = _arn_key(noun, create.output_shape) or shown_arn_key
    if arn_key is None or shown_arn_key is None:
        raise LookupError(f"{noun}: neither Create nor Describe answers an ARN")
    list_key, summary = _summary(model, operations.get("list"))
    slug = row.slug or _kebab(noun)
    not_found = "ResourceNotFound" in _errors(model, operations["describe"])
    return Kind(
        noun=noun,
        slug=slug,
        label=row.label or slug.replace("-", " "),
        name_key=name_key,
        address=row.address or (name_key,),
        arn_key=arn_key,
        shown_arn_key=shown_arn_key,
        wrapper=wrapper,
        status_key=_status_key(noun, name_key, shown),
        exists=row.exists or 'Cannot create already existing {label} "{arn}".',
        exists_code=row.exists_code or _taken(_errors(model, operations["create"])),
        missing=row.missing
        or ('{label} "{arn}" does not exist.' if not_found else 'Could not find {label} "{arn}".'),
        missing_code=row.missing_code
        or ("ResourceNotFound" if not_found else "ValidationException"),
        delete_code=_taken(_errors(model, operations.get("delete"))),
        describe=shown,
        operations=operations,
        inputs={
            verb: tuple(model.operation_model(name).input_shape.members)
            for verb, name in operations.items()
        },
        failure=_failure(noun, shown),
        row=row,
        list_key=list_key,
        summary=summary,
    )


def _operations(model: ServiceModel, noun: str) -> dict[str, str]:
    names = set(model.operation_names)
    return {
        verb.lower(): name
        for verb in ("Create", "Describe", "List", "Update", "Delete", "Stop")
        if (name := verb + (plural(noun) if verb == "List" else noun)) in names
    }


def _errors(model: ServiceModel, operation: str | None) -> set[str]:
    shapes = model.operation_model(operation).error_shapes if operation else ()
    return {shape.name for shape in shapes}


def _taken(errors: set[str]) -> str:
    for code in ("ResourceInUse", "ResourceAlreadyExists"):
        if code in errors:
            return code
    return "ConflictException" if "ConflictException" in errors else "ValidationException"


def _failure(noun: str, shape: StructureShape) -> dict[str, str]:
    if noun not in NOUNS or NOUNS[noun].coverage is not Coverage.FAILS:
        return {}
    return {name: failure_reason(noun) for name in _REASONS if name in shape.members}


def _name_key(noun: str, shape: StructureShape) -> str:
    for name in (f"{noun}Name", *shape.required_members):
        if name in shape.members and name.endswith("Name"):
            return str(name)
    raise LookupError(f"{noun}: Create has no member that names it")


def _arn_key(noun: str, shape: StructureShape | None) -> str | None:
    members: list[str] = list(shape.members) if shape is not None else []
    for name in (f"{noun}Arn", "Arn", *members):
        if name in members and name.endswith("Arn"):
            return name
    return None


def _unwrapped(noun: str, shape: StructureShape) -> tuple[str | None, StructureShape]:
    """Return what Describe shows, and the one structure around it where there is one."""
    if len(shape.members) == 1:
        ((name, member),) = shape.members.items()
        if isinstance(member, StructureShape) and _arn_key(noun, member):
            return name, member
    return None, shape


def _kebab(noun: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=^AI)", "-", noun).lower()


def _status_key(noun: str, name_key: str, shape: StructureShape) -> str | None:
    for name in (f"{noun}Status", f"{name_key.removesuffix('Name')}Status", "Status"):
        # A trial component's status is a structure that the caller sets, not a state.
        if name in shape.members and shape.members[name].type_name == "string":
            return name
    return None


def _summary(
    model: ServiceModel, operation: str | None
) -> tuple[str | None, StructureShape | None]:
    if operation is None:
        return None, None
    for name, member in model.operation_model(operation).output_shape.members.items():
        if isinstance(member, ListShape) and isinstance(member.member, StructureShape):
            return name, member.member
    return None, None
