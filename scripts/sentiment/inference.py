"""Serve a sentiment model: what runs inside the endpoint's container.

Follows the contract of the SageMaker Hugging Face inference toolkit, and unpickles nothing: weights
come from safetensors. What requests and answers look like is described in `payload`. This module
must not know of training or of HTTP.

Settings, as variables of the endpoint's environment
    ``SENTIMENT_LABELS``: ``names`` (``positive``), the default, or ``LABEL_n`` (``LABEL_1``), for
    callers that expect a model whose labels have no names. A request may ask for the other.
    ``OMP_NUM_THREADS``: threads of one worker, 1 by default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from classifier import Classifier, load_classifier, use_threads
from numpy.typing import NDArray
from payload import (
    DIALECTS,
    NAMES,
    NUMBERED,
    Prediction,
    Query,
    Request,
    read_request,
    write_answer,
)

DIALECT_VARIABLE = "SENTIMENT_LABELS"


@dataclass(frozen=True)
class SentimentModel:
    """A classifier, and how it names its labels when nothing is asked."""

    classifier: Classifier
    dialect: str


def model_fn(model_dir: str) -> SentimentModel:
    """Load the model folder that train.py wrote, and let it answer once.

    The first answer of a model is the slowest, and may be the one that fails. It is given here, so
    that a server that calls itself healthy after this can answer, and does so at full speed.

    Raises
    ------
    ValueError
        If the folder holds no sequence classifier, or a setting is wrong.
    """
    dialect = os.environ.get(DIALECT_VARIABLE, NAMES)
    if dialect not in DIALECTS:
        raise ValueError(f"{DIALECT_VARIABLE} is {dialect!r}; set one of {', '.join(DIALECTS)}.")
    use_threads(1)
    model = SentimentModel(load_classifier(Path(model_dir)), dialect)
    predict_fn(Request([Query("A film.")]), model)
    print(f"Serving the labels {', '.join(model.classifier.labels)} as {dialect}.", flush=True)
    return model


def input_fn(body: str | bytes | bytearray, content_type: str | None = None) -> Request:
    """Read a request body; see `payload.read_request`."""
    return read_request(body, content_type)


def predict_fn(request: Request, model: SentimentModel) -> Prediction:
    """Classify every text of the request.

    Raises
    ------
    ValueError
        If ``top_k`` is larger than the number of labels.
    """
    count = len(model.classifier.labels)
    for query in request.queries:
        if query.wanted.top_k is not None and query.wanted.top_k > count:
            raise ValueError(
                f"top_k is {query.wanted.top_k}, but the model has {count} labels; ask for 1 to "
                f"{count}."
            )
    probabilities = model.classifier.probabilities([query.text for query in request.queries])
    ranked = [
        _ranked(query, row, model)
        for query, row in zip(request.queries, probabilities, strict=True)
    ]
    return Prediction(request, ranked)


def output_fn(prediction: Prediction, accept: str | None = None) -> str:
    """Write the answer in the form that the caller accepts; see `payload.write_answer`."""
    return write_answer(prediction, accept)


def _ranked(
    query: Query, probabilities: NDArray[np.float64], model: SentimentModel
) -> list[tuple[str, float]]:
    numbered = (query.wanted.dialect or model.dialect) == NUMBERED
    best = np.argsort(-probabilities, kind="stable")[: query.wanted.top_k]
    names = [f"LABEL_{i}" if numbered else model.classifier.labels[i] for i in best]
    return [(name, float(probabilities[i])) for name, i in zip(names, best, strict=True)]
