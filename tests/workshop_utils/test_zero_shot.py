"""Zero-shot questions in both dialects, and the answers to them."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from tests.local_sagemaker.endpoint_support import Deployer
from workshop_utils import zero_shot
from workshop_utils.endpoints import Endpoint
from workshop_utils.session import Session
from workshop_utils.zero_shot import Answer, AnswerError, QuestionError, Task
from workshop_utils.zero_shot_rows import Rows

TEXT = "one day I will see the world"
LABELS = ["travel", "cooking", "dancing"]

# Scores a label by its length, so that a test knows what is right, and answers in the form of
# the dialect it was asked in.
BY_LENGTH = """
import json

def model_fn(folder):
    return None

def transform_fn(model, data, content_type, accept):
    sent = json.loads(data)
    asked = sent if "sequences" in sent else sent["parameters"]
    text = sent.get("sequences", sent.get("inputs"))
    if "not a question" in text:
        raise ValueError("this text is no question")
    if "nonsense" in text:
        return json.dumps(["what"]), accept
    labels = asked["candidate_labels"]
    scores = [len(label) / 10 for label in labels]
    answer = {"sequence": text, "labels": labels, "scores": scores}
    return json.dumps(answer if "sequences" in sent else [answer]), accept
"""


@pytest.fixture(scope="module")
def endpoint(ws: Session, local: Any) -> Iterator[Endpoint]:
    deployer = Deployer(local)
    yield Endpoint(ws, deployer.deploy(BY_LENGTH))
    deployer.clear()


def test_the_jumpstart_dialect() -> None:
    assert Task(LABELS).request(TEXT) == {"sequences": TEXT, "candidate_labels": LABELS}
    several = Task(LABELS, multi_label=True, hypothesis_template="This is about {}.")
    assert several.request(TEXT, "jumpstart") == {
        "sequences": TEXT,
        "candidate_labels": LABELS,
        "multi_class": True,
        "hypothesis_template": "This is about {}.",
    }


def test_the_hugging_face_dialect() -> None:
    task = Task(LABELS, hypothesis_template="This is about {}.")
    assert task.request(TEXT, "huggingface") == {
        "inputs": TEXT,
        "parameters": {
            "candidate_labels": LABELS,
            "multi_label": False,
            "hypothesis_template": "This is about {}.",
        },
    }


def test_a_description_is_sent_in_its_labels_place() -> None:
    task = Task(LABELS, descriptions={"travel": "seeing other countries"})
    phrases = ["seeing other countries", "cooking", "dancing"]
    assert task.hypotheses()[0] == "This example is seeing other countries."
    assert task.request(TEXT)["candidate_labels"] == phrases
    answer = {"labels": phrases[::-1], "scores": [0.1, 0.2, 0.7]}
    assert zero_shot.read(answer, task, TEXT).labels == ("travel", "cooking", "dancing")
    with pytest.raises(QuestionError, match="'cooking' is there twice"):
        Task(LABELS, descriptions={"travel": "cooking"})


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([], "no label"),
        ("travel", "pass a list"),
        (["travel", " "], "Label 1 is ' '"),
        (["travel", 7], "Label 1 is 7"),
        (["travel", "cooking", "travel "], "'travel' is there twice"),
        (["\ud83d"], "half a character"),
    ],
)
def test_labels_that_cannot_be_asked_about_are_refused(labels: Any, told: str) -> None:
    with pytest.raises(QuestionError, match=told):
        Task(labels)


@pytest.mark.parametrize("template", ["This example is", "{} or {}", ""])
def test_a_template_needs_one_place_for_the_label(template: str) -> None:
    with pytest.raises(QuestionError, match="once"):
        Task(LABELS, hypothesis_template=template)


@pytest.mark.parametrize("several", ["false", None, float("nan"), pd.NA, 1])
def test_whether_labels_compete_is_never_guessed(several: Any) -> None:
    with pytest.raises(QuestionError, match="True or False"):
        Rows(LABELS, multi_label="several").record({"text": TEXT, "several": several})


def test_a_column_of_pandas_says_whether_labels_compete() -> None:
    column = pd.Series([True]).array
    request = Rows(LABELS, multi_label="several").record({"text": TEXT, "several": column[0]})
    assert json.loads(json.dumps(request))["multi_class"] is True


def test_only_labels_are_described() -> None:
    with pytest.raises(QuestionError, match="'swimming'"):
        Task(LABELS, descriptions={"swimming": "in water"})


@pytest.mark.parametrize("text", ["", "  \n", None, float("nan"), "\udc00"])
def test_a_text_that_says_nothing_is_refused(text: Any) -> None:
    with pytest.raises(QuestionError, match=r"The text (is|has)"):
        Task(LABELS).request(text)


def test_an_unknown_dialect_is_named() -> None:
    with pytest.raises(QuestionError, match="'klingon'"):
        Task(LABELS).request(TEXT, "klingon")  # type: ignore[arg-type]  # what is tested


def test_an_answers_order_does_not_matter() -> None:
    answer = {"labels": ["cooking", "travel", "dancing"], "scores": [0.2, 0.7, 0.1]}
    found = zero_shot.read(answer, Task(LABELS), TEXT)
    assert found == Answer(TEXT, ("travel", "cooking", "dancing"), (0.7, 0.2, 0.1))
    assert (found.label, found.score) == ("travel", 0.7)
    assert found.above(0.2) == ["travel", "cooking"]
    assert "0.700" in found._repr_html_()


def test_a_text_that_was_cut_is_told() -> None:
    answer = {"labels": LABELS, "scores": [0.7, 0.2, 0.1], "truncated": True}
    found = zero_shot.read([answer], Task(LABELS), TEXT)
    assert found.truncated
    assert "beginning only" in found._repr_html_()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"error": "no GPU"}, "no GPU"),
        ("hello", "no object but 'hello'"),
        ([{}, {}], "no object"),
        ({"label": "LABEL_0", "score": 1.0}, "no parallel lists"),
        ({"labels": LABELS, "scores": [1.0]}, "no parallel lists"),
        ({"labels": ["a", "b", "c"], "scores": [0.1, 0.2, 0.3]}, "other labels"),
        ({"labels": LABELS, "scores": [0.1, None, 0.3]}, "no finite number"),
        ({"labels": LABELS, "scores": [0.1, float("nan"), 0.3]}, "no finite number"),
        ({"labels": LABELS, "scores": [0.1, 10**400, 0.3]}, "no finite number"),
    ],
)
def test_what_is_no_answer_is_said(answer: Any, told: str) -> None:
    with pytest.raises(AnswerError, match=told):
        zero_shot.read(answer, Task(LABELS), TEXT)


@pytest.mark.parametrize("dialect", ["jumpstart", "huggingface"])
def test_an_endpoint_is_asked(endpoint: Endpoint, dialect: Any) -> None:
    found = zero_shot.ask(endpoint, TEXT, Task(LABELS), dialect)
    assert found.scores == (0.7, 0.7, 0.6)
    assert found.text == TEXT


def test_several_texts_make_a_table(endpoint: Endpoint) -> None:
    labels = ["a", "abc", "Ωmega"]
    table = zero_shot.ask_each(endpoint, ["one", "zwei 🎉"], Task(labels))
    assert list(table.columns) == ["text", "label", "score", *labels]
    assert list(table["text"]) == ["one", "zwei 🎉"]
    assert list(table["label"]) == ["Ωmega"] * 2
    assert list(table.loc[0, labels]) == [0.1, 0.3, 0.5]
    assert zero_shot.ask_each(endpoint, [], Task(labels)).empty
    with pytest.raises(QuestionError, match="one text"):
        zero_shot.ask_each(endpoint, "one", Task(labels))


def test_a_models_refusal_is_one_sentence(endpoint: Endpoint) -> None:
    with pytest.raises(AnswerError, match=r"refused the request: .*this text is no question"):
        zero_shot.ask(endpoint, "not a question", Task(LABELS))
    with pytest.raises(AnswerError, match="no object but 'what'"):
        zero_shot.ask(endpoint, "nonsense", Task(LABELS))


def test_a_request_that_no_endpoint_takes_is_not_sent(endpoint: Endpoint) -> None:
    labels = [f"label {number} {uuid.uuid4().hex * 20}" for number in range(10_000)]
    with pytest.raises(QuestionError, match=r"10,000 labels; an endpoint takes 6\.3 MB"):
        zero_shot.ask(endpoint, TEXT, Task(labels))


def test_ten_thousand_labels_are_asked_at_once(endpoint: Endpoint) -> None:
    labels = [f"label {number}" for number in range(10_000)]
    assert len(zero_shot.ask(endpoint, TEXT, Task(labels)).labels) == 10_000


def test_rows_may_have_labels_of_their_own() -> None:
    rows = Rows(labels="choices", text="said", multi_label="several")
    assert rows.reads == ("said", "choices", "several")
    row = {"said": TEXT, "choices": ["a", "b"], "several": True}
    assert rows.record(row) == {
        "sequences": TEXT,
        "candidate_labels": ["a", "b"],
        "multi_class": True,
    }
    answer = {"labels": ["a", "b"], "scores": [0.1, 0.9]}
    assert rows.values(row, answer) == ("b", 0.9, "a")
    with pytest.raises(QuestionError, match="must be a list"):
        rows.record(row | {"choices": "a, b"})
    alone = Rows(["only"]).values({"text": TEXT}, {"labels": ["only"], "scores": [0.4]})
    assert alone == ("only", 0.4, None)


def test_what_is_wrong_for_every_row_is_said_at_once() -> None:
    with pytest.raises(QuestionError, match="the same for every row"):
        Rows("choices", descriptions={"a": "b"})
    with pytest.raises(QuestionError, match="twice"):
        Rows(["a", "a"])


def test_requests_are_plain_json() -> None:
    request = Task(("a", "b")).request("🎉\u2028 line\nbreak")
    assert json.loads(json.dumps(request))["sequences"] == "🎉\u2028 line\nbreak"
