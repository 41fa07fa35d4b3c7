"""What zero-shot requests are understood, and what is said about those that are not."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.scripts.few_shot_support import imported_from
from tests.scripts.zero_shot_support import JSON_LINES, ZERO_SHOT


@pytest.fixture(scope="module")
def payload() -> Iterator[Any]:
    """Return the module."""
    with imported_from(ZERO_SHOT, "payload") as modules:
        yield modules.payload


def query(payload: Any, content: Any) -> Any:
    """Read one JSON request."""
    [found] = payload.read_request(json.dumps(content), "application/json").queries
    return found


def test_both_dialects_say_the_same(payload: Any) -> None:
    theirs = {"sequences": "a text", "candidate_labels": ["x", "y"], "multi_class": True}
    parameters = {"candidate_labels": "x , y,", "multi_label": True}
    read = query(payload, theirs)
    assert read == query(payload, {"inputs": "a text", "parameters": parameters})
    assert read.texts == ("a text",)
    assert read.single
    assert read.choice.labels == ("x", "y")
    assert read.choice.multi_label
    assert read.choice.templates == ()
    assert not query(payload, {**theirs, "sequences": ["a text"]}).single


def test_one_label_is_judged_alone(payload: Any) -> None:
    assert query(payload, {"sequences": "a", "candidate_labels": ["x"]}).choice.multi_label
    assert not query(payload, {"sequences": "a", "candidate_labels": "x,y"}).choice.multi_label


def test_templates_and_descriptions(payload: Any) -> None:
    asked = {
        "sequences": "a",
        "candidate_labels": ["x", "y"],
        "hypothesis_template": ["{}", "It is {}."],
        "label_descriptions": {"y": "the second letter from the end"},
    }
    choice = query(payload, asked).choice
    assert choice.templates == ("{}", "It is {}.")
    assert choice.phrases == ("x", "the second letter from the end")
    assert choice.labels == ("x", "y")
    assert query(payload, {**asked, "hypothesis_template": "Of {}"}).choice.templates == ("Of {}",)


@pytest.mark.parametrize("kind", [None, "", "application/json", "application/json; charset=utf-8"])
def test_json_is_assumed_and_a_byte_order_mark_is_no_text(payload: Any, kind: str | None) -> None:
    body = b'\xef\xbb\xbf{"sequences": "\xc3\xbcber", "candidate_labels": ["x"]}'
    [found] = payload.read_request(body, kind).queries
    assert found.texts == ("über",)


GOOD: dict[str, Any] = {"sequences": "a text", "candidate_labels": ["x", "y"]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1], "The request is a list; send"),
        ("a text", "The request is a text; send"),
        ({"candidate_labels": ["x"]}, 'has neither of "sequences" and "inputs"'),
        ({**GOOD, "inputs": "b"}, 'has both of "sequences" and "inputs"'),
        ({"inputs": "a"}, '"parameters" with "candidate_labels" is missing'),
        ({"inputs": "a", "parameters": {}}, "candidate_labels is missing; send at least one label"),
        ({"sequences": "a"}, "candidate_labels is missing; send at least one label"),
        ({**GOOD, "candidate_labels": []}, "candidate_labels is empty; send at least one label"),
        ({**GOOD, "candidate_labels": " , "}, "candidate_labels is empty"),
        ({**GOOD, "candidate_labels": {"x": 1}}, "candidate_labels is an object"),
        ({**GOOD, "candidate_labels": ["x", 3]}, r"candidate_labels\[1\] is a number \(3\)"),
        ({**GOOD, "candidate_labels": ["x", " "]}, r"candidate_labels\[1\] is empty"),
        ({**GOOD, "candidate_labels": ["x", "y", "x"]}, "has 'x' twice; send each label once"),
        ({**GOOD, "candidate_labels": "x, y, x"}, "has 'x' twice"),
        ({**GOOD, "sequences": ""}, "sequences is empty; send a text with at least one word"),
        ({**GOOD, "sequences": " \n"}, "sequences is empty"),
        ({**GOOD, "sequences": []}, "sequences is an empty list"),
        ({**GOOD, "sequences": ["a", None]}, r"sequences\[1\] is null"),
        ({**GOOD, "sequences": "\ud800"}, "half of a surrogate pair"),
        ({**GOOD, "multi_class": "yes"}, "multi_class is 'yes'; send true or false"),
        (
            {**GOOD, "multi_class": True, "multi_label": False},
            "one thing and disagree",
        ),
        ({**GOOD, "multilabel": True}, r"unknown keys \['multilabel'\]; known are \["),
        ({**GOOD, "hypothesis_template": "no place"}, "write {} once, where the label goes"),
        ({**GOOD, "hypothesis_template": "{} and {}"}, "write {} once"),
        ({**GOOD, "hypothesis_template": "{0.__class__} {}"}, "no other curly brackets"),
        ({**GOOD, "hypothesis_template": []}, "is an empty list; leave it out"),
        ({**GOOD, "label_descriptions": {"z": "?"}}, r"describes \['z'\], which candidate_labels"),
        ({**GOOD, "label_descriptions": ["x"]}, "label_descriptions is a list"),
        ({**GOOD, "label_descriptions": {"x": ""}}, r"label_descriptions\['x'\] is empty"),
    ],
)
def test_a_mistake_is_named(payload: Any, content: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        query(payload, content)
    lines = "\n".join([json.dumps(GOOD), "", json.dumps(content)])
    good, mistake = payload.read_request(lines, JSON_LINES).queries
    assert good == query(payload, GOOD)
    assert str(mistake).startswith("Line 3")


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("{", "application/json", "The request is not valid JSON"),
        ("[" * 100_000, "application/json", "The request is not valid JSON"),
        (b"\xff", "application/json", r"not UTF-8 \(byte 0\)"),
        ("a,b", "text/csv", "'text/csv' is not supported; send application/json"),
        (
            '{"sequences": "a"}\n{"sequences": "b"}',
            "application/json",
            "one per line, have content type application/jsonlines",
        ),
    ],
)
def test_a_body_that_is_no_request(payload: Any, body: Any, kind: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        payload.read_request(body, kind)


def prediction(payload: Any, lines: bool) -> Any:
    """Return an answer to two queries, the second a mistake where there are lines."""
    one = query(payload, {**GOOD, "sequences": "für"})
    ranking = payload.Ranking("für", ["y", "x"], [0.75, 0.25], False)
    cut = payload.Ranking("für", ["y", "x"], [0.75, 0.25], True)
    several = query(payload, {**GOOD, "sequences": ["für"]})
    queries = [one, several, ValueError("Line 3: wrong")] if lines else [several]
    answers = [[ranking], [cut], ValueError("never shown")] if lines else [[ranking]]
    return payload.Prediction(payload.Request(queries, lines), answers)


PLAIN = '{"sequence":"für","labels":["y","x"],"scores":[0.75,0.25]}'
CUT = PLAIN[:-1] + ',"truncated":true}'


def test_answers_in_json_lines(payload: Any) -> None:
    written = payload.write_answer(prediction(payload, True), JSON_LINES)
    assert written.splitlines() == [PLAIN, f"[{CUT}]", '{"error":"Line 3: wrong"}']


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "text/html, */*;q=0.8"])
def test_answers_in_json(payload: Any, accept: str | None) -> None:
    written = payload.write_answer(prediction(payload, True), accept)
    assert written == f'[{PLAIN},[{CUT}],{{"error":"Line 3: wrong"}}]'
    assert payload.write_answer(prediction(payload, False), accept) == f"[{PLAIN}]"


def test_an_unknown_accept_is_refused(payload: Any) -> None:
    with pytest.raises(ValueError, match="'text/csv' is not supported; accept application/json"):
        payload.write_answer(prediction(payload, False), "text/csv")


def test_the_limit_of_labels_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with imported_from(ZERO_SHOT, "classifier") as modules:
        found: SimpleNamespace = modules.classifier
        assert found.label_limit(200) == 200
        monkeypatch.setenv("ZERO_SHOT_MAX_LABELS", "12")
        assert found.label_limit(200) == 12
        monkeypatch.setenv("ZERO_SHOT_MAX_LABELS", "many")
        with pytest.raises(ValueError, match="ZERO_SHOT_MAX_LABELS is 'many'; set a number from 1"):
            found.label_limit(200)
