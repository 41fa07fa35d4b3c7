"""Fine-tuning of an encoder with class prototypes and supervised contrast: the recipe ``fast``.

SetFit compares two sentences at a time. Here every batch holds several examples of several classes
and two things are asked of it at once: each sentence lies nearest to the prototype of its own
class among *all* classes (Snell et al. 2017, https://arxiv.org/abs/1703.05175, with prototypes
that are learned, and with the margin of Wang et al. 2018, https://arxiv.org/abs/1801.05599), and
the sentences of one class lie nearer to each other than to the rest of the batch (Khosla et al.
2020, https://arxiv.org/abs/2004.11362). So four passes over the examples do what SetFit needs
dozens of pairs per example for. This module must not know of heads, of files or of
SageMaker.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from body import EMBED_BATCH, Precision, forward, train_upper_layers
from recipe import FastRecipe

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

BATCH_ROWS = 64
CLASSES_PER_BATCH = 16
# Every batch is encoded in so many parts of like length, because padding costs as much as text.
PARTS = 4
# Share of the tokens that the encoder does not see at each step, so that no example is read twice
# in the same way and no single word decides.
DROPPED_TOKENS = 0.15
PROTOTYPE_RATE = 1e-3
# How sharply cosines become probabilities: the factor, and its inverse, the temperature.
PROTOTYPE_SCALE = 20.0
# By so much a sentence must be nearer to its own prototype than to any other (in cosine).
MARGIN = 0.1
CONTRAST_TEMPERATURE = 0.07
CONTRAST_WEIGHT = 0.5
WARM_UP = 0.1
# With one or two examples of a class, three epochs are over before anything has been learnt.
LEAST_STEPS = 24
WEIGHT_DECAY = 0.01
# With so many rows of a class the fine-tuned layers are kept as they are; with fewer, what few rows
# have taught is trusted less, and the layers end between where they began and where they came to.
TRUSTED_ROWS = 9

OnLoss = Callable[[int, int, float], None]


def fine_tune(
    body: SentenceTransformer,
    texts: Sequence[str],
    labels: Sequence[str],
    recipe: FastRecipe,
    on_step: OnLoss,
    on_epoch: OnLoss,
) -> int:
    """Fine-tune the upper layers of `body` in place.

    AdamW, 10 % of the steps as warm-up, then a linear decay to zero. Prototypes start at the
    classes' mean embeddings. With few rows of a class only a share of the change is kept, which
    is Wortsman et al.'s way to fine-tune without forgetting (2021, https://arxiv.org/abs/2109.01903).

    Parameters
    ----------
    body : SentenceTransformer
        The encoder; changed in place, and left in evaluation mode.
    texts, labels : sequence of str
        The examples.
    recipe : FastRecipe
        How long, how fast, how much of the encoder.
    on_step : callable
        Called after each step with its number from 1, the number of steps, and the loss.
    on_epoch : callable
        Called after each epoch, with the mean loss of its steps; `body` may be used in it.

    Returns
    -------
    int
        The number of steps.
    """
    import torch
    from torch.nn import functional

    names = sorted(set(labels))
    classes = torch.tensor([names.index(label) for label in labels], device=body.device)
    encoded = _tokenize(body, texts)
    precision = Precision.of(body.device.type)
    scaler = precision.scaler()
    with torch.no_grad(), precision.autocast():
        start = torch.cat(
            [
                _embed(body, encoded[at : at + EMBED_BATCH], parts=1)
                for at in range(0, len(encoded), EMBED_BATCH)
            ]
        )
    prototypes = torch.nn.Parameter(_class_means(start, classes, len(names)))
    layers = train_upper_layers(body, recipe.trained_layers)
    body_parameters = [parameter for layer in layers for parameter in layer.parameters()]
    before = [parameter.detach().clone() for parameter in body_parameters]
    optimizer = torch.optim.AdamW(
        [
            {"params": body_parameters, "lr": recipe.learning_rate, "weight_decay": WEIGHT_DECAY},
            {"params": [prototypes], "lr": PROTOTYPE_RATE, "weight_decay": 0.0},
        ]
    )
    numbers = classes.tolist()
    steps = steps_for(numbers, recipe.epochs)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    batches = class_batches(numbers, recipe.seed)
    epoch_steps = math.ceil(steps / recipe.epochs)
    losses: list[float] = []
    rng = random.Random(recipe.seed)
    for step in range(1, steps + 1):
        rows = next(batches)
        of_rows = classes[rows]
        with precision.autocast():
            embeddings = _embed(body, [_thinned(encoded[row], rng) for row in rows], PARTS)
        cosines = embeddings @ functional.normalize(prototypes, dim=1).T
        cosines = cosines - MARGIN * functional.one_hot(of_rows, len(names))
        loss = functional.cross_entropy(PROTOTYPE_SCALE * cosines, of_rows)
        loss = loss + CONTRAST_WEIGHT * supervised_contrast(embeddings, of_rows)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        scale = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        # A step whose float16 gradients overflowed was skipped, and the schedule waits with it.
        if scaler.get_scale() >= scale:
            schedule.step()
        losses.append(float(loss.detach()))
        on_step(step, steps, losses[-1])
        if step == steps or step % epoch_steps == 0:
            on_epoch(step, steps, float(np.mean(losses)))
            losses.clear()
            for layer in layers:
                layer.train()
    body.requires_grad_(True)
    body.eval()
    with torch.no_grad():
        for parameter, start_value in zip(body_parameters, before, strict=True):
            parameter.lerp_(start_value, 1 - kept_share(numbers))
    return steps


def kept_share(classes: Sequence[int]) -> float:
    """Return which share of the layers' change is kept: the root of rows per class by nine."""
    rows_of_a_class = len(classes) / len(set(classes))
    return min(1.0, math.sqrt(rows_of_a_class / TRUSTED_ROWS))


def steps_for(classes: Sequence[int], epochs: int) -> int:
    """Return how many batches show every row `epochs` times, but at least `LEAST_STEPS`."""
    sizes = np.bincount(classes)
    together = min(CLASSES_PER_BATCH, len(sizes))
    rows_of_a_batch = together * float(np.minimum(sizes, BATCH_ROWS // together).mean())
    return max(LEAST_STEPS, round(epochs * len(classes) / rows_of_a_batch))


def class_batches(classes: Sequence[int], seed: int) -> Iterator[list[int]]:
    """Yield batches of rows without end: several rows of each of several classes.

    Classes come in turn, and so do the rows of a class, so that after some batches each has been
    seen about as often as the others. Where there are few classes, a batch holds more rows of each.

    Parameters
    ----------
    classes : sequence of int
        The class of every row, numbered from 0.
    seed : int
        Of the order.
    """
    rng = random.Random(seed)
    members: dict[int, list[int]] = {}
    for row, number in enumerate(classes):
        members.setdefault(number, []).append(row)
    together = min(CLASSES_PER_BATCH, len(members))
    class_queue: list[int] = []
    row_queues: dict[int, list[int]] = {number: [] for number in members}
    while True:
        chosen: dict[int, None] = {}
        while len(chosen) < together:
            if not class_queue:
                class_queue = rng.sample(sorted(members), len(members))
            chosen[class_queue.pop()] = None
        batch: list[int] = []
        for number in chosen:
            queue = row_queues[number]
            for _ in range(min(BATCH_ROWS // together, len(members[number]))):
                if not queue:
                    queue += rng.sample(members[number], len(members[number]))
                row = queue.pop()
                # The end of one round and the start of the next may name the same row.
                if row not in batch:
                    batch.append(row)
        yield batch


def supervised_contrast(embeddings: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return the supervised contrastive loss of a batch (L_out of Khosla et al. 2020).

    Parameters
    ----------
    embeddings : Tensor, shape (n_rows, n_features)
        Of unit length.
    classes : Tensor of int, shape (n_rows,)
        Rows whose class occurs once in the batch have nothing to be near to, and do not count.

    Returns
    -------
    Tensor
        A scalar; 0 when no class occurs twice.
    """
    import torch

    itself = torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    similar = (embeddings @ embeddings.T / CONTRAST_TEMPERATURE).masked_fill(itself, -1e4)
    positive = (classes[:, None] == classes[None, :]) & ~itself
    counts = positive.sum(dim=1)
    log_shares = similar - similar.logsumexp(dim=1, keepdim=True)
    of_rows = -(log_shares * positive).sum(dim=1) / counts.clamp(min=1)
    counted = counts > 0
    return (of_rows * counted).sum() / counted.sum().clamp(min=1)


def _rate(step: int, steps: int) -> float:
    warm = max(1, round(WARM_UP * steps))
    return min((step + 1) / warm, max(0.0, (steps - step) / max(1, steps - warm)))


def _tokenize(body: SentenceTransformer, texts: Sequence[str]) -> list[dict[str, Any]]:
    encoded = body.tokenizer(list(texts), truncation=True, max_length=body.max_seq_length)
    return [{name: encoded[name][row] for name in encoded} for row in range(len(texts))]


def _thinned(row: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Hide some tokens; the first and the last, which mark the ends, stay."""
    middle = len(row["input_ids"]) - 2
    seen = [1, *(int(rng.random() >= DROPPED_TOKENS) for _ in range(middle)), 1]
    return {**row, "attention_mask": seen[: len(row["input_ids"])]}


def _embed(body: SentenceTransformer, encoded: list[dict[str, Any]], parts: int) -> torch.Tensor:
    """Encode in `parts` groups of like length; the rows come back in the given order."""
    import torch

    order = sorted(range(len(encoded)), key=lambda row: len(encoded[row]["input_ids"]))
    groups = [group.tolist() for group in np.array_split(order, min(parts, len(order)))]
    pad = body.tokenizer.pad
    embeddings = torch.cat(
        [
            forward(body, dict(pad([encoded[row] for row in group], return_tensors="pt")))
            for group in groups
        ]
    )
    return embeddings[torch.tensor(np.argsort(order), device=embeddings.device)]


def _class_means(embeddings: torch.Tensor, classes: torch.Tensor, count: int) -> torch.Tensor:
    from torch.nn import functional

    members = functional.one_hot(classes, count).to(embeddings.dtype)
    return functional.normalize(members.T @ embeddings, dim=1)
