"""Figures of a classifier's probabilities: accuracy, calibration, and two models side by side.

Needs NumPy and nothing else. This module must not know of models, of files or of SageMaker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15
RESAMPLES = 2000
CONFIDENCE = 0.95

Probabilities = NDArray[np.float64]
Truth = NDArray[np.int64]


@dataclass(frozen=True)
class Bin:
    """The answers whose confidence lies in one interval.

    Attributes
    ----------
    low, high : float
        The interval's ends; the upper one belongs to the next bin, except for 1.
    count : int
        How many answers.
    confidence, accuracy : float
        Their mean confidence, and the share of them that is right.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(probabilities: Probabilities, truth: Truth, bins: int = BINS) -> list[Bin]:
    """Return the bins of equal width over 0 to 1 that hold an answer."""
    confidence, right = _confidence(probabilities, truth)
    number = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        Bin(
            float(b / bins),
            float((b + 1) / bins),
            int((number == b).sum()),
            float(confidence[number == b].mean()),
            float(right[number == b].mean()),
        )
        for b in np.unique(number)
    ]


def calibration_error(probabilities: Probabilities, truth: Truth, bins: int = BINS) -> float:
    """Return the expected calibration error: the mean distance of confidence from accuracy.

    Naeini et al. 2015; bins of equal width, each weighed by its answers.
    """
    found = reliability(probabilities, truth, bins)
    return sum(b.count * abs(b.confidence - b.accuracy) for b in found) / len(truth)


def brier_score(probabilities: Probabilities, truth: Truth) -> float:
    """Return the mean squared distance of the second label's probability from the truth.

    0 is perfect, 0.25 is what 50 % for everything gets (Brier 1950, for two labels).
    """
    return float(((probabilities[:, 1] - truth) ** 2).mean())


def calibration_floor(
    probabilities: Probabilities, seed: int = 0, bins: int = BINS, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Return the calibration errors that perfectly calibrated answers would show by chance.

    Truth is drawn from the probabilities themselves, over resampled rows, so that every error that
    is left comes from the number of rows alone.

    Returns
    -------
    ndarray of float64, shape (resamples,)
        Sorted.
    """
    rng = np.random.default_rng(seed)
    errors = []
    for _ in range(resamples):
        drawn = probabilities[rng.integers(len(probabilities), size=len(probabilities))]
        truth = (rng.random(len(drawn)) < drawn[:, 1]).astype(np.int64)
        errors.append(calibration_error(drawn, truth, bins))
    return np.sort(errors)


def bootstrap_interval(values: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """Return the interval that the mean of paired values lies in with 95 %, by resampling rows."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(values), size=(RESAMPLES, len(values)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values[drawn].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True)
class McNemar:
    """The rows on which two models differ, and what chance would say of them.

    Attributes
    ----------
    only_first_right, only_second_right : int
        Rows that one model has right and the other wrong.
    p_worse : float
        How probable so few wins of the first or fewer would be, if both were equally good: the
        exact one-sided test of McNemar 1947.
    """

    only_first_right: int
    only_second_right: int
    p_worse: float


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Compare two models by which rows each has right."""
    wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
    differing = wins + losses
    # Whole numbers until the end: 0.5 ** n is 0 for thousands of rows.
    ways = sum(math.comb(differing, k) for k in range(wins + 1))
    return McNemar(wins, losses, ways / 2**differing)


def area_under_curve(scores: NDArray[np.float64], truth: Truth) -> float:
    """Return how often a row of the second label scores above one of the first; ties count half."""
    ranks = np.empty(len(scores))
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives or not len(values):
        return math.nan
    above = float(ranks[truth == 1].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def _confidence(
    probabilities: Probabilities, truth: Truth
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
