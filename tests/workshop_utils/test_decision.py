"""The chart that compares the workshop's ways, from recorded results."""

import itertools
import json
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

from workshop_utils import decision, recorded, zero_shot_results


@pytest.fixture(scope="module")
def ways() -> pd.DataFrame:
    """Return the recorded table."""
    return decision.table().set_index("way")


def test_each_way_of_the_workshop_is_there(ways: pd.DataFrame) -> None:
    assert list(ways.index) == [
        "trained on examples (Lab 1)",
        "zero-shot, bi-encoder",
        "zero-shot, NLI (MiniLM2)",
        "zero-shot, NLI (BART large)",
        "prompting (GPT-Neo 125M)",
    ]


def test_what_random_weights_say_is_no_accuracy(ways: pd.DataFrame) -> None:
    content = json.loads((recorded.RESULTS / "zero_shot.json").read_text(encoding="utf-8"))
    timed = {name: one["found"] for name, one in content["sections"].items() if "latency" in name}
    random = [name for name, found in timed.items() if found.get("weights") == "random"]
    assert len(random) == 3
    assert ways["accuracy"].isna().sum() == 3
    assert ways["accuracy"].dropna().between(0.5, 1).all()


def test_only_training_needs_labelled_examples(ways: pd.DataFrame) -> None:
    assert ways.loc["trained on examples (Lab 1)", "labelled"] == 616
    assert ways["labelled"].drop("trained on examples (Lab 1)").eq(0).all()


def test_the_trained_accuracy_is_that_of_the_few_shot_benchmark(ways: pd.DataFrame) -> None:
    points = recorded.few_shot().points
    own = points[points["recipe"].eq("fast") & points["shots"].eq(8)]["accuracy"]
    assert len(own) == 5
    assert ways.loc["trained on examples (Lab 1)", "accuracy"] == pytest.approx(own.mean())


def test_latency_and_price_are_those_of_the_zero_shot_benchmark(ways: pd.DataFrame) -> None:
    levels = zero_shot_results.load().levels.query("labels == @decision.LABELS")
    known = levels.set_index("model").loc[zero_shot_results.BI_ENCODER]
    encoder = ways.loc["zero-shot, bi-encoder"]
    assert encoder["p50_ms"] == known["p50_ms"]
    # Of a thousand texts there, of a million here.
    assert encoder["dollars"] == pytest.approx(1000 * known["dollars"])


def test_what_the_lab_says_of_the_chart_holds(ways: pd.DataFrame) -> None:
    trained = ways.loc["trained on examples (Lab 1)"]
    assert trained["accuracy"] == ways["accuracy"].max()
    assert trained["dollars"] == ways["dollars"].min()
    assert trained["p50_ms"] == ways["p50_ms"].min()
    prompted = ways.loc["prompting (GPT-Neo 125M)", "dollars"]
    assert prompted > 10 * ways.loc["zero-shot, bi-encoder", "dollars"]
    levels = zero_shot_results.load().levels
    encoder = levels[levels["model"] == zero_shot_results.BI_ENCODER]["dollars"]
    assert encoder.max() < 1.3 * encoder.min()


def test_the_chart_has_a_panel_for_each_figure_and_says_what_is_missing(
    ways: pd.DataFrame, tmp_path: Path
) -> None:
    figure = decision.chart(ways.reset_index())
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "labelled examples",
        "accuracy",
        "one text after the other,\nms (median)",
        "USD for a million texts",
    ]
    said = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert said[1].count("not measured") == 3
    # Ways that differ read differently, also the cheapest two.
    assert len(set(said[2])) == len(set(said[3])) == len(ways)
    figure.savefig(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 10_000


def test_no_words_of_the_chart_lie_upon_others(ways: pd.DataFrame) -> None:
    figure = decision.chart(ways.reset_index())
    figure.draw_without_rendering()
    words = [text for text in figure.findobj(Text) if text.get_text()]
    boxes = [text.get_window_extent() for text in words if text.get_visible()]
    assert len(boxes) >= 4 + 5 * len(ways)
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second), (first, second)
    assert all(box.x1 <= figure.bbox.x1 for box in boxes)
