"""Pictures of Lab 3: how sure a model is, what a threshold costs, what people's answers changed.

It knows tables and figures; it must not know where a figure's numbers come from.
"""

from collections.abc import Mapping
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workshop_utils.confidence import reliability, trade_off

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = {"clear": "#4878d0", "mixed": "#ee854a", "ironic": "#956cb4"}
# Before is the lighter one: bars of the two can be told apart in print, too.
_BEFORE, _AFTER, _BAD, _GREY = "#9aa5b5", "#2a7d4f", "#b3261e", "#6b7280"
_EDGES = np.linspace(0.5, 1.0, 21)
# The 97.5th percentile of the normal distribution: a 95 % interval has this much on either side.
_Z = 1.96
_FEWEST = 20


def confidences(answered: pd.DataFrame, threshold: float) -> "Figure":
    """Draw how sure the model is of each kind of review.

    Parameters
    ----------
    answered
        Columns ``kind`` and ``score``.
    threshold
        Below it, people are asked.
    """
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        len(_KINDS), 1, figsize=(8, 4.6), sharex=True, layout="constrained"
    )
    for axes, (kind, colour) in zip(panels, _KINDS.items(), strict=True):
        scores = answered.loc[answered["kind"] == kind, "score"].to_numpy(dtype=float)
        axes.hist(scores, bins=_EDGES, color=colour, edgecolor="white")
        axes.axvline(threshold, color="black", linestyle="--", linewidth=1)
        below = float((scores < threshold).mean()) if len(scores) else 0.0
        axes.set_title(
            f"{kind}: {len(scores)} reviews, {below:.0%} of them below the threshold",
            loc="left",
            fontsize=10,
        )
        axes.set_ylabel("reviews")
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlim(0.5, 1)
    panels[-1].set_xlabel("confidence of the model's answer")
    panels[0].annotate(
        "people are asked",
        (threshold, 0.86),
        (-6, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right",
        fontsize=9,
    )
    plt.close(figure)
    return figure


def before_and_after(before: pd.DataFrame, after: pd.DataFrame, threshold: float) -> "Figure":
    """Draw how sure the model was of the same reviews before and after it learned from people.

    Parameters
    ----------
    before, after
        Column ``score``, one row for each review.
    threshold
        Below it, people are asked.
    """
    figure, axes = _figure(8, 3)
    values = [before["score"].to_numpy(dtype=float), after["score"].to_numpy(dtype=float)]
    shares = [f"{float((scores < threshold).mean()):.0%}" for scores in values]
    axes.hist(
        values,
        bins=_EDGES,
        color=[_BEFORE, _AFTER],
        label=[f"before: {shares[0]} go to people", f"after: {shares[1]}"],
        edgecolor="white",
    )
    axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label="threshold")
    axes.set_xlim(0.5, 1)
    axes.set_xlabel("confidence of the model's answer")
    axes.set_ylabel("reviews")
    axes.legend(frameon=False, loc="upper left")
    return figure


def accuracies(slices: Mapping[str, pd.DataFrame]) -> "Figure":
    """Draw the accuracy on several sets of rows before and after, with 95 % intervals.

    Parameters
    ----------
    slices
        By the name of the set: whether each answer was right, in columns ``before`` and ``after``.
    """
    figure, axes = _figure(8, 0.75 * len(slices) + 1.1)
    for number, rows in enumerate(slices.values()):
        for offset, when, colour in ((-0.16, "before", _BEFORE), (0.16, "after", _AFTER)):
            share, low, high = wilson(int(rows[when].sum()), len(rows))
            axes.barh(number + offset, share, height=0.3, color=colour)
            axes.plot([low, high], [number + offset] * 2, color="black", linewidth=1.2)
            axes.annotate(
                f"{share:.0%}",
                (high, number + offset),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
    labels = [f"{name}\n({len(rows)} reviews)" for name, rows in slices.items()]
    axes.set_yticks(range(len(slices)), labels)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.08)
    axes.set_xlabel("accuracy; a line is the 95 % interval")
    handles = [_patch(_BEFORE, "before"), _patch(_AFTER, "after people's answers")]
    axes.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=2, frameon=False
    )
    return figure


def threshold_trade_off(
    models: Mapping[str, pd.DataFrame], threshold: float | None = None
) -> "Figure":
    """Draw how many reviews go to people against how good the answers are then.

    Parameters
    ----------
    models
        By name: columns ``score`` and ``right``. The first of two is drawn in grey and dashed.
    threshold
        The one in use, marked on each curve.
    """
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(9.5, 3.8), sharex=True, layout="constrained")
    styles = ("--", "-") if len(models) > 1 else ("-",)
    titles = {
        "kept_accuracy": "what the model answers by itself",
        "accuracy": "all answers, if people are always right",
    }
    for axes, (column, title) in zip(panels, titles.items(), strict=True):
        drawn = zip(models.items(), (_BEFORE, _AFTER), styles, strict=False)
        for (name, answered), colour, style in drawn:
            curve = trade_off(answered["score"], answered["right"])
            # What is left at the end is a handful, and its accuracy luck.
            enough = curve["sent"] <= 1 - _FEWEST / max(len(answered), _FEWEST)
            if column == "kept_accuracy":
                curve = curve[enough]
            axes.plot(curve["sent"], curve[column], style, color=colour, linewidth=2, label=name)
            if threshold is not None:
                at = curve[curve["threshold"] >= threshold].head(1)
                axes.plot(at["sent"], at[column], "o", color=colour, markersize=9)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("share of the reviews that people read")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        axes.set_xlim(-0.02, 1.02)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy")
    if threshold is not None:
        panels[1].plot([], [], "o", color=_GREY, label=f"threshold {threshold:g}")
    panels[1].legend(frameon=False, loc="lower right")
    plt.close(figure)
    return figure


def calibration(models: Mapping[str, pd.DataFrame]) -> "Figure":
    """Draw how often models were right against how sure they were.

    Parameters
    ----------
    models
        By name, a panel for each: columns ``score`` and ``right``.
    """
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1,
        len(models),
        figsize=(0.6 + 3.9 * len(models), 3.8),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, (name, answered) in zip(panels[0], models.items(), strict=True):
        axes.plot(
            [0.5, 1], [0.5, 1], color="black", linestyle="--", linewidth=1, label="as it says"
        )
        for row in reliability(answered["score"], answered["right"]).itertuples():
            share, low, high = wilson(round(row.accuracy * row.rows), row.rows)
            axes.plot([row.confidence] * 2, [low, high], color=_BEFORE, linewidth=2)
            axes.plot(row.confidence, share, "o", color="#1f5fbf", markersize=4 + sqrt(row.rows))
        axes.set_xlim(0.48, 1.03)
        axes.set_ylim(0, 1.04)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("confidence (larger dot: more reviews)")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylabel("share that was right, 95 % interval")
    panels[0, -1].legend(frameon=False, loc="lower right")
    plt.close(figure)
    return figure


def champion_and_candidate(evaluation: Any) -> "Figure":
    """Draw two models' accuracy on the fixed test set, and their difference with its interval.

    Parameters
    ----------
    evaluation
        An `evaluations.Evaluation` with a champion.
    """
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 1.9), layout="constrained", width_ratios=(1.3, 1)
    )
    names = ["champion", "candidate"]
    values = [evaluation.champion_accuracy, evaluation.accuracy]
    bars = left.barh(names, values, color=[_BEFORE, _AFTER], height=0.55)
    left.bar_label(bars, fmt="{:.1%}", padding=3)
    left.set_xlim(0, 1.15)
    left.set_xticks([])
    left.invert_yaxis()
    left.set_title(f"accuracy on the fixed test set ({evaluation.rows} reviews)", fontsize=10)
    colour = _BAD if not evaluation.not_worse else _AFTER
    right.axvline(0, color="black", linewidth=1)
    right.plot([evaluation.low, evaluation.high], [0, 0], color=colour, linewidth=3)
    right.plot(evaluation.difference, 0, "o", color=colour, markersize=10)
    reach = max(abs(evaluation.low), abs(evaluation.high), 0.02) * 1.25
    right.set_xlim(-reach, reach)
    right.xaxis.set_major_formatter(lambda value, _: f"{value * 100:+.0f}")
    right.set_yticks([])
    right.set_xlabel("points of accuracy; 95 % interval")
    right.set_title("candidate minus champion", fontsize=10)
    for axes in (left, right):
        axes.spines[["top", "right", "left"]].set_visible(False)
    left.spines["bottom"].set_visible(False)
    plt.close(figure)
    return figure


def traffic(frame: pd.DataFrame, probe: str) -> "Figure":
    """Draw requests over time: how long each waited, and what one text was answered.

    Parameters
    ----------
    frame
        From `traffic.TrafficReport`.
    probe
        The text whose confidence is drawn: another version gives it another one.
    """
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
    good, bad = frame[frame["error"] == ""], frame[frame["error"] != ""]
    above.scatter(good["at"], good["milliseconds"], s=10, color="#4878d0", label="answered")
    above.scatter(bad["at"], bad["milliseconds"], s=40, marker="x", color=_BAD, label="failed")
    above.set_ylim(bottom=0, top=1.08 * max(frame["milliseconds"].max(), 1))
    above.set_ylabel("milliseconds")
    above.set_title(f"{len(good)} requests answered, {len(bad)} failed", loc="left", fontsize=10)
    asked = good[good["text"] == probe]
    below.scatter(asked["at"], asked["score"], s=14, color=_AFTER)
    below.set_ylim(0.48, 1.02)
    below.set_ylabel("confidence")
    words = probe if len(probe) <= 80 else f"{probe[:79]}…"
    below.set_title(f"“{words}”", loc="left", fontsize=9)
    below.set_xlabel("seconds")
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
    plt.close(figure)
    return figure


def wilson(hits: int, rows: int) -> tuple[float, float, float]:
    """Return a share of hits and its 95 % interval (Wilson's score interval)."""
    if not rows:
        return float("nan"), 0.0, 1.0
    share = hits / rows
    middle = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z / (1 + _Z**2 / rows) * sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    return share, max(middle - half, 0.0), min(middle + half, 1.0)


def _patch(colour: str, label: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)


def _figure(width: float, height: float) -> tuple["Figure", Any]:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    plt.close(figure)
    return figure, axes
