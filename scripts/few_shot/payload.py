"""The requests and answers of a few-shot endpoint, as bytes on the wire.

What cannot be understood is refused with a message that says what to send instead. This module
must not know of models or of how requests arrive.

Requests (``Content-Type``)
    ``application/json``, or none given
        ``{"inputs": "text"}``, ``{"inputs": ["text", ...]}``, both with optional
        ``"parameters"``; or a bare ``["text", ...]`` or ``"text"``.
    ``application/jsonlines``, ``application/x-jsonlines``
        One request per line: ``"text"`` or ``{"inputs": "text", "parameters": {...}}``.
    ``text/csv``
        One text per row, quoted where it holds a comma, a quote or a line break. If the first
        row has a field ``text``, it is a header and only that column is read.

What a request may ask for (``"parameters"``)
    ``top_k``
        How many labels are wanted, best first; 1 without it, and then not as a list.
    ``threshold``
        Labels less probable than this number from 0 to 1 are left out: "none of these". The word
        ``"calibrated"`` stands for the number that was found when the model was trained.

Answers (``Accept``)
    ``application/json``, ``*/*``, or none given
        For one text ``[{"label", "score"}]``: the most probable label, or the ``top_k`` most
        probable ones, best first. For a list, one entry per text: ``{"label", "score"}``, or with
        ``top_k`` a list of these. An empty list gives an empty list. Where even the best label is
        below the threshold, ``label`` is null beside the score of the best one, and the list of
        ``top_k`` is empty.
    ``application/jsonlines``, ``application/x-jsonlines``
        The same entries, one line per text.
    ``text/csv``
        One row per text: ``label,score``; with ``top_k``, so many pairs in the row. No header.
        An empty label is "none of these".

Scores are probabilities: over all labels of one text they sum to 1.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any, Literal

JSON = "application/json"
JSON_LINES = ("application/jsonlines", "application/x-jsonlines")
CSV = "text/csv"
SUPPORTED = f"{JSON}, {JSON_LINES[0]}, {CSV}"
WILDCARDS = ("*/*", "application/*")
CALIBRATED: Literal["calibrated"] = "calibrated"
PARAMETERS = {"top_k", "threshold"}


@dataclass(frozen=True)
class Wanted:
    """What is wanted for a text.

    Attributes
    ----------
    top_k : int or None
        How many labels; None: the best one, unlisted.
    threshold : float, "calibrated" or None
        Least probability of a label; None: any.
    """

    top_k: int | None = None
    threshold: float | Literal["calibrated"] | None = None


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
    """Per query its ranked (label, score) pairs, and the request they answer.

    A query without ``top_k`` has one pair, whose label is None for "none of these".
    """

    request: Request
    ranked: list[list[tuple[str | None, float]]]


def read_request(body: str | bytes, content_type: str | None) -> Request:
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
        return Request([_from_json_line(line, number) for number, line in lines])
    if kind == CSV:
        return Request([_query(value, where) for where, value in _csv_texts(text)])
    raise ValueError(f"Content type {content_type!r} is not supported; send {SUPPORTED}.")


def write_answer(prediction: Prediction, accept: str | None) -> str:
    """Write the answer in the form that the caller accepts.

    Raises
    ------
    ValueError
        If none of the accepted types is supported.
    """
    wanted = [_media_type(part) for part in (accept or "").split(",")]
    for kind in wanted:
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
    content = _parsed(text, "The body")
    if isinstance(content, dict):
        inputs, wanted = _unpacked(content, "The request")
    else:
        inputs, wanted = content, Wanted()
    if isinstance(inputs, list):
        queries = [_query(value, f"inputs[{i}]", wanted) for i, value in enumerate(inputs)]
        return Request(queries)
    if isinstance(inputs, str):
        return Request([_query(inputs, "inputs", wanted)], single=True)
    raise ValueError(
        f"inputs is {_json_name(inputs)}; send a text or a list of texts, for example "
        '{"inputs": ["I lost my card"]}.'
    )


def _from_json_line(line: str, number: int) -> Query:
    where = f"Line {number}"
    content = _parsed(line, where)
    if isinstance(content, dict):
        inputs, wanted = _unpacked(content, where)
        return _query(inputs, where, wanted)
    return _query(content, where)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    # Besides wrong JSON: numbers of thousands of digits, and nesting that knows no end.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f'{where} is not valid JSON: {error}. Send for example {{"inputs": "I lost my card"}}.'
        ) from error


def _unpacked(content: dict[str, Any], where: str) -> tuple[Any, Wanted]:
    """Return the inputs of a JSON object, and what is wanted for them."""
    if "inputs" not in content:
        raise ValueError(f'{where} has no "inputs"; send {{"inputs": "I lost my card"}}.')
    if unknown := sorted(content.keys() - {"inputs", "parameters"}):
        raise ValueError(f'{where} has unknown keys {unknown}; "inputs" and "parameters" exist.')
    parameters = content.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise ValueError(f'{where}: "parameters" is not an object; send {{"top_k": 3}}.')
    if unknown := sorted(parameters.keys() - PARAMETERS):
        raise ValueError(
            f'{where} has unknown parameters {unknown}; "top_k" and "threshold" exist.'
        )
    top_k, threshold = parameters.get("top_k"), parameters.get("threshold")
    if top_k is not None and (isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1):
        raise ValueError(f"{where}: top_k is {top_k!r}; send a whole number from 1.")
    if threshold is not None and threshold != CALIBRATED and not _is_share(threshold):
        raise ValueError(
            f"{where}: threshold is {threshold!r}; send a number from 0 to 1, or "
            f'"{CALIBRATED}" for the one found in training.'
        )
    return content["inputs"], Wanted(top_k, threshold)


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _query(value: Any, where: str, wanted: Wanted | None = None) -> Query:
    if not isinstance(value, str):
        raise ValueError(f"{where} is {_json_name(value)}; send a text.")
    if not value.strip():
        raise ValueError(f"{where} is empty; send a text with at least one word.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(
            f"{where} holds half of a surrogate pair (\\uD800); send whole characters."
        )
    return Query(value, wanted or Wanted())


def _csv_texts(body: str) -> list[tuple[str, str]]:
    """Return (where, text) of every row."""
    try:
        rows = [row for row in csv.reader(io.StringIO(body), strict=True) if row]
    except csv.Error as error:
        raise ValueError(
            f"The body is not valid CSV: {error}. Put a text with a comma, a quote or a line break "
            'in double quotes, and double the quotes inside it ("").'
        ) from error
    column, columns, first = 0, 1, 1
    if rows and "text" in (header := [name.strip().lower() for name in rows[0]]):
        column, columns, first = header.index("text"), len(header), 2
    texts = []
    for number, row in enumerate(rows[first - 1 :], first):
        if len(row) != columns:
            raise ValueError(
                f"Row {number} has {len(row)} fields instead of {columns}; put a text with a comma "
                "in double quotes."
            )
        texts.append((f"Row {number}", row[column]))
    return texts


def _entries(prediction: Prediction) -> list[Any]:
    """Return one JSON-ready entry per query: an object, or with top_k a list of objects."""
    entries: list[Any] = []
    for query, ranked in zip(prediction.request.queries, prediction.ranked, strict=True):
        pairs = [{"label": label, "score": score} for label, score in ranked]
        entries.append(pairs if query.wanted.top_k is not None else pairs[0])
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
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _json_name(value: Any) -> str:
    names = {dict: "an object", list: "a list", bool: "a truth value", type(None): "null"}
    return names.get(type(value), f"a number ({value!r})")
