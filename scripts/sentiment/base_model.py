"""The model that training starts from: a transformer with a new classification layer.

This module must not know of rows or of how training works.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from classifier import Classifier, quiet, token_limit
from rows import DataError


def check(folder: Path | None) -> None:
    """Say what is wrong with channel ``model`` before anything slow starts.

    Raises
    ------
    DataError
        If the folder holds no model.
    """
    if folder is None or (folder / "config.json").is_file():
        return
    present = ", ".join(sorted(p.name for p in folder.iterdir())) if folder.is_dir() else ""
    raise DataError(
        f"{folder} holds no model: config.json is missing; it holds: {present or 'nothing'}. Send "
        "the unpacked files of a Hugging Face model as channel 'model', or leave the channel out "
        "and name one with --model-id."
    )


def load_base(name: str, local: bool, labels: list[str], max_tokens: int) -> Classifier:
    """Load a base model, onto a GPU where there is one.

    Parameters
    ----------
    name : str
        A folder, or a name on the Hugging Face hub.
    local : bool
        Whether `name` is a folder; then nothing is asked of the network.
    labels : list of str
        What the model is to answer with, in the order of its outputs.
    max_tokens : int
        Texts are cut there, or where the model ends.

    Raises
    ------
    DataError
        If the model cannot be loaded.
    """
    if local:
        # A model in a folder needs nothing from the hub; jobs may have no network at all.
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    quiet()
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name, local_files_only=local)
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            name,
            local_files_only=local,
            use_safetensors=True,
            id2label=dict(enumerate(labels)),
            label2id={label: number for number, label in enumerate(labels)},
            num_labels=len(labels),
            # A base model that has labels of its own (and layers for them) gets new ones.
            ignore_mismatched_sizes=True,
        )
    except (OSError, ValueError) as error:
        raise DataError(
            f"The base model {name!r} cannot be loaded: {error} Without internet access send a "
            "model folder as channel 'model' (on the command line: --model FOLDER)."
        ) from error
    limit = min(filter(None, (token_limit(tokenizer, model.config), max_tokens)))
    # Saved with the model, so that serving cuts where training did.
    tokenizer.model_max_length = limit
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Classifier(model.to(device), tokenizer, labels, limit)


def described(name: str) -> str:
    """Return what a base model is, in words that say something outside of the job as well."""
    folder = Path(name)
    if not folder.is_absolute():
        return name
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind, layers = config.get("model_type", "unknown type"), config.get("num_hidden_layers", "?")
    return f"from channel model ({kind}, {layers} layers)"
