"""Models of natural language inference of real sizes, with random weights.

They cost what the real ones cost and say nothing: real weights are not to be had offline. Their
tokeniser is that of all-MiniLM-L6-v2, which splits English texts into about as many tokens. This
module must not know how they are asked.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

LABELS = {0: "contradiction", 1: "neutral", 2: "entailment"}
# Without the numbers of BERT's two segments, which these models do not know.
_TOKENIZER = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": 512,
    "model_input_names": ["input_ids", "attention_mask"],
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def minilm2(folder: Path, tokenizer: Path) -> Path:
    """Save a model of the shape of cross-encoder/nli-MiniLM2-L6-H768 (82 M parameters)."""
    from transformers import RobertaConfig, RobertaForSequenceClassification

    config = RobertaConfig(
        vocab_size=50265,
        hidden_size=768,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=3072,
        max_position_embeddings=514,
        type_vocab_size=1,
        id2label=LABELS,
        label2id={name: number for number, name in LABELS.items()},
    )
    return _save(RobertaForSequenceClassification, config, folder, tokenizer)


def bart_large(folder: Path, tokenizer: Path) -> Path:
    """Save a model of the shape of facebook/bart-large-mnli (407 M parameters)."""
    from transformers import BartConfig, BartForSequenceClassification

    # transformers' defaults are bart-large's.
    config = BartConfig(id2label=LABELS, label2id={name: number for number, name in LABELS.items()})
    # BART asks for the end of text at the place of its own number; here that is [SEP].
    config.eos_token_id = 102
    return _save(BartForSequenceClassification, config, folder, tokenizer)


def _save(kind: Any, config: Any, folder: Path, tokenizer: Path) -> Path:
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no types
    torch.manual_seed(0)
    model = kind(config)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"  {kind.__name__} with {parameters / 1e6:.0f} M random parameters")
    model.save_pretrained(folder)
    shutil.copyfile(tokenizer / "tokenizer.json", folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER), "utf-8")
    return folder
