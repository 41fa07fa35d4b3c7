"""The chart that compares the workshop's ways, from recorded results."""

import json
from pathlib import Path

import pandas as pd
import pytest

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


def test_what_the_lab_says_of_the_chart_holds(ways: pd.DataFrame) -> None:
    trained = ways.loc["trained on examples (Lab 1)"]
    assert trained["accuracy"] == ways["accuracy"].max()
    assert trained["dollars"] == ways["dollars"].min()
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
        "processor time of a text, ms",
        "USD for 1,000 texts",
    ]
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert said.count("not measured") == 3
    figure.savefig(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 10_000
