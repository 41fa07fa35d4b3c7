"""A sequence classifier of Hugging Face, loaded from a folder, as probabilities of its labels.

The temperature found in training is part of the last layer's weights, so the probabilities are
calibrated whoever loads the model. Weights are read from safetensors, and nothing in the folder is
run. This module travels with the model; it must not know of requests, of training or of SageMaker.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

THREADS_VARIABLE = "OMP_NUM_THREADS"
# Larger batches gain nothing on a CPU.
BATCH = 32
# Tokenisers without a limit have this number or a larger one instead.
_NO_LIMIT = 10**9
# These number a text's tokens from one after the number of the padding token.
_POSITIONS_AFTER_PADDING = frozenset({"roberta", "xlm-roberta", "mpnet"})


@dataclass(frozen=True)
class Classifier:
    """A model and its tokeniser.

    Attributes
    ----------
    model, tokenizer
        Of transformers.
    labels : list of str
        Their order is that of the model's outputs.
    max_tokens : int or None
        Longer texts are cut there.
    """

    model: Any
    tokenizer: Any
    labels: list[str]
    max_tokens: int | None

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of every label, shape (n_texts, n_labels); rows sum to 1."""
        return softmax(self.logits(texts))

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the outputs of the model, shape (n_texts, n_labels), without dropout."""
        import torch

        found = np.zeros((len(texts), len(self.labels)))
        # A batch costs by its longest text, so batches are made of neighbours in length.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        was_training = self.model.training
        self.model.eval()
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                found[rows] = self._outputs([texts[row] for row in rows]).float().cpu().numpy()
        self.model.train(was_training)
        return found

    def is_cut(self, text: str) -> bool:
        """Tell whether a text is longer than what is read of it."""
        whole = self.tokenizer(text, verbose=False)["input_ids"]
        return self.max_tokens is not None and len(whole) > self.max_tokens

    def encoded(self, texts: Sequence[str]) -> Any:
        """Return the tokens of texts, padded and cut, as tensors where the model is."""
        return self.tokenizer(
            list(texts),
            padding=True,
            truncation=self.max_tokens is not None,
            max_length=self.max_tokens,
            return_tensors="pt",
        ).to(self.model.device)

    def _outputs(self, texts: Sequence[str]) -> Any:
        return self.model(**self.encoded(texts)).logits


def load_classifier(folder: Path, max_tokens: int | None = None) -> Classifier:
    """Load what ``save_pretrained`` wrote.

    Parameters
    ----------
    folder : Path
        Model and tokeniser.
    max_tokens : int or None
        Cut texts there, if that is less than what the model can read.

    Raises
    ------
    ValueError
        If the folder holds no sequence classifier in safetensors.
    """
    quiet()
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        labels = [name for _, name in sorted(config["id2label"].items(), key=_number)]
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{folder} holds no sequence classifier: {error}. train.py makes such a folder."
        ) from error
    limits = [limit for limit in (token_limit(tokenizer, model.config), max_tokens) if limit]
    return Classifier(model.to(_device()).eval(), tokenizer, labels, min(limits, default=None))


def quiet() -> None:
    """Set what has to be set before torch is imported, and silence what would hide our lines."""
    # Idle threads that spin take the CPU from whoever shares it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def use_threads(default: int) -> None:
    """Use as many threads as ``OMP_NUM_THREADS`` says, or `default`; leave a GPU alone.

    Raises
    ------
    ValueError
        If the variable is no number from 1.
    """
    import torch

    value = os.environ.get(THREADS_VARIABLE, str(default))
    if not value.isdigit() or int(value) < 1:
        raise ValueError(f"{THREADS_VARIABLE} is {value!r}; set a number from 1.")
    torch.set_num_threads(int(value))


def token_limit(tokenizer: Any, config: Any) -> int | None:
    """Return how many tokens a model reads, or None where nothing says it."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in _POSITIONS_AFTER_PADDING:
        positions -= config.pad_token_id + 1
    usable = [
        int(limit)
        for limit in (tokenizer.model_max_length, positions)
        if limit and limit < _NO_LIMIT
    ]
    return min(usable, default=None)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities; every row sums to 1."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def _number(item: tuple[str, str]) -> int:
    return int(item[0])


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
