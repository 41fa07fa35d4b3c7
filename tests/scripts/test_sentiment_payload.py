"""What a sentiment endpoint reads and writes, without a model."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scripts.few_shot_support import imported_from
from tests.scripts.sentiment_support import SENTIMENT


@pytest.fixture(scope="module")
def payload() -> Iterator[Any]:
    with imported_from(SENTIMENT, "payload") as scripts:
        yield scripts.payload


def texts(request: Any) -> list[str]:
    return [query.text for query in request.queries]


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        ('{"inputs": "Fine."}', "application/json", ["Fine."]),
        ('"Fine."', None, ["Fine."]),
        ('["a", "b"]', "application/json; charset=utf-8", ["a", "b"]),
        (b'\xef\xbb\xbf{"inputs": ["\xc3\xbc"]}', "application/json", ["ü"]),
        ("[]", "application/json", []),
        ('"a"\n\n{"inputs": "b"}\n', "application/jsonlines", ["a", "b"]),
        ('Fine.\n"so, so"\n', "text/csv", ["Fine.", "so, so"]),
        ("id,text\n1,Fine.\n", "text/csv", ["Fine."]),
        ("inputs\nFine.\n", "text/csv", ["Fine."]),
        ("", "text/csv", []),
    ],
)
def test_every_form_of_request_is_read(
    payload: Any, body: str | bytes, kind: str | None, expected: list[str]
) -> None:
    assert texts(payload.read_request(body, kind)) == expected


@pytest.mark.parametrize(
    ("body", "kind", "complaint"),
    [
        ('{"text": "x"}', "application/json", 'has no "inputs"'),
        ('{"inputs": "x", "more": 1}', "application/json", "unknown keys"),
        ('{"inputs": "x", "parameters": {"topk": 1}}', "application/json", "unknown parameters"),
        ('{"inputs": "x", "parameters": {"top_k": 0}}', "application/json", "top_k is 0"),
        ('{"inputs": "x", "parameters": {"top_k": true}}', "application/json", "top_k is True"),
        ('{"inputs": "x", "parameters": {"labels": "x"}}', "application/json", "names, LABEL_n"),
        ('{"inputs": ["x", 7]}', "application/json", "inputs[1] is a number (7)"),
        ('{"inputs": null}', "application/json", "inputs is null"),
        ('{"inputs": " "}', "application/json", "inputs is empty"),
        ('"\\ud800"', "application/json", "surrogate"),
        ("{", "application/json", "not valid JSON"),
        ("[" * 100_000, "application/json", "not valid JSON"),
        (b"\xff", "application/json", "not UTF-8"),
        ('"a"\n7\n', "application/jsonlines", "Line 2 is a number"),
        ("a,b\n", "text/csv", "Row 1 has 2 fields"),
        ('"a\n', "text/csv", "not valid CSV"),
        ("x", "image/png", "not supported"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_place(
    payload: Any, body: str | bytes, kind: str, complaint: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        payload.read_request(body, kind)


def test_answers_have_the_form_of_hugging_face(payload: Any) -> None:
    pairs = [("positive", 0.75), ("negative", 0.25)]

    def answer(body: str, accept: str | None, *ranked: list[tuple[str, float]]) -> str:
        request = payload.read_request(body, "application/json")
        text: str = payload.write_answer(payload.Prediction(request, list(ranked)), accept)
        return text

    one = {"label": "positive", "score": 0.75}
    both = [one, {"label": "negative", "score": 0.25}]
    assert json.loads(answer('{"inputs": "x"}', None, pairs[:1])) == [one]
    assert json.loads(answer('["x"]', "*/*", pairs[:1])) == [one]
    wanted = '{"inputs": "x", "parameters": {"top_k": null}}'
    assert json.loads(answer(wanted, "application/json", pairs)) == both
    wanted = '{"inputs": ["x", "y"], "parameters": {"top_k": 2}}'
    assert json.loads(answer(wanted, "application/json", pairs, pairs)) == [both, both]
    assert answer('["x"]', "text/csv", pairs[:1]) == "positive,0.75\n"
    assert json.loads(answer('["x"]', "application/jsonlines", pairs[:1])) == one
    assert answer("[]", "application/json") == "[]"
    with pytest.raises(ValueError, match="image/png"):
        answer('["x"]', "image/png", pairs[:1])
