"""The training itself: from weighted rows to a calibrated classifier, with its progress told.

Confidences are calibrated by cross-fitting: the rows are cut into parts, each part is judged by a
model that was trained on the others, and one temperature is found on all of these answers. The
model that is delivered then learns from every row. This module must not know where rows come from
or where the model goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from classifier import Classifier
from fine_tuning import Weighted, fine_tune, seed_everything, sharpen
from numpy.typing import NDArray
from recipe import Recipe
from temperature import Calibration, calibrate
from training_log import TrainingLog

# Cross-fitting needs a row of each label on both sides.
LEAST_ROWS = 2


@dataclass(frozen=True)
class Fitted:
    """A trained classifier and what is known of it.

    Attributes
    ----------
    classifier : Classifier
        Its confidences are calibrated.
    calibration : Calibration
        What was done to them.
    steps : int
        How many steps were made, those of cross-fitting included.
    train_loss, train_accuracy : float
        Of the last epoch, and of the trained model on its own rows.
    held_out_accuracy : float or None
        Of the rows, each judged by a model that was trained without it.
    seconds : float
        For all of it.
    """

    classifier: Classifier
    calibration: Calibration
    steps: int
    train_loss: float
    train_accuracy: float
    held_out_accuracy: float | None
    seconds: float


class Fitting:
    """One training.

    Parameters
    ----------
    fresh : callable
        Returns the base model with a new layer on top.
    rows : Weighted
        What is learnt from.
    recipe : Recipe
        How.
    log : TrainingLog
        Told of progress and figures.
    """

    def __init__(
        self, fresh: Callable[[], Classifier], rows: Weighted, recipe: Recipe, log: TrainingLog
    ) -> None:
        self._fresh, self._rows, self._recipe, self._log = fresh, rows, recipe, log
        self._steps = 0
        self._loss = float("nan")

    def run(self) -> Fitted:
        """Train from beginning to end."""
        started = time.monotonic()
        logits = self._held_out_logits() if self._recipe.temperature else None
        calibration, held_out_accuracy = Calibration(), None
        if logits is not None:
            calibration = self._calibrated(logits)
            held_out_accuracy = self._accuracy(logits)
            self._log.stage(
                "calibrate",
                {
                    "dev:accuracy": held_out_accuracy,
                    "temperature": calibration.temperature,
                    "dev:calibration_error": calibration.error_after or 0.0,
                },
            )
        classifier = self._trained(self._rows, "train", self._recipe.seed)
        accuracy = self._accuracy(classifier.logits(self._rows.texts))
        sharpen(classifier, calibration.temperature)
        fitted = Fitted(
            classifier,
            calibration,
            self._steps,
            self._loss,
            accuracy,
            held_out_accuracy,
            time.monotonic() - started,
        )
        figures = {"train:accuracy": accuracy, "train:seconds": fitted.seconds}
        self._log.stage("trained", figures)
        return fitted

    def _held_out_logits(self) -> NDArray[np.float64] | None:
        parts = self._parts()
        if parts is None:
            return None
        logits = np.zeros((len(self._rows), len(np.unique(self._rows.truth))))
        for number, part in enumerate(parts):
            rest = np.setdiff1d(np.arange(len(self._rows)), part)
            stage = f"cross_fit_{number + 1}_of_{len(parts)}"
            model = self._trained(self._rows.subset(rest), stage, self._recipe.seed + number + 1)
            logits[part] = model.logits(self._rows.subset(part).texts)
        return logits

    def _parts(self) -> list[NDArray[np.int64]] | None:
        """Cut the rows into parts that have the same share of each label and of each weight."""
        folds = self._recipe.folds
        if np.bincount(self._rows.truth).min() < max(folds, LEAST_ROWS):
            return None
        mixed = np.random.default_rng(self._recipe.seed).permutation(len(self._rows))
        order = mixed[np.lexsort((self._rows.weights[mixed], self._rows.truth[mixed]))]
        return [np.sort(order[fold::folds]) for fold in range(folds)]

    def _calibrated(self, logits: NDArray[np.float64]) -> Calibration:
        method = f"cross-fitting on the training rows, {self._recipe.folds} parts"
        return calibrate(logits, self._rows.truth, self._rows.weights, method)

    def _accuracy(self, logits: NDArray[np.float64]) -> float:
        return float((logits.argmax(axis=1) == self._rows.truth).mean())

    def _trained(self, rows: Weighted, stage: str, seed: int) -> Classifier:
        # The new layer is drawn at random, too.
        seed_everything(seed)
        classifier = self._fresh()

        def on_step(step: int, steps: int, loss: float) -> None:
            self._log.heartbeat(stage, {"step": f"{step}/{steps}", "loss": loss})

        def on_epoch(step: int, loss: float) -> None:
            self._loss = loss
            name = "train:loss" if stage == "train" else "loss"
            self._log.stage(stage, {"step": step, name: loss})

        recipe = replace(self._recipe, seed=seed)
        self._steps += fine_tune(classifier, rows, recipe, on_step, on_epoch)
        return classifier
