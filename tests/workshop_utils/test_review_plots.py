from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from workshop_utils import review_plots

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def answered() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    kinds = draw.choice(["clear", "mixed", "ironic"], 90)
    score = np.where(kinds == "clear", 0.97, draw.uniform(0.5, 0.9, 90))
    return pd.DataFrame({"kind": kinds, "score": score, "right": draw.random(90) < score})


def _titles(figure: Any) -> str:
    return " ".join(axes.get_title(loc) for axes in figure.axes for loc in ("left", "center"))


def test_kinds_are_drawn_with_the_share_below_the_threshold(answered: pd.DataFrame) -> None:
    titles = _titles(review_plots.confidences(answered, 0.95))
    assert f"clear: {(answered['kind'] == 'clear').sum()} reviews, 0% of them" in titles
    assert "100% of them" in titles


def test_a_kind_without_reviews_is_drawn_empty(answered: pd.DataFrame) -> None:
    only = answered[answered["kind"] == "clear"]
    assert "mixed: 0 reviews" in _titles(review_plots.confidences(only, 0.9))


def test_shares_before_and_after_are_in_the_legend(answered: pd.DataFrame) -> None:
    after = answered.assign(score=0.99)
    figure = review_plots.before_and_after(answered, after, 0.95)
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert words[1] == "after: 0%"
    assert words[0].startswith("before: ")


def test_accuracies_have_a_bar_and_an_interval_each(answered: pd.DataFrame) -> None:
    right = pd.DataFrame({"before": answered["right"], "after": ~answered["right"]})
    figure = review_plots.accuracies({"all": right, "some": right.head(9)})
    [axes] = figure.axes
    assert len(axes.patches) == 4
    assert len(axes.lines) == 4
    assert "all\n(90 reviews)" in [text.get_text() for text in axes.get_yticklabels()]


def test_the_threshold_is_marked_on_every_curve(answered: pd.DataFrame) -> None:
    figure = review_plots.threshold_trade_off({"a": answered, "b": answered}, 0.9)
    for axes in figure.axes:
        assert sum(line.get_marker() == "o" for line in axes.lines) >= 2


def _lightness(colour: Any) -> float:
    """Return how light a colour is in print, by the weights of ITU-R BT.601."""
    return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))


def test_before_and_after_can_be_told_apart_without_colour(answered: pd.DataFrame) -> None:
    figure = review_plots.threshold_trade_off({"before": answered, "after": answered}, 0.9)
    for axes in figure.axes:
        curves = [line for line in axes.lines if line.get_marker() != "o"]
        assert [line.get_linestyle() for line in curves] == ["--", "-"]
    [alone] = review_plots.threshold_trade_off({"it": answered}).axes[0].lines
    assert alone.get_linestyle() == "-"
    right = pd.DataFrame({"before": answered["right"], "after": answered["right"]})
    for figure in (
        review_plots.accuracies({"all": right}),
        review_plots.before_and_after(answered, answered, 0.9),
    ):
        bars = figure.axes[0].patches
        assert _lightness(bars[0].get_facecolor()[:3]) - 0.2 > _lightness(
            bars[-1].get_facecolor()[:3]
        )


def test_calibration_has_a_dot_for_each_bin(answered: pd.DataFrame) -> None:
    first, second = review_plots.calibration({"a": answered, "b": answered.head(1)}).axes
    assert sum(line.get_marker() == "o" for line in first.lines) == 5
    assert sum(line.get_marker() == "o" for line in second.lines) == 1
    assert second.get_title() == "b"


def test_failed_requests_are_counted() -> None:
    frame = pd.DataFrame(
        {
            "at": [0.0, 1.0, 2.0],
            "milliseconds": [5.0, 900.0, 6.0],
            "text": "t" * 100,
            "score": [0.6, float("nan"), 0.9],
            "error": ["", "boom", ""],
        }
    )
    titles = _titles(review_plots.traffic(frame, "t" * 100))
    assert "2 requests answered, 1 failed" in titles
    assert "…" in titles


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    share, low, high = review_plots.wilson(8, 10)
    assert (share, round(low, 3), round(high, 3)) == (0.8, 0.49, 0.943)
    assert review_plots.wilson(10, 10)[2] == 1
    assert review_plots.wilson(0, 0)[1:] == (0, 1)
