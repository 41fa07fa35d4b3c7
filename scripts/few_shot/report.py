"""What a few-shot classifier gets right and wrong on labelled texts.

Figures as scikit-learn defines them, and the files in which people read them: a report per label,
the wrong answers, and the confusion matrix as numbers and as a picture. This module must not know
of models or of SageMaker.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# More rows than this are not legible in one picture.
LABELS_DRAWN = 20
# So many rows' embeddings are kept for pictures: 1.5 MB of a MiniLM.
EMBEDDINGS_KEPT = 2000


@dataclass(frozen=True)
class Evaluation:
    """Predictions beside the truth.

    Attributes
    ----------
    texts, labels, predicted : list of str
        One entry per row; `labels` is the truth.
    scores : list of float
        Probability given to the predicted label.
    """

    texts: list[str]
    labels: list[str]
    predicted: list[str]
    scores: list[float]

    @classmethod
    def of(
        cls,
        texts: list[str],
        labels: list[str],
        probabilities: NDArray[np.float64],
        known: list[str],
    ) -> Evaluation:
        """Take the most probable of the `known` labels for every row."""
        best = probabilities.argmax(axis=1)
        return cls(
            texts,
            labels,
            [known[i] for i in best],
            [float(row[i]) for row, i in zip(probabilities, best, strict=True)],
        )

    @property
    def accuracy(self) -> float:
        """Share of the rows whose predicted label is the true one."""
        return float(np.mean(np.array(self.labels) == np.array(self.predicted)))

    @property
    def macro_f1(self) -> float:
        """Mean of the labels' F1, over every label that occurs as truth or as prediction."""
        from sklearn.metrics import f1_score

        return float(f1_score(self.labels, self.predicted, average="macro", zero_division=0))

    def confusion(self) -> tuple[list[str], NDArray[np.int64]]:
        """Return the labels and their counts, shape (n_labels, n_labels), truth in rows."""
        from sklearn.metrics import confusion_matrix

        names = sorted({*self.labels, *self.predicted})
        return names, confusion_matrix(self.labels, self.predicted, labels=names)

    def by_label(self) -> dict[str, dict[str, float | int]]:
        """Return precision, recall, F1 and rows (support) of every label."""
        from sklearn.metrics import precision_recall_fscore_support

        names = sorted({*self.labels, *self.predicted})
        columns = precision_recall_fscore_support(
            self.labels, self.predicted, labels=names, zero_division=0
        )
        return {
            name: {
                "precision": float(precision),
                "recall": float(recall),
                "f1": float(f1),
                "support": int(support),
            }
            for name, precision, recall, f1, support in zip(names, *columns, strict=True)
        }


def write_report(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write all files of a report into `folder`.

    Returns
    -------
    list of Path
        ``classification_report.json``, ``classification_report.txt``, ``errors.csv``
        (``text,label,predicted,score``, the most confident errors of each label first),
        ``confusion_matrix.csv`` and ``confusion_matrix.png``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        _write_json(evaluation, folder / "classification_report.json"),
        _write_text(evaluation, folder / "classification_report.txt"),
        _write_errors(evaluation, folder / "errors.csv"),
        _write_matrix(evaluation, folder / "confusion_matrix.csv"),
        _draw_matrix(evaluation, folder / "confusion_matrix.png"),
    ]


def write_embeddings(embeddings: NDArray[np.float32], folder: Path) -> Path:
    """Write ``embeddings.npz``: what the trained encoder makes of the rows.

    Parameters
    ----------
    embeddings : ndarray of float32, shape (n_rows, n_features)
        Of all rows; where there are more than 2,000, so many are kept, evenly spaced.
    folder : Path
        Where to.

    Returns
    -------
    Path
        The file, with the arrays ``rows`` (int64, numbers of the rows from 0) and ``embeddings``
        (float16, one row for each).
    """
    count = min(len(embeddings), EMBEDDINGS_KEPT)
    rows = np.linspace(0, len(embeddings) - 1, count).astype(np.int64)
    path = folder / "embeddings.npz"
    np.savez(path, rows=rows, embeddings=embeddings[rows].astype(np.float16))
    return path


def _write_json(evaluation: Evaluation, path: Path) -> Path:
    content = {
        "accuracy": evaluation.accuracy,
        "macro_f1": evaluation.macro_f1,
        "rows": len(evaluation.labels),
        "labels": evaluation.by_label(),
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _write_text(evaluation: Evaluation, path: Path) -> Path:
    from sklearn.metrics import classification_report

    table = classification_report(
        evaluation.labels, evaluation.predicted, digits=3, zero_division=0
    )
    path.write_text(table, encoding="utf-8")
    return path


def _write_errors(evaluation: Evaluation, path: Path) -> Path:
    rows = zip(
        evaluation.texts, evaluation.labels, evaluation.predicted, evaluation.scores, strict=True
    )
    wrong = sorted((row for row in rows if row[1] != row[2]), key=lambda row: (row[1], -row[3]))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label", "predicted", "score"])
        writer.writerows([text, label, best, f"{score:.4f}"] for text, label, best, score in wrong)
    return path


def _write_matrix(evaluation: Evaluation, path: Path) -> Path:
    names, counts = evaluation.confusion()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["label \\ predicted", *names])
        writer.writerows([name, *row.tolist()] for name, row in zip(names, counts, strict=True))
    return path


def most_confused(counts: NDArray[np.int64], limit: int) -> list[int]:
    """Return the labels that take part in the largest confusions, in the order of the rows.

    Parameters
    ----------
    counts : ndarray of int, shape (n_labels, n_labels)
        Truth in rows.
    limit : int
        At most so many; all of them when there are no more.
    """
    if len(counts) <= limit:
        return list(range(len(counts)))
    between = counts + counts.T
    np.fill_diagonal(between, 0)
    chosen: list[int] = []
    pairs = np.dstack(
        np.unravel_index(np.argsort(-between, axis=None, kind="stable"), between.shape)
    )
    for pair in pairs[0]:
        chosen += [int(label) for label in pair if int(label) not in chosen]
        if len(chosen) >= limit:
            break
    return sorted(chosen[:limit])


def _draw_matrix(evaluation: Evaluation, path: Path) -> Path:
    # The object interface needs no display and leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names, counts = evaluation.confusion()
    drawn = most_confused(counts, LABELS_DRAWN)
    part = counts[np.ix_(drawn, drawn)]
    side = 4.0 + 0.38 * len(drawn)
    figure = Figure(figsize=(side + 1, side), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(part, cmap="Blues", vmin=0, vmax=max(1, int(part.max())))
    ticks: Any = range(len(drawn))
    shown = [_shortened(names[i]) for i in drawn]
    axes.set_xticks(ticks, shown, rotation=90, parse_math=False)
    axes.set_yticks(ticks, shown, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    for row, column in np.argwhere(part > 0):
        dark = part[row, column] > part.max() / 2
        axes.text(
            column,
            row,
            str(part[row, column]),
            ha="center",
            va="center",
            color="white" if dark else "black",
            fontsize=8,
        )
    scope = "" if len(drawn) == len(names) else f", the {len(drawn)} most confused of {len(names)}"
    axes.set_title(f"Rows by true and predicted label{scope}")
    figure.savefig(path)
    return path


def _shortened(name: str, limit: int = 40) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"
