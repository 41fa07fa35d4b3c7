"""A few-shot classifier: a fine-tuned or frozen sentence encoder with a logistic regression on it.

Puts the parts of a recipe together; each part is a module of its own. This module must not know of
files of examples, of reports, or of SageMaker.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pairs
import prototypes
from body import Embeddings
from linear_head import LinearHead
from prototypes import OnLoss
from recipe import FastRecipe, Recipe, SetFitRecipe

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel
    from sklearn.linear_model import LogisticRegression


def label_as_words(label: str) -> str:
    """Return a label's name as a text, or "" when it says nothing (``"17"``).

    Examples
    --------
    >>> label_as_words("card_payment_wrong_exchange_rate")
    'card payment wrong exchange rate'
    """
    words = " ".join(re.sub(r"[_\-]+", " ", label).split())
    return words if any(character.isalpha() for character in words) else ""


def with_label_names(texts: Sequence[str], labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """Append the name of every label that says something as one more example of it."""
    named = [(label_as_words(label), label) for label in sorted(set(labels))]
    named = [(words, label) for words, label in named if words]
    return [*texts, *(words for words, _ in named)], [*labels, *(label for _, label in named)]


def fine_tune(
    body: SentenceTransformer,
    texts: list[str],
    labels: list[str],
    recipe: Recipe,
    on_step: OnLoss,
    on_epoch: OnLoss,
) -> int:
    """Change `body` in place as the recipe says; return the number of steps made.

    Parameters
    ----------
    body : SentenceTransformer
        The encoder.
    texts, labels : list of str
        The examples.
    recipe : Recipe
        ``frozen`` makes no step.
    on_step, on_epoch : callable
        Called with (step, steps, loss): `on_step` after every step of ``fast``, `on_epoch` with
        the mean loss after each epoch of it, and about twenty times by ``setfit``.
    """
    if isinstance(recipe, FastRecipe):
        return prototypes.fine_tune(body, texts, labels, recipe, on_step, on_epoch)
    if isinstance(recipe, SetFitRecipe) and recipe.steps(len(texts)):
        pairs.fine_tune(body, texts, labels, recipe, on_epoch)
        return recipe.steps(len(texts))
    return 0


def fit_head(embeddings: Embeddings, labels: Sequence[str], c: float) -> LogisticRegression:
    """Return a logistic regression fitted on unit-length embeddings."""
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    model = LogisticRegression(C=c, max_iter=1000)
    # On problems this small the threads of BLAS wait for each other: thirty times the CPU time.
    with threadpool_limits(1, "blas"), warnings.catch_warnings():
        # One example per class looks like a regression problem to scikit-learn; it is none.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        model.fit(embeddings, np.array(labels, dtype=np.str_))
    return model


def sharpened(model: LogisticRegression, temperature: float) -> LinearHead:
    """Divide the logits of a fitted head by a temperature, in place; return it as plain arrays.

    So every reader of the model (SetFit, an endpoint) gives calibrated probabilities without
    knowing of a temperature. The answers stay the same.
    """
    model.coef_ /= temperature
    model.intercept_ /= temperature
    return LinearHead.from_logistic_regression(model)


def assemble(body: SentenceTransformer, head: LogisticRegression, labels: list[str]) -> SetFitModel:
    """Put body and head together as a SetFit model, which can be saved and shared."""
    from setfit import SetFitModel

    return SetFitModel(model_body=body, model_head=head, normalize_embeddings=True, labels=labels)
