"""The default `model_fn`: a `transformers.pipeline` for the task the model is for."""

import json
import logging
import os
from pathlib import Path
from typing import Any

_logger = logging.getLogger(__name__)

# Architecture suffix to task, as the Hugging Face inference toolkit maps them; a later entry wins.
_TASKS = {
    "TapasForQuestionAnswering": "table-question-answering",
    "ForQuestionAnswering": "question-answering",
    "ForTokenClassification": "token-classification",
    "ForSequenceClassification": "text-classification",
    "ForMultipleChoice": "multiple-choice",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "EncoderDecoderModel": "text2text-generation",
    "GPT2LMHeadModel": "text-generation",
    "T5WithLMHeadModel": "text2text-generation",
}
_WITH_FEATURE_EXTRACTOR = frozenset(
    {
        "automatic-speech-recognition",
        "image-segmentation",
        "image-classification",
        "audio-classification",
        "object-detection",
        "zero-shot-image-classification",
    }
)
_TRUE = frozenset({"1", "y", "yes", "t", "true", "on"})


def task_of(model_dir: Path) -> str:
    """Return the task of a model folder: ``HF_TASK``, or what its configuration tells.

    Raises
    ------
    ValueError
        If neither tells it.
    """
    if task := os.environ.get("HF_TASK"):
        return task
    configuration = model_dir / "config.json"
    if configuration.is_file():
        architectures = json.loads(configuration.read_text("utf-8")).get("architectures") or [""]
        tasks = [task for suffix, task in _TASKS.items() if architectures[0].endswith(suffix)]
        if not tasks:
            raise ValueError(
                f"The task cannot be told from the architecture {architectures[0]!r} in "
                f"config.json. Set HF_TASK, such as text-classification."
            )
        # The pre-processing of a request asks for the task later on.
        os.environ["HF_TASK"] = tasks[-1]
        return tasks[-1]
    if (model_dir / "model_index.json").is_file():
        return "text-to-image"
    raise ValueError(
        "The model has no inference script (code/inference.py with a model_fn), no HF_TASK in its "
        "environment and no config.json at the top of its archive, so there is nothing to tell "
        f"how to load it. The archive holds: {_listing(model_dir)}."
    )


def _listing(folder: Path, limit: int = 20) -> str:
    names = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(names[:limit]) or "nothing"
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _from_hub(model_id: str) -> Path:
    from huggingface_hub import snapshot_download

    _logger.info("HF_MODEL_ID: fetching %s from the Hugging Face Hub (or its cache)", model_id)
    token = os.environ.get("HF_TOKEN") or os.environ.get("HF_API_TOKEN")
    revision = os.environ.get("HF_MODEL_REVISION") or None
    return Path(snapshot_download(model_id, revision=revision, token=token or None))


def load_pipeline(model_dir: Path) -> Any:
    """Load a model folder, or the Hub's model named by ``HF_MODEL_ID``, as a pipeline.

    Parameters
    ----------
    model_dir
        Folder of the unpacked model.

    Returns
    -------
    transformers.Pipeline
        On the first GPU where torch has one, else on the CPU.
    """
    if model_id := os.environ.get("HF_MODEL_ID"):
        model_dir = _from_hub(model_id)
    task = task_of(model_dir)
    import torch
    import transformers

    # Its overloads name every task literally; ours is known at run time only.
    pipeline: Any = transformers.pipeline

    location = str(model_dir)
    part = "feature_extractor" if task in _WITH_FEATURE_EXTRACTOR else "tokenizer"
    _logger.info("Loading %s for %s", location, task)
    return pipeline(
        task=task,
        model=location,
        device=0 if torch.cuda.is_available() else -1,
        trust_remote_code=os.environ.get("HF_TRUST_REMOTE_CODE", "").lower() in _TRUE,
        **{part: location},
    )
