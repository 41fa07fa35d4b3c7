"""Measured points: one training of one recipe on one draw, scored on the held-out rows.

The training is that of ``scripts/few_shot``, called as ``train.py`` calls it, so that a point costs
its own processor time and nothing else. This module must not know of tables or of files of
results.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from peers import fastfit

from banking77.split import Banking77

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "few_shot"
sys.path.insert(0, str(SCRIPTS))

STOCK_STEPS = 100
TFIDF, FASTFIT = "tfidf", "fastfit"
RECIPES = ("fast", "frozen", "setfit", FASTFIT, TFIDF)
# FastFit's stock run takes three hours here, so it is cut after so many of its 40 epochs.
FASTFIT_EPOCHS = 5
CHUNK = 64


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes
    ----------
    recipe, shots, seed
        Which point it is; `seed` draws the rows and seeds the training.
    accuracy, macro_f1 : float
        On the held-out rows, between 0 and 1.
    train_rows : int
        Drawn rows; fewer than shots times intents where an intent has fewer.
    train_cpu_s, train_wall_s : float
        Of the training alone: embedding, fine-tuning, head and calibration. Loading libraries and
        the base model, and scoring, are not in it.
    steps : int
        Fine-tuning steps made.
    all_steps : int
        Steps that the recipe would make; more than `steps` where the training was cut short.
    all_steps_cpu_s : float
        `train_cpu_s`, or what it would be with all steps, extrapolated from those made.
    calibration_error : float or None
        Expected calibration error on the held-out rows (10 bins).
    settings : dict
        The recipe's hyperparameters.
    measured : dict
        When, on what machine, with which versions, threads and precision.
    """

    recipe: str
    shots: int
    seed: int
    accuracy: float
    macro_f1: float
    train_rows: int
    train_cpu_s: float
    train_wall_s: float
    steps: int
    all_steps: int
    all_steps_cpu_s: float
    calibration_error: float | None
    settings: dict[str, Any]
    measured: dict[str, Any] = field(default_factory=dict)


class Bench:
    """Measures points on one split.

    Parameters
    ----------
    data : Banking77
        The split.
    model : Path
        Folder of the base model.
    stock_steps : int
        SetFit's stock recipe is cut after so many steps; 0 makes them all.
    """

    def __init__(self, data: Banking77, model: Path, stock_steps: int = STOCK_STEPS) -> None:
        self._data = data
        self._model = model
        self._stock_steps = stock_steps
        self._untouched: Any = None

    def settings(self, recipe: str, seed: int) -> dict[str, Any]:
        """Return the hyperparameters that a point of this recipe has now."""
        if recipe == TFIDF:
            return {"ngram_range": [1, 2], "sublinear_tf": True, "c": 10.0, "seed": seed}
        if recipe == FASTFIT:
            return {"epochs": FASTFIT_EPOCHS, "num_repeats": 4, "batch_size": 32, "seed": seed}
        return asdict(self._recipe(recipe, seed))

    def measure(self, recipe: str, shots: int, seed: int) -> Point:
        """Train and score once."""
        rows = self._data.draw(shots, seed)
        texts, labels = ([of[row] for row in rows] for of in (self._data.texts, self._data.labels))
        measured = {TFIDF: self._tfidf, FASTFIT: self._fastfit}.get(recipe, self._train)
        return measured(recipe, shots, seed, texts, labels)

    def _recipe(self, name: str, seed: int) -> Any:
        from recipe import RECIPES as KINDS

        cut = {"max_steps": self._stock_steps} if name == "setfit" else {}
        return KINDS[name](seed=seed, **cut)

    def _held_out(self) -> tuple[list[str], list[str]]:
        rows = self._data.held_out
        return [self._data.texts[r] for r in rows], [self._data.labels[r] for r in rows]

    def _train(
        self, name: str, shots: int, seed: int, texts: list[str], labels: list[str]
    ) -> Point:
        from body import embed, load_body
        from calibration import expected_calibration_error
        from examples import Examples
        from fitting import Fitting
        from inputs import Data
        from report import Evaluation
        from training_log import TrainingLog

        recipe = self._recipe(name, seed)
        body = load_body(str(self._model), local=True)
        examples = Examples(Path("train.csv"), self._data.sha256, texts, labels)
        fitted = Fitting(body, Data(examples, None, None), recipe, TrainingLog(_Nowhere())).run()
        test_texts, test_labels = self._held_out()
        if fitted.steps:
            embeddings = embed(body, test_texts, lambda _: None)
        else:
            embeddings = self._embed_frozen(body, test_texts)
        probabilities = fitted.head.probabilities(embeddings)
        evaluation = Evaluation.of(test_texts, test_labels, probabilities, fitted.head.labels)
        column = {label: number for number, label in enumerate(fitted.head.labels)}
        truth = np.array([column[label] for label in test_labels])
        all_steps, cpu = fitted.steps, fitted.cpu_seconds
        if name == "setfit":
            from recipe import SetFitRecipe

            all_steps = SetFitRecipe().steps(len(texts))
            cpu += fitted.steps_cpu_seconds * (all_steps / fitted.steps - 1)
        return Point(
            name,
            shots,
            seed,
            evaluation.accuracy,
            evaluation.macro_f1,
            len(texts),
            fitted.cpu_seconds,
            float(fitted.figures["train:seconds"]),
            fitted.steps,
            all_steps,
            cpu,
            expected_calibration_error(probabilities, truth),
            asdict(recipe),
            {"precision": fitted.precision},
        )

    def _embed_frozen(self, body: Any, texts: list[str]) -> NDArray[np.float32]:
        """Embed with layers that are the same at every draw: they run once, what follows anew."""
        import torch

        # Texts of like length lie together, because padding costs as much as text.
        order = np.argsort([len(text) for text in texts], kind="stable")
        chunks = np.array_split(order, max(1, len(texts) // CHUNK))
        with torch.no_grad():
            if self._untouched is None:
                self._untouched = [
                    body[0](
                        dict(
                            body.tokenizer(
                                [texts[row] for row in chunk],
                                padding=True,
                                truncation=True,
                                max_length=body.max_seq_length,
                                return_tensors="pt",
                            ).to(body.device)
                        )
                    )
                    for chunk in chunks
                ]
            parts = []
            for hidden in self._untouched:
                features = dict(hidden)
                for module in list(body)[1:]:
                    features = module(features)
                parts.append(torch.nn.functional.normalize(features["sentence_embedding"], dim=1))
        embeddings: NDArray[np.float32] = torch.cat(parts).cpu().numpy()[np.argsort(order)]
        return embeddings

    def _fastfit(
        self, name: str, shots: int, seed: int, texts: list[str], labels: list[str]
    ) -> Point:
        from sklearn.metrics import accuracy_score, f1_score

        test_texts, test_labels = self._held_out()
        train, test = (
            [list(row) for row in zip(*part, strict=True)]
            for part in ((texts, labels), (test_texts, test_labels))
        )
        found = fastfit.run(self._model, train, test, FASTFIT_EPOCHS, seed)
        return Point(
            name,
            shots,
            seed,
            float(accuracy_score(test_labels, found["labels"])),
            float(f1_score(test_labels, found["labels"], average="macro")),
            len(texts),
            found["cpu_s"],
            found["wall_s"],
            found["steps"],
            found["all_steps"],
            found["cpu_s"] * found["all_steps"] / found["steps"],
            None,
            self.settings(name, seed),
            {"peer_versions": fastfit.VERSIONS},
        )

    def _tfidf(
        self, name: str, shots: int, seed: int, texts: list[str], labels: list[str]
    ) -> Point:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import accuracy_score, f1_score
        from sklearn.pipeline import make_pipeline

        model = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            LogisticRegression(C=10.0, max_iter=1000),
        )
        started, cpu_started = time.monotonic(), time.process_time()
        model.fit(texts, labels)
        cpu, wall = time.process_time() - cpu_started, time.monotonic() - started
        test_texts, test_labels = self._held_out()
        predicted = model.predict(test_texts)
        return Point(
            name,
            shots,
            seed,
            float(accuracy_score(test_labels, predicted)),
            float(f1_score(test_labels, predicted, average="macro")),
            len(texts),
            cpu,
            wall,
            0,
            0,
            cpu,
            None,
            self.settings(name, seed),
        )


class _Nowhere:
    """Keeps no metrics."""

    def log_metrics(self, metrics: Any, step: int) -> None:
        """Do nothing: the point holds the figures."""
