"""The default `model_fn`: a `transformers.pipeline` for the task the model is for."""

import json
import logging
import os
import time
from pathlib import Path
from typing import Any

from local_sagemaker.serving.hub_cache import HubModel, NotCached

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
_HELLO = "Hello."
# A request that every model of the task can answer.
_WARM_UPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "feature-extraction": (_HELLO, {}),
    "question-answering": ({"question": _HELLO, "context": _HELLO}, {}),
    "sentiment-analysis": (_HELLO, {}),
    "text-classification": (_HELLO, {}),
    "text-generation": (_HELLO, {"max_new_tokens": 1}),
    "token-classification": (_HELLO, {}),
    "zero-shot-classification": (_HELLO, {"candidate_labels": ["a", "b"]}),
}
# What torch does not load, and what it loads where there is nothing safer.
_OTHER_FRAMEWORKS = ("*.h5", "*.msgpack", "*.ot", "*.onnx", "*.tflite", "*.mlmodel", "openvino/*")
_PICKLED = ("*.bin", "*.pt", "*.pth")


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


def model_folder(model_dir: Path) -> Path:
    """Return where a model's files are: what ``HF_MODEL_ID`` names, else the archive's folder.

    What the cache holds is taken as it is; anything else is downloaded into it.

    Raises
    ------
    ValueError
        If ``HF_MODEL_ID`` names a folder that is not there, or cannot name a repository.
    NotCached
        If the cache does not hold the model and may not be filled.
    """
    named = os.environ.get("HF_MODEL_ID", "")
    hub = HubModel.named_by(os.environ)
    if hub is None:
        if named and not Path(named).is_dir():
            raise ValueError(f"HF_MODEL_ID names a folder that is not there: {named}")
        return Path(named or model_dir)
    try:
        folder = hub.cached()
    except NotCached as absence:
        if hub.offline:
            raise NotCached(
                f"{hub.repository} is not in the Hugging Face cache ({absence}), and "
                f"{hub.offline} forbids to download it. {hub.how_to_get()}"
            ) from None
        return _download(hub)
    _logger.info("HF_MODEL_ID: %s is taken from %s", hub.repository, folder)
    return folder


def _download(hub: HubModel) -> Path:
    from huggingface_hub import HfApi

    _logger.info("HF_MODEL_ID: %s is downloaded from %s", hub.repository, hub.endpoint)
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    files = api.list_repo_files(hub.repository, revision=hub.revision)
    safe = any("/" not in name and name.endswith(".safetensors") for name in files)
    return Path(
        api.snapshot_download(
            hub.repository,
            revision=hub.revision,
            cache_dir=hub.cache,
            ignore_patterns=[*_OTHER_FRAMEWORKS, *(_PICKLED if safe else ())],
        )
    )


def load_pipeline(model_dir: Path) -> Any:
    """Load a model folder, or the Hub's model named by ``HF_MODEL_ID``, as a pipeline.

    It has predicted once when it is returned: the first call of a model costs more than others.

    Parameters
    ----------
    model_dir
        Folder of the unpacked model.

    Returns
    -------
    transformers.Pipeline
        On the first GPU where torch has one, else on the CPU.
    """
    folder = model_folder(model_dir)
    task = task_of(folder)
    import torch
    import transformers

    # Its overloads name every task literally; ours is known at run time only.
    pipeline: Any = transformers.pipeline

    location = str(folder)
    part = "feature_extractor" if task in _WITH_FEATURE_EXTRACTOR else "tokenizer"
    _logger.info("Loading %s for %s", location, task)
    loaded = pipeline(
        task=task,
        model=location,
        device=0 if torch.cuda.is_available() else -1,
        trust_remote_code=os.environ.get("HF_TRUST_REMOTE_CODE", "").lower() in _TRUE,
        **{part: location},
    )
    _warm_up(loaded, task)
    return loaded


def _warm_up(pipeline: Any, task: str) -> None:
    if task not in _WARM_UPS:
        _logger.info("No request is known to warm up %s with", task)
        return
    started = time.monotonic()
    inputs, parameters = _WARM_UPS[task]
    try:
        pipeline(inputs, **parameters)
    except Exception:
        # On AWS such a model is healthy; a request with more than our words may well be answered.
        _logger.warning("The warm-up request failed", exc_info=True)
    else:
        _logger.info("Warmed up in %.1f s", time.monotonic() - started)


def explained(
    error: Exception, pipeline: Any, inputs: Any, parameters: dict[str, Any] | None
) -> Exception:
    """Return a pipeline's error with what it does not say itself: that a text is too long.

    Parameters
    ----------
    error
        What the pipeline raised.
    pipeline
        The pipeline, or whatever else a `model_fn` returned.
    inputs, parameters
        What it was asked.
    """
    tokenizer = getattr(pipeline, "tokenizer", None)
    config = getattr(getattr(pipeline, "model", None), "config", None)
    limit = getattr(config, "max_position_embeddings", None)
    if tokenizer is None or not isinstance(limit, int):
        return error
    new = (parameters or {}).get("max_new_tokens", 0)
    more = f" and {new} more are asked for" if new else ""
    texts = inputs if isinstance(inputs, list) else [inputs]
    for number, text in enumerate(texts, 1):
        if not isinstance(text, str):
            continue
        tokens = len(tokenizer(text)["input_ids"])
        if tokens + new > limit:
            which = f"Text {number} of {len(texts)}" if len(texts) > 1 else "The text"
            return ValueError(
                f"{error} ({which} has {tokens} tokens{more}, but the model has room for {limit}: "
                'send a shorter text, or "truncation": true among the parameters where the task '
                "takes it.)"
            )
    return error
