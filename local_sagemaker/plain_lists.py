"""Lists of what is no resource of its own: versions, devices, contents of a hub.

Such a list has filters, an order and pages like every other; its items are what it shows. It must
not know where they come from.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from local_sagemaker.filters import Vocabulary, filters, found, not_done
from local_sagemaker.paging import page

Item = dict[str, Any]


@dataclass(frozen=True)
class PlainList:
    """How one List operation filters and sorts.

    Attributes
    ----------
    members
        The members of an item that can be asked for.
    name, status
        Which of them are its name and its status.
    identify
        Returns what tells an item from all others of the list.
    sort_by, descending
        The order when nothing is asked.
    named
        Members of the request that say which list is meant, or filters that the caller has
        applied.
    """

    members: frozenset[str]
    name: str
    identify: Callable[[Item], str]
    status: str | None = None
    sort_by: str = "CreationTime"
    descending: bool = True
    named: Collection[str] = ()

    def page(
        self, items: Iterable[Item], params: dict[str, Any], scope: str
    ) -> tuple[list[Item], str | None]:
        """Return one page of the items that pass the filters, in order, and the next token.

        Raises
        ------
        AWSError
            ``ValidationException`` for a filter, an order or a token that is not understood.
        """
        words = Vocabulary(self.members, self.name, self.status, {})
        asked = {key: value for key, value in params.items() if key not in self.named}
        conditions = filters(asked, words)
        chosen = [
            (item, content)
            for item, content in ((item, _dated(item)) for item in items)
            if all(fits(content) for fits in conditions)
        ]
        path, reverse = self._order(params, words)
        chosen.sort(key=lambda pair: (_sortable(found(pair[1], path)), self.identify(pair[0])))
        if reverse:
            chosen.reverse()
        return page([item for item, _ in chosen], params, self.identify, scope=scope)

    def _order(self, params: dict[str, Any], words: Vocabulary) -> tuple[str, bool]:
        field = params.get("SortBy") or self.sort_by
        if field.isupper():
            # Some lists have CREATION_TIME for CreationTime.
            field = "".join(part.capitalize() for part in field.split("_"))
        path = words.path(field)
        if path is None:
            raise not_done(f"SortBy {field}")
        order = params.get("SortOrder")
        return path, self.descending if order is None else order.lower() == "descending"


def nothing(member: str, params: dict[str, Any], scope: str) -> dict[str, Any]:
    """Return the answer of a List that has no items, and has given no token.

    Raises
    ------
    AWSError
        ``ValidationException`` for a token, which must be another list's.
    """
    items: list[Item] = []
    chosen, token = page(items, params, str, scope=scope)
    return {member: chosen, "NextToken": token}


def _dated(item: Item) -> Item:
    """Return an item with its moments where filters and orders look for them."""
    return {
        **item,
        ".created": item.get("CreationTime"),
        ".modified": item.get("LastModifiedTime"),
    }


def _sortable(value: Any) -> tuple[bool, float, str]:
    number = value if isinstance(value, int | float) else 0.0
    return value is not None, number, "" if value is None else str(value).lower()
