"""What a resource kind is, derived from botocore's model, and the reviewed table of exceptions.

From the model follow a kind's operations, the member that names it, its ARN member, whether it
has a status, and which errors it answers. The table holds what cannot be derived: ARN forms,
labels in messages, sort defaults. It must not know how records are kept.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from botocore.model import ListShape, ServiceModel, StructureShape


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
    status
        The status of a new record of a kind that is only recorded, or None when it has none.
    exists, missing
        Message templates with ``{label}``, ``{name}`` and ``{arn}``, for a name that is taken
        or not there; AWS's usual ones if None.
    exists_code, missing_code
        Error codes, where the model does not name the one that is really answered.
    descending
        Whether List sorts newest first when nothing is asked.
    """

    slug: str | None = None
    label: str | None = None
    name_key: str | None = None
    status: str | None = None
    exists: str | None = None
    exists_code: str | None = None
    missing: str | None = None
    missing_code: str | None = None
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
    arn_key, shown_arn_key
        The members of its ARN in the answers of Create and of Describe.
    addressed_by
        The members that Describe requires. Where this is more or other than the name, the
        generic operations cannot find the resource and a room must.
    wrapper
        The member that holds everything Describe shows, or None.
    describe
        The shape of what Describe shows, without its wrapper.
    operations
        The names of the operations by verb.
    list_key, summary
        The member of List's answer that holds the items, and their shape.
    """

    noun: str
    slug: str
    label: str
    name_key: str
    arn_key: str
    shown_arn_key: str
    addressed_by: tuple[str, ...]
    wrapper: str | None
    status_key: str | None
    status: str | None
    exists: str
    exists_code: str
    missing: str
    missing_code: str
    descending: bool
    describe: StructureShape
    operations: Mapping[str, str] = field(default_factory=dict)
    list_key: str | None = None
    summary: StructureShape | None = None


# Sources: botocore's documentation texts for sort defaults ("The default is Descending"); the
# service's messages as public code quotes them; ARN forms from the "Actions, resources, and
# condition keys for Amazon SageMaker" page of the Service Authorization Reference.
RECORDED: dict[str, Override] = {
    "Action": Override(exists_code="ValidationException"),
    "Artifact": Override(name_key="ArtifactArn", descending=True),
    "Context": Override(exists_code="ValidationException"),
    "EndpointConfig": Override(label="endpoint configuration"),
    "Experiment": Override(
        exists="Experiment names must be unique within an AWS account and region. Experiment with "
        "name ({name}) already exists.",
        exists_code="ValidationException",
    ),
    "Model": Override(),
    "ModelPackageGroup": Override(
        status="Completed",
        exists="Model Package Group already exists: {arn}",
        exists_code="ValidationException",
        missing="ModelPackageGroup {arn} does not exist.",
        missing_code="ValidationException",
    ),
    "Trial": Override(
        slug="experiment-trial",
        exists="Trial names must be unique within an AWS account and region. Trial with name "
        "({name}) already exists.",
        exists_code="ValidationException",
    ),
    "TrialComponent": Override(
        slug="experiment-trial-component",
        exists="Trial component names must be unique within an AWS account and region. Trial "
        "component with name ({name}) already exists.",
        exists_code="ValidationException",
    ),
}
EXECUTED: dict[str, Override] = {
    "Endpoint": Override(),
    "TrainingJob": Override(
        exists="Training job names must be unique within an AWS account and region, and a "
        "training job with this name already exists ({arn})",
        missing="Requested resource not found.",
        # The model says ResourceNotFound: https://github.com/aws/aws-sdk/issues/165
        missing_code="ValidationException",
        descending=False,
    ),
}


def declared_kinds(model: ServiceModel) -> dict[str, Kind]:
    """Return the kinds that this server keeps, by noun."""
    return {noun: derive(model, noun, over) for noun, over in (RECORDED | EXECUTED).items()}


def derive(model: ServiceModel, noun: str, override: Override) -> Kind:
    """Read one kind off the service model.

    Raises
    ------
    LookupError
        When the model lacks what every kind needs: a Create and a Describe operation, a name
        and an ARN.
    """
    names = set(model.operation_names)
    operations = {
        verb: name
        for verb, name in (
            ("create", f"Create{noun}"),
            ("describe", f"Describe{noun}"),
            ("list", _list_operation(noun)),
            ("update", f"Update{noun}"),
            ("delete", f"Delete{noun}"),
        )
        if name in names
    }
    if not {"create", "describe"} <= operations.keys():
        raise LookupError(f"{noun}: the service model has no Create and Describe operation")
    create = model.operation_model(operations["create"])
    describe = model.operation_model(operations["describe"])
    name_key = override.name_key or _name_key(noun, create.input_shape)
    wrapper, shown = _unwrapped(noun, describe.output_shape)
    shown_arn_key = _arn_key(noun, shown)
    arn_key = _arn_key(noun, create.output_shape) or shown_arn_key
    if arn_key is None or shown_arn_key is None:
        raise LookupError(f"{noun}: neither Create nor Describe answers an ARN")
    list_key, summary = _summary(model, operations.get("list"))
    slug = override.slug or _kebab(noun)
    not_found = "ResourceNotFound" in {shape.name for shape in describe.error_shapes}
    in_use = "ResourceInUse" in {shape.name for shape in create.error_shapes}
    return Kind(
        noun=noun,
        slug=slug,
        label=override.label or slug.replace("-", " "),
        name_key=name_key,
        arn_key=arn_key,
        shown_arn_key=shown_arn_key,
        addressed_by=tuple(describe.input_shape.required_members),
        wrapper=wrapper,
        status_key=_status_key(noun, name_key, shown),
        status=override.status,
        exists=override.exists or 'Cannot create already existing {label} "{arn}".',
        exists_code=override.exists_code or ("ResourceInUse" if in_use else "ValidationException"),
        missing=override.missing
        or ('{label} "{arn}" does not exist.' if not_found else 'Could not find {label} "{arn}".'),
        missing_code=override.missing_code
        or ("ResourceNotFound" if not_found else "ValidationException"),
        descending=override.descending,
        describe=shown,
        operations=operations,
        list_key=list_key,
        summary=summary,
    )


def _name_key(noun: str, shape: StructureShape) -> str:
    if f"{noun}Name" in shape.members:
        return f"{noun}Name"
    for name in shape.required_members:
        if name.endswith("Name"):
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


def _list_operation(noun: str) -> str:
    return f"List{noun[:-1]}ies" if noun.endswith("ry") else f"List{noun}s"


def _kebab(noun: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", noun).lower()


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
