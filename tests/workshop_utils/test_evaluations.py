import json
import sys
from pathlib import Path

import numpy as np
import pytest

from workshop_utils import review_plots
from workshop_utils.evaluations import Evaluation, parse


@pytest.fixture(scope="module")
def written(repository: Path) -> dict[str, Evaluation]:
    """Return what the container's own module writes, read back."""
    folder = str(repository / "scripts" / "sentiment")
    sys.path.insert(0, folder)
    try:
        from comparison import evaluation
    finally:
        sys.path.remove(folder)
    truth = np.array([0, 1] * 50)
    good = np.where(np.eye(2)[truth] == 1, 0.9, 0.1)
    bad = good.copy()
    bad[:30] = bad[:30, ::-1]
    labels = ["negative", "positive"]
    found = {
        "first": evaluation(good, None, truth, labels),
        "better": evaluation(good, bad, truth, labels),
        "worse": evaluation(bad, good, truth, labels),
    }
    for name in ("comparison", "metrics"):
        sys.modules.pop(name)
    return {name: parse(json.loads(json.dumps(content))) for name, content in found.items()}


def test_without_a_champion_a_model_is_compared_with_a_constant(
    written: dict[str, Evaluation],
) -> None:
    first = written["first"]
    assert (first.rows, first.accuracy, first.champion_accuracy) == (100, 1.0, None)
    assert first.compared_with == "best constant classifier"
    assert first.difference == pytest.approx(0.5)
    assert "there is none yet" in first._repr_html_()


def test_what_is_worse_beyond_noise_is_told(written: dict[str, Evaluation]) -> None:
    better, worse = written["better"], written["worse"]
    assert better.not_worse
    assert not worse.not_worse
    assert (better.accuracy, better.champion_accuracy) == (1.0, 0.7)
    assert worse.low < worse.difference < worse.high < 0
    assert "worse beyond noise" in worse._repr_html_()


def test_champion_and_candidate_are_drawn(written: dict[str, Evaluation]) -> None:
    left, right = review_plots.champion_and_candidate(written["worse"]).axes
    assert [text.get_text() for text in left.texts] == ["100.0%", "70.0%"]
    assert right.get_xlim()[0] < written["worse"].low
