"""Zero-shot by natural language inference: the label wins that the text entails most.

The text is the premise, "This example is travel." the hypothesis; the model reads each pair and
says how far the one follows from the other, or contradicts it (Yin et al. 2019,
https://arxiv.org/abs/1909.00161). The numbers are those of transformers' pipeline
``zero-shot-classification``, which reads one pair at a time; here the pairs of one text are read
together, but never those of two texts, so no answer depends on who else asked. This module must not
know of requests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from choice import Choice
from classifier import hypotheses, label_limit, softmax
from encoder import threads
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

# That of transformers' pipeline.
TEMPLATE = "This example is {}."
# A pair takes a model of bart-large's size about 0.2 s on one core, and an answer has to come
# within the minute that SageMaker waits.
MAX_LABELS = 200
# Larger batches gain nothing on a CPU and take memory.
_PAIRS = 16
# Tokenisers without a limit have this number or a larger one instead.
_NO_LIMIT = 10**9
# These number a text's tokens from one after the number of the padding token.
_POSITIONS_AFTER_PADDING = frozenset({"roberta", "xlm-roberta", "mpnet"})


class EntailmentModel:
    """A sequence classifier that was trained on natural language inference.

    Parameters
    ----------
    folder : Path
        As ``save_pretrained`` writes it: the model and its tokeniser.

    Raises
    ------
    ValueError
        If the model's labels do not say which of them is entailment.
    """

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        if not torch.cuda.is_available():
            torch.set_num_threads(threads())
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._entailment, self._contradiction = _columns(config.get("id2label") or {}, folder)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._tokenizer: Any = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True
        )
        self._model = model.to(self._device).eval()
        self._max_tokens = _limit(self._tokenizer, self._model.config)
        self.name = f"NLI {type(model).__name__}"
        self.max_labels = label_limit(MAX_LABELS)

    def scores(self, text: str, choice: Choice) -> tuple[NDArray[np.float64], bool]:
        """Return a probability per label, shape (n_labels,), and whether the text was cut.

        Several templates are averaged as logits.

        Raises
        ------
        ValueError
            If a hypothesis alone is longer than the model reads.
        """
        templates = choice.templates or (TEMPLATE,)
        pairs = [h for phrase in choice.phrases for h in hypotheses(phrase, templates)]
        parts, cut = [], False
        for start in range(0, len(pairs), _PAIRS):
            encoded, shortened = self._encoded(text, pairs[start : start + _PAIRS])
            parts.append(self._logits(encoded))
            cut = cut or shortened
        logits = np.concatenate(parts).reshape(len(choice.labels), len(templates), -1).mean(axis=1)
        if choice.multi_label:
            return softmax(logits[:, [self._contradiction, self._entailment]])[:, 1], cut
        return softmax(logits[:, self._entailment]), cut

    def _encoded(self, text: str, sentences: list[str]) -> tuple[Any, bool]:
        limit = self._max_tokens
        longest = max(len(self._tokenizer("", sentence)["input_ids"]) for sentence in sentences)
        if limit is not None and longest >= limit:
            raise ValueError(
                f"A label with its template has {longest} tokens, but the model reads {limit} of "
                "text and label together. Send shorter labels."
            )
        encoded = self._tokenizer(
            [text] * len(sentences),
            sentences,
            padding=True,
            truncation="only_first" if limit is not None else False,
            max_length=limit,
            return_tensors="pt",
        )
        if limit is None or encoded["input_ids"].shape[1] < limit:
            return encoded, False
        whole = self._tokenizer([text] * len(sentences), sentences, verbose=False)["input_ids"]
        return encoded, any(len(tokens) > limit for tokens in whole)

    def _logits(self, encoded: Any) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            found: torch.Tensor = self._model(**encoded.to(self._device)).logits
        return found.float().cpu().numpy()


def _columns(names: dict[str, str], folder: Path) -> tuple[int, int]:
    """Return the columns of entailment and contradiction, as transformers' pipeline takes them."""
    found = [int(column) for column, name in names.items() if name.lower().startswith("entail")]
    if not found or len(names) < 2:
        raise ValueError(
            f"{folder / 'config.json'} names the labels {sorted(names.values())}; a model of "
            'natural language inference has one whose name begins with "entail". Zero-shot '
            "classification needs such a model."
        )
    return found[0], len(names) - 1 if found[0] == 0 else 0


def _limit(tokenizer: Any, config: Any) -> int | None:
    positions = getattr(config, "max_position_embeddings", None)
    if positions and config.model_type in _POSITIONS_AFTER_PADDING:
        positions -= config.pad_token_id + 1
    limits = [tokenizer.model_max_length, positions]
    usable = [int(limit) for limit in limits if limit and limit < _NO_LIMIT]
    return min(usable) if usable else None
