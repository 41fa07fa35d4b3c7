"""Serve a few-shot classifier: what runs inside the endpoint's container.

Follows the contract of the SageMaker Hugging Face inference toolkit: `model_fn` loads the model
folder, then every request passes through `input_fn`, `predict_fn` and `output_fn`. Any exception
becomes the answer's error message, so messages say what to send instead. Nothing is ever unpickled:
the head comes from plain arrays, the encoder from ONNX graphs or safetensors. What requests and
answers look like is described in `payload`, the settings of a worker in `encoder`. This module must
not know of training or of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from encoder import Encoder, load_encoder, read_facts
from linear_head import LinearHead
from numpy.typing import NDArray
from payload import CALIBRATED, Prediction, Query, Request, read_request, write_answer


@dataclass(frozen=True)
class FewShotModel:
    """A sentence encoder, the head that turns its embeddings into labels, and a threshold.

    Attributes
    ----------
    encoder : Encoder
        Turns texts into embeddings.
    head : LinearHead
        Turns embeddings into probabilities.
    threshold : float or None
        The calibrated probability below which an answer may be "none of these".
    """

    encoder: Encoder
    head: LinearHead
    threshold: float | None


def model_fn(model_dir: str) -> FewShotModel:
    """Load the model folder that train.py wrote, and let it answer once.

    The first answer of a model is the slowest, and may be the one that fails. It is given here, so
    that a server that calls itself healthy after this can answer, and does so at full speed.
    """
    folder = Path(model_dir)
    facts = read_facts(folder)
    head = LinearHead.load(folder)
    model = FewShotModel(load_encoder(folder, facts), head, facts.get("threshold"))
    predict_fn(Request([Query(head.labels[0])]), model)
    print(f"Serving by {model.encoder.variant}. {facts.get('reason', '')}", flush=True)
    return model


def input_fn(body: str | bytes, content_type: str | None = None) -> Request:
    """Read a request body; see `payload.read_request`."""
    return read_request(body, content_type)


def predict_fn(request: Request, model: FewShotModel) -> Prediction:
    """Classify every text of the request.

    Raises
    ------
    ValueError
        If ``top_k`` is larger than the number of labels, or the calibrated threshold is asked for
        and the model has none.
    """
    for query in request.queries:
        _check(query, model)
    if not request.queries:
        return Prediction(request, [])
    embeddings = model.encoder.embed([query.text for query in request.queries])
    ranked = []
    for query, embedding in zip(request.queries, embeddings, strict=True):
        # A product of matrices rounds differently by the number of rows; one row is always alike.
        [probabilities] = model.head.probabilities(embedding[None])
        ranked.append(_ranked(query, probabilities, model))
    return Prediction(request, ranked)


def output_fn(prediction: Prediction, accept: str | None = None) -> str:
    """Write the answer in the form that the caller accepts; see `payload.write_answer`."""
    return write_answer(prediction, accept)


def _check(query: Query, model: FewShotModel) -> None:
    count, wanted = len(model.head.labels), query.wanted
    if wanted.top_k is not None and wanted.top_k > count:
        raise ValueError(
            f"top_k is {wanted.top_k}, but the model has {count} labels; ask for 1 to {count}."
        )
    if wanted.threshold == CALIBRATED and model.threshold is None:
        raise ValueError(
            "This model has no calibrated threshold: it was trained on too few examples to hold "
            "any out. Send a number from 0 to 1."
        )


def _ranked(
    query: Query, probabilities: NDArray[np.float64], model: FewShotModel
) -> list[tuple[str | None, float]]:
    wanted = query.wanted
    best = np.argsort(-probabilities, kind="stable")[: wanted.top_k or 1]
    pairs = [(model.head.labels[i], float(probabilities[i])) for i in best]
    least = model.threshold if wanted.threshold == CALIBRATED else wanted.threshold
    if least is None:
        return list(pairs)
    if wanted.top_k is None:
        [(label, score)] = pairs
        return [(label if score >= float(least) else None, score)]
    return [(label, score) for label, score in pairs if score >= float(least)]
