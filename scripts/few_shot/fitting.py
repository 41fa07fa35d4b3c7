"""The training itself: from labelled texts to a calibrated classifier, with its progress told.

This module must not know where texts come from or where the model goes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from body import Embeddings, Precision, embed, seed_everything
from calibration import Calibration, calibrate, out_of_fold, two_columns
from classifier import assemble, fine_tune, fit_head, sharpened, with_label_names
from inputs import Data
from recipe import FastRecipe, FrozenRecipe, Recipe
from report import Evaluation
from token_weights import weigh_tokens
from training_log import TrainingLog

if TYPE_CHECKING:
    from linear_head import LinearHead
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel
    from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class Fitted:
    """A trained classifier.

    Attributes
    ----------
    model : SetFitModel
        Encoder and head; probabilities are calibrated.
    head : LinearHead
        The same head as arrays.
    calibration : Calibration
        What was done to the probabilities.
    steps : int
        How many steps changed the encoder.
    figures : dict
        ``train:loss``, ``train:accuracy``, ``train:seconds``, and ``dev:accuracy`` if there are
        development rows.
    cpu_seconds : float
        Processor time of the training, loading not included.
    steps_cpu_seconds : float
        The part of it that the steps took.
    precision : str
        In which the encoder was fine-tuned.
    dev : Evaluation or None
        Of the development rows.
    """

    model: SetFitModel
    head: LinearHead
    calibration: Calibration
    steps: int
    figures: dict[str, Any]
    cpu_seconds: float
    steps_cpu_seconds: float
    precision: str
    dev: Evaluation | None


class Fitting:
    """One training.

    Parameters
    ----------
    body : SentenceTransformer
        The encoder; changed in place.
    data : Data
        `train` is trained on, `dev` watched.
    recipe : Recipe
        How.
    log : TrainingLog
        Told of progress and figures.
    """

    def __init__(
        self, body: SentenceTransformer, data: Data, recipe: Recipe, log: TrainingLog
    ) -> None:
        self._body = body
        self._train, self._dev = data.train, data.dev
        self._recipe = recipe
        self._log = log
        self._texts, self._labels = self._train.texts, self._train.labels
        if recipe.label_names:
            self._texts, self._labels = with_label_names(self._texts, self._labels)

    def run(self) -> Fitted:
        """Train from beginning to end."""
        started, cpu_started = time.monotonic(), time.process_time()
        seed_everything(self._recipe.seed)
        if isinstance(self._recipe, FrozenRecipe) and self._recipe.token_weights:
            weigh_tokens(self._body, self._train.texts)
        # The encoder has seen its own training texts, so their embeddings tell how sure the head
        # may be on new ones only as long as it has not been trained on them.
        untouched = self._embed_train() if self._dev is None else None
        steps_started = time.process_time()
        steps = fine_tune(
            self._body, self._texts, self._labels, self._recipe, self._on_step, self._on_epoch
        )
        steps_cpu_seconds = time.process_time() - steps_started
        fast = type(self._recipe) is FastRecipe
        precision = Precision.of(self._body.device.type).name if fast else "float32"
        embeddings = untouched if untouched is not None and not steps else self._embed_train()
        classifier = self._fit(embeddings, self._labels)
        calibration = self._calibrate(classifier, untouched)
        head = sharpened(classifier, calibration.temperature)

        probabilities = head.probabilities(embeddings[: len(self._train)])
        fitted = Evaluation.of(self._train.texts, self._train.labels, probabilities, head.labels)
        figures: dict[str, Any] = {
            "examples": len(self._texts),
            "train:loss": head.cross_entropy(probabilities, self._train.labels),
            "train:accuracy": fitted.accuracy,
            "temperature": calibration.temperature,
        }
        dev = None
        if self._dev:
            probabilities = head.probabilities(self._embed(self._dev.texts, "embed_dev"))
            dev = Evaluation.of(self._dev.texts, self._dev.labels, probabilities, head.labels)
            figures["dev:accuracy"] = dev.accuracy
        figures["train:seconds"] = time.monotonic() - started
        self._log.stage("head", figures, steps)
        return Fitted(
            assemble(self._body, classifier, head.labels),
            head,
            calibration,
            steps,
            figures,
            time.process_time() - cpu_started,
            steps_cpu_seconds,
            precision,
            dev,
        )

    def _calibrate(
        self, classifier: LogisticRegression, untouched: Embeddings | None
    ) -> Calibration:
        if self._dev:
            logits = two_columns(
                classifier.decision_function(self._embed(self._dev.texts, "embed_dev"))
            )
            column = {str(name): number for number, name in enumerate(classifier.classes_)}
            truth = [column[label] for label in self._dev.labels]
            return calibrate(logits, truth, "development rows, held out of the training rows")
        if untouched is None:
            return Calibration()
        held_out = out_of_fold(
            self._fit, untouched, self._labels, len(self._train), self._recipe.seed
        )
        if held_out is None:
            return Calibration()
        frozen = type(self._recipe) is FrozenRecipe
        where = "" if frozen else ", with the encoder as it was before fine-tuning"
        return calibrate(*held_out, f"cross-validation on the training rows{where}")

    def _fit(self, embeddings: Embeddings, labels: list[str]) -> LogisticRegression:
        return fit_head(embeddings, labels, self._recipe.c)

    def _embed_train(self) -> Embeddings:
        return self._embed(self._texts, "embed_train")

    def _embed(self, texts: list[str], stage: str) -> Embeddings:
        return embed(
            self._body,
            texts,
            lambda done: self._log.heartbeat(stage, {"rows": f"{done}/{len(texts)}"}),
        )

    def _on_step(self, step: int, steps: int, loss: float) -> None:
        self._log.heartbeat("contrastive", {"step": f"{step}/{steps}", "loss": loss})

    def _on_epoch(self, step: int, steps: int, loss: float) -> None:
        figures: dict[str, float | str] = {
            "step": f"{step}/{steps}",
            "train:contrastive_loss": loss,
        }
        # SetFit reports twenty times, too often to try the encoder out each time.
        if self._dev and isinstance(self._recipe, FrozenRecipe):
            head = self._fit(self._embed_train(), self._labels)
            predicted = head.predict(self._embed(self._dev.texts, "embed_dev"))
            figures["dev:accuracy"] = float(np.mean(predicted == np.array(self._dev.labels)))
        self._log.stage("contrastive", figures, step)
