"""Sentence embeddings inside the endpoint: by ONNX Runtime, or by torch where that is missing.

The model folder says in ``serving.json`` which form of its encoder to use and why; `onnx_export`
wrote that. This module travels with the model; it must not know of labels or of requests.

Settings, as variables of the endpoint's environment
    ``OMP_NUM_THREADS``: threads of one worker, 1 by default. One thread per worker answers the
    most requests on given cores; several make one answer faster only where cores are idle.
    ``ENCODER_VARIANT``: ``int8``, ``fp32`` or ``torch`` instead of what the folder says.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FACTS = "serving.json"
ONNX_FILES = {"int8": "model_int8.onnx", "fp32": "model.onnx"}
TORCH = "torch"
THREADS_VARIABLE = "OMP_NUM_THREADS"
VARIANT_VARIABLE = "ENCODER_VARIANT"
_NEEDED = ("onnxruntime", "tokenizers")
_TORCH_BATCH = 32

_logger = logging.getLogger(__name__)


class Encoder(Protocol):
    """Turns texts into embeddings."""

    variant: str

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit-length embeddings, shape (n_texts, n_features), of at least one text."""

    def is_cut(self, text: str) -> bool:
        """Tell whether a text is longer than what is read of it."""


class OnnxEncoder:
    """The encoder as an ONNX graph; torch is not imported.

    Every text is a run of its own, so its embedding does not depend, bit for bit, on the texts
    beside it. On a CPU batches would gain nothing: they cost padding and save little.

    Parameters
    ----------
    folder : Path
        The model folder.
    variant : str
        ``int8`` or ``fp32``.
    max_tokens : int
        Longer texts are cut there.
    """

    def __init__(self, folder: Path, variant: str, max_tokens: int) -> None:
        # Otherwise the tokeniser may start a thread per core.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        import onnxruntime
        from tokenizers import Tokenizer

        self.variant = variant
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.inter_op_num_threads = 1
        # Threads that wait by spinning take the CPU from the worker beside them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(folder / ONNX_FILES[variant]), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit-length embeddings, shape (n_texts, n_features), of at least one text."""
        return np.stack([self._embedded(text) for text in texts])

    def is_cut(self, text: str) -> bool:
        """Tell whether a text is longer than what is read of it."""
        return bool(self._tokenizer.encode(text).overflowing)

    def _embedded(self, text: str) -> NDArray[np.float32]:
        ids = np.array(self._tokenizer.encode(text).ids, dtype=np.int64)
        embedding: NDArray[np.float32] = self._session.run(None, {self._input: ids})[0]
        return embedding


class TorchEncoder:
    """The encoder as it was trained; slower, larger, and good for every kind of model."""

    variant = TORCH

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads())
        self._body = SentenceTransformer(
            str(folder), local_files_only=True, model_kwargs={"use_safetensors": True}
        )

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit-length embeddings, shape (n_texts, n_features), of at least one text."""
        embeddings: NDArray[np.float32] = self._body.encode(
            list(texts),
            batch_size=_TORCH_BATCH,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return embeddings

    def is_cut(self, text: str) -> bool:
        """Tell whether a text is longer than what is read of it."""
        limit = self._body.max_seq_length
        whole = self._body.tokenizer(text, truncation=False, verbose=False)["input_ids"]
        return limit is not None and len(whole) > limit


def load_encoder(folder: Path, facts: dict[str, Any]) -> Encoder:
    """Load the form of the encoder that the environment or the folder asks for.

    Parameters
    ----------
    folder : Path
        The model folder.
    facts : dict
        From `read_facts`.

    Raises
    ------
    ValueError
        If ``ENCODER_VARIANT`` asks for what there is not.
    """
    asked = os.environ.get(VARIANT_VARIABLE)
    variant = asked or facts.get("variant", TORCH)
    if variant == TORCH:
        return TorchEncoder(folder)
    if variant not in ONNX_FILES:
        known = ", ".join([*ONNX_FILES, TORCH])
        raise ValueError(f"{VARIANT_VARIABLE} is {variant!r}; set one of {known}.")
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing and asked:
        raise ValueError(f"{VARIANT_VARIABLE} is {variant!r}, which needs {' and '.join(missing)}.")
    if missing:
        _logger.warning("%s not installed: torch serves the model", " and ".join(missing))
        return TorchEncoder(folder)
    if not (folder / ONNX_FILES[variant]).is_file():
        raise ValueError(
            f"The model folder has no {ONNX_FILES[variant]}, which {variant} needs. "
            f"{facts.get('reason', 'It was written by an older train.py')}."
        )
    return OnnxEncoder(folder, variant, facts["max_tokens"])


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what ``serving.json`` says; nothing where a folder has none."""
    path = folder / FACTS
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return facts


def threads() -> int:
    """Return how many threads a worker may use.

    Raises
    ------
    ValueError
        If the variable is no number from 1.
    """
    value = os.environ.get(THREADS_VARIABLE, "1")
    if not value.isdigit() or int(value) < 1:
        raise ValueError(f"{THREADS_VARIABLE} is {value!r}; set a number from 1.")
    return int(value)
