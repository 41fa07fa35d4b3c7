"""How a sentiment model is trained, as settings and nothing else.

This module must not know how a recipe is carried out, so that ``train.py --help`` loads no library.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of the fine-tuning.

    Defaults were chosen on this workshop's own reviews, mostly on seeds from 50 on, by few trials
    each; benchmarks/sentiment.py of the workshop's repository measures them on others.

    Attributes
    ----------
    seed : int
        Seeds everything random; the same seed on the same machine gives the same model.
    epochs : int
        How often every row is seen.
    learning_rate : float
        Of the encoder's layers, at its highest; it rises over the first tenth of the steps and
        falls to zero.
    head_learning_rate : float
        Of the new layers on top, likewise.
    batch_size : int
        Rows per step.
    trained_layers : float
        Share of the encoder's layers that learn, counted from the top; the others, and the word
        embeddings, stay as they are. Irony takes all of them: with half of the layers, people's
        answers taught the model half as much.
    max_tokens : int
        Longer texts are cut there.
    temperature : bool
        Whether confidences are calibrated, which takes two more trainings.
    """

    seed: int = 0
    epochs: int = 4
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-3
    batch_size: int = 16
    trained_layers: float = 1.0
    max_tokens: int = 128
    temperature: bool = True
