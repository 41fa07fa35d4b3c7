"""Serve a few-shot classifier: what runs inside the endpoint's container.

Follows the contract of the SageMaker Hugging Face inference toolkit: `model_fn` loads the model
folder, then every request passes through `input_fn`, `predict_fn` and `output_fn`. Any exception
becomes the answer's error message, so messages say what to send instead. The head comes from plain
arrays and the body from safetensors: nothing is ever unpickled. What requests and answers look like
is described in `payload`. This module must not know of training or of HTTP.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from linear_head import LinearHead
from payload import Prediction, Request, read_request, write_answer

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH_SIZE = 32
THREADS_VARIABLE = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class FewShotModel:
    """A sentence encoder and the head that turns its embeddings into labels."""

    body: SentenceTransformer
    head: LinearHead


def model_fn(model_dir: str) -> FewShotModel:
    """Load the model folder that train.py wrote.

    One thread per worker unless ``OMP_NUM_THREADS`` says otherwise: with torch's default, several
    workers on the same cores slow each other down.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(_threads())
    body = SentenceTransformer(
        model_dir, local_files_only=True, model_kwargs={"use_safetensors": True}
    )
    return FewShotModel(body, LinearHead.load(Path(model_dir)))


def input_fn(body: str | bytes, content_type: str | None = None) -> Request:
    """Read a request body; see `payload.read_request`."""
    return read_request(body, content_type)


def predict_fn(request: Request, model: FewShotModel) -> Prediction:
    """Classify every text of the request.

    Raises
    ------
    ValueError
        If ``top_k`` is larger than the number of labels.
    """
    labels = model.head.labels
    for query in request.queries:
        if query.top_k is not None and query.top_k > len(labels):
            raise ValueError(
                f"top_k is {query.top_k}, but the model has {len(labels)} labels; "
                f"ask for 1 to {len(labels)}."
            )
    if not request.queries:
        return Prediction(request, [])
    embeddings = model.body.encode(
        [query.text for query in request.queries],
        batch_size=BATCH_SIZE,
        normalize_embeddings=True,
        show_progress_bar=False,
    )
    ranked = []
    for query, row in zip(request.queries, model.head.probabilities(embeddings), strict=True):
        best = np.argsort(-row, kind="stable")[: query.top_k or 1]
        ranked.append([(labels[i], float(row[i])) for i in best])
    return Prediction(request, ranked)


def output_fn(prediction: Prediction, accept: str | None = None) -> str:
    """Write the answer in the form that the caller accepts; see `payload.write_answer`."""
    return write_answer(prediction, accept)


def _threads() -> int:
    value = os.environ.get(THREADS_VARIABLE, "1")
    if not value.isdigit() or int(value) < 1:
        raise ValueError(f"{THREADS_VARIABLE} is {value!r}; set a number from 1.")
    return int(value)
