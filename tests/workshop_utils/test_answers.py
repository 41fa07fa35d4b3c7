import json
from collections.abc import Sequence
from typing import Any

from workshop_utils import answers
from workshop_utils.session import Session


def _output(text: str, labels: Sequence[str], loop: str = "loop") -> dict[str, Any]:
    return {
        "flowDefinitionArn": "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/f",
        "humanAnswers": [
            {
                "answerContent": {"category": {"label": label}},
                "timeSpentInSeconds": 2.0 + number,
                "workerId": f"{number:016x}",
            }
            for number, label in enumerate(labels)
        ],
        "humanLoopName": loop,
        "inputContent": {"taskObject": text},
    }


def _put(ws: Session, folder: str, loop: str, content: bytes | dict[str, Any]) -> None:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    ws.upload(body, folder, "flow", "2026", "11", "29", loop, "output.json")


def test_most_votes_win_and_a_tie_has_no_label(ws: Session) -> None:
    _put(ws, "votes", "a", _output("fein, 好き", ["Positive", "Negative", "Positive"], "a"))
    _put(ws, "votes", "b", _output("tie", ["Positive", "Negative"], "b"))
    _put(ws, "votes", "c", _output("odd", ["Not clear"], "c"))
    found = answers.collect(ws, ws.uri("votes"))
    frame = found.frame.set_index("text")
    assert dict(frame["label"]) == {"fein, 好き": "Positive", "tie": "", "odd": "Not clear"}
    assert list(found.decided["text"]) == ["fein, 好き"]
    assert set(found.disputed["text"]) == {"fein, 好き", "tie"}
    assert frame.loc["fein, 好き", "votes"] == "2 Positive, 1 Negative"
    assert frame.loc["fein, 好き", "seconds"] == 3.0
    card = found._repr_html_()
    assert "3 texts" in card
    assert "a tie" in card


def test_an_answer_of_the_element_for_several_choices_is_read(ws: Session) -> None:
    output = _output("text", ["x"])
    output["humanAnswers"][0]["answerContent"] = {"category": {"labels": ["Negative"]}}
    _put(ws, "several", "a", output)
    assert list(answers.collect(ws, ws.uri("several/")).frame["label"]) == ["Negative"]


def test_what_is_broken_is_reported_and_costs_no_other(ws: Session) -> None:
    _put(ws, "broken", "good", _output("fine", ["Positive"]))
    _put(ws, "broken", "torn", b'{"humanAnswers": [')
    _put(ws, "broken", "binary", b"\xff\xfe\x00")
    _put(ws, "broken", "list", b"[1, 2]")
    _put(ws, "broken", "nobody", _output("text", []))
    _put(ws, "broken", "other", {**_output("text", ["a"]), "inputContent": {}})
    found = answers.collect(ws, ws.uri("broken"))
    assert list(found.frame["text"]) == ["fine"]
    assert {uri.rsplit("/", 2)[-2] for uri in found.broken} == {
        "torn",
        "binary",
        "list",
        "nobody",
        "other",
    }
    assert "nobody has answered" in "".join(found.broken.values())


def test_the_version_changes_with_every_answer_and_with_nothing_else(ws: Session) -> None:
    where = ws.uri("version")
    assert answers.versions_of(ws, where) == answers.collect(ws, where).version == "no-answers"
    ws.upload(b"not an answer", "version", "README.txt")
    assert answers.versions_of(ws, where) == "no-answers"
    _put(ws, "version", "a", _output("one", ["Positive"]))
    first = answers.versions_of(ws, where)
    assert first == answers.collect(ws, where).version
    assert first.startswith("1-answers-")
    _put(ws, "version", "a", _output("one", ["Negative"]))
    changed = answers.versions_of(ws, where)
    assert changed != first
    assert answers.remove(ws, where) == 1
    assert answers.versions_of(ws, where) == "no-answers"
