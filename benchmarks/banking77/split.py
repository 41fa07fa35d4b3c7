"""The fixed split of Banking77's official train file, and few-shot draws from it.

Rows are named by their number in the file, from 0. Three parts, each with the same share of every
intent: `held_out` is only ever scored on at the very end, `development` is what hyperparameters
were chosen on, and `pool` is what examples are drawn from. The numbers are in the repository
(``data/results/banking77_split.json``), the sentences are not. This module must not know of models.
"""

from __future__ import annotations

import csv
import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "banking77" / "train.csv"
SPLIT = ROOT / "data" / "results" / "banking77_split.json"
SEED = 77
HELD_OUT, DEVELOPMENT = 0.3, 0.2


@dataclass(frozen=True)
class Banking77:
    """The sentences and the parts they belong to.

    Attributes
    ----------
    texts, labels : list of str
        One entry per row of the file.
    held_out, development, pool : list of int
        Rows.
    sha256 : str
        Of the file.
    """

    texts: list[str]
    labels: list[str]
    held_out: list[int]
    development: list[int]
    pool: list[int]
    sha256: str

    def draw(self, shots: int, seed: int) -> list[int]:
        """Return `shots` rows of every intent out of the pool, or all where it has fewer."""
        rows_of: dict[str, list[int]] = {}
        for row in self.pool:
            rows_of.setdefault(self.labels[row], []).append(row)
        rng = random.Random(f"{shots}-{seed}")
        drawn: list[int] = []
        for label in sorted(rows_of):
            rows = rows_of[label]
            drawn += rng.sample(rows, min(shots, len(rows)))
        return drawn


def load(data: Path = DATA, split: Path = SPLIT) -> Banking77:
    """Read the sentences, and the split that the repository records.

    Raises
    ------
    ValueError
        If the file is not the one that was split.
    """
    sha256 = hashlib.sha256(data.read_bytes()).hexdigest()
    recorded = json.loads(split.read_text(encoding="utf-8"))
    if recorded["source_sha256"] != sha256:
        raise ValueError(
            f"{data} is not the file that {split.name} was made of: its SHA-256 is {sha256}, not "
            f"{recorded['source_sha256']}. Take train.csv of PolyAI's task-specific-datasets."
        )
    texts, labels = read(data)
    return Banking77(
        texts, labels, recorded["held_out"], recorded["development"], recorded["pool"], sha256
    )


def read(data: Path) -> tuple[list[str], list[str]]:
    """Return the texts and the labels of the official file, whose columns are text,category."""
    with data.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def parts(labels: list[str]) -> dict[str, list[int]]:
    """Make the three parts anew; how the recorded ones came about."""
    rows_of: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        rows_of.setdefault(label, []).append(row)
    rng = random.Random(SEED)
    made: dict[str, list[int]] = {"held_out": [], "development": [], "pool": []}
    for label in sorted(rows_of):
        rows = rows_of[label]
        rng.shuffle(rows)
        held, dev = round(HELD_OUT * len(rows)), round(DEVELOPMENT * len(rows))
        made["held_out"] += rows[:held]
        made["development"] += rows[held : held + dev]
        made["pool"] += rows[held + dev :]
    return {name: sorted(rows) for name, rows in made.items()}
