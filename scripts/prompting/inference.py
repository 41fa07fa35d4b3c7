"""Complete prompts: what runs inside the endpoint's container.

Follows the contract of the SageMaker Hugging Face inference toolkit, with a causal language model
from the model's folder. What requests and answers look like is described in
`generation_request`. This module must not know what the prompts ask.
"""

from __future__ import annotations

from pathlib import Path

from causal_model import CausalModel
from generation_request import Answer, Parameters, Request, read_request, write_answer

_WARM_UP = Parameters(max_new_tokens=1)


def model_fn(model_dir: str) -> CausalModel:
    """Load the model, and let it generate a token so that the first caller does not wait."""
    model = CausalModel(Path(model_dir))
    model.complete("Hello", _WARM_UP)
    return model


def input_fn(body: str | bytes, content_type: str | None = None) -> Request:
    """Read a request body; see `generation_request.read_request`."""
    return read_request(body, content_type)


def predict_fn(request: Request, model: CausalModel) -> Answer:
    """Complete every prompt of the request, one after the other."""
    completions = [model.complete(prompt, request.parameters) for prompt in request.prompts]
    return Answer(request, completions)


def output_fn(answer: Answer, accept: str | None = None) -> str:
    """Write the answer; see `generation_request.write_answer`."""
    return write_answer(answer, accept)
