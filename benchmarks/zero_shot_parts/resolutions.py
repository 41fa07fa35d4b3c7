"""Zero-shot on the workshop's New Year's resolutions: accuracy, confusion, probabilities.

Even rows help to calibrate, odd rows tell how well that worked. This module must not know of files
of results.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.zero_shot_parts import calibrating
from benchmarks.zero_shot_parts.asked import ROOT, Model

FOLDER = ROOT / "data" / "resolutions"
# The best of 15 tried on these very texts, so its figure is kinder than on texts of your own.
SUITED = "New Year's resolution: {}"


@dataclass(frozen=True)
class Resolutions:
    """The texts, their categories, and second categories (-1 for none)."""

    texts: list[str]
    names: list[str]
    truth: NDArray[np.int64]
    second: NDArray[np.int64]
    descriptions: dict[str, str]

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Resolutions:
        """Read both files."""
        with (folder / "resolutions.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        with (folder / "categories.csv").open(encoding="utf-8", newline="") as file:
            descriptions = {row["label"]: row["description"] for row in csv.DictReader(file)}
        names = list(descriptions)
        columns = {name: column for column, name in enumerate(names)} | {"": -1}
        return cls(
            [row["text"] for row in rows],
            names,
            np.array([columns[row["label"]] for row in rows]),
            np.array([columns[row["second_label"]] for row in rows]),
            descriptions,
        )

    def holds(self) -> NDArray[np.bool_]:
        """Return which categories hold for each text, shape (n_texts, n_labels)."""
        columns = np.arange(len(self.names))
        first: NDArray[np.bool_] = columns == self.truth[:, None]
        second: NDArray[np.bool_] = columns == self.second[:, None]
        return np.logical_or(first, second)


def measure(model: Model, data: Resolutions) -> dict[str, Any]:
    """Score names alone, a suited template, and names with descriptions."""
    # The label's own words, and what they mean.
    described = {name: f"{name}: {data.descriptions[name]}" for name in data.names}
    ways: dict[str, dict[str, Any]] = {
        "names": {},
        "names, bare": {"hypothesis_template": "{}"},
        "names, suited template": {"hypothesis_template": SUITED},
        "descriptions": {"label_descriptions": described},
    }
    found: dict[str, Any] = {"rows": len(data.texts), "labels": data.names}
    for way, parameters in ways.items():
        answers = model.ask(data.texts, [data.names] * len(data.texts), **parameters)
        best = answers.scores.argmax(axis=1)
        confusion = np.zeros((len(data.names), len(data.names)), int)
        np.add.at(confusion, (data.truth, best), 1)
        found[way] = {
            "parameters": parameters,
            "accuracy": float((best == data.truth).mean()),
            "either_label": float(((best == data.truth) | (best == data.second)).mean()),
            "top_2": answers.accuracy(data.truth, 2),
            "calibration_error_odd_rows": calibrating.error(answers.scores[1::2], data.truth[1::2]),
            "confusion": confusion.tolist(),
        }
    alone = model.ask(data.texts, [data.names] * len(data.texts), multi_class=True)
    said, holds = alone.scores[1::2].ravel(), data.holds()[1::2].ravel()
    found["each label alone"] = {
        "calibration_error_odd_rows": calibrating.binned_error(said, holds),
        "of_those_above_half_true": float(holds[said > 0.5].mean()),
        "found_above_half": float((said[holds] > 0.5).mean()),
    }
    return found
