"""The folder a trained model is delivered in, which SageMaker packs as ``model.tar.gz``.

It holds the SetFit model, its head as arrays, facts about the training, and ``code/``: what the
Hugging Face inference containers run. So the archive deploys as it is. This module must not know
how the model came about.
"""

from __future__ import annotations

import json
import platform
import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from linear_head import LinearHead

HERE = Path(__file__).resolve().parent
# requirements.txt is the file that the containers install; serving needs less than training.
SERVING_FILES = {
    "inference.py": "inference.py",
    "encoder.py": "encoder.py",
    "payload.py": "payload.py",
    "linear_head.py": "linear_head.py",
    "requirements-inference.txt": "requirements.txt",
}
VERSIONS_OF = ("setfit", "sentence-transformers", "transformers", "torch", "scikit-learn", "numpy")


def save_model(folder: Path, model: Any, head: LinearHead) -> None:
    """Write the SetFit model, ``head.npz`` and ``code/``.

    Parameters
    ----------
    folder : Path
        Made if it does not exist; files of an earlier model are overwritten.
    model : SetFitModel
        Body and head.
    head : LinearHead
        The same head as arrays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(str(folder))
    head.save(folder)
    code = folder / "code"
    code.mkdir(exist_ok=True)
    for source, target in SERVING_FILES.items():
        shutil.copyfile(HERE / source, code / target)
    # safetensors makes its files readable for their owner only; a container may run as another.
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)


def write_facts(folders: list[Path], labels: list[str], metrics: dict[str, Any]) -> list[Path]:
    """Write ``labels.json`` and ``metrics.json`` into every folder; return those of the last."""
    written: list[Path] = []
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / "labels.json", folder / "metrics.json"]
        for path, content in zip(written, (labels, metrics), strict=True):
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            path.write_text(text, encoding="utf-8")
    return written


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide the figures."""
    return {"python": platform.python_version()} | {
        name: metadata.version(name) for name in VERSIONS_OF
    }
