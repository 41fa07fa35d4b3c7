"""JSON that comes from outside and is written again later, inside of more: inputs and answers.

It knows what can always be written; it must not know what a document means.
"""

import json
from typing import Any

# Python gives up at about a thousand, less what is under way already and what is put around it.
DEEPEST = 500


def written(content: Any) -> str:
    """Return a document as a text that can become part of any other one.

    Raises
    ------
    ValueError
        For what is no JSON, for half a surrogate pair, and for what is nested too deeply.
    """
    try:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    except TypeError as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise _too_deep() from error
    text.encode()
    level = _inside([content])
    for _ in range(DEEPEST):
        level = [inner for item in level for inner in _inside(item)]
    if level:
        raise _too_deep()
    return text


def _inside(item: Any) -> list[Any]:
    """Return the objects and lists that an object or a list holds."""
    inner = item.values() if isinstance(item, dict) else item
    return [one for one in inner if isinstance(one, dict | list)]


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {DEEPEST} deep")
