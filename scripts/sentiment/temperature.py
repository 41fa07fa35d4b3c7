"""Temperature scaling: making a confidence of 0.8 mean "right in 8 of 10 cases".

One number divides all logits (Guo et al. 2017, https://arxiv.org/abs/1706.04599); no answer
changes. It must be found on texts that the model has not been trained on. This module must not know
of models or of files.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from classifier import softmax
from metrics import brier_score, calibration_error
from numpy.typing import NDArray

# The temperatures that are considered; outside, the data say nothing about it.
LOWEST, HIGHEST = 0.05, 20.0
GRID = 25


@dataclass(frozen=True)
class Calibration:
    """How confidences were calibrated.

    Attributes
    ----------
    temperature : float
        By which logits are divided: below 1 the model was too shy, above 1 too sure.
    method : str
        Where the texts came from that it was found on.
    rows : int
        How many of them.
    error_before, error_after : float or None
        Expected calibration error on these texts at temperature 1 and at this one.
    brier_before, brier_after : float or None
        Brier score likewise.
    """

    temperature: float = 1.0
    method: str = "none"
    rows: int = 0
    error_before: float | None = None
    error_after: float | None = None
    brier_before: float | None = None
    brier_after: float | None = None


def calibrate(logits: NDArray[np.float64], truth: NDArray[np.int64], method: str) -> Calibration:
    """Find the temperature under which the true labels are most probable.

    Every text counts once. Those that people were asked about were chosen because they are hard:
    if they count twice, as they do in training, the model becomes too modest about all others.

    Parameters
    ----------
    logits : ndarray of float64, shape (n_texts, n_labels)
        Of texts that were held out.
    truth : ndarray of int64, shape (n_texts,)
        The column of each text's label.
    method : str
        Goes into the result.
    """

    def loss(temperature: float) -> float:
        likelihood = softmax(logits / temperature)[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(likelihood, np.finfo(float).tiny)).mean())

    # The loss has one minimum, so a coarse grid finds its neighbourhood and a fine one the rest.
    coarse = np.geomspace(LOWEST, HIGHEST, GRID)
    near = int(np.argmin([loss(value) for value in coarse]))
    fine = np.geomspace(coarse[max(0, near - 1)], coarse[min(near + 1, GRID - 1)], GRID)
    temperature = float(min(fine, key=loss))
    before, after = softmax(logits), softmax(logits / temperature)
    return Calibration(
        temperature,
        method,
        len(truth),
        calibration_error(before, truth),
        calibration_error(after, truth),
        brier_score(before, truth),
        brier_score(after, truth),
    )
