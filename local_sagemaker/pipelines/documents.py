"""JSON that can be shown again: definitions, and files that conditions read.

It must not know what a document is for.
"""

import json
from typing import Any


def read_json(text: str | bytes) -> Any:
    """Return what a JSON document holds.

    Raises
    ------
    ValueError
        When it is no JSON, has a ``NaN`` or an infinity, or half of a surrogate pair, which no
        answer could carry.
    RecursionError
        When it is nested too deeply.
    """
    document = json.loads(text, parse_constant=_no_number)
    json.dumps(document, ensure_ascii=False).encode()
    return document


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")
