"""The folder a trained model is delivered in, which SageMaker packs as ``model.tar.gz``.

It holds what ``save_pretrained`` writes, so that every tool that knows Hugging Face loads it, with
``calibration.json``, ``metrics.json``, a model card, and ``code/``: what the Hugging Face inference
containers run. So the archive deploys as it is. This module must not know how the model came about.
"""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_card import write_card
from recipe import Recipe
from rows import REVIEW, Row

if TYPE_CHECKING:
    from fitting import Fitted

HERE = Path(__file__).resolve().parent
# requirements.txt is the file that the containers install; serving needs less than training.
SERVING_FILES = {
    "inference.py": "inference.py",
    "classifier.py": "classifier.py",
    "payload.py": "payload.py",
    "requirements-inference.txt": "requirements.txt",
}
VERSIONS_OF = ("transformers", "torch", "numpy")


def write_model(
    folder: Path, fitted: Fitted, rows: Sequence[Row], recipe: Recipe, base: str
) -> None:
    """Write everything; files of an earlier model are overwritten.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    fitted : Fitted
        The model and what is known of it.
    rows : sequence of Row
        What it was trained on.
    recipe : Recipe
        How.
    base : str
        What it was before, in words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    fitted.classifier.model.save_pretrained(str(folder))
    fitted.classifier.tokenizer.save_pretrained(str(folder))
    _let_older_releases_read(folder)
    code = folder / "code"
    code.mkdir(exist_ok=True)
    for source, target in SERVING_FILES.items():
        shutil.copyfile(HERE / source, code / target)
    labels = fitted.classifier.labels
    metrics = {
        "labels": labels,
        "base_model": base,
        "train_rows": len(rows),
        "reviewed_rows": sum(row.source == REVIEW for row in rows),
        "by_label": {label: sum(row.label == label for row in rows) for label in labels},
        "train_loss": fitted.train_loss,
        "train_accuracy": fitted.train_accuracy,
        "held_out_accuracy": fitted.held_out_accuracy,
        "steps": fitted.steps,
        "seconds": fitted.seconds,
        "recipe": asdict(recipe),
        "calibration": asdict(fitted.calibration),
        "versions": {"python": platform.python_version()}
        | {name: metadata.version(name) for name in VERSIONS_OF},
    }
    _write_json(folder / "calibration.json", asdict(fitted.calibration))
    _write_json(folder / "metrics.json", metrics)
    write_card(folder, metrics)
    # safetensors makes its files readable for their owner only; a container may run as another.
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)


def _let_older_releases_read(folder: Path) -> None:
    """Name the tokeniser as every release of transformers does.

    transformers 5 writes ``TokenizersBackend``, which the release 4 of AWS's images does not know.
    """
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    if settings.get("tokenizer_class") == "TokenizersBackend":
        _write_json(path, settings | {"tokenizer_class": "PreTrainedTokenizerFast"})


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
