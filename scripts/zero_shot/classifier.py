"""What both kinds of zero-shot models have in common: a text and labels in, probabilities out.

This module must not know how a score comes about, nor of requests.
"""

from __future__ import annotations

import os
from typing import Protocol

import numpy as np
from choice import PLACE, Choice
from numpy.typing import NDArray

LIMIT_VARIABLE = "ZERO_SHOT_MAX_LABELS"


class Classifier(Protocol):
    """A zero-shot model.

    Attributes
    ----------
    name : str
        Its kind and the model it is made of, for people to read.
    max_labels : int
        So many labels a text may have.
    """

    name: str
    max_labels: int

    def scores(self, text: str, choice: Choice) -> tuple[NDArray[np.float64], bool]:
        """Return a probability per label, shape (n_labels,), and whether the text was cut.

        Where each label is judged alone, a score is the probability that it holds; else they sum
        to 1. They do not depend on what else is asked.
        """


def hypotheses(phrase: str, templates: tuple[str, ...]) -> list[str]:
    """Return the sentences of a label (or of its description), one per template."""
    return [template.replace(PLACE, phrase) for template in templates]


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return probabilities that sum to 1 along the last axis."""
    shifted = np.asarray(logits, np.float64)
    powers = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def label_limit(default: int) -> int:
    """Return how many labels a text may have: the variable's number, or `default`.

    Raises
    ------
    ValueError
        If the variable is no number from 1.
    """
    value = os.environ.get(LIMIT_VARIABLE, str(default))
    if not value.isdigit() or int(value) < 1:
        raise ValueError(f"{LIMIT_VARIABLE} is {value!r}; set a number from 1.")
    return int(value)
