"""The training itself: from weighted rows to a calibrated classifier, with its progress told.

Confidences are calibrated with twins: models that are trained in the same way, with about as many
steps, each without a quarter of the rows, and judged on it. The temperature that makes their
confidences honest is given to the model that is delivered, which learns from every row. A twin with
fewer steps would be more modest than its sibling, and the temperature too low; one with half of the
rows would be wrong more often, and the temperature too high. This module must not know where rows
come from or where the model goes.
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

# A twin needs rows of each label, and so does its judgement.
LEAST_ROWS = 4
# Twins of which each is trained without one of so many parts. A temperature from few rows is a
# matter of luck: two quarters are judged.
TWINS = 2
PARTS = 4


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
        How many steps were made, those of the twins included.
    train_loss, train_accuracy : float
        Of the last epoch, and of the trained model on its own rows.
    held_out_accuracy : float or None
        Of the twins, each on the rows that it was trained without.
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
        calibration, held_out_accuracy = Calibration(), None
        if held_out := self._held_out_rows():
            calibration, held_out_accuracy = self._judged_twins(held_out)
            self._log.stage(
                "calibrate",
                {
                    "dev:accuracy": held_out_accuracy,
                    "temperature": calibration.temperature,
                    "dev:calibration_error": calibration.error_after or 0.0,
                },
            )
        classifier = self._trained(self._rows, "train", self._recipe)
        accuracy = _accuracy(classifier.logits(self._rows.texts), self._rows)
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

    def _held_out_rows(self) -> list[NDArray[np.int64]]:
        """Draw each twin's rows, with each label's and each weight's share; none of too few."""
        if not self._recipe.temperature or np.bincount(self._rows.truth).min() < LEAST_ROWS:
            return []
        mixed = np.random.default_rng(self._recipe.seed).permutation(len(self._rows))
        order = mixed[np.lexsort((self._rows.weights[mixed], self._rows.truth[mixed]))]
        return [np.sort(order[twin::PARTS]) for twin in range(TWINS)]

    def _judged_twins(self, held_out: list[NDArray[np.int64]]) -> tuple[Calibration, float]:
        logits = np.concatenate([self._twin(rows, n) for n, rows in enumerate(held_out, 1)])
        judged = self._rows.subset(np.concatenate(held_out))
        method = f"rows held out of the training of {TWINS} twins"
        calibration = calibrate(logits, judged.truth, method)
        return calibration, _accuracy(logits, judged)

    def _twin(self, held_out: NDArray[np.int64], number: int) -> NDArray[np.float64]:
        """Return what a model says of the rows that it is trained without."""
        rest = np.setdiff1d(np.arange(len(self._rows)), held_out)
        epochs = round(self._recipe.epochs * len(self._rows) / len(rest))
        seed = (self._recipe.seed + number) % 2**32
        recipe = replace(self._recipe, epochs=epochs, seed=seed)
        twin = self._trained(self._rows.subset(rest), f"twin {number}", recipe)
        return twin.logits([self._rows.texts[row] for row in held_out])

    def _trained(self, rows: Weighted, stage: str, recipe: Recipe) -> Classifier:
        # The new layer is drawn at random, too.
        seed_everything(recipe.seed)
        classifier = self._fresh()

        def on_step(step: int, steps: int, loss: float) -> None:
            self._log.heartbeat(stage, {"step": f"{step}/{steps}", "loss": loss})

        def on_epoch(step: int, loss: float) -> None:
            self._loss = loss
            name = "train:loss" if stage == "train" else "loss"
            self._log.stage(stage, {"step": step, name: loss})

        self._steps += fine_tune(classifier, rows, recipe, on_step, on_epoch)
        return classifier


def _accuracy(logits: NDArray[np.float64], rows: Weighted) -> float:
    return float((logits.argmax(axis=1) == rows.truth).mean())
