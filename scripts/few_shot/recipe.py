"""The three ways to train a few-shot classifier, as settings and nothing else.

Every recipe ends with a logistic regression on sentence embeddings; they differ in what happens to
the sentence encoder before. This module must not know how a recipe is carried out, so that
``train.py --help`` loads no library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FrozenRecipe:
    """The encoder's layers stay as they are; only the head is trained. Seconds on a CPU.

    Attributes
    ----------
    seed : int
        Seeds everything random; the same seed on the same machine gives the same model.
    c : float
        Inverse of the head's regularisation strength. The embeddings have unit length, so one
        value suits every encoder. 10 gains three points over scikit-learn's 1 on Banking77.
    label_names : bool
        Whether each label's own name, as words, is one more example of it.
    token_weights : bool
        Whether tokens that most texts have count less in an embedding (`token_weights`).
    """

    seed: int = 0
    c: float = 10.0
    label_names: bool = True
    token_weights: bool = True


@dataclass(frozen=True, kw_only=True)
class FastRecipe(FrozenRecipe):
    """The upper layers learn from whole classes at once: prototypes and supervised contrast.

    What `prototypes.fine_tune` does with these is described there. Defaults were chosen on
    development rows of Banking77, mostly at 8 shots; data/results/choosing_fast.md of the
    workshop's repository has the trials.

    Attributes
    ----------
    epochs : int
        How often every example is seen, if that makes 24 steps or more.
    learning_rate : float
        Of the encoder, at its highest.
    trained_layers : float
        Share of the encoder's layers that learn, counted from the top; the others, and the word
        embeddings, stay as they are. Half costs a third less than all and is as accurate.
    """

    epochs: int = 4
    learning_rate: float = 1e-4
    trained_layers: float = 0.5


@dataclass(frozen=True, kw_only=True)
class SetFitRecipe:
    """SetFit as its tutorials use it: pairs of sentences, and scikit-learn's default head.

    Kept for comparison: on Banking77 it costs the most and is the least accurate of the three.

    Attributes
    ----------
    seed, c, label_names
        As in `FrozenRecipe`.
    num_iterations : int
        SetFit's own measure: pairs of each kind (same label, other label) drawn per example.
    max_steps : int
        Upper limit of contrastive steps; 0 for none.
    batch_size : int
        Pairs per contrastive step.
    learning_rate : float
        Of the encoder.
    """

    seed: int = 0
    c: float = 1.0
    label_names: bool = False
    num_iterations: int = 20
    max_steps: int = 0
    batch_size: int = 16
    learning_rate: float = 2e-5

    def steps(self, rows: int) -> int:
        """Return how many contrastive steps will be made on `rows` examples."""
        if not self.num_iterations:
            return self.max_steps
        steps = math.ceil(2 * self.num_iterations * rows / self.batch_size)
        return min(steps, self.max_steps) if self.max_steps else steps


Recipe = FrozenRecipe | FastRecipe | SetFitRecipe

RECIPES: dict[str, type[FrozenRecipe] | type[SetFitRecipe]] = {
    "fast": FastRecipe,
    "frozen": FrozenRecipe,
    "setfit": SetFitRecipe,
}


def name_of(recipe: Recipe) -> str:
    """Return the name under which `RECIPES` lists the recipe's type."""
    return next(name for name, kind in RECIPES.items() if type(recipe) is kind)
