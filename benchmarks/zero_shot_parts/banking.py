"""Zero-shot on real Banking77: accuracy by templates and by number of labels, and what it is worth.

Everything is chosen on the rows that `Rows` calls `other` and told of those it calls `scored`. This
module must not know of files of results.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.banking77 import split
from benchmarks.zero_shot_parts import calibrating, choosing
from benchmarks.zero_shot_parts.asked import Model

SCORED_ROWS = 3000
LABEL_COUNTS = (3, 10, 77)
SHOTS = (1, 2, 3, 4, 8)
SEEDS = (0, 1, 2, 3, 4)
_CHUNK = 500


@dataclass(frozen=True)
class Rows:
    """Banking77's train file in two parts.

    Attributes
    ----------
    data : Banking77
        Sentences and the recorded split.
    names : list of str
        The intents, as answers spell them.
    truth : ndarray of int64
        Each row's intent.
    scored, other : ndarray of int64
        The first 3,000 held-out rows; the development rows and the pool.
    """

    data: split.Banking77
    names: list[str]
    truth: NDArray[np.int64]
    scored: NDArray[np.int64]
    other: NDArray[np.int64]

    @classmethod
    def load(cls, data: split.Banking77) -> Rows:
        """Divide the recorded split."""
        names = sorted(set(data.labels))
        columns = {name: column for column, name in enumerate(names)}
        return cls(
            data,
            names,
            np.array([columns[label] for label in data.labels]),
            np.array(data.held_out[:SCORED_ROWS]),
            np.array(data.development + data.pool),
        )

    def texts(self, rows: NDArray[np.int64]) -> list[str]:
        """Return sentences."""
        return [self.data.texts[row] for row in rows]

    def spoken(self) -> list[str]:
        """Return the intents as the served model reads them."""
        return [name.replace("_", " ") for name in self.names]

    def few_labels(self, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Return per row its intent and random others, shape (n_rows, count), in random order."""
        rng = np.random.default_rng(count)
        columns = np.arange(len(self.names))
        return np.stack(
            [
                rng.permutation(
                    np.append(rng.choice(columns[columns != own], count - 1, replace=False), own)
                )
                for own in self.truth[rows]
            ]
        )


def embedded(model: Model, texts: list[str]) -> NDArray[np.float32]:
    """Return unit vectors, with progress."""
    parts = []
    for start in range(0, len(texts), _CHUNK):
        parts.append(model.encoder.embed(texts[start : start + _CHUNK]))
        done = min(start + _CHUNK, len(texts))
        print(f"  {done} of {len(texts)} texts", file=sys.stderr, flush=True)
    return np.concatenate(parts)


def templates(model: Model, rows: Rows, texts: NDArray[np.float32]) -> dict[str, Any]:
    """Choose templates on the other rows, whose unit vectors are given."""
    found = choosing.choose(model.encoder.embed, rows.spoken(), texts, rows.truth[rows.other])
    return {"rows": len(rows.other), **asdict(found)}


def accuracy(model: Model, rows: Rows, chosen: list[str]) -> dict[str, Any]:
    """Score bare names, the chosen templates and the model's own, 77 labels, on the scored rows."""
    texts, truth = rows.texts(rows.scored), rows.truth[rows.scored]
    ways = {"bare": [choosing.BARE], "chosen": chosen, "own": None}
    scores: dict[str, Any] = {}
    for way, wanted in ways.items():
        more = {} if wanted is None else {"hypothesis_template": wanted}
        answers = model.ask(texts, [rows.names] * len(texts), **more)
        scores[way] = {
            "rows": len(texts),
            "labels": len(rows.names),
            "templates": wanted or list(model.loaded._card.templates),
            "accuracy": answers.accuracy(truth),
            "top_3": answers.accuracy(truth, 3),
            "calibration_error": calibrating.error(answers.scores, truth),
        }
    return scores


def by_labels(model: Model, rows: Rows) -> list[dict[str, Any]]:
    """Score the model's own templates with fewer labels: the true one and random others."""
    texts, found = rows.texts(rows.scored), []
    for count in LABEL_COUNTS:
        columns = rows.few_labels(rows.scored, count)
        answers = model.ask(texts, [[rows.names[c] for c in own] for own in columns])
        truth = (columns == rows.truth[rows.scored][:, None]).argmax(axis=1)
        found.append(
            {
                "labels": count,
                "rows": len(texts),
                "accuracy": answers.accuracy(truth),
                "calibration_error": calibrating.error(answers.scores, truth),
            }
        )
    return found


def precision(fp32: Model, int8: Model, rows: Rows) -> dict[str, Any]:
    """Compare the answers of both precisions, 77 labels and the model's own templates."""
    texts, truth = rows.texts(rows.scored), rows.truth[rows.scored]
    answers = [model.ask(texts, [rows.names] * len(texts)) for model in (fp32, int8)]
    best = [answer.scores.argmax(axis=1) for answer in answers]
    return {
        "rows": len(texts),
        "agreement": float((best[0] == best[1]).mean()),
        "accuracy_fp32": answers[0].accuracy(truth),
        "accuracy_int8": answers[1].accuracy(truth),
    }


def trained_heads(
    rows: Rows, other: NDArray[np.float32], scored: NDArray[np.float32]
) -> list[dict[str, Any]]:
    """Train a logistic regression on the same frozen vectors, without any names, on few examples.

    The draws are those of benchmarks/few_shot.py; C=10 is its own as well.
    """
    from sklearn.linear_model import LogisticRegression

    place = {row: number for number, row in enumerate(rows.other)}
    truth = rows.truth[rows.scored]
    found = []
    for shots in SHOTS:
        values = []
        for seed in SEEDS:
            drawn = rows.data.draw(shots, seed)
            head = LogisticRegression(C=10, max_iter=1000)
            head.fit(other[[place[row] for row in drawn]], rows.truth[drawn])
            values.append(float((head.predict(scored) == truth).mean()))
        found.append(
            {"shots": shots, "seeds": list(SEEDS), "accuracy": mean(values), "sd": stdev(values)}
        )
        print(f"  {shots} examples a label: {mean(values):.4f}", file=sys.stderr, flush=True)
    return found
