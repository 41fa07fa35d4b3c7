"""Pictures of zero-shot results: one function for each, from answers and tables to a figure.

It knows answers, tables and figures; it must not know where a figure's numbers come from.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workshop_utils.zero_shot import Answer
from workshop_utils.zero_shot_results import ZeroShotResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BEST, _OTHER = "#2a7d4f", "#b9c9e8"
_COLOURS = ("#4878d0", "#ee854a", "#956cb4", "#6acc64")
_LONG = 90


def scores(
    answers: Mapping[str, Answer] | Sequence[Answer],
    threshold: float | None = None,
    *,
    best: int = 5,
) -> "Figure":
    """Draw the scores of the best labels, a panel for each answer.

    Parameters
    ----------
    answers
        From `zero_shot.ask`; a mapping says what stands above each panel, instead of its text.
    threshold
        Colours every label that reaches it, for labels that were judged on their own; the best
        one only if None.
    best
        How many labels to show.
    """
    import matplotlib.pyplot as plt

    named = answers if isinstance(answers, Mapping) else {one.text: one for one in answers}
    rows = max(min(best, len(answer.labels)) for answer in named.values())
    figure, panels = plt.subplots(
        len(named),
        1,
        figsize=(8, (0.27 * rows + 0.5) * len(named)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (title, answer) in zip(panels[:, 0], named.items(), strict=True):
        good = answer.above(threshold) if threshold is not None else [answer.label]
        labels = answer.labels[:best]
        colours = [_BEST if label in good else _OTHER for label in labels]
        bars = axes.barh(labels, answer.scores[:best], color=colours)
        axes.bar_label(bars, fmt="%.2f", padding=3)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(_shortened(title), loc="left", fontsize=10)
        if threshold is not None:
            axes.axvline(threshold, color="grey", linestyle="--", linewidth=1)
    plt.close(figure)
    return figure


def confusion(frame: pd.DataFrame, truth: str = "label", answer: str = "predicted") -> "Figure":
    """Draw how often each label was answered for each true one.

    Parameters
    ----------
    frame
        A table with both columns; rows without an answer are left out.
    truth, answer
        The columns' names.
    """
    import matplotlib.pyplot as plt

    answered = frame.dropna(subset=[answer])
    labels = sorted(set(answered[truth]) | set(answered[answer]))
    table = pd.crosstab(answered[truth], answered[answer]).reindex(
        index=labels, columns=labels, fill_value=0
    )
    counts = table.to_numpy()
    figure, axes = plt.subplots(figsize=(8.5, 7), layout="constrained")
    image = axes.imshow(counts, cmap="Blues", vmin=0)
    for row, column in np.argwhere(counts):
        count = counts[row, column]
        dark = count > counts.max() / 2
        axes.text(
            column, row, str(count), ha="center", va="center", color="white" if dark else "black"
        )
    places = range(len(labels))
    axes.set_xticks(places, labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, labels)
    axes.set_xlabel("answered")
    axes.set_ylabel("true category")
    right = float((answered[truth] == answered[answer]).mean())
    axes.set_title(f"{len(answered)} rows, {right:.0%} on the diagonal", fontsize=10)
    figure.colorbar(image, ax=axes, shrink=0.7, label="rows")
    plt.close(figure)
    return figure


def label_growth(results: ZeroShotResults) -> "Figure":
    """Draw accuracy, latency and cost against the number of labels, a line for each model."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
    levels = results.growth()
    levels["dollars"] *= 1000
    columns = [
        ("accuracy", "accuracy"),
        ("p50_ms", "median of one request, ms"),
        ("dollars", "US dollars for a million texts"),
    ]
    ticks = sorted(set(levels["labels"]))
    for axes, (column, title) in zip(panels, columns, strict=True):
        for number, (model, rows) in enumerate(levels.groupby("model", sort=False)):
            known = rows.dropna(subset=[column])
            axes.plot(
                known["labels"], known[column], marker="o", color=_COLOURS[number], label=model
            )
        axes.set_xscale("log")
        axes.set_xticks(ticks, list(map(str, ticks)))
        axes.minorticks_off()
        axes.set_xlabel("labels")
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        if column == "accuracy":
            axes.set_ylim(0, 1)
            axes.text(0.03, 0.05, "NLI: not measured here", transform=axes.transAxes, color="grey")
        else:
            axes.set_yscale("log")
    handles, names = panels[1].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
    plt.close(figure)
    return figure


def worth(curves: Mapping[str, Mapping[int, float]], zero_shot: Mapping[str, float]) -> "Figure":
    """Draw what training reaches by examples of each label, against what zero-shot reaches.

    Parameters
    ----------
    curves
        Accuracy by examples of each label, by the name of what was trained.
    zero_shot
        Accuracies without any example, by name, drawn as lines.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    shots = sorted({number for curve in curves.values() for number in curve})
    for number, (name, curve) in enumerate(curves.items()):
        points = sorted(curve.items())
        axes.plot(*zip(*points, strict=True), marker="o", color=_COLOURS[number], label=name)
    for name, value in zero_shot.items():
        axes.axhline(value, color="black", linestyle="--", linewidth=1)
        axes.annotate(
            f"{name}: {value:.2f}",
            (shots[len(shots) // 2], value),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(shots, list(map(str, shots)))
    axes.minorticks_off()
    axes.set_xlabel("labelled examples of each intent")
    axes.set_ylabel("accuracy")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    axes.set_title("Recorded on the real Banking77, 77 intents", fontsize=10)
    plt.close(figure)
    return figure


def _shortened(text: str) -> Any:
    # A dollar sign would begin a formula.
    line = " ".join(text.split()).replace("$", r"\$")
    return line if len(line) <= _LONG else f"{line[:_LONG]}…"
