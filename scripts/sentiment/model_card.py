"""The model card (``README.md``): what a person who finds the model folder wants to know.

See Mitchell et al. 2019 (https://arxiv.org/abs/1810.03993). Everything in it comes from
``metrics.json``; this module must not know how any figure came about.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

FILE_NAME = "README.md"


def write_card(folder: Path, metrics: dict[str, Any]) -> Path:
    """Write the card into `folder`; return its path.

    Parameters
    ----------
    folder : Path
        The model folder.
    metrics : dict
        The content of ``metrics.json``.
    """
    path = folder / FILE_NAME
    path.write_text(_card(metrics), encoding="utf-8")
    return path


def _card(metrics: dict[str, Any]) -> str:
    recipe = ", ".join(f"{name} {value}" for name, value in metrics["recipe"].items())
    counts = ", ".join(f"{count} {label}" for label, count in metrics["by_label"].items())
    libraries = "\n".join(f"| {name} | {value} |" for name, value in metrics["versions"].items())
    named = " and ".join(
        f"`{label}` (`LABEL_{number}`)" for number, label in enumerate(metrics["labels"])
    )
    return f"""---
library_name: transformers
pipeline_tag: text-classification
---

# Sentiment of film reviews, with a confidence that means what it says

A Hugging Face sequence classifier with the labels {named}.
`transformers.pipeline("text-classification", model=FOLDER)` loads this folder;
`code/inference.py` serves it without unpickling anything.

## Training

| | |
| --- | --- |
| Base model | {metrics["base_model"]} |
| Rows | {metrics["train_rows"]} ({counts}), of them {metrics["reviewed_rows"]} labelled in review |
| Settings | {recipe} |
| Time | {metrics["seconds"]:.1f} s, {metrics["steps"]} steps |

## Measured

{_measured(metrics)}

{_calibrated(metrics["calibration"])}

## Limits

The model gives one of its two labels to every text, also to one that is no review. It has seen few
examples of irony and of mixed feelings, and is often wrong there: send what it is not sure of to a
person. What the base model read before is not known in full, and its biases are in this model too.
Do not use it to judge people.

## Versions

| | |
| --- | --- |
{libraries}
"""


def _measured(metrics: dict[str, Any]) -> str:
    own = f"On its own training rows: accuracy {metrics['train_accuracy']:.4f}."
    if metrics["held_out_accuracy"] is None:
        return f"{own} Nothing was held out."
    held_out = metrics["held_out_accuracy"]
    return f"Twins, on rows that they had not seen: accuracy {held_out:.4f}. {own}"


def _calibrated(calibration: dict[str, Any]) -> str:
    if not calibration["rows"]:
        return "Confidences are not calibrated."
    return (
        f"Confidences are calibrated: logits are divided by {calibration['temperature']:.3f}, "
        f"which is already part of the last layer. The number comes from {calibration['rows']} "
        f"rows ({calibration['method']}), where it changed the expected calibration error from "
        f"{calibration['error_before']:.4f} to {calibration['error_after']:.4f} and the Brier "
        f"score from {calibration['brier_before']:.4f} to {calibration['brier_after']:.4f}."
    )
