"""The workshop's ways to classify side by side: labels needed, accuracy, latency and cost.

Recorded on the same data, the real Banking77 with its 77 intents, and behind the same server. It
reads `data/results/` through the modules that know its files; it must not measure anything.
"""

from typing import TYPE_CHECKING

import pandas as pd

from workshop_utils import recorded, zero_shot_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = 77
"""Intents of Banking77."""

_WAYS = {
    zero_shot_results.CLASSIFIER: "trained on examples (Lab 1)",
    zero_shot_results.BI_ENCODER: "zero-shot, bi-encoder",
    zero_shot_results.NLI: "zero-shot, NLI (MiniLM2)",
    zero_shot_results.LARGE_NLI: "zero-shot, NLI (BART large)",
    zero_shot_results.GPT_NEO: "prompting (GPT-Neo 125M)",
}
# Of the figures, what each panel is called and how a value is written.
_PANELS = {
    "labelled": ("labelled examples", "{:,.0f}"),
    "accuracy": ("accuracy", "{:.2f}"),
    "p50_ms": ("one text after the other,\nms (median)", "{:,.0f}"),
    "dollars": ("USD for a million texts", "{:,.2f}"),
}
_COLOURS = ("#2a7d4f", "#4878d0", "#956cb4", "#6d4a8c", "#ee854a")
_NOT_MEASURED = "not measured"


def table() -> pd.DataFrame:
    """Return the ways, one row each.

    Returns
    -------
    pandas.DataFrame
        ``way``; ``labelled``, how many labelled examples it needs; ``accuracy`` between 0 and 1,
        missing where no real weights could be had; ``p50_ms``, the median in milliseconds that
        one caller waits for the answer to one text after the other; ``dollars`` for a million
        texts on an ``ml.m5.xlarge`` that is kept busy, which is the price of their processor
        time. Attribute ``source`` says where the figures come from.

    Raises
    ------
    FileNotFoundError
        When the results are not there, with the command that makes them.
    """
    zero_shot, few_shot = zero_shot_results.load(), recorded.few_shot()
    levels = zero_shot.levels[zero_shot.levels["labels"].eq(LABELS)].set_index("model")
    shots = zero_shot.shots
    trained = few_shot.table().query("recipe == 'fast' and shots == @shots")["accuracy"]
    rows = []
    for model, way in _WAYS.items():
        if model not in levels.index:
            continue
        taught = model == zero_shot_results.CLASSIFIER
        known = trained.iloc[0] if taught and len(trained) else levels.loc[model, "accuracy"]
        rows.append(
            {
                "way": way,
                "labelled": LABELS * shots if taught else 0,
                "accuracy": known,
                "p50_ms": levels.loc[model, "p50_ms"],
                # The results have it for a thousand, of which the cheapest read alike.
                "dollars": levels.loc[model, "dollars"] * 1000,
            }
        )
    found = pd.DataFrame(rows)
    found.attrs["source"] = f"{zero_shot.source}; {few_shot.source}"
    return found


def chart(ways: pd.DataFrame) -> "Figure":
    """Draw the ways as rows and what decides between them as panels.

    Parameters
    ----------
    ways
        From `table`.
    """
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, len(_PANELS), figsize=(12, 0.55 * len(ways) + 1.3), sharey=True, layout="constrained"
    )
    for axes, (column, (title, form)) in zip(panels, _PANELS.items(), strict=True):
        values = ways[column].astype(float)
        bars = axes.barh(ways["way"], values.fillna(0), color=_COLOURS[: len(ways)])
        said = [_NOT_MEASURED if pd.isna(value) else form.format(value) for value in values]
        axes.bar_label(bars, said, padding=3, fontsize=9)
        axes.set_title(title, fontsize=10, loc="left")
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.set_xticks([])
        axes.set_xlim(0, values.max() * 1.45)
    panels[0].invert_yaxis()
    plt.close(figure)
    return figure
