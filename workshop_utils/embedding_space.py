"""Where sentences lie for an encoder before and after its training, flattened to a picture's plane.

It computes; it must not know of models, of jobs or of pictures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class EmbeddingSpace:
    """The same sentences twice.

    Attributes
    ----------
    points
        ``when`` (``before`` or ``after``), ``label``, ``x`` and ``y``: a row for each sentence and
        time. Both times are seen from the same side, so places compare.
    own_neighbours
        By time: the share of sentences whose nearest other one has the same label, in the whole
        space and not in the picture.
    """

    points: pd.DataFrame
    own_neighbours: dict[str, float]


def project(
    before: NDArray[Any], after: NDArray[Any], labels: Sequence[str], shown: Sequence[str]
) -> EmbeddingSpace:
    """Flatten two embeddings of the same sentences with one principal component analysis.

    Parameters
    ----------
    before, after
        Of unit length, shape (n_sentences, n_features) each.
    labels
        The sentences' labels.
    shown
        The labels to look at; neighbours are sought among these as well.

    Raises
    ------
    ValueError
        When the shapes do not agree, or fewer than three sentences have the labels.
    """
    of = np.array(labels)
    if before.shape != after.shape or len(before) != len(of):
        raise ValueError(
            f"The embeddings have the shapes {before.shape} and {after.shape} for {len(of)} labels;"
            " they must be of the same sentences, in the same order."
        )
    chosen = np.isin(of, list(shown))
    if chosen.sum() < 3:
        raise ValueError(f"Only {chosen.sum()} sentences have one of {', '.join(shown)}.")
    times = {
        BEFORE: np.asarray(before[chosen], np.float64),
        AFTER: np.asarray(after[chosen], np.float64),
    }
    names = of[chosen]
    together = np.concatenate(list(times.values()))
    middle = together.mean(axis=0)
    axes = np.linalg.svd(together - middle, full_matrices=False)[2][:2]
    parts = []
    for when, embeddings in times.items():
        x, y = axes @ (embeddings - middle).T
        parts.append(pd.DataFrame({"when": when, "label": names, "x": x, "y": y}))
    shares = {when: _own_neighbours(embeddings, names) for when, embeddings in times.items()}
    return EmbeddingSpace(pd.concat(parts, ignore_index=True), shares)


def _own_neighbours(embeddings: NDArray[Any], labels: NDArray[Any]) -> float:
    similar = embeddings @ embeddings.T
    np.fill_diagonal(similar, -np.inf)
    return float(np.mean(labels[similar.argmax(axis=1)] == labels))
