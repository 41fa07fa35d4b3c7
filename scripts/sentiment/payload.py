"""The requests and answers of a sentiment endpoint, as bytes on the wire.

They are those of Hugging Face's text classification. What cannot be understood is refused with a
message that says what to send instead. This module must not know of models or of how requests
arrive.

Requests (``Content-Type``)
    ``application/json``, or none given
        ``{"inputs": "text"}``, ``{"inputs": ["text", ...]}``, both with optional
        ``"parameters"``; or a bare ``["text", ...]`` or ``"text"``.
    ``application/jsonlines``, ``application/x-jsonlines``
        One such request for a single text per line.
    ``text/csv``
        One text per row. If the first row has a field ``text`` or ``inputs``, it is a header and
        only that column is read.

What a request may ask for (``"parameters"``)
    ``top_k``
        How many labels are wanted, best first; null for all. Without it the best, unlisted.
    ``labels``
        ``"names"`` (``positive``) or ``"LABEL_n"`` (``LABEL_1``, as a model answers whose labels
        have no names); without it what the endpoint was set to.

Answers (``Accept``)
    ``application/json``, ``*/*``, or none given
        For one text ``[{"label", "score"}]``. For a list one entry per text: ``{"label",
        "score"}``, or with ``top_k`` a list of these. An empty list gives an empty list.
    ``application/jsonlines``, ``application/x-jsonlines``
        The same entries, one line per text.
    ``text/csv``
        One row per text: ``label,score``; with ``top_k``, so many pairs in the row. No header.

Scores are calibrated probabilities: over both labels of a text they sum to 1.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any

JSON = "application/json"
JSON_LINES = ("application/jsonlines", "application/x-jsonlines")
CSV = "text/csv"
SUPPORTED = f"{JSON}, {JSON_LINES[0]}, {CSV}"
WILDCARDS = ("*/*", "application/*")
NAMES, NUMBERED = "names", "LABEL_n"
DIALECTS = (NAMES, NUMBERED)
EXAMPLE = '{"inputs": ["I loved every minute"]}'
_COLUMNS = ("text", "inputs")


@dataclass(frozen=True)
class Wanted:
    """What is wanted for a text.

    Attributes
    ----------
    top_k : int or None
        How many labels; None for all. Counts only when `listed`.
    listed : bool
        Whether the labels come as a list.
    dialect : str or None
        One of `DIALECTS`; None for the endpoint's own.
    """

    top_k: int | None = 1
    listed: bool = False
    dialect: str | None = None


@dataclass(frozen=True)
class Query:
    """One text, and what is wanted for it."""

    text: str
    wanted: Wanted = Wanted()


@dataclass(frozen=True)
class Request:
    """The queries of one request; `single` when a text was sent rather than a list."""

    queries: list[Query]
    single: bool = False


@dataclass(frozen=True)
class Prediction:
    """Per query its ranked (label, score) pairs, and the request they answer."""

    request: Request
    ranked: list[list[tuple[str, float]]]


def read_request(body: str | bytes | bytearray, content_type: str | None) -> Request:
    """Read a request body.

    Raises
    ------
    ValueError
        If the content type is unknown or the body is not one of the forms above.
    """
    kind = _media_type(content_type) or JSON
    text = _decoded(body)
    if kind == JSON:
        return _from_json(text)
    if kind in JSON_LINES:
        lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
        return Request([_from_line(line, f"Line {number}") for number, line in lines])
    if kind == CSV:
        return Request(_from_csv(text))
    raise ValueError(f"Content type {content_type!r} is not supported; send {SUPPORTED}.")


def write_answer(prediction: Prediction, accept: str | None) -> str:
    """Write the answer in the form that the caller accepts.

    Raises
    ------
    ValueError
        If none of the accepted types is supported.
    """
    for kind in (_media_type(part) for part in (accept or "").split(",")):
        if kind in ("", JSON, *WILDCARDS):
            return _to_json(prediction)
        if kind in JSON_LINES:
            return "".join(_json(entry) + "\n" for entry in _entries(prediction))
        if kind == CSV:
            return _to_csv(prediction)
    raise ValueError(f"Accept {accept!r} is not supported; accept {SUPPORTED}.")


def _media_type(header: str | None) -> str:
    return (header or "").split(";")[0].strip().lower()


def _decoded(body: str | bytes | bytearray) -> str:
    # The Hugging Face toolkit decodes JSON and CSV itself, and keeps a byte order mark.
    if isinstance(body, str):
        return body.removeprefix("\ufeff")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"The body is not UTF-8 (byte {error.start}); send UTF-8.") from error


def _from_json(text: str) -> Request:
    inputs, wanted = _unpacked(_parsed(text, "The body"), "The request")
    if isinstance(inputs, list):
        return Request([_query(value, f"inputs[{i}]", wanted) for i, value in enumerate(inputs)])
    return Request([_query(inputs, "inputs", wanted)], single=True)


def _from_line(line: str, where: str) -> Query:
    inputs, wanted = _unpacked(_parsed(line, where), where)
    return _query(inputs, where, wanted)


def _from_csv(body: str) -> list[Query]:
    try:
        rows = [row for row in csv.reader(io.StringIO(body), strict=True) if row]
    except csv.Error as error:
        raise ValueError(
            f"The body is not valid CSV: {error}. Put a text with a comma, a quote or a line break "
            'in double quotes, and double the quotes inside it ("").'
        ) from error
    names = [name.strip().lower() for name in rows[0]] if rows else []
    column = next((names.index(name) for name in _COLUMNS if name in names), None)
    width = 1 if column is None else len(names)
    queries = []
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise ValueError(
                f"Row {number} has {len(row)} fields instead of {width}; put a text with a comma "
                "in double quotes."
            )
        if column is None or number > 1:
            queries.append(_query(row[column or 0], f"Row {number}", Wanted()))
    return queries


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    # Besides wrong JSON: numbers of thousands of digits, and nesting that knows no end.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{where} is not valid JSON: {error}. Send for example {EXAMPLE}."
        ) from error


def _unpacked(content: Any, where: str) -> tuple[Any, Wanted]:
    """Return the inputs of a request, and what is wanted for them."""
    if not isinstance(content, dict):
        return content, Wanted()
    if "inputs" not in content:
        raise ValueError(f'{where} has no "inputs"; send {EXAMPLE}.')
    if unknown := sorted(content.keys() - {"inputs", "parameters"}):
        raise ValueError(f'{where} has unknown keys {unknown}; "inputs" and "parameters" exist.')
    parameters = content.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise ValueError(f'{where}: "parameters" is not an object; send {{"top_k": 2}}.')
    if unknown := sorted(parameters.keys() - {"top_k", "labels"}):
        raise ValueError(f'{where} has unknown parameters {unknown}; "top_k" and "labels" exist.')
    top_k, dialect = parameters.get("top_k"), parameters.get("labels")
    whole = isinstance(top_k, int) and not isinstance(top_k, bool) and top_k >= 1
    if top_k is not None and not whole:
        raise ValueError(f"{where}: top_k is {top_k!r}; send a whole number from 1, or null.")
    if dialect is not None and dialect not in DIALECTS:
        raise ValueError(f"{where}: labels is {dialect!r}; send one of {', '.join(DIALECTS)}.")
    if "top_k" not in parameters:
        return content["inputs"], Wanted(dialect=dialect)
    return content["inputs"], Wanted(top_k, True, dialect)


def _query(value: Any, where: str, wanted: Wanted) -> Query:
    if not isinstance(value, str):
        kinds = {dict: "an object", list: "a list", bool: "a truth value", type(None): "null"}
        found = kinds.get(type(value), f"a number ({value!r})")
        raise ValueError(f"{where} is {found}; send a text, for example {EXAMPLE}.")
    if not value.strip():
        raise ValueError(f"{where} is empty; send a text with at least one word.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(
            f"{where} holds half of a surrogate pair (\\uD800); send whole characters."
        )
    return Query(value, wanted)


def _entries(prediction: Prediction) -> list[Any]:
    """Return one JSON-ready entry per query: an object, or with top_k a list of objects."""
    entries: list[Any] = []
    for query, ranked in zip(prediction.request.queries, prediction.ranked, strict=True):
        pairs = [{"label": label, "score": score} for label, score in ranked]
        entries.append(pairs if query.wanted.listed else pairs[0])
    return entries


def _to_json(prediction: Prediction) -> str:
    entries = _entries(prediction)
    if prediction.request.single:
        entries = entries[0] if isinstance(entries[0], list) else entries
    return _json(entries)


def _to_csv(prediction: Prediction) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for ranked in prediction.ranked:
        writer.writerow([field for label, score in ranked for field in (label, repr(score))])
    return out.getvalue()


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
