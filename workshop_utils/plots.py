"""Pictures of results: one function for each, from a table to a figure.

It knows tables and figures; it must not know where a figure's numbers come from.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ["#4878d0", "#ee854a", "#6acc64", "#956cb4"]


def distribution(counts: pd.Series, title: str) -> "Figure":
    """Draw how many rows each label has, sorted, with the extremes named.

    Parameters
    ----------
    counts
        Rows by label.
    title
        The picture's heading.
    """
    ordered = counts.sort_values()
    figure, axes = _figure(8, 3)
    axes.bar(range(len(ordered)), ordered.to_numpy(), color="#4878d0", width=0.9)
    axes.set_xticks([0, len(ordered) - 1], [str(ordered.index[0]), str(ordered.index[-1])])
    axes.get_xticklabels()[0].set_horizontalalignment("left")
    axes.get_xticklabels()[-1].set_horizontalalignment("right")
    axes.set_ylabel("rows")
    axes.set_title(title)
    return figure


def scores_by_label(report: pd.DataFrame, worst: int = 15) -> "Figure":
    """Draw the labels with the lowest F1.

    Parameters
    ----------
    report
        Indexed by label, with the column ``f1`` between 0 and 1.
    worst
        How many labels to show.
    """
    chosen = report["f1"].sort_values().head(worst)[::-1]
    figure, axes = _figure(8, 0.28 * len(chosen) + 0.9)
    axes.barh(list(map(str, chosen.index)), chosen.to_numpy(), color="#d65f5f")
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1 on the test rows")
    axes.set_title(f"The {len(chosen)} hardest labels")
    return figure


def runs(table: pd.DataFrame, metrics: Sequence[str]) -> "Figure":
    """Draw metrics of several runs side by side.

    Parameters
    ----------
    table
        One row per run, indexed by its name, with the metrics as columns.
    metrics
        The columns to draw, each between 0 and 1.
    """
    figure, axes = _figure(8, 0.5 * len(table) * len(metrics) ** 0.5 + 1.2)
    height = 0.8 / len(metrics)
    for number, metric in enumerate(metrics):
        places = [row + number * height for row in range(len(table))]
        values = table[metric].to_numpy(dtype=float)
        bars = axes.barh(
            places, values, height=height, label=metric, color=_COLOURS[number % len(_COLOURS)]
        )
        axes.bar_label(bars, fmt="%.3f", padding=3)
    axes.set_yticks(
        [row + height * (len(metrics) - 1) / 2 for row in range(len(table))],
        list(map(str, table.index)),
    )
    axes.set_xlim(0, 1.1)
    axes.set_ylabel(str(table.index.name or ""))
    axes.invert_yaxis()
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=len(metrics), frameon=False)
    return figure


def trials(table: pd.DataFrame, baseline: float | None = None) -> "Figure":
    """Draw the accuracy of each wording over all orders of the examples.

    Parameters
    ----------
    table
        From `prompt_trials.run`: columns ``wording``, ``order`` and ``accuracy``.
    baseline
        An accuracy to compare with, drawn as a line.
    """
    wordings = list(dict.fromkeys(table["wording"]))
    figure, axes = _figure(8, 0.6 * len(wordings) + 1.2)
    for number, wording in enumerate(wordings):
        values = table.loc[table["wording"] == wording, "accuracy"].to_numpy(dtype=float)
        axes.scatter(
            values, [number] * len(values), s=60, alpha=0.5, color=_COLOURS[number % len(_COLOURS)]
        )
        axes.scatter([values.mean()], [number], marker="|", s=400, color="black")
    if baseline is not None:
        axes.axvline(baseline, color="grey", linestyle="--")
        axes.annotate(
            "a classifier trained on the same examples",
            (baseline, -0.6),
            color="grey",
            ha="right" if baseline > 0.5 else "left",
        )
    axes.set_yticks(range(len(wordings)), wordings)
    axes.set_ylim(len(wordings) - 0.4, -0.9)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("accuracy; a dot is one order of the same examples, a bar the mean")
    return figure


def _figure(width: float, height: float) -> tuple["Figure", Any]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    # The notebook shows the returned figure; an open one would be shown a second time.
    plt.close(figure)
    return figure, axes
