"""Requests and answers of the few-shot endpoint, in every form, without a model."""

import json
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.scripts.few_shot_support import FEW_SHOT, imported_from


@pytest.fixture(scope="module")
def payload() -> Iterator[ModuleType]:
    with imported_from(FEW_SHOT, "payload") as code:
        yield code.payload


def texts_of(request: object) -> list[tuple[str, int | None]]:
    return [(query.text, query.wanted.top_k) for query in request.queries]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content_type", "body", "expected", "single"),
    [
        ("application/json", '{"inputs": "hi"}', [("hi", None)], True),
        ("application/json", '"hi"', [("hi", None)], True),
        ("application/json", '{"inputs": ["hi", "ho"]}', [("hi", None), ("ho", None)], False),
        ("application/json", '["hi"]', [("hi", None)], False),
        ("application/json", "[]", [], False),
        ("application/json", '{"inputs": []}', [], False),
        (
            "application/json",
            '{"inputs": ["hi", "ho"], "parameters": {"top_k": 2}}',
            [("hi", 2), ("ho", 2)],
            False,
        ),
        ("application/json", '{"inputs": "hi", "parameters": {}}', [("hi", None)], True),
        ("application/json", '{"inputs": "hi", "parameters": null}', [("hi", None)], True),
        ("Application/JSON; charset=utf-8", '"grüße"'.encode(), [("grüße", None)], True),
        (None, b'\xef\xbb\xbf["hi"]', [("hi", None)], False),
        ("", '["hi"]', [("hi", None)], False),
        (
            "application/jsonlines",
            b'"hi"\n\n{"inputs": "a\xe2\x80\xa8b", "parameters": {"top_k": 3}}\r\n',
            [("hi", None), ("a\u2028b", 3)],
            False,
        ),
        ("application/x-jsonlines", b"", [], False),
        ("text/csv", "hi\nho\n", [("hi", None), ("ho", None)], False),
        ("text/csv", 'text\r\n"a, ""b""\nc"\r\n', [('a, "b"\nc', None)], False),
        ("text/csv", b"\xef\xbb\xbflabel,text\nx,hi\n", [("hi", None)], False),
        ("text/csv", "", [], False),
    ],
)  # fmt: skip
def test_requests_in_every_form(
    payload: ModuleType,
    content_type: str | None,
    body: str | bytes,
    expected: list[tuple[str, int | None]],
    single: bool,
) -> None:
    request = payload.read_request(body, content_type)
    assert texts_of(request) == expected
    assert request.single is single


@pytest.mark.parametrize(
    ("content_type", "body", "message"),
    [
        ("image/png", b"", "'image/png' is not supported; send application/json, application/json"),
        ("application/json", "{", "The body is not valid JSON"),
        ("application/json", b"\xff", "The body is not UTF-8 (byte 0)"),
        ("application/json", "5", "inputs is a number (5); send a text or a list"),
        ("application/json", "null", "inputs is null"),
        ("application/json", '{"text": "hi"}', 'has no "inputs"'),
        ("application/json", '{"inputs": {"a": 1}}', "inputs is an object"),
        ("application/json", '{"inputs": "hi", "topk": 1}', "unknown keys ['topk']"),
        ("application/json", '{"inputs": ["hi", ""]}', "inputs[1] is empty"),
        ("application/json", '[" \\n"]', "inputs[0] is empty"),
        ("application/json", '["hi", 3]', "inputs[1] is a number (3); send a text"),
        ("application/json", '{"inputs": "a", "parameters": 3}', '"parameters" is not an object'),
        (
            "application/json",
            '{"inputs": "a", "parameters": {"topk": 3}}',
            'unknown parameters [\'topk\']; "top_k" and "threshold" exist',
        ),
        ("application/json", '{"inputs": "a", "parameters": {"top_k": 0}}', "top_k is 0"),
        ("application/json", '{"inputs": "a", "parameters": {"top_k": true}}', "top_k is True"),
        ("application/json", '{"inputs": "a", "parameters": {"top_k": "3"}}', "top_k is '3'"),
        (
            "application/json",
            '{"inputs": "a", "parameters": {"threshold": 1.5}}',
            "threshold is 1.5; send a number from 0 to 1",
        ),
        ("application/json", '{"inputs": "a", "parameters": {"threshold": NaN}}', "is nan; send"),
        ("application/json", '{"inputs": "a", "parameters": {"threshold": true}}', "is True; send"),
        ("application/json", '{"inputs": "a", "parameters": {"threshold": "low"}}', "is 'low'"),
        ("application/json", '"\\ud800"', "inputs holds half of a surrogate pair"),
        ("application/json", "[" * 100_000, "The body is not valid JSON"),
        ("application/json", "9" * 5000, "The body is not valid JSON"),
        ("application/jsonlines", b'"hi"\nnope\n', "Line 2 is not valid JSON"),
        ("application/jsonlines", b'["hi"]\n', "Line 1 is a list; send a text"),
        ("text/csv", "hi\nhi, there\n", "Row 2 has 2 fields instead of 1"),
        ("text/csv", '"hi', "The body is not valid CSV"),
        ("text/csv", 'hi\n" "\n', "Row 2 is empty"),
    ],
)
def test_wrong_requests_say_what_to_send(
    payload: ModuleType, content_type: str, body: str | bytes, message: str
) -> None:
    with pytest.raises(ValueError, match=r"send|Send|put|Put|exist") as caught:
        payload.read_request(body, content_type)
    assert message in str(caught.value)


RANKED = [[("a,b", 0.75), ("ü", 0.25)], [("ü", 0.5), ("a,b", 0.5)]]
A, U = {"label": "a,b", "score": 0.75}, {"label": "ü", "score": 0.25}


@pytest.mark.parametrize(
    ("body", "accept", "expected"),
    [
        ('"x"', "application/json", [A]),
        ('{"inputs": "x", "parameters": {"top_k": 1}}', None, [A]),
        ('{"inputs": "x", "parameters": {"top_k": 2}}', "", [A, U]),
        ('["x"]', "*/*", [A]),
        ('["x", "y"]', "application/*", [A, {"label": "ü", "score": 0.5}]),
        ('{"inputs": ["x"], "parameters": {"top_k": 2}}', "image/png, */*;q=0.1", [[A, U]]),
        ('{"inputs": ["x"], "parameters": {"top_k": 1}}', "application/json", [[A]]),
        ("[]", "application/json", []),
    ],
)
def test_json_answers(payload: ModuleType, body: str, accept: str | None, expected: object) -> None:
    answer = payload.write_answer(prediction(payload, body), accept)
    assert json.loads(answer) == expected
    assert ", " not in answer
    assert "\\u" not in answer


def test_answers_by_line(payload: ModuleType) -> None:
    answer = payload.write_answer(prediction(payload, '["x", "y"]'), "application/jsonlines")
    assert [json.loads(line) for line in answer.splitlines()] == [A, {"label": "ü", "score": 0.5}]
    several = prediction(payload, '{"inputs": ["x"], "parameters": {"top_k": 2}}')
    assert json.loads(payload.write_answer(several, "application/x-jsonlines")) == [A, U]


def test_answers_as_csv(payload: ModuleType) -> None:
    answer = payload.write_answer(prediction(payload, '["x", "y"]'), "text/csv")
    assert answer == '"a,b",0.75\nü,0.5\n'
    several = prediction(payload, '{"inputs": ["x"], "parameters": {"top_k": 2}}')
    assert payload.write_answer(several, "text/csv") == '"a,b",0.75,ü,0.25\n'
    assert payload.write_answer(prediction(payload, "[]"), "text/csv") == ""


def test_none_of_these_in_every_form(payload: ModuleType) -> None:
    body = '{"inputs": ["x"], "parameters": {"threshold": "calibrated"}}'
    request = payload.read_request(body, "application/json")
    assert request.queries[0].wanted.threshold == "calibrated"
    none = payload.Prediction(request, [[(None, 0.25)]])
    assert json.loads(payload.write_answer(none, None)) == [{"label": None, "score": 0.25}]
    assert payload.write_answer(none, "text/csv") == ",0.25\n"
    body = '{"inputs": ["x"], "parameters": {"threshold": 0.5, "top_k": 2}}'
    nothing = payload.Prediction(payload.read_request(body, "application/json"), [[]])
    assert json.loads(payload.write_answer(nothing, None)) == [[]]


def test_an_answer_nobody_can_write_is_refused(payload: ModuleType) -> None:
    with pytest.raises(ValueError, match="Accept 'image/png' is not supported; accept application"):
        payload.write_answer(prediction(payload, '"x"'), "image/png")


def prediction(payload: ModuleType, body: str) -> object:
    request = payload.read_request(body, "application/json")
    ranked = [RANKED[i][: query.wanted.top_k or 1] for i, query in enumerate(request.queries)]
    return payload.Prediction(request, ranked)
