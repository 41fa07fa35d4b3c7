"""Fine-tuning a sequence classifier on weighted rows.

This module must not know where rows come from, how confidences are calibrated or where the model
goes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from classifier import Classifier
from numpy.typing import NDArray
from precision import Precision
from recipe import Recipe

if TYPE_CHECKING:
    import torch

WARM_UP = 0.1
WEIGHT_DECAY = 0.01
GRADIENT_NORM = 1.0
# So many batches are drawn together.
WINDOW = 8

OnStep = Callable[[int, int, float], None]
OnEpoch = Callable[[int, float], None]


@dataclass(frozen=True)
class Weighted:
    """Rows to learn from.

    Attributes
    ----------
    texts : list of str
        One per row.
    truth : ndarray of int64, shape (n_rows,)
        The column of each row's label.
    weights : ndarray of float64, shape (n_rows,)
        How much each row counts.
    """

    texts: list[str]
    truth: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.texts)

    def subset(self, rows: NDArray[np.int64]) -> Weighted:
        """Return some of the rows."""
        texts = [self.texts[row] for row in rows]
        return Weighted(texts, self.truth[rows], self.weights[rows])


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and ask a GPU for algorithms that repeat themselves."""
    # Must be set before the first use of the GPU: without it its matrix products may differ.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if torch.cuda.is_available():
        torch.use_deterministic_algorithms(True)


def fine_tune(
    classifier: Classifier, rows: Weighted, recipe: Recipe, on_step: OnStep, on_epoch: OnEpoch
) -> int:
    """Change the model in place; return how many steps were made.

    Parameters
    ----------
    classifier : Classifier
        The base model with new layers on top.
    rows : Weighted
        At least one row.
    recipe : Recipe
        How.
    on_step, on_epoch : callable
        Called with (step, steps, loss) after every step, and with (step, mean loss) after each
        epoch.
    """
    import torch

    model = classifier.model
    body, head = _learning(model, recipe.trained_layers)
    optimizer = torch.optim.AdamW(
        [
            {"params": body, "lr": recipe.learning_rate},
            {"params": head, "lr": recipe.head_learning_rate},
        ],
        weight_decay=WEIGHT_DECAY,
    )
    steps = recipe.epochs * -(-len(rows) // recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    # A weight says how a row counts beside the others; the size of a step stays that of the rate.
    truth = torch.as_tensor(rows.truth, device=model.device)
    weights = torch.as_tensor(rows.weights / rows.weights.mean(), device=model.device).float()
    generator = np.random.default_rng(recipe.seed)
    precision = Precision.of(model.device.type)
    scaler = precision.scaler()
    lengths = np.array([len(text) for text in rows.texts])
    step = 0
    model.train()
    for _ in range(recipe.epochs):
        losses = []
        for batch in _batches(lengths, recipe.batch_size, generator):
            encoded = classifier.encoded([rows.texts[row] for row in batch])
            with precision.autocast():
                logits = model(**encoded).logits.float()
            every = torch.nn.functional.cross_entropy(logits, truth[batch], reduction="none")
            loss = (every * weights[batch]).mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(body + head, GRADIENT_NORM)
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
            step += 1
            losses.append(float(loss.detach()))
            on_step(step, steps, losses[-1])
        on_epoch(step, float(np.mean(losses)))
    model.eval()
    return step


def sharpen(classifier: Classifier, temperature: float) -> None:
    """Divide the logits of a model by a temperature, in place, by way of its last layer.

    So everybody who loads the model gets calibrated confidences without knowing of a temperature.
    The answers stay the same.

    Raises
    ------
    ValueError
        If the model does not end in a linear layer with one output for each label.
    """
    import torch

    last = [m for m in classifier.model.modules() if isinstance(m, torch.nn.Linear)][-1]
    if last.out_features != len(classifier.labels):
        raise ValueError(
            f"{type(classifier.model).__name__} does not end in a linear layer of "
            f"{len(classifier.labels)} outputs; its confidences cannot be calibrated. "
            "Choose another base model, or --temperature False."
        )
    with torch.no_grad():
        last.weight /= temperature
        if last.bias is not None:
            last.bias /= temperature


def _learning(model: Any, share: float) -> tuple[list[torch.nn.Parameter], list[Any]]:
    """Freeze embeddings and lower layers; return the weights that learn, of the body and on top."""
    encoder = model.base_model
    layers = _layers(encoder, model.config.num_hidden_layers)
    encoder.requires_grad_(False)
    for layer in list(layers)[len(layers) - max(1, round(share * len(layers))) :]:
        layer.requires_grad_(True)
    # Behind the layers, and no fitter for the task than a new layer.
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler.requires_grad_(True)
    body = [weight for weight in encoder.parameters() if weight.requires_grad]
    of_body = {id(weight) for weight in encoder.parameters()}
    return body, [weight for weight in model.parameters() if id(weight) not in of_body]


def _layers(encoder: Any, count: int) -> Any:
    import torch

    for module in encoder.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return module
    raise ValueError(
        f"The base model ({type(encoder).__name__}) is no transformer with layers that can be told "
        "apart; choose another one."
    )


def _rate(step: int, steps: int) -> float:
    warm_up = max(1, round(WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return max(0.0, (steps - step) / max(1, steps - warm_up))


def _batches(
    lengths: NDArray[np.int64], size: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield the rows of an epoch's batches, in a new order each time.

    A batch costs by its longest text, so rows are sorted by length within a few batches' worth.
    """
    order = generator.permutation(len(lengths))
    window = WINDOW * size
    batches = []
    for start in range(0, len(order), window):
        near = order[start : start + window]
        near = near[np.argsort(lengths[near], kind="stable")]
        batches += [near[first : first + size] for first in range(0, len(near), size)]
    for number in generator.permutation(len(batches)):
        yield batches[number]
