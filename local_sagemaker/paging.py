"""Pages of lists, as every List operation of SageMaker has them.

It knows the members that List operations share; it must not know where the items come from.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from local_sagemaker.errors import AWSError, validation_exception

DEFAULT_PAGE = 10
# The only members that may change from one page to the next.
_OF_ONE_PAGE = ("MaxResults", "NextToken")

Item = TypeVar("Item")


def page(
    items: Sequence[Item],
    params: dict[str, Any],
    identify: Callable[[Item], str],
    default: int = DEFAULT_PAGE,
    *,
    scope: str = "",
) -> tuple[list[Item], str | None]:
    """Cut one page out of sorted items.

    Parameters
    ----------
    items
        All of them, in order.
    params
        ``MaxResults`` and ``NextToken`` are read.
    identify
        Returns what names an item, unique in the list. A token names the last item shown, so
        items that come and go between two calls neither repeat nor hide others.
    default
        The page size when none is asked for.
    scope
        Tells this list from those of others; a token is good for the list that gave it, asked
        for with the same filters and order.

    Returns
    -------
    tuple
        The page and the token of the next one, None after the last.

    Raises
    ------
    AWSError
        ``ValidationException`` for a token that this list never gave.
    """
    size = params.get("MaxResults") or default
    question = _question(params, scope)
    start = 0
    token = params.get("NextToken")
    if token:
        last, position = _read_token(token, question)
        names = [identify(item) for item in items]
        # The item may be gone by now: its old position is then the best guess.
        start = names.index(last) + 1 if last in names else min(position, len(items))
    chosen = list(items[start : start + size])
    end = start + len(chosen)
    if not chosen or end >= len(items):
        return chosen, None
    return chosen, _token(question, identify(chosen[-1]), end - 1)


def page_behind(
    fetch: Callable[[str | None, int], Sequence[Item]],
    params: dict[str, Any],
    identify: Callable[[Item], str],
    default: int = DEFAULT_PAGE,
    *,
    scope: str = "",
) -> tuple[list[Item], str | None]:
    """Do as `page`, for a list that is read page by page.

    Parameters
    ----------
    fetch
        Returns, in order, the items behind the one with an identity, or the first ones for None,
        and at most so many. That item may be gone by now. ``ValueError`` says that there is no
        such identity.
    params, identify, default, scope
        As for `page`.
    """
    size = params.get("MaxResults") or default
    question = _question(params, scope)
    token = params.get("NextToken")
    last = _read_token(token, question)[0] if token else None
    try:
        found = fetch(last, size + 1)
    except ValueError as error:
        raise _invalid(token or "") from error
    chosen = list(found[:size])
    return chosen, _token(question, identify(chosen[-1]), 0) if len(found) > size else None


def _question(params: dict[str, Any], scope: str) -> str:
    asked = {name: value for name, value in params.items() if name not in _OF_ONE_PAGE}
    text = json.dumps([scope, asked], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _token(question: str, name: str, position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([question, name, position]).encode()).decode()


def _read_token(token: str, question: str) -> tuple[str, int]:
    try:
        asked, name, position = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, RecursionError) as error:
        raise _invalid(token) from error
    if asked != question or not isinstance(name, str) or type(position) is not int or position < 0:
        raise _invalid(token)
    return name, position


def _invalid(token: str) -> AWSError:
    return validation_exception(
        f"The NextToken {token[:80]!r} is not valid: pass the token of the page before, with the "
        "same filters and order."
    )
