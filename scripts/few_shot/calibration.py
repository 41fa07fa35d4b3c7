"""Calibration: making a probability of 0.8 mean "right in 8 of 10 cases".

One number, the temperature, divides all logits (Guo et al. 2017, https://arxiv.org/abs/1706.04599);
no answer changes. It must be found on texts that the head has not seen. This module must not know
of encoders, of files or of SageMaker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

FOLDS = 4
# The temperatures that are considered; outside, the data say nothing about it.
LOWEST, HIGHEST = 0.05, 20.0
GRID = 25
BINS = 10
# Of the texts that do have one of the labels, so many would be answered "none of these".
REFUSED_SHARE = 0.05

Logits = NDArray[np.float64]
Fit = Callable[[NDArray[np.float32], Sequence[str]], "LogisticRegression"]


@dataclass(frozen=True)
class Calibration:
    """How probabilities were calibrated.

    Attributes
    ----------
    temperature : float
        By which logits are divided: below 1 the head was too shy, above 1 too sure.
    method : str
        Where the texts came from that it was found on.
    rows : int
        How many of them.
    error_before, error_after : float
        Expected calibration error on these texts (10 bins of equal width): the mean distance
        between probability and accuracy, at temperature 1 and at this one.
    threshold : float or None
        Calibrated probability that all but 5 % of these texts exceed: below it, an answer may be
        "none of these".
    """

    temperature: float = 1.0
    method: str = "none: too few examples to hold any out"
    rows: int = 0
    error_before: float | None = None
    error_after: float | None = None
    threshold: float | None = None


def calibrate(logits: Logits, truth: Sequence[int], method: str) -> Calibration:
    """Find the temperature under which the true labels are most probable.

    Parameters
    ----------
    logits : ndarray of float64, shape (n_texts, n_labels)
        Of texts that were held out.
    truth : sequence of int, shape (n_texts,)
        The column of each text's label.
    method : str
        Goes into the result.
    """
    columns = np.asarray(truth)
    rows = np.arange(len(columns))

    def loss(temperature: float) -> float:
        return -float(_log_softmax(logits / temperature)[rows, columns].mean())

    # The loss has one minimum, so a coarse grid finds its neighbourhood and a fine one the rest.
    coarse = np.geomspace(LOWEST, HIGHEST, GRID)
    near = int(np.argmin([loss(value) for value in coarse]))
    fine = np.geomspace(coarse[max(0, near - 1)], coarse[min(near + 1, GRID - 1)], GRID)
    temperature = float(min(fine, key=loss))
    before, after = (np.exp(_log_softmax(logits / t)) for t in (1.0, temperature))
    return Calibration(
        temperature,
        method,
        len(columns),
        expected_calibration_error(before, columns),
        expected_calibration_error(after, columns),
        float(np.quantile(after.max(axis=1), REFUSED_SHARE)),
    )


def out_of_fold(
    fit: Fit, embeddings: NDArray[np.float32], labels: Sequence[str], held_out_rows: int, seed: int
) -> tuple[Logits, list[int]] | None:
    """Return the logits of texts by heads that were fitted without them.

    Parameters
    ----------
    fit : callable
        Fits a head on embeddings and labels.
    embeddings : ndarray of float32, shape (n_texts, n_features)
        The texts, then what is only ever trained on (label names).
    labels : sequence of str
        One per row of `embeddings`.
    held_out_rows : int
        So many of the first rows take part in the folds.
    seed : int
        Of the folds.

    Returns
    -------
    tuple or None
        Logits, shape (n, n_labels), and the column of each row's label; None when no text can be
        held out, because each label has a single example.
    """
    counts = Counter(labels)
    rng = np.random.default_rng(seed)
    usable = [row for row in rng.permutation(held_out_rows) if counts[labels[row]] > 1]
    # Neighbours in this order share a label, so every fold gets its part of each.
    usable.sort(key=lambda row: labels[row])
    names = sorted(counts)
    column = {name: number for number, name in enumerate(names)}
    parts: list[Logits] = []
    truth: list[int] = []
    for fold in range(FOLDS):
        chosen = usable[fold::FOLDS]
        rest = np.setdiff1d(np.arange(len(labels)), chosen)
        left = Counter(labels[row] for row in rest)
        chosen = [row for row in chosen if left[labels[row]]]
        if not chosen:
            continue
        head = fit(embeddings[rest], [labels[row] for row in rest])
        logits = np.full((len(chosen), len(names)), -np.inf)
        logits[:, [column[str(name)] for name in head.classes_]] = two_columns(
            head.decision_function(embeddings[chosen])
        )
        parts.append(logits)
        truth += [column[labels[row]] for row in chosen]
    return (np.concatenate(parts), truth) if parts else None


def two_columns(decisions: NDArray[np.float64]) -> Logits:
    """Give the single column that scikit-learn returns for two labels its zero beside it."""
    return (
        np.stack([np.zeros_like(decisions), decisions], axis=1)
        if decisions.ndim == 1
        else decisions
    )


def expected_calibration_error(probabilities: Logits, truth: NDArray[np.int64]) -> float:
    """Return the mean distance between probability and accuracy over bins of equal width."""
    best = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bins = np.minimum((best * BINS).astype(int), BINS - 1)
    return float(
        sum(
            abs(float(right[bins == b].mean() - best[bins == b].mean())) * float((bins == b).mean())
            for b in np.unique(bins)
        )
    )


def _log_softmax(logits: Logits) -> Logits:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Logits = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
