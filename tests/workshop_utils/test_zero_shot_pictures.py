"""Lab 2's pictures draw what they are given, recorded results are read, and the form asks."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workshop_utils import datasets, zero_shot_plots, zero_shot_results
from workshop_utils.endpoints import Endpoint
from workshop_utils.session import Session
from workshop_utils.zero_shot import Answer
from workshop_utils.zero_shot_form import ZeroShotForm

ANSWER = Answer("costs $5 or $6", ("a", "b", "c"), (0.7, 0.55, 0.1))
LEVELS = [
    {"labels": 3, "p50_ms": 2.0, "cpu_ms": 3.6},
    {"labels": 77, "p50_ms": 3.0, "cpu_ms": 7.2},
]
MEASURED = {"machine": "a machine", "date": "2026-11-20T16:48Z"}


def drawn(figure: Any) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    found: dict[str, Any] = {
        "latency_bi_encoder": {"levels": LEVELS},
        "latency_nli_minilm2": {"levels": LEVELS},
        "by_labels": [{"labels": 3, "accuracy": 0.9}, {"labels": 77, "accuracy": 0.6}],
        "accuracy": {"bare": {"accuracy": 0.62}, "rows": 3000},
        "trained_heads": [{"shots": 1, "accuracy": 0.5}, {"shots": 2, "accuracy": 0.7}],
    }
    sections = {name: {**MEASURED, "found": value} for name, value in found.items()}
    path = tmp_path / "zero_shot.json"
    path.write_text(json.dumps({"command": "python bench.py", "sections": sections}))
    return path


def test_the_best_labels_are_bars() -> None:
    figure = zero_shot_plots.scores([ANSWER], best=2)
    bars = figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == [0.7, 0.55]
    assert bars[0].get_facecolor() != bars[1].get_facecolor()
    assert drawn(figure).startswith(b"\x89PNG")
    both = zero_shot_plots.scores({"first": ANSWER, "second": ANSWER}, threshold=0.5)
    assert [axes.get_title(loc="left") for axes in both.axes] == ["first", "second"]
    bars = both.axes[0].patches
    assert bars[0].get_facecolor() == bars[1].get_facecolor() != bars[2].get_facecolor()


def test_a_confusion_counts_every_answered_row() -> None:
    frame = pd.DataFrame(
        {"label": ["a", "a", "b", "b"], "predicted": ["a", "c", "b", None]}, index=[1, 1, 2, 2]
    )
    figure = zero_shot_plots.confusion(frame)
    counts = figure.axes[0].images[0].get_array()
    assert np.array_equal(counts, [[1, 0, 1], [0, 1, 0], [0, 0, 0]])
    assert figure.axes[0].get_title() == "3 rows, 67% on the diagonal"
    assert drawn(figure)


def test_recorded_results_are_read_and_drawn(results: Path) -> None:
    found = zero_shot_results.load(results)
    assert found.source == "python bench.py, a machine, 2026-11-20"
    encoder = found.levels[found.levels["model"] == zero_shot_results.BI_ENCODER]
    assert list(encoder["accuracy"]) == [0.9, 0.6]
    # 3.6 ms of one of four cores, a thousand times, at 0.23 dollars an hour.
    assert encoder["dollars"].iloc[0] == pytest.approx(3.6 / 4 / 3600 * 0.23)
    others = found.levels[found.levels["model"] != zero_shot_results.BI_ENCODER]
    assert len(others) == 2
    assert others["accuracy"].isna().all()
    assert found.accuracy == {"bare": 0.62}
    table = found.table()
    assert list(table["accuracy"]) == ["0.900", "0.600", "not measured", "not measured"]
    assert list(table["median, ms"]) == ["2", "3", "2", "3"]
    figure = zero_shot_plots.label_growth(found)
    assert [len(axes.lines) for axes in figure.axes] == [2, 2, 2]
    assert drawn(figure)
    curves = {"trained": found.trained}
    assert drawn(zero_shot_plots.worth(curves, {"bare": 0.62}))


def test_missing_results_say_what_makes_them(tmp_path: Path, results: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"python benchmarks/zero_shot\.py"):
        zero_shot_results.load(tmp_path / "nothing.json")
    content = json.loads(results.read_text())
    del content["sections"]["by_labels"]
    results.write_text(json.dumps(content))
    with pytest.raises(FileNotFoundError, match="has no by_labels"):
        zero_shot_results.load(results)


def test_the_worth_of_zero_shot_lies_between_two_numbers_of_examples() -> None:
    curve = {1: 0.5, 2: 0.7, 4: 0.8}
    assert zero_shot_results.worth(curve, 0.6) == (1, 2)
    assert zero_shot_results.worth(curve, 0.4) == (0, 1)
    assert zero_shot_results.worth(curve, 0.9) == (4, None)


def test_the_repositorys_results_can_be_shown() -> None:
    found = zero_shot_results.load()
    assert set(found.levels["labels"]) == {3, 10, 77}
    assert drawn(zero_shot_plots.label_growth(found))


def test_resolutions_have_the_ten_categories() -> None:
    frame = datasets.resolutions()
    assert set(frame["label"]) == set(datasets.resolution_categories())
    assert set(frame["second_label"]) - {""} <= set(frame["label"])


class Recorder(Endpoint):
    """Answers every request in a fixed order, and keeps the last one."""

    asked: dict[str, Any]

    def invoke(self, body: bytes, *_: str) -> bytes:
        request = json.loads(body)
        object.__setattr__(self, "asked", request)
        labels = request["candidate_labels"]
        scores = [1 / (number + 2) for number in range(len(labels))]
        return json.dumps({"labels": labels, "scores": scores, "truncated": True}).encode()


def test_the_form_asks_what_stands_in_it_and_shows_the_answer(ws: Session) -> None:
    endpoint = Recorder(ws, "any")
    form = ZeroShotForm(endpoint, "my laptop", ["<b>hardware</b>", "billing"])
    form.template.value = "It is {}."
    form.several.value = True
    form.button.click()
    assert endpoint.asked == {
        "sequences": "my laptop",
        "candidate_labels": ["<b>hardware</b>", "billing"],
        "multi_class": True,
        "hypothesis_template": "It is {}.",
    }
    assert "&lt;b&gt;hardware" in form.answer.value
    assert "0.50" in form.answer.value
    assert "beginning of the text only" in form.answer.value
    assert not form.button.disabled


def test_the_form_shows_a_mistake_as_a_sentence(ws: Session) -> None:
    form = ZeroShotForm(Endpoint(ws, "nobody-is-here"), "a text", ["a", "a"])
    form.run()
    assert "&#x27;a&#x27; is there twice" in form.answer.value
    form.labels.value = "a\nb"
    form.run()
    assert "nobody-is-here" in form.answer.value
    assert not form.button.disabled
