"""Pictures draw what they are given."""

from io import BytesIO

import pandas as pd

from workshop_utils import plots


def _png(figure: object) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")  # type: ignore[attr-defined]  # any matplotlib figure
    return buffer.getvalue()


def test_plots_draw_what_they_are_given() -> None:
    counts = pd.Series({"b": 3, "a": 9, "c": 5})
    figure = plots.distribution(counts, "rows")
    assert [bar.get_height() for bar in figure.axes[0].patches] == [3, 5, 9]
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == ["b", "a"]
    assert _png(figure).startswith(b"\x89PNG")

    by_label = pd.DataFrame({"f1": [0.2, 0.9, 0.5]}, index=["x", "y", "z"])
    figure = plots.scores_by_label(by_label, worst=2)
    assert sorted(bar.get_width() for bar in figure.axes[0].patches) == [0.2, 0.5]

    runs = pd.DataFrame({"test:accuracy": [0.5, 0.8], "test:macro_f1": [0.4, 0.7]}, index=[1, 8])
    figure = plots.runs(runs, ["test:accuracy", "test:macro_f1"])
    assert sorted(bar.get_width() for bar in figure.axes[0].patches) == [0.4, 0.5, 0.7, 0.8]


def test_trials_are_dots_by_wording_beside_the_classifier() -> None:
    table = pd.DataFrame(
        {"wording": ["a", "a", "b"], "order": [0, 1, 0], "accuracy": [0.25, 0.75, 0.5]}
    )
    figure = plots.trials(table, baseline=0.9)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [line.get_xdata()[0] for line in axes.lines] == [0.9]
    assert _png(figure).startswith(b"\x89PNG")
