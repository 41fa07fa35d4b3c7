"""The model card (``README.md``): what a person who finds the model folder wants to know.

See Mitchell et al. 2019 (https://arxiv.org/abs/1810.03993). Everything in it comes from
``metrics.json``; this module must not know how any figure came about.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE_NAME = "README.md"
RECIPES = {
    "fast": "upper layers of the encoder fine-tuned with class prototypes and supervised contrast",
    "frozen": "encoder as it was, only the head trained",
    "setfit": "encoder fine-tuned with SetFit's pairs of sentences",
}
LABELS_LISTED = 100


def write_card(folder: Path, labels: list[str], metrics: dict[str, Any]) -> Path:
    """Write the card into `folder`; return its path.

    Parameters
    ----------
    folder : Path
        The model folder.
    labels : list of str
        What the model answers with.
    metrics : dict
        The content of ``metrics.json``.
    """
    path = folder / FILE_NAME
    path.write_text(_card(labels, metrics), encoding="utf-8")
    return path


def _card(labels: list[str], metrics: dict[str, Any]) -> str:
    recipe: dict[str, Any] = metrics["recipe"]
    calibration: dict[str, Any] = metrics["calibration"]
    listed = ", ".join(f"`{label}`" for label in labels[:LABELS_LISTED])
    if len(labels) > LABELS_LISTED:
        listed += f" and {len(labels) - LABELS_LISTED} more (labels.json)"
    settings = ", ".join(f"{name} {value}" for name, value in recipe.items() if name != "name")
    libraries = "\n".join(
        f"| {name} | {version} |" for name, version in metrics["versions"].items()
    )
    return f"""---
library_name: setfit
tags: [setfit, sentence-transformers, text-classification]
---

# Few-shot text classifier with {len(labels)} labels

A sentence encoder and a logistic regression on its embeddings. `SetFitModel.from_pretrained` loads
this folder; `code/inference.py` serves it without unpickling anything.

## Training

| | |
| --- | --- |
| Recipe | {recipe["name"]}: {RECIPES[recipe["name"]]} |
| Settings | {settings} |
| Base model | {_base(metrics["base_model"])} |
| Training rows | {metrics["train_rows"]}, SHA-256 of the file `{metrics["train_sha256"]}` |
| Time | {metrics["seconds"]["train"]:.1f} s, {metrics["seconds"]["train_cpu"]:.1f} CPU-seconds |

## Measured

{_measured(metrics)}

Probabilities are calibrated: logits are divided by {calibration["temperature"]:.3f}, which is
already part of the head. The number comes from: {calibration["method"]}.

## Limits

The model gives one of its labels to every text, however foreign; see the threshold for "none of
these" in `metrics.json`. It has seen few examples: measure it on your own texts before you rely on
it. What the base model read before is not known in full, and its biases are in this model too.

## Labels

{listed}

## Versions

| | |
| --- | --- |
{libraries}
"""


def _measured(metrics: dict[str, Any]) -> str:
    if metrics["test_rows"]:
        return (
            f"On {metrics['test_rows']} test rows (SHA-256 of the file "
            f"`{metrics['test_sha256']}`): accuracy {metrics['accuracy']:.4f}, "
            f"macro-F1 {metrics['macro_f1']:.4f}, expected "
            f"calibration error {metrics['calibration_error']:.4f}."
        )
    if metrics["dev_accuracy"] is not None:
        accuracy = metrics["dev_accuracy"]
        return f"On {metrics['dev_rows']} held-out training rows: accuracy {accuracy:.4f}."
    return "Nothing: no test channel was given."


def _base(name: str) -> str:
    # A folder inside a container says nothing to anybody outside.
    if not Path(name).is_absolute():
        return f"`{name}`"
    try:
        config = json.loads((Path(name) / "config.json").read_text(encoding="utf-8"))
        return (
            f"from channel `model` ({config['model_type']}, {config['num_hidden_layers']} layers)"
        )
    except (OSError, ValueError, KeyError):
        return "from channel `model`"
