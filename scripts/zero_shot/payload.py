"""The requests and answers of a zero-shot endpoint, in both dialects, as bytes on the wire.

What cannot be understood is refused with a message that says what to send instead. This module
must not know of models or of how requests arrive.

Requests (``Content-Type``)
    ``application/json``, or none given
        JumpStart's dialect: ``{"sequences": "text" or ["text", ...], "candidate_labels": [...],
        "multi_class": false}``; or that of the Hugging Face toolkit: ``{"inputs": "text" or
        ["text", ...], "parameters": {"candidate_labels": [...], "multi_label": false}}``.
    ``application/jsonlines``, ``application/x-jsonlines``
        One such object per line, each with labels of its own; empty lines are passed over.

What a request may ask for, beside the text or in ``parameters``
    ``candidate_labels``
        A list of labels, or one text with commas between them.
    ``multi_label``, ``multi_class``
        Two names of one thing: whether several labels may be true, so that each is judged alone;
        false if not given. A single label is always judged alone.
    ``hypothesis_template``
        How a label becomes a sentence, with ``{}`` in the label's place; the model's own if not
        given. A list of templates stands for their average (ours, not part of either dialect).
    ``label_descriptions``
        ``{"label": "what it means"}`` for any of the labels; the template then takes the
        description in place of the label (ours as well).

Answers (``Accept``)
    ``application/json``, ``*/*``, or none given
        ``{"sequence", "labels", "scores"}``, labels by falling score; for a list of texts a list
        of these; for JSON Lines a list with one entry per line.
    ``application/jsonlines``, ``application/x-jsonlines``
        The same, one line per line of the request.

``"truncated": true`` is added where the text was longer than the model reads. A line of JSON Lines
that cannot be answered has ``{"error": "why"}`` as its answer and does not harm its neighbours, so
a batch keeps its rows. In a request of ``application/json`` the same mistake fails the request.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from choice import PARAMETERS, Choice, json_name, read_choice, read_text

JSON = "application/json"
JSON_LINES = ("application/jsonlines", "application/x-jsonlines")
SUPPORTED = f"{JSON}, {JSON_LINES[0]}"
WILDCARDS = ("*/*", "application/*")
EXAMPLE = (
    '{"sequences": "one day I will see the world", "candidate_labels": ["travel", "cooking"]} or '
    '{"inputs": "one day I will see the world", '
    '"parameters": {"candidate_labels": ["travel", "cooking"]}}'
)


@dataclass(frozen=True)
class Query:
    """The texts of one JSON object; `single` when a text was sent rather than a list."""

    texts: tuple[str, ...]
    choice: Choice
    single: bool


@dataclass(frozen=True)
class Request:
    """The queries of one body, a mistake in place of each line that is none.

    Attributes
    ----------
    queries : list of Query or ValueError
        One per JSON object; mistakes are there in JSON Lines only.
    lines : bool
        Whether it came as JSON Lines.
    """

    queries: list[Query | ValueError]
    lines: bool


@dataclass(frozen=True)
class Ranking:
    """A text's labels by falling score, and whether all of the text was read."""

    text: str
    labels: list[str]
    scores: list[float]
    truncated: bool


@dataclass(frozen=True)
class Prediction:
    """Per query one ranking for each of its texts, or the mistake that stands in its place."""

    request: Request
    answers: list[list[Ranking] | ValueError]


def read_request(body: str | bytes | bytearray, content_type: str | None) -> Request:
    """Read a request body.

    Raises
    ------
    ValueError
        If the content type is unknown, or the body is JSON and not one of the forms above.
    """
    kind = _media_type(content_type) or JSON
    if kind == JSON:
        return Request([_query(_parsed(_decoded(body), "The request"), "The request")], False)
    if kind in JSON_LINES:
        lines = enumerate(_decoded(body).split("\n"), 1)
        return Request([_line(line, number) for number, line in lines if line.strip()], True)
    raise ValueError(
        f"Content type {content_type!r} is not supported; send {SUPPORTED}. A table cannot carry "
        "texts with labels of their own."
    )


def write_answer(prediction: Prediction, accept: str | None) -> str:
    """Write the answer in the form that the caller accepts.

    Raises
    ------
    ValueError
        If none of the accepted types is supported.
    """
    entries = [
        _entry(query, answer)
        for query, answer in zip(prediction.request.queries, prediction.answers, strict=True)
    ]
    for kind in (_media_type(part) for part in (accept or "").split(",")):
        if kind in ("", JSON, *WILDCARDS):
            return _json(entries if prediction.request.lines else entries[0])
        if kind in JSON_LINES:
            return "".join(_json(entry) + "\n" for entry in entries)
    raise ValueError(f"Accept {accept!r} is not supported; accept {SUPPORTED}.")


def _media_type(header: str | None) -> str:
    return (header or "").split(";")[0].strip().lower()


def _decoded(body: str | bytes | bytearray) -> str:
    # The Hugging Face toolkit decodes JSON itself, and keeps a byte order mark.
    if isinstance(body, str):
        return body.removeprefix("\ufeff")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"The body is not UTF-8 (byte {error.start}); send UTF-8.") from error


def _line(line: str, number: int) -> Query | ValueError:
    where = f"Line {number}"
    try:
        return _query(_parsed(line, where), where)
    except ValueError as error:
        return error


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    # Besides wrong JSON: numbers of thousands of digits, and nesting that knows no end.
    except (ValueError, RecursionError) as error:
        hint = ""
        if "\n" in text.strip() and getattr(error, "msg", "") == "Extra data":
            hint = f" Several JSON objects, one per line, have content type {JSON_LINES[0]}."
        raise ValueError(f"{where} is not valid JSON: {error}.{hint} Send {EXAMPLE}.") from error


def _query(content: Any, where: str) -> Query:
    if not isinstance(content, dict):
        raise ValueError(f"{where} is {json_name(content)}; send {EXAMPLE}.")
    name, parameters = _dialect(content, where)
    texts = content[name]
    if isinstance(texts, str):
        return Query((read_text(texts, f"{where}: {name}"),), read_choice(parameters, where), True)
    if not isinstance(texts, list) or not texts:
        found = "an empty list" if texts == [] else json_name(texts)
        raise ValueError(f"{where}: {name} is {found}; send a text or a list of texts.")
    checked = tuple(read_text(text, f"{where}: {name}[{i}]") for i, text in enumerate(texts))
    return Query(checked, read_choice(parameters, where), False)


def _dialect(content: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """Return the key that holds the texts, and the parameters."""
    if ("sequences" in content) == ("inputs" in content):
        found = "both" if "inputs" in content else "neither"
        raise ValueError(f'{where} has {found} of "sequences" and "inputs"; send {EXAMPLE}.')
    if "sequences" in content:
        _refuse_unknown(content, {"sequences", *PARAMETERS}, where)
        return "sequences", content
    _refuse_unknown(content, {"inputs", "parameters"}, where)
    parameters = content.get("parameters")
    if not isinstance(parameters, dict):
        raise ValueError(
            f'{where}: "parameters" with "candidate_labels" is missing; send {EXAMPLE}.'
        )
    _refuse_unknown(parameters, set(PARAMETERS), f"{where}: parameters")
    return "inputs", parameters


def _refuse_unknown(content: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(content.keys() - known):
        raise ValueError(f"{where} has unknown keys {unknown}; known are {sorted(known)}.")


def _entry(query: Query | ValueError, answer: list[Ranking] | ValueError) -> Any:
    if isinstance(query, ValueError):
        return {"error": str(query)}
    if isinstance(answer, ValueError):
        return {"error": str(answer)}
    rankings = [
        {"sequence": ranking.text, "labels": ranking.labels, "scores": ranking.scores}
        | ({"truncated": True} if ranking.truncated else {})
        for ranking in answer
    ]
    return rankings[0] if query.single else rankings


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
