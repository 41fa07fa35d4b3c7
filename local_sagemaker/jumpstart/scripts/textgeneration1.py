"""Text generation in the dialect of Text Generation Inference, on a Hugging Face pipeline.

JumpStart's GPT-Neo runs in a container of Text Generation Inference (TGI). This answers the same
requests: only new text unless ``return_full_text`` is set, sampling as soon as a parameter of
sampling is given, an end at the first of the ``stop`` texts, which stays. It runs in a container:
it must import nothing but the standard library and what the container's handler loads.

Source of names, limits and messages: GenerateParameters of text-generation-inference 1.4.
"""

import json
from typing import Any

_JSON = "application/json"
_NEW_TOKENS = 20
_MOST_STOPS = 4
_PASSED_ON = ("temperature", "top_k", "top_p", "typical_p", "repetition_penalty")
_SAMPLING = frozenset({"temperature", "top_k", "top_p", "typical_p"})
_OWN = frozenset({"max_new_tokens", "do_sample", "return_full_text", "seed", "stop"})
# These are understood as what they are by default, and refused as anything else.
_OFF = frozenset(
    {"best_of", "decoder_input_details", "details", "top_n_tokens", "truncate", "watermark"}
)


def input_fn(data: str | bytes, content_type: str | None) -> dict[str, Any]:
    """Read a request."""
    if (content_type or "").partition(";")[0].strip().lower() != _JSON:
        raise ValueError(f"{content_type} was sent; this model reads {_JSON}")
    request = json.loads(data)
    if not isinstance(request, dict) or not isinstance(request.get("inputs"), str):
        raise ValueError("the request must be a JSON object whose 'inputs' is the prompt, a text")
    if not request["inputs"]:
        raise ValueError("`inputs` cannot be empty")
    parameters = request.get("parameters") or {}
    given = {
        name: value
        for name, value in parameters.items()
        if value is not None and value is not False
    }
    unknown = sorted(given.keys() - set(_PASSED_ON) - _OWN)
    if unknown:
        off = sorted(set(unknown) & _OFF)
        why = f"{off[0]} is not done here" if off else f"there is no parameter {unknown[0]}"
        known = ", ".join(sorted({*_PASSED_ON, *_OWN}))
        raise ValueError(f"{why}; what can be asked for is: {known}")
    return {"inputs": request["inputs"], "parameters": given}


def predict_fn(data: dict[str, Any], model: Any) -> list[dict[str, str]]:
    """Generate."""
    given = data["parameters"]
    stops = given.get("stop", [])
    if not isinstance(stops, list) or len(stops) > _MOST_STOPS:
        raise ValueError(f"`stop` must be a list of at most {_MOST_STOPS} texts")
    asked = {name: given[name] for name in _PASSED_ON if name in given}
    for name in ("temperature", "repetition_penalty"):
        if name in asked and not asked[name] > 0:
            raise ValueError(f"`{name}` must be strictly positive")
    asked["do_sample"] = bool(given.get("do_sample")) or bool(_SAMPLING & asked.keys())
    if "seed" in given:
        import torch

        torch.manual_seed(given["seed"])
    prompt = data["inputs"]
    new_tokens = given.get("max_new_tokens", _NEW_TOKENS)
    _check_length(model, prompt, new_tokens)
    answers = model(
        prompt,
        max_new_tokens=new_tokens,
        return_full_text=False,
        **asked,
    )
    before = prompt if given.get("return_full_text") else ""
    return [{"generated_text": before + _ended(one["generated_text"], stops)} for one in answers]


def output_fn(prediction: Any, accept: str) -> str:
    """Write the answer as JSON."""
    del accept
    return json.dumps(prediction, ensure_ascii=False)


def _check_length(model: Any, prompt: str, new_tokens: Any) -> None:
    if not isinstance(new_tokens, int) or new_tokens < 1:
        raise ValueError("`max_new_tokens` must be strictly positive")
    longest = getattr(model.model.config, "max_position_embeddings", None)
    tokens = len(model.tokenizer(prompt)["input_ids"])
    if longest is not None and tokens + new_tokens > longest:
        raise ValueError(
            f"`inputs` tokens + `max_new_tokens` must be <= {longest}. Given: {tokens} `inputs` "
            f"tokens and {new_tokens} `max_new_tokens`"
        )


def _ended(text: str, stops: list[str]) -> str:
    ends = [found + len(stop) for stop in stops if (found := text.find(stop)) >= 0]
    return text[: min(ends)] if ends else text
