"""Recorded zero-shot results: what the repository's benchmark measured, for pictures in the lab.

It reads `data/results/zero_shot.json`; it must not measure anything.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workshop_utils.recorded import RESULTS

BI_ENCODER = "bi-encoder (MiniLM)"
NLI = "NLI (MiniLM2, 82 million parameters)"
LARGE_NLI = "NLI (BART large, 407 million parameters)"
GPT_NEO = "prompting (GPT-Neo, 125 million parameters)"
CLASSIFIER = "Lab 1's trained classifier"
ZERO_SHOT = (BI_ENCODER, NLI, LARGE_NLI)
"""What needs no example and no prompt."""

_MODELS = {
    "latency_bi_encoder": BI_ENCODER,
    "latency_nli_minilm2": NLI,
    "latency_nli_bart_large": LARGE_NLI,
    "latency_prompting": GPT_NEO,
    "latency_few_shot": CLASSIFIER,
}
# us-east-1, on demand, as quoted in 2026, and its virtual cores.
DOLLARS_PER_HOUR = 0.23
CORES = 4


@dataclass(frozen=True)
class ZeroShotResults:
    """Accuracy, latency and cost of zero-shot models on the real Banking77.

    Attributes
    ----------
    levels
        One row for each model and number of labels: ``model, labels, accuracy, p50_ms, cpu_ms,
        dollars``. ``accuracy`` is that of the bi-encoder; it is missing where the model's weights
        were random, which tells its speed and nothing else. ``dollars`` is what 1,000 texts cost
        on an ``ml.m5.xlarge`` that is kept busy. The last rows are Lab 1's two ways, for
        comparison.
    accuracy
        With all 77 intents, by how they were put to the bi-encoder: ``bare``, ``own``, ``chosen``.
    shots
        With how many examples of each intent Lab 1's classifier was trained.
    trained
        Accuracy of a logistic regression on the same vectors, by examples of each intent.
    source
        Where the numbers come from: command, machine, date.
    """

    levels: pd.DataFrame
    accuracy: dict[str, float]
    shots: int
    trained: dict[int, float]
    source: str

    def growth(self) -> pd.DataFrame:
        """Return the `levels` of models that take any labels without an example."""
        return self.levels[self.levels["model"].isin(ZERO_SHOT)].reset_index(drop=True)

    def table(self) -> pd.DataFrame:
        """Return `growth` for reading: rounded, with words where nothing was measured."""
        levels = self.growth()
        return pd.DataFrame(
            {
                "model": levels["model"],
                "labels": levels["labels"],
                "accuracy": [
                    "not measured" if pd.isna(value) else f"{value:.3f}"
                    for value in levels["accuracy"]
                ],
                "median, ms": [f"{value:,.0f}" for value in levels["p50_ms"]],
                "USD for a million texts": [f"{1000 * value:,.2f}" for value in levels["dollars"]],
            }
        )


def load(path: Path = RESULTS / "zero_shot.json") -> ZeroShotResults:
    """Read what `benchmarks/zero_shot.py` wrote.

    Raises
    ------
    FileNotFoundError
        When the results, or a part that they must have, are not there, with the command that makes
        them.
    """
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"sections": {}}
    sections = content["sections"]
    needed = ("latency_bi_encoder", "by_labels", "accuracy", "trained_heads")
    missing = [name for name in needed if name not in sections]
    if missing:
        raise FileNotFoundError(
            f"{path} has no {', '.join(missing)}: python benchmarks/zero_shot.py writes it."
        )
    # Some models take long to measure; a picture without one of them is still one.
    wanted = [name for name in {**_MODELS, **dict.fromkeys(needed)} if name in sections]
    found = {name: sections[name]["found"] for name in wanted}
    accuracy = {level["labels"]: level["accuracy"] for level in found["by_labels"]}
    rows = [
        _level(model, level, accuracy if model == BI_ENCODER else {})
        for name, model in _MODELS.items()
        for level in found.get(name, {"levels": []})["levels"]
    ]
    machines = sorted({str(sections[name]["machine"]) for name in wanted})
    dates = sorted(str(sections[name]["date"])[:10] for name in wanted)
    return ZeroShotResults(
        levels=pd.DataFrame(rows),
        accuracy={
            way: float(value["accuracy"])
            for way, value in found["accuracy"].items()
            if isinstance(value, dict)
        },
        shots=int(found.get("latency_few_shot", {}).get("shots", 8)),
        trained={int(x["shots"]): float(x["accuracy"]) for x in found["trained_heads"]},
        source=f"{content['command']}, {'; '.join(machines)}, {dates[-1]}",
    )


def worth(curve: dict[int, float], accuracy: float) -> tuple[int, int | None]:
    """Return between which numbers of examples a curve reaches an accuracy.

    Parameters
    ----------
    curve
        Accuracy by examples of each label.
    accuracy
        That of zero-shot.

    Returns
    -------
    tuple of int
        The largest recorded number that is still worse (0 if none is), and the smallest that is as
        good, or None when none is.
    """
    worse = [shots for shots, value in curve.items() if value < accuracy]
    better = [shots for shots, value in curve.items() if value >= accuracy]
    return max(worse, default=0), min(better, default=None)


def _level(model: str, level: dict[str, Any], accuracy: dict[int, float]) -> dict[str, Any]:
    # Milliseconds of a core for a text are seconds of a core for a thousand texts.
    dollars = level["cpu_ms"] / CORES / 3600 * DOLLARS_PER_HOUR
    return {
        "model": model,
        "labels": int(level["labels"]),
        "accuracy": accuracy.get(level["labels"]),
        "p50_ms": float(level["p50_ms"]),
        "cpu_ms": float(level["cpu_ms"]),
        "dollars": dollars,
    }
