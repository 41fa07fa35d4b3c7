"""How a List sorts when nothing is asked: as botocore's documentation of it says."""

import re
from collections.abc import Iterator

import botocore.session
import pytest

from local_sagemaker.coverage import plural
from local_sagemaker.kinds import declared_kinds
from local_sagemaker.kinds.kind import Kind

_MODEL = botocore.session.get_session().get_service_model("sagemaker")


def documented(operation: str, member: str) -> str:
    """Return which default the documentation of a List's member names, or an empty text."""
    shape = _MODEL.operation_model(operation).input_shape
    if shape is None or member not in shape.members:
        return ""
    text = re.sub(r"<[^>]+>", "", shape.members[member].documentation)
    found = re.search(r"default (?:value )?is (\w+)", text)
    return found[1] if found else ""


def sorted_kinds() -> Iterator[tuple[str, Kind]]:
    """Yield the List operations that say how they sort, each with its kind."""
    names = set(_MODEL.operation_names)
    for kind in declared_kinds(_MODEL).values():
        operation = f"List{plural(kind.noun)}"
        if operation in names and documented(operation, "SortOrder"):
            yield operation, kind


def test_most_lists_say_how_they_sort() -> None:
    assert len(list(sorted_kinds())) >= 30


@pytest.mark.parametrize(
    ("operation", "kind"), [pytest.param(*found, id=found[0]) for found in sorted_kinds()]
)
def test_the_default_order_is_the_documented_one(operation: str, kind: Kind) -> None:
    order = documented(operation, "SortOrder").capitalize()
    assert order == ("Descending" if kind.row.descending else "Ascending")
    member = documented(operation, "SortBy").replace("_", "").lower()
    assert member in ("", kind.row.sort_by.lower())
