"""Serve zero-shot classification: what runs inside the endpoint's container.

Follows the contract of the SageMaker Hugging Face inference toolkit. Two kinds of models are told
apart by what is in the model folder: a sentence encoder (``modules.json``), which compares the text
with each label's hypothesis, and a model of natural language inference (``config.json`` of a
sequence classifier with an entailment), which reads both together. The answer's header
``X-Amzn-SageMaker-Custom-Attributes`` names the model that gave it. What requests and answers look
like is described in `payload`. This module must not know of HTTP.

Settings, as variables of the endpoint's environment
    ``ZERO_SHOT_MAX_LABELS``: how many labels a text may have. Every label of an inference model is
    a pass through the whole model; a sentence encoder reads each label once and then knows it.
    ``OMP_NUM_THREADS``: threads of one worker, 1 by default.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from choice import Choice
from classifier import LIMIT_VARIABLE, Classifier
from payload import Prediction, Query, Ranking, Request, read_request, write_answer

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
_WARM_UP = Choice(("yes", "no"), False, (), ("yes", "no"))


def model_fn(model_dir: str) -> Classifier:
    """Load the model folder, and let it answer once so that the first caller does not wait.

    Raises
    ------
    ValueError
        If the folder holds neither kind of model.
    """
    folder = Path(model_dir)
    model: Classifier
    if (folder / "modules.json").is_file():
        from bi_encoder import BiEncoder

        model = BiEncoder(folder)
    elif (folder / "config.json").is_file():
        from entailment import EntailmentModel

        model = EntailmentModel(folder)
    else:
        raise ValueError(
            f"{folder} holds no zero-shot model: neither modules.json (a sentence encoder) nor "
            "config.json (a model of natural language inference). build.py makes such a folder."
        )
    model.scores("Hello", _WARM_UP)
    print(f"Serving {model.name}, at most {model.max_labels:,} labels a text", flush=True)
    return model


def input_fn(body: str | bytes | bytearray, content_type: str | None = None) -> Request:
    """Read a request body; see `payload.read_request`."""
    return read_request(body, content_type)


def predict_fn(request: Request, model: Classifier) -> tuple[Prediction, str]:
    """Rank the labels of every text; return this with the model's name.

    Raises
    ------
    ValueError
        If a request of JSON cannot be answered. A line of JSON Lines keeps its error to itself.
    """
    answers: list[list[Ranking] | ValueError] = []
    for query in request.queries:
        try:
            answers.append(query if isinstance(query, ValueError) else _ranked(query, model))
        except ValueError as error:
            if not request.lines:
                raise
            answers.append(error)
    return Prediction(request, answers), model.name


def output_fn(
    result: tuple[Prediction, str], accept: str | None = None, context: Any = None
) -> str:
    """Write the answer in the form that the caller accepts, and name the model in a header."""
    prediction, name = result
    if context is not None:
        context.set_response_header(0, ATTRIBUTES, f"model={name}")
    return write_answer(prediction, accept)


def _ranked(query: Query, model: Classifier) -> list[Ranking]:
    labels = query.choice.labels
    if len(labels) > model.max_labels:
        raise ValueError(
            f"candidate_labels has {len(labels):,} labels; {model.name} takes at most "
            f"{model.max_labels:,} here. Send fewer, or deploy with a larger {LIMIT_VARIABLE}."
        )
    rankings = []
    for text in query.texts:
        scores, truncated = model.scores(text, query.choice)
        order = np.argsort(-scores, kind="stable")
        rankings.append(
            Ranking(text, [labels[i] for i in order], [float(scores[i]) for i in order], truncated)
        )
    return rankings
