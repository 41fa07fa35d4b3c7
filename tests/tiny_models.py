"""Models of real architectures and next to no size, and a hub cache to put them in.

Their weights are random (of a fixed seed): answers have the form that real models give, and mean
nothing. They read any text, letter by letter.
"""

from __future__ import annotations

import json
import shutil
import string
from pathlib import Path
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NLI_LABELS = ("contradiction", "neutral", "entailment")
MAX_TOKENS = 64
"""How many tokens the three BERT models read, [CLS] and [SEP] included."""
CONTEXT = 128
"""How many tokens GPT-Neo reads, the generated ones included."""
_SEED = 7
_LETTERS = string.ascii_lowercase + string.digits + string.punctuation
_END_OF_TEXT = "<|endoftext|>"


def nli(folder: Path) -> Path:
    """Save a model that judges (premise, hypothesis); return the folder."""
    return _classifier(folder, NLI_LABELS)


def classifier(folder: Path, labels: tuple[str, ...] = ("no", "yes")) -> Path:
    """Save a model that labels a text; return the folder."""
    return _classifier(folder, labels)


def encoder(folder: Path) -> Path:
    """Save a model that embeds tokens in 16 dimensions; return the folder."""
    from transformers import BertModel

    return _save(BertModel(_seeded_bert()), _word_pieces(), folder)


def gpt_neo(folder: Path) -> Path:
    """Save a GPT-Neo that goes on where a text ends; return the folder."""
    import torch
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    tokenizer = _bytes()
    torch.manual_seed(_SEED)
    config = GPTNeoConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_layers=2,
        num_heads=2,
        attention_types=[[["global", "local"], 1]],
        max_position_embeddings=CONTEXT,
        initializer_range=0.5,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return _save(GPTNeoForCausalLM(config), tokenizer, folder)


def put_in_cache(model: Path, home: Path, repository: str) -> Path:
    """Copy a model to where the hub's client keeps what it has downloaded.

    Parameters
    ----------
    model : Path
        A folder of the model's files.
    home : Path
        What ``HF_HOME`` is to name.
    repository : str
        The repository that it is to be, such as ``facebook/bart-large-mnli``.

    Returns
    -------
    Path
        The snapshot's folder.
    """
    kept = home / "hub" / f"models--{repository.replace('/', '--')}"
    (kept / "refs").mkdir(parents=True, exist_ok=True)
    (kept / "refs" / "main").write_text(COMMIT)
    snapshot = kept / "snapshots" / COMMIT
    shutil.copytree(model, snapshot, dirs_exist_ok=True)
    return snapshot


def _classifier(folder: Path, labels: tuple[str, ...]) -> Path:
    from transformers import BertForSequenceClassification

    config = _seeded_bert(
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    return _save(BertForSequenceClassification(config), _word_pieces(), folder)


def _seeded_bert(**more: Any) -> Any:
    import torch
    from transformers import BertConfig

    torch.manual_seed(_SEED)
    return BertConfig(
        vocab_size=len(_word_pieces()),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=MAX_TOKENS,
        # Wider than usual, so that other texts have answers that differ in the first digits.
        initializer_range=0.5,
        **more,
    )


def _word_pieces() -> Any:
    """Return a BERT tokenizer whose pieces are single characters."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    tokenizer = Tokenizer(
        models.WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=MAX_TOKENS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def _bytes() -> Any:
    """Return a tokenizer of GPT-Neo's kind whose tokens are single bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([_END_OF_TEXT, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=_END_OF_TEXT,
        eos_token=_END_OF_TEXT,
        model_max_length=CONTEXT,
    )


def _save(model: Any, tokenizer: Any, folder: Path) -> Path:
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # transformers 5 writes a name that older releases, such as those of AWS's images, do not know.
    path = folder / "tokenizer_config.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"})
    )
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder
