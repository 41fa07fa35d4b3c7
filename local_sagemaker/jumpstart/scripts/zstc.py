"""Zero-shot classification in JumpStart's dialect, on a Hugging Face container's own pipeline.

It turns ``sequences``, ``candidate_labels``, ``multi_class`` and ``hypothesis_template`` into what
the container's handler takes (``inputs``, ``parameters``), which it takes too. It runs in a
container: it must import nothing but the standard library.

Source of the dialect: the notebook Amazon_JumpStart_Zero_Shot_Text_Classification of
aws/amazon-sagemaker-examples.
"""

import json
from typing import Any

_JSON = "application/json"
_PARAMETERS = {
    "candidate_labels": "candidate_labels",
    "hypothesis_template": "hypothesis_template",
    "multi_class": "multi_label",
    "multi_label": "multi_label",
}


def input_fn(data: str | bytes, content_type: str | None) -> dict[str, Any]:
    """Read a request in either dialect."""
    _require_json(content_type, "sent")
    request = json.loads(data)
    if not isinstance(request, dict):
        raise ValueError(f"the request must be a JSON object, not {type(request).__name__}")
    if "inputs" in request:
        return request
    if "sequences" not in request:
        raise ValueError("the request lacks 'sequences', the text or texts to classify")
    unknown = sorted(request.keys() - _PARAMETERS.keys() - {"sequences"})
    if unknown:
        known = ", ".join(["sequences", *_PARAMETERS])
        raise ValueError(f"the request holds {', '.join(unknown)}; what it may hold is: {known}")
    if not request.get("candidate_labels"):
        raise ValueError("the request lacks 'candidate_labels', a list of at least one label")
    parameters = {_PARAMETERS[key]: value for key, value in request.items() if key in _PARAMETERS}
    return {"inputs": request["sequences"], "parameters": parameters}


def output_fn(prediction: Any, accept: str) -> str:
    """Write labels and scores as JSON, ``application/json;verbose`` being the same."""
    if accept != "*/*":
        _require_json(accept, "asked for")
    return json.dumps(prediction, ensure_ascii=False)


def _require_json(content_type: str | None, how: str) -> None:
    if (content_type or "").partition(";")[0].strip().lower() != _JSON:
        raise ValueError(f"{content_type} was {how}; this model reads and writes {_JSON}")
