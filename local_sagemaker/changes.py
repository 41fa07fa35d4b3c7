"""What a request makes of a resource: what Create keeps of it and what Update changes.

It knows a kind and the contents of a record; it must not know where records are kept.
"""

from collections.abc import Collection, Mapping
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_sagemaker.errors import AWSError
from local_sagemaker.filters import not_done
from local_sagemaker.kinds import Kind
from local_sagemaker.store import Record


def check_creation(kind: Kind, params: Mapping[str, Any], ignored: Collection[str]) -> None:
    """Refuse members that Create would have to act upon, because Describe does not show them."""
    row = kind.row
    known = {*kind.describe.members, *row.aliases, *row.kept, *row.ignored, *ignored, "Tags"}
    known |= {member for parent in row.parents for member in parent.members}
    for key, value in params.items():
        if key not in known and value:
            raise not_done(key)


def content(kind: Kind, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Describe shows of a new resource because its request says so."""
    shown = kind.describe.members
    kept = {}
    for key, value in params.items():
        name = kind.row.aliases.get(key, key) if key not in shown else key
        if name in shown and name != "Tags":
            kept[name] = pruned(value, shown[name])
    # A caller that is no Studio user has an empty context.
    kept |= {key: {} for key in ("CreatedBy",) if key in shown}
    if kind.row.invented is not None:
        kept |= kind.row.invented(params)
    if kind.row.version_key is not None:
        kept[kind.row.version_key] = 1
    return kept


def apply(kind: Kind, wanted: Mapping[str, Any], record: Record) -> None:
    """Change a record as an Update asks, without the members that name it.

    Raises
    ------
    AWSError
        ``ValidationException`` for a member that has no effect here, ``ConflictException`` for
        an update of another version than the present one.
    """
    before = dict(record.body)
    made = kind.row.invented(wanted) if kind.row.invented is not None else {}
    for key, value in wanted.items():
        if key == "TargetVersion" and kind.row.version_key is not None:
            _check_version(kind.row.version_key, record, value)
        elif key in kind.row.removed:
            gone = [kind.row.removed[key]] if value is True else value or ()
            for name in gone:
                record.body.pop(name, None)
        elif key in kind.row.added:
            name = kind.row.added[key]
            record.body[name] = [*record.body.get(name, ()), *value]
        else:
            _set(kind, key, made.get(key, value), record)
    if kind.row.version_key is not None:
        present = record.body[kind.row.version_key]
        versions = record.private.setdefault("Versions", {})
        versions[str(present)] = {"Body": before, "Modified": record.modified}
        record.body[kind.row.version_key] = present + 1


def go_back(version_key: str, record: Record, version: int) -> bool:
    """Turn a record into an older version of itself; return False for one that never was."""
    if record.body[version_key] == version:
        return True
    old = record.private.get("Versions", {}).get(str(version))
    if old is None:
        return False
    record.body, record.modified = old["Body"], old["Modified"]
    return True


def pruned(value: Any, shape: Shape) -> Any:
    """Return a value without what a shape does not have: secrets of a request, for instance."""
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        if shape.is_document_type:
            return value
        return {
            name: pruned(value[name], member)
            for name, member in shape.members.items()
            if value.get(name) is not None
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [pruned(item, shape.member) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, Mapping):
        return {key: pruned(item, shape.value) for key, item in value.items()}
    return value


def _set(kind: Kind, key: str, value: Any, record: Record) -> None:
    shown = kind.describe.members
    name = key if key in shown else kind.row.aliases.get(key, "")
    if name not in shown:
        if value:
            raise not_done(key)
        return
    shape, new = shown[name], pruned(value, shown[name])
    if isinstance(shape, StructureShape) and not shape.is_tagged_union:
        # Some requests hold only those members of a structure that can change.
        new = record.body.get(name, {}) | new
    if name == kind.status_key:
        record.status = None
    record.body[name] = new


def _check_version(version_key: str, record: Record, version: int) -> None:
    present = record.body[version_key]
    if version != present:
        raise AWSError(
            "ConflictException",
            f"The version of {record.arn} is {present}, not {version}. Describe it and try again.",
        )
