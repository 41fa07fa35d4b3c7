"""The classification head of a few-shot model, as plain arrays.

scikit-learn keeps a trained logistic regression in a pickle, and loading a pickle runs whatever
it says. This module writes the same numbers to a NumPy archive that is opened with
``allow_pickle=False``, and turns sentence embeddings into probabilities. It is used by training
and travels with the model into the serving container, so it needs NumPy and nothing else, and
must not know of files other than its own, of requests or of SageMaker.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE_NAME = "head.npz"


@dataclass(frozen=True)
class LinearHead:
    """A multinomial logistic regression over sentence embeddings.

    Attributes
    ----------
    coef : ndarray of float, shape (n_labels, n_features)
        One row of weights per label.
    intercept : ndarray of float, shape (n_labels,)
        One bias per label.
    labels : list of str
        The label of each row, in the order of the rows.
    """

    coef: NDArray[np.floating[Any]]
    intercept: NDArray[np.floating[Any]]
    labels: list[str]

    def __post_init__(self) -> None:
        rows = len(self.labels)
        if self.coef.ndim != 2 or self.coef.shape[0] != rows or self.intercept.shape != (rows,):
            raise ValueError(
                f"This head is inconsistent: {rows} labels, weights of shape {self.coef.shape}, "
                f"biases of shape {self.intercept.shape}. Train the model again."
            )

    @classmethod
    def from_logistic_regression(cls, model: Any) -> LinearHead:
        """Take the weights out of a fitted scikit-learn ``LogisticRegression``.

        With two labels scikit-learn keeps one row of weights and applies a sigmoid. Two rows, the
        first one zero, give the same probabilities through the softmax used here.
        """
        coef, intercept = np.asarray(model.coef_), np.asarray(model.intercept_)
        if len(model.classes_) == 2 and coef.shape[0] == 1:
            coef = np.concatenate([np.zeros_like(coef), coef])
            intercept = np.concatenate([np.zeros_like(intercept), intercept])
        return cls(coef, intercept, [str(label) for label in model.classes_])

    def probabilities(self, embeddings: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the probability of every label.

        Parameters
        ----------
        embeddings : ndarray of float, shape (n_texts, n_features)
            Sentence embeddings of unit length.

        Returns
        -------
        ndarray of float64, shape (n_texts, n_labels)
            Each row sums to 1.
        """
        logits = np.asarray(embeddings, dtype=np.float64) @ self.coef.T + self.intercept
        logits -= logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits)
        probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
        return probabilities

    def cross_entropy(self, probabilities: NDArray[np.float64], truth: list[str]) -> float:
        """Return the mean cross-entropy, in nats, of `probabilities` against the true labels."""
        row_of = {label: row for row, label in enumerate(self.labels)}
        of_truth = probabilities[np.arange(len(truth)), [row_of[label] for label in truth]]
        return float(-np.log(np.clip(of_truth, np.finfo(np.float64).tiny, 1.0)).mean())

    def save(self, folder: Path) -> None:
        """Write ``head.npz`` (arrays ``coef``, ``intercept``, ``classes``) into `folder`."""
        np.savez(
            folder / FILE_NAME,
            coef=self.coef,
            intercept=self.intercept,
            classes=np.array(self.labels, dtype=np.str_),
        )

    @classmethod
    def load(cls, folder: Path) -> LinearHead:
        """Read what `save` wrote; pickled content is refused.

        Raises
        ------
        ValueError
            If the file is missing, is not such an archive, or holds pickled objects.
        """
        path = folder / FILE_NAME
        try:
            with np.load(path, allow_pickle=False) as arrays:
                coef, intercept, classes = (arrays[k] for k in ("coef", "intercept", "classes"))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"No usable classification head at {path}: {error}. A model folder written by "
                "train.py holds one; train the model again."
            ) from error
        return cls(coef, intercept, [str(label) for label in classes])
