"""What List answers: the resources that pass the filters, in order, a page of them, summarised.

It knows a kind and what Describe shows of resources; it must not know where they are kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from local_sagemaker.filters import CREATED, MODIFIED, Vocabulary, filters, found, not_done
from local_sagemaker.kinds import Kind
from local_sagemaker.paging import page
from local_sagemaker.store import Record

# The filters that a room leaves to this module when it has chosen by those of its own kind.
_COMMON = frozenset(
    {"NameContains", "StatusEquals"}
    | {
        f"{moment}{side}"
        for moment in ("CreationTime", "Created", "LastModifiedTime")
        for side in ("After", "Before")
    }
)


def vocabulary(kind: Kind) -> Vocabulary:
    """Return what filters and orders call the members of a kind."""
    return Vocabulary(
        frozenset(kind.describe.members), kind.name_key, kind.status_key, kind.row.aliases
    )


def listed(
    kind: Kind,
    records: Sequence[Record],
    contents: Sequence[Mapping[str, Any]],
    params: dict[str, Any],
    *,
    scope: str,
    chosen: bool,
) -> dict[str, Any]:
    """Return what List answers.

    Parameters
    ----------
    kind
        The kind, which has a List operation.
    records, contents
        The resources and, in the same order, what Describe shows of them.
    params
        The request.
    scope
        Tells this list from those of others.
    chosen
        Whether the resources already passed the filters of their own kind, so that only the
        common ones are left.

    Raises
    ------
    AWSError
        ``ValidationException`` for a filter, an order or a token that is not understood.
    """
    if kind.summary is None or kind.list_key is None:
        raise LookupError(f"{kind.noun} has no List operation")
    words = vocabulary(kind)
    asked = {name: params[name] for name in _COMMON & params.keys()} if chosen else params
    conditions = filters(asked, words)
    items = [
        (
            record,
            {
                **content,
                ".account": record.key.account,
                ".created": record.created,
                ".modified": record.modified,
            },
        )
        for record, content in zip(records, contents, strict=True)
    ]
    items = [(r, content) for r, content in items if all(fits(content) for fits in conditions)]
    path, reverse = _order(kind, params, words)
    items.sort(key=lambda item: (_sortable(found(item[1], path)), item[0].key.name))
    if reverse:
        items.reverse()
    shown, token = page(items, params, lambda item: item[0].key.name, scope=scope)
    summaries = [_summary(kind, content) for _, content in shown]
    return {kind.list_key: summaries, "NextToken": token}


def _order(kind: Kind, params: Mapping[str, Any], words: Vocabulary) -> tuple[str, bool]:
    field = params.get("SortBy") or kind.row.sort_by
    if field.isupper():
        # Some kinds have CREATION_TIME for CreationTime.
        field = "".join(part.capitalize() for part in field.split("_"))
    path = words.path(field)
    if path is None:
        raise not_done(f"SortBy {params['SortBy']}")
    order = params.get("SortOrder")
    return path, kind.row.descending if order is None else order.lower() == "descending"


def _sortable(value: Any) -> tuple[bool, float, str]:
    """Return a key by which values of one member compare, those that are not there first."""
    number = value if isinstance(value, int | float) else 0.0
    return value is not None, number, "" if value is None else str(value).lower()


def _summary(kind: Kind, content: Mapping[str, Any]) -> dict[str, Any]:
    assert kind.summary is not None
    summary = {}
    for name in kind.summary.members:
        value = content.get(name)
        if value is None and name in kind.row.aliases:
            value = found(content, kind.row.aliases[name])
        if value is None and name in CREATED + MODIFIED:
            value = content[".created" if name in CREATED else ".modified"]
        summary[name] = value
    return summary
