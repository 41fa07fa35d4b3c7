"""The few-shot recipe: a sentence encoder (the body) and a logistic regression (the head).

SetFit's idea in two parts. The body may be fine-tuned with a few contrastive steps; by default it
is left as it is, which on Banking77 is both faster and more accurate. The head is fitted on the
embeddings. This module must not know of files of examples, of reports, or of SageMaker.
"""

from __future__ import annotations

import math
import random
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from linear_head import LinearHead
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from setfit import SetFitModel
    from sklearn.linear_model import LogisticRegression

EMBED_CHUNK = 256
EMBED_BATCH = 32
LOSS_LINES = 20
# SetFit lists every pair of rows before it draws some: 24 bytes each, 1.2 GB for 10,000 rows.
MAX_CONTRASTIVE_ROWS = 10_000

Embeddings = NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes
    ----------
    seed : int
        Seeds everything random; the same seed on the same machine gives the same model.
    c : float
        Inverse of the head's regularisation strength. The embeddings have unit length, so one
        value suits every body. 10 gains three points over scikit-learn's 1 on Banking77.
    label_names : bool
        Whether each label's own name, as words, is one more example of it.
    max_steps : int
        Upper limit of contrastive steps on the body; 0 with `num_iterations` 0 leaves it frozen.
    num_iterations : int
        SetFit's own measure: pairs of each kind (same label, other label) drawn per example.
    batch_size : int
        Pairs per contrastive step.
    learning_rate : float
        Of the body.
    """

    seed: int = 0
    c: float = 10.0
    label_names: bool = True
    max_steps: int = 0
    num_iterations: int = 0
    batch_size: int = 16
    learning_rate: float = 2e-5

    def contrastive_steps(self, rows: int) -> int:
        """Return how many contrastive steps will be made on `rows` examples."""
        if not self.num_iterations:
            return self.max_steps
        steps = math.ceil(2 * self.num_iterations * rows / self.batch_size)
        return min(steps, self.max_steps) if self.max_steps else steps


def label_as_words(label: str) -> str:
    """Return a label's name as a text, or "" when it says nothing (``"17"``).

    Examples
    --------
    >>> label_as_words("card_payment_wrong_exchange_rate")
    'card payment wrong exchange rate'
    """
    words = " ".join(re.sub(r"[_\-]+", " ", label).split())
    return words if any(character.isalpha() for character in words) else ""


def with_label_names(texts: list[str], labels: list[str]) -> tuple[list[str], list[str]]:
    """Append the name of every label that says something as one more example of it."""
    named = [(label_as_words(label), label) for label in sorted(set(labels))]
    named = [(words, label) for words, label in named if words]
    return [*texts, *(words for words, _ in named)], [*labels, *(label for _, label in named)]


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def load_body(model: str, local: bool) -> SentenceTransformer:
    """Load the sentence encoder.

    Parameters
    ----------
    model : str
        A folder, or a name on the Hugging Face hub.
    local : bool
        Whether `model` is a folder; then nothing is asked of the network.
    """
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(model, local_files_only=local)


def embed(
    body: SentenceTransformer,
    texts: Sequence[str],
    on_progress: Callable[[int], None],
) -> Embeddings:
    """Return unit-length embeddings, shape (n_texts, n_features).

    Parameters
    ----------
    body : SentenceTransformer
        The encoder.
    texts : sequence of str
        At least one text.
    on_progress : callable
        Called with the number of texts done so far.
    """
    # Long texts cost by the longest of their batch, so batches are made of neighbours in length.
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts: list[Embeddings] = []
    for start in range(0, len(order), EMBED_CHUNK):
        chunk = [texts[i] for i in order[start : start + EMBED_CHUNK]]
        parts.append(
            body.encode(
                chunk, batch_size=EMBED_BATCH, normalize_embeddings=True, show_progress_bar=False
            )
        )
        on_progress(min(start + EMBED_CHUNK, len(order)))
    embeddings: Embeddings = np.concatenate(parts)[np.argsort(order)]
    return embeddings


def fit_head(
    embeddings: Embeddings, labels: list[str], c: float
) -> tuple[LogisticRegression, LinearHead]:
    """Fit the logistic regression; return it as scikit-learn's object and as plain arrays."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, max_iter=1000)
    model.fit(embeddings, np.array(labels, dtype=np.str_))
    return model, LinearHead.from_logistic_regression(model)


def assemble(body: SentenceTransformer, head: LogisticRegression, labels: list[str]) -> SetFitModel:
    """Put body and head together as a SetFit model, which can be saved and shared."""
    from setfit import SetFitModel

    return SetFitModel(model_body=body, model_head=head, normalize_embeddings=True, labels=labels)


def fine_tune(
    body: SentenceTransformer,
    texts: list[str],
    labels: list[str],
    recipe: Recipe,
    on_step: Callable[[int, int, float], None],
) -> None:
    """Fine-tune `body` in place with SetFit's contrastive pairs.

    Parameters
    ----------
    body : SentenceTransformer
        The encoder; changed in place.
    texts, labels : list of str
        The examples.
    recipe : Recipe
        Its `contrastive_steps` must be above 0.
    on_step : callable
        Called with (step, steps, mean loss since the last call) about twenty times.

    Raises
    ------
    ValueError
        If there are more rows than SetFit can list the pairs of.
    """
    if len(texts) > MAX_CONTRASTIVE_ROWS:
        raise ValueError(
            f"Contrastive steps on {len(texts)} rows would list {len(texts) ** 2 // 2:,} pairs. "
            f"Use at most {MAX_CONTRASTIVE_ROWS:,} rows, or leave the body frozen (max_steps 0 "
            "and num_iterations 0)."
        )
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback

    steps = recipe.contrastive_steps(len(texts))
    codes = {label: code for code, label in enumerate(sorted(set(labels)))}

    class Report(TrainerCallback):
        def on_log(self, _: Any, state: Any, __: Any, **kwargs: Any) -> None:
            loss = (kwargs.get("logs") or {}).get("embedding_loss")
            if loss is not None:
                on_step(state.global_step, steps, float(loss))

    with tempfile.TemporaryDirectory() as scratch:
        trainer = Trainer(
            model=SetFitModel(model_body=body, normalize_embeddings=True),
            args=TrainingArguments(
                output_dir=scratch,
                batch_size=recipe.batch_size,
                num_epochs=1,
                max_steps=steps,
                num_iterations=recipe.num_iterations or None,
                body_learning_rate=recipe.learning_rate,
                seed=recipe.seed,
                logging_strategy="steps",
                logging_steps=max(1, steps // LOSS_LINES),
                # SetFit's defaults look for mlflow and write checkpoints every 500 steps.
                report_to="none",
                save_strategy="no",
                show_progress_bar=False,
            ),
            # Not used, since SetFit never evaluates here, but its default is fetched from the hub.
            metric=lambda _predicted, _true: {},
            callbacks=[Report()],
        )
        # Otherwise torch warns about it wherever there is no GPU.
        trainer.st_trainer.args.dataloader_pin_memory = body.device.type == "cuda"
        for callback in (ProgressCallback, PrinterCallback):
            trainer.remove_callback(callback)
        data = Dataset.from_dict({"text": texts, "label": [codes[label] for label in labels]})
        trainer.train_embeddings(*trainer.dataset_to_parameters(data))
    body.eval()
