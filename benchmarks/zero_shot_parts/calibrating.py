"""Turning cosines into probabilities, and measuring whether they mean what they say.

This module must not know of encoders or of where texts come from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

BINS = 10
TEMPERATURES = np.geomspace(0.01, 0.3, 200)

Matrix = NDArray[np.float64]


def softmax(cosines: Matrix, temperature: float) -> Matrix:
    """Return probabilities that sum to 1 in each row."""
    shifted = (cosines - cosines.max(axis=1, keepdims=True)) / temperature
    powers = np.exp(shifted)
    shares: Matrix = powers / powers.sum(axis=1, keepdims=True)
    return shares


def temperature(groups: Sequence[tuple[Matrix, NDArray[np.int64]]]) -> float:
    """Return the temperature under which true labels are most probable, each group weighing alike.

    Parameters
    ----------
    groups : sequence of (cosines, truth)
        Shapes (n_texts, n_labels) and (n_texts,).
    """

    def loss(value: float) -> float:
        return sum(
            -float(np.log(softmax(cosines, value)[np.arange(len(truth)), truth]).mean())
            for cosines, truth in groups
        )

    return float(min(TEMPERATURES, key=loss))


def logistic(cosines: Matrix, holds: NDArray[np.bool_]) -> tuple[float, float]:
    """Return midpoint and width of the curve that tells best whether a label holds."""

    def loss(values: NDArray[np.float64]) -> float:
        odds = (cosines - values[0]) / np.exp(values[1])
        return float(np.mean(np.logaddexp(0, odds) - holds * odds))

    found = minimize(loss, [0.3, np.log(0.06)], method="Nelder-Mead").x
    return float(found[0]), float(np.exp(found[1]))


def error(probabilities: Matrix, truth: NDArray[np.int64]) -> float:
    """Return the expected calibration error of each text's best label (10 bins of equal width)."""
    right = probabilities.argmax(axis=1) == truth
    return binned_error(probabilities.max(axis=1), right)


def binned_error(said: NDArray[np.float64], holds: NDArray[np.bool_]) -> float:
    """Return the mean distance of what was said from what holds, over bins of equal width."""
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    return float(
        sum(
            abs(float(holds[bins == b].mean() - said[bins == b].mean())) * float((bins == b).mean())
            for b in np.unique(bins)
        )
    )
