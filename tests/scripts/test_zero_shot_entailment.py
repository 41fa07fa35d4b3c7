"""The NLI model of scripts/zero_shot against transformers' own zero-shot pipeline."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transformers

from tests import tiny_models
from tests.scripts.zero_shot_support import JSON_LINES, Served, built, run_build, serving

# They compare with torch, whose import alone takes seconds.
pytestmark = pytest.mark.slow

TEXTS = ["one day I will see the world", "no more sugar", "I owe the bank 300 pounds!"]
LABELS = ["travel", "health", "money", "a label of quite some words", "x"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model folder of a tiny NLI model."""
    root = tmp_path_factory.mktemp("nli")
    return built(tiny_models.nli(root / "saved"), root / "model")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    """Return the loaded model."""
    with serving(folder) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Any:
    """Return transformers' pipeline for the same folder."""
    return transformers.pipeline(
        "zero-shot-classification", model=str(folder), tokenizer=str(folder), device=-1
    )


def close(answer: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Tell whether an answer is the pipeline's, but for the last bits of the scores."""
    scores = pytest.approx(expected["scores"], rel=1e-4, abs=1e-6)
    same = {key: value for key, value in expected.items() if key != "scores"}
    return {**same, "scores": scores} == answer


@pytest.mark.parametrize("template", [None, "{}", "It is {}, eh?"])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("labels", [LABELS, ["travel"], "travel, health"])
def test_the_numbers_are_those_of_the_pipeline(
    served: Served, pipeline: Any, labels: Any, several: bool, template: str | None
) -> None:
    more = {} if template is None else {"hypothesis_template": template}
    for text in TEXTS:
        expected = pipeline(text, candidate_labels=labels, multi_label=several, **more)
        parameters = {"candidate_labels": labels, "multi_label": several, **more}
        assert close(served.ask({"inputs": text, "parameters": parameters}), expected)
        body = {"sequences": text, "candidate_labels": labels, "multi_class": several, **more}
        assert close(served.ask(body), expected)


def test_a_list_of_texts(served: Served, pipeline: Any) -> None:
    expected = pipeline(TEXTS, candidate_labels=LABELS)
    answers = served.ask({"inputs": TEXTS, "parameters": {"candidate_labels": LABELS}})
    assert all(map(close, answers, expected))
    assert len({answer["scores"][0] for answer in answers}) == len(TEXTS)


def test_more_labels_than_are_read_at_once(served: Served, pipeline: Any) -> None:
    labels = [f"label {n}" for n in range(40)]
    answer = served.ask({"sequences": TEXTS[0], "candidate_labels": labels})
    assert close(answer, pipeline(TEXTS[0], candidate_labels=labels))


def test_a_text_longer_than_the_model_is_cut_as_the_pipeline_cuts_it(
    served: Served, pipeline: Any
) -> None:
    text = "see the world " * 20
    answer = served.ask({"sequences": text, "candidate_labels": ["travel", "food"]})
    assert answer.pop("truncated") is True
    assert close(answer, pipeline(text, candidate_labels=["travel", "food"]))


def test_a_label_longer_than_the_model_is_refused(served: Served) -> None:
    with pytest.raises(ValueError, match=r"has \d+ tokens, but the model reads 64"):
        served.ask({"sequences": "a", "candidate_labels": ["b", "c" * 80]})


def test_an_answer_does_not_depend_on_who_else_asked(served: Served) -> None:
    alone = served.ask({"sequences": TEXTS[0], "candidate_labels": LABELS})
    crowd = {"sequences": [*TEXTS[1:], "pasta " * 9, TEXTS[0]], "candidate_labels": LABELS}
    assert served.ask(crowd)[-1] == alone


def test_json_lines_and_too_many_labels(served: Served) -> None:
    rows = [
        {"sequences": TEXTS[0], "candidate_labels": LABELS},
        {"sequences": TEXTS[0], "candidate_labels": [f"label {n}" for n in range(201)]},
        {"inputs": TEXTS[1], "parameters": {"candidate_labels": LABELS, "multi_label": True}},
    ]
    answers = served.ask("\n".join(map(json.dumps, rows)), JSON_LINES, JSON_LINES)
    assert answers[0] == served.ask(rows[0])
    assert "201 labels; NLI BertForSequenceClassification takes at most 200" in answers[1]["error"]
    assert answers[2] == served.ask(rows[2])


@pytest.mark.parametrize("order", [("entailment", "neutral", "contradiction"), ("no", "ENTAILED")])
def test_labels_in_another_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    folder = built(tiny_models.classifier(tmp_path / "saved", order), tmp_path / "model")
    pipeline = transformers.pipeline(
        "zero-shot-classification", model=str(folder), tokenizer=str(folder), device=-1
    )
    with serving(folder) as served:
        for several in (False, True):
            body = {"sequences": TEXTS[0], "candidate_labels": LABELS, "multi_class": several}
            expected = pipeline(TEXTS[0], candidate_labels=LABELS, multi_label=several)
            assert close(served.ask(body), expected)


def test_a_classifier_of_something_else_is_refused(tmp_path: Path) -> None:
    folder = built(tiny_models.classifier(tmp_path / "saved"), tmp_path / "model")
    expected = pytest.raises(ValueError, match=r"names the labels \['no', 'yes'\].*\"entail\"")
    with expected, serving(folder):
        pass


def test_an_empty_folder_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "code").symlink_to(folder / "code")
    with pytest.raises(ValueError, match="holds no zero-shot model"), serving(tmp_path):
        pass


def test_build_has_no_card_for_it(tmp_path: Path, folder: Path) -> None:
    result = run_build("--model", folder, "--output", tmp_path / "model", "--variant", "int8")
    assert result.returncode == 1
    assert "no sentence encoder; --card and --variant are for those" in result.stderr
