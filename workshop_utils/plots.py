"""Pictures of results: one function for each, from a table to a figure.

It knows tables and figures; it must not know where a figure's numbers come from.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from workshop_utils.embedding_space import EmbeddingSpace
from workshop_utils.recorded import FewShotResults, ServingResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ["#4878d0", "#ee854a", "#6acc64", "#956cb4", "#d65f5f", "#8c613c", "#797979", "#d5bb67"]
# Lines that lie close together are told apart without colour, too.
_MARKERS = "os^Dv"


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


def recipes(
    results: FewShotResults, own: tuple[int, float] | None = None, own_label: str = "your run"
) -> "Figure":
    """Draw recorded accuracy against shots, a line for each recipe and a band over its seeds.

    Parameters
    ----------
    results
        From `recorded.few_shot`. Runs that were cut short are drawn hollow, without a line.
    own
        Shots and accuracy of one more run, drawn as a star.
    own_label
        What the legend calls it.
    """
    figure, axes = _figure(8, 4.2)
    points = results.points
    order = points.groupby("recipe")["accuracy"].max().sort_values(ascending=False).index
    for number, recipe in enumerate(order):
        colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
        chosen = points[points["recipe"] == recipe]
        whole = chosen[chosen["complete"]].groupby("shots")["accuracy"]
        cost = chosen.loc[chosen["shots"] == chosen["shots"].max(), "cpu_seconds"].mean()
        label = f"{recipe} ({_duration(cost)} of CPU time at {chosen['shots'].max()} shots)"
        if whole.ngroups:
            mean = whole.mean()
            axes.plot(mean.index, mean, marker=marker, color=colour, label=label)
            axes.fill_between(mean.index, whole.min(), whole.max(), color=colour, alpha=0.2, lw=0)
        cut = chosen[~chosen["complete"]]
        if len(cut):
            axes.scatter(
                cut["shots"],
                cut["accuracy"],
                facecolors="none",
                edgecolors=colour,
                s=50,
                label=f"{label}: cut short" if not whole.ngroups else None,
            )
    if own is not None:
        axes.plot(*own, marker="*", markersize=18, color="black", linestyle="", label=own_label)
    shots = sorted(set(points["shots"]) | ({own[0]} if own else set()))
    axes.set_xscale("log", base=2)
    axes.set_xticks(shots, list(map(str, shots)))
    axes.minorticks_off()
    axes.set_xlabel("examples of each intent")
    axes.set_ylabel("accuracy")
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.16))
    axes.set_title(
        "Recorded on the real Banking77; a band is the range over the seeds", fontsize=10
    )
    return figure


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


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


def embedding_space(space: EmbeddingSpace) -> "Figure":
    """Draw sentences before and after the encoder's training, a colour for each label.

    Parameters
    ----------
    space
        From `embedding_space.project`, of at most eight labels.
    """
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, 2, figsize=(9, 4.6), sharex=True, sharey=True, layout="constrained"
    )
    for axes, (when, share) in zip(panels, space.own_neighbours.items(), strict=True):
        points = space.points[space.points["when"] == when]
        for number, (label, own) in enumerate(points.groupby("label")):
            axes.scatter(
                own["x"], own["y"], s=45, color=_COLOURS[number % len(_COLOURS)], label=label
            )
        axes.set_title(
            f"{when} training: {share:.0%} of the sentences\nhave their own intent nearest",
            fontsize=10,
        )
        axes.set_xticks([])
        axes.set_yticks([])
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncol=3, frameon=False)
    plt.close(figure)
    return figure


def serving(results: ServingResults) -> "Figure":
    """Draw what a request costs on each server: waiting, processor time, memory.

    Parameters
    ----------
    results
        From `recorded.serving`.
    """
    import matplotlib.pyplot as plt

    table = results.table[::-1]
    titles = {
        "p50_ms": "one request (p50), ms",
        "cpu_ms": "CPU time of a request, ms",
        "memory_mb": "memory, MB",
    }
    figure, panels = plt.subplots(
        1, 3, figsize=(10, 0.42 * len(table) + 0.9), sharey=True, layout="constrained"
    )
    colours = ["#4878d0" if name.startswith("ours") else "#b0b0b0" for name in table["server"]]
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        bars = axes.barh(table["server"], table[column], color=colours)
        axes.bar_label(bars, fmt="{:,.3g}" if column != "memory_mb" else "{:,.0f}", padding=3)
        axes.set_title(title, fontsize=10)
        axes.set_xlim(0, 1.25 * table[column].max())
        axes.set_xticks([])
        axes.spines[["top", "right", "bottom"]].set_visible(False)
    plt.close(figure)
    return figure


def _figure(width: float, height: float) -> tuple["Figure", Any]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    # The notebook shows the returned figure; an open one would be shown a second time.
    plt.close(figure)
    return figure, axes
