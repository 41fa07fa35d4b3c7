"""Zero-shot by a sentence encoder: the label wins that says what is nearest to the text.

The label's hypotheses (one per template) are embedded once, averaged and kept; a text is embedded
once, however many labels it has. Cosines become probabilities by numbers that were measured and lie
in the model's card ``zero_shot.json``: one label out of many by a softmax of cosine / temperature,
labels judged alone by a logistic curve around the cosine at which a label is as likely true as not.

A template's words are part of every label's vector, so labels come to lie nearer together and the
differences of their cosines shrink. For templates other than those that the temperature was
measured with it shrinks alike, by how far apart the labels lie with the template and without it.
Torch is not needed. This module must not know of requests.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from card import Card
from choice import PLACE, Choice
from classifier import hypotheses, label_limit, softmax
from encoder import load_encoder
from numpy.typing import NDArray

# A label that was never asked before is read in about 5 ms per template on one core, and an
# answer has to come within the minute that SageMaker waits.
MAX_LABELS = 1000
# Of 384 features: 31 MB.
KNOWN_LABELS = 20_000
# Of at most 1,000 labels of 384 features: 25 MB.
KNOWN_SETS = 16
# Vectors no further apart than this differ by rounding alone.
_ALIKE = 1e-5


class BiEncoder:
    """A sentence encoder with its card.

    Parameters
    ----------
    folder : Path
        The model folder that build.py wrote.

    Raises
    ------
    ValueError
        If the folder has no card, or the encoder cannot be loaded.
    """

    def __init__(self, folder: Path) -> None:
        self._card = Card.read(folder)
        self._encoder = load_encoder(folder, self._card.encoder)
        self.name = f"bi-encoder {self._card.model}"
        self.max_labels = label_limit(MAX_LABELS)
        self._label = lru_cache(maxsize=KNOWN_LABELS)(self._embedded)
        self._labels = lru_cache(maxsize=KNOWN_SETS)(self._stacked)

    def scores(self, text: str, choice: Choice) -> tuple[NDArray[np.float64], bool]:
        """Return a probability per label, shape (n_labels,), and whether the text was cut."""
        templates = choice.templates or self._card.templates
        # Labels are often identifiers, and the encoder was trained on sentences.
        phrases = tuple(phrase.replace("_", " ") for phrase in choice.phrases)
        vectors, nearness = self._labels(phrases, templates)
        [embedding] = self._encoder.embed([text])
        cosines = (vectors @ embedding).astype(np.float64)
        cut = self._encoder.is_cut(text)
        if choice.multi_label:
            return 1 / (1 + np.exp((self._card.midpoint - cosines) / self._card.width)), cut
        return softmax(cosines / (self._card.temperature * nearness)), cut

    def _stacked(
        self, phrases: tuple[str, ...], templates: tuple[str, ...]
    ) -> tuple[NDArray[np.float32], float]:
        """Return the labels' vectors, and what the temperature is multiplied by for them."""
        vectors = np.stack([self._label(phrase, templates) for phrase in phrases])
        if templates == self._card.templates:
            return vectors, 1.0
        apart = _spread(vectors)
        bare = _spread(np.stack([self._label(phrase, (PLACE,)) for phrase in phrases]))
        # Labels that say the same have no distance to compare.
        return vectors, apart / bare if apart > _ALIKE and bare > _ALIKE else 1.0

    def _embedded(self, phrase: str, templates: tuple[str, ...]) -> NDArray[np.float32]:
        mean = self._encoder.embed(hypotheses(phrase, templates)).mean(axis=0)
        unit: NDArray[np.float32] = mean / np.linalg.norm(mean)
        return unit


def _spread(vectors: NDArray[np.float32]) -> float:
    """Return how far vectors lie from their mean (root of the mean square)."""
    return float(np.sqrt(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean()))
