"""Choosing hypothesis templates on labelled rows, greedily: the best one, then what helps it most.

The rows must not be those that the choice is scored on. This module must not know where texts come
from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BARE = "{}"
# The first is the bare name. Three more were left out after a first trial on the same rows.
CANDIDATES = (
    BARE,
    "{}?",
    "banking: {}",
    "Question: {}",
    "Topic: {}",
    "Intent: {}",
    "category: {}",
    "Help with {}",
    "My problem: {}",
    "This example is {}.",
    "This text is about {}.",
    "It is about {}.",
    "The topic is {}.",
    "What about {}?",
    "My question is about {}.",
    "I have a question about {}.",
    "I am asking about {}.",
    "I need help with {}.",
    "How does {} work?",
    "Can you help me with my {}?",
    "The customer asks about {}.",
    "a bank customer's question about {}",
    "In my banking app: {}",
    "There is a problem with {}.",
)
MOST = 4
# A template that gains less than this is not worth the time of reading it.
LEAST_GAIN = 0.0005

Embeddings = NDArray[np.float32]
Embed = Callable[[list[str]], Embeddings]


@dataclass(frozen=True)
class Choice:
    """The chosen templates, their accuracy, and what else was tried.

    Attributes
    ----------
    templates : list of str
        Chosen.
    accuracy : float
        On the rows they were chosen on, so it is a little too high.
    alone : dict
        The accuracy there of every candidate alone.
    combinations_tried : int
        How many averages of two and more were compared beside.
    """

    templates: list[str]
    accuracy: float
    alone: dict[str, float]
    combinations_tried: int


def label_vectors(embed: Embed, names: Sequence[str], templates: Sequence[str]) -> Embeddings:
    """Return a unit vector per label, shape (n_labels, n_features): the mean over the templates."""
    parts = [embed([template.replace(BARE, name) for name in names]) for template in templates]
    mean: Embeddings = np.mean(parts, axis=0)
    unit: Embeddings = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    return unit


def choose(
    embed: Embed, names: Sequence[str], texts: Embeddings, truth: NDArray[np.int64]
) -> Choice:
    """Choose among `CANDIDATES` by accuracy.

    Parameters
    ----------
    embed : callable
        Returns unit vectors, shape (n, n_features).
    names : sequence of str
        What the labels are called.
    texts : ndarray of float32, shape (n_texts, n_features)
        Unit vectors.
    truth : ndarray of int64, shape (n_texts,)
        Each text's label.
    """
    # Averages are taken of vectors, so each candidate is embedded once.
    vectors = {template: label_vectors(embed, names, [template]) for template in CANDIDATES}

    def accuracy(templates: Sequence[str]) -> float:
        mean = np.mean([vectors[template] for template in templates], axis=0)
        unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return float(((texts @ unit.T).argmax(axis=1) == truth).mean())

    alone = {template: accuracy([template]) for template in CANDIDATES}
    chosen = [max(alone, key=lambda template: alone[template])]
    best, tried = alone[chosen[0]], 0
    while len(chosen) < MOST:
        left = [template for template in CANDIDATES if template not in chosen]
        found = {template: accuracy([*chosen, template]) for template in left}
        tried += len(found)
        top = max(found, key=lambda template: found[template])
        if found[top] < best + LEAST_GAIN:
            break
        chosen.append(top)
        best = found[top]
    return Choice(chosen, best, alone, tried)
