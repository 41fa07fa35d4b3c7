"""Makes a model folder ready to serve without torch, and decides in which form it is served.

The encoder is written as two ONNX graphs, of 32 and of 8 bits. The 32-bit one must give what torch
gives. The 8-bit one, three times as fast, is used only where it was measured to give the same
labels on texts that were *not trained on*: on training texts even a bad quantisation agrees. What
was measured and chosen is in ``serving.json``, together with the threshold for "none of these".
This module must not know how a model is trained or asked.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from encoder import FACTS, ONNX_FILES, TORCH, OnnxEncoder
from encoder_config import EncoderConfig, UnsupportedEncoderError
from linear_head import LinearHead
from numpy.typing import NDArray
from weights import Weights

HERE = Path(__file__).resolve().parent
# Share of the texts on which 8 bits must give the label that 32 bits give.
REQUIRED_AGREEMENT = 0.98
# Fewer texts cannot tell 98 % from 95 %; more than the upper limit only cost time.
MIN_TEXTS, MAX_TEXTS = 100, 1000
PARITY_TEXTS = 64
# Of probabilities; torch and ONNX Runtime add in a different order.
PARITY = 1e-4
_NEEDED = ("onnx", "onnxruntime", "tokenizers")


@dataclass(frozen=True)
class Reference:
    """Texts and the embeddings that torch gives them, shape (n_texts, n_features)."""

    texts: list[str]
    embeddings: NDArray[np.float32]

    def sample(self, limit: int) -> Reference:
        """Return at most `limit` of them, evenly spaced."""
        count = min(limit, len(self.texts))
        rows = np.linspace(0, len(self.texts) - 1, count).astype(int)
        return Reference([self.texts[row] for row in rows], self.embeddings[rows])


def prepare(
    folder: Path,
    head: LinearHead,
    max_tokens: int | None,
    reference: Reference,
    *,
    unseen: bool,
    threshold: float | None = None,
) -> dict[str, Any]:
    """Write the graphs, measure them, and write ``serving.json`` and ``code/requirements.txt``.

    Parameters
    ----------
    folder : Path
        A model folder with the encoder, ``head.npz`` and ``code/``.
    head : LinearHead
        The model's head.
    max_tokens : int or None
        Where the encoder cuts texts; None where it has positions for no more.
    reference : Reference
        At least one text. The first ones show whether 32 bits agree with torch.
    unseen : bool
        Whether the texts were not trained on, so that they show whether 8 bits agree with 32.
    threshold : float or None
        The calibrated probability below which an answer may be "none of these".

    Returns
    -------
    dict
        What ``serving.json`` says: ``variant`` (``int8``, ``fp32`` or ``torch``) and ``reason``;
        ``max_tokens``; ``texts``, the number measured on; ``fp32_difference``, the largest
        difference of a probability from torch's; ``int8_agreement``; ``threshold``;
        ``versions``; ``seconds``.
    """
    started = time.monotonic()
    facts: dict[str, Any] = {"max_tokens": max_tokens, "threshold": threshold}
    for name in ONNX_FILES.values():
        (folder / name).unlink(missing_ok=True)
    try:
        facts["max_tokens"] = _write_graphs(folder, max_tokens)
    except UnsupportedEncoderError as error:
        facts |= {"variant": TORCH, "reason": f"There is no ONNX form of this model: {error}"}
    else:
        facts |= _measured(folder, head, facts["max_tokens"], reference, unseen)
    torch_only = facts["variant"] == TORCH
    if torch_only:
        for name in ONNX_FILES.values():
            (folder / name).unlink(missing_ok=True)
    facts["versions"] = _versions()
    facts["seconds"] = round(time.monotonic() - started, 2)
    text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    (folder / FACTS).write_text(text, encoding="utf-8")
    requirements = (
        "requirements-inference-torch.txt" if torch_only else "requirements-inference.txt"
    )
    shutil.copyfile(HERE / requirements, folder / "code" / "requirements.txt")
    return facts


def _write_graphs(folder: Path, max_tokens: int | None) -> int:
    """Write both graphs; return where texts are cut."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UnsupportedEncoderError(f"{', '.join(missing)} not installed where it was trained")
    if not (folder / "tokenizer.json").is_file():
        raise UnsupportedEncoderError("it has no tokenizer.json")
    from encoder_graph import EncoderGraph, Int8EncoderGraph

    config = EncoderConfig.read(folder)
    limit = min(max_tokens or config.max_tokens, config.max_tokens)
    try:
        weights = Weights(folder)
        for variant, graph in (("fp32", EncoderGraph), ("int8", Int8EncoderGraph)):
            model = graph(config, weights, limit).model()
            (folder / ONNX_FILES[variant]).write_bytes(model.SerializeToString())
    except ValueError as error:
        raise UnsupportedEncoderError(str(error)) from error
    return limit


def _measured(
    folder: Path, head: LinearHead, max_tokens: int, reference: Reference, unseen: bool
) -> dict[str, Any]:
    """Compare the graphs with torch; return the figures, the choice and its reason."""
    sample = reference.sample(MAX_TEXTS)
    expected = head.probabilities(sample.embeddings)
    few = sample.texts[:PARITY_TEXTS]
    found = head.probabilities(OnnxEncoder(folder, "fp32", max_tokens).embed(few))
    difference = float(np.abs(found - expected[: len(few)]).max())
    figures: dict[str, Any] = {"fp32_difference": difference}
    if not difference <= PARITY:
        reason = f"The ONNX form differs from torch by {difference:.1g} in a probability"
        return figures | {"variant": TORCH, "reason": reason}
    count = len(sample.texts) if unseen else 0
    if count < MIN_TEXTS:
        reason = (
            f"8 bits are used after a check on {MIN_TEXTS} texts or more that were not trained on; "
            f"there were {count}. A test channel brings them"
        )
        return figures | {"variant": "fp32", "reason": reason, "texts": count}
    found = head.probabilities(OnnxEncoder(folder, "int8", max_tokens).embed(sample.texts))
    agreement = float(np.mean(found.argmax(axis=1) == expected.argmax(axis=1)))
    good = agreement >= REQUIRED_AGREEMENT
    reason = (
        f"8 bits give the label of 32 bits on {agreement:.1%} of {count} texts that were not "
        f"trained on; at least {REQUIRED_AGREEMENT:.0%} are asked for"
    )
    figures |= {"texts": count, "int8_agreement": agreement}
    return figures | {"variant": "int8" if good else "fp32", "reason": reason}


def _versions() -> dict[str, str]:
    found = [name for name in _NEEDED if importlib.util.find_spec(name) is not None]
    return {name: metadata.version(name) for name in found}
