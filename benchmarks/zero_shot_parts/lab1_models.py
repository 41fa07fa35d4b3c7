"""The two ways of Lab 1, as model folders: a trained classifier, and a GPT-Neo that is prompted.

The GPT-Neo has the real one's size and random weights: it costs what the real one costs and says
nothing. Its tokeniser is that of all-MiniLM-L6-v2, which splits English texts into about as many
tokens. This module must not know how they are deployed.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.zero_shot_parts.asked import ROOT
from benchmarks.zero_shot_parts.endpoint import Dialect
from workshop_utils import prompts

SHOTS = 8
# An intent's name has three or four tokens; some more, and then the separator.
NEW_TOKENS = 8
_PROMPTING = ROOT / "scripts" / "prompting"
_TOKENIZER = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": 2048,
    "unk_token": "[UNK]",
    "pad_token": "[PAD]",
    "eos_token": "[SEP]",
}

CLASSIFIER = Dialect(
    lambda text, _labels: {"inputs": text},
    lambda answer, labels: answer[0]["label"] in labels,
)
PROMPTED = Dialect(
    lambda text, labels: {
        "inputs": prompts.zero_shot(text, labels).text,
        "parameters": {"max_new_tokens": NEW_TOKENS, "temperature": 0, "details": True},
    },
    lambda answer, _labels: answer[0]["details"]["generated_tokens"] == NEW_TOKENS,
)


def classifier(
    folder: Path, encoder: Path, train: Iterable[tuple[str, str]], test: Iterable[tuple[str, str]]
) -> Path:
    """Train Lab 1's default recipe on texts and labels; return the model folder.

    On the texts of `test` its 8 bits are compared with 32, which decides what is served.
    """
    folder.mkdir(parents=True)
    command = [sys.executable, str(ROOT / "scripts" / "few_shot" / "train.py")]
    for name, rows in (("train", train), ("test", test)):
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *rows])
        command += [f"--{name}", str(path)]
    command += ["--model", str(encoder), "--model-dir", str(folder / "model")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "model"


def gpt_neo(folder: Path, tokenizer: Path) -> Path:
    """Save a model of the shape of EleutherAI/gpt-neo-125m, with the code that serves it."""
    import torch
    from transformers import GPTNeoConfig, GPTNeoForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no types
    torch.manual_seed(0)
    config = GPTNeoConfig(
        hidden_size=768, num_layers=12, num_heads=12, attention_types=[[["global", "local"], 6]]
    )
    # Random weights end nowhere, or anywhere: all the tokens that were asked for are generated.
    config.eos_token_id = None
    model = GPTNeoForCausalLM(config)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"  GPTNeoForCausalLM with {parameters / 1e6:.0f} M random parameters")
    model.save_pretrained(folder)
    shutil.copyfile(tokenizer / "tokenizer.json", folder / "tokenizer.json")
    (folder / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER), "utf-8")
    (folder / "code").mkdir()
    for name in ("inference.py", "causal_model.py", "generation_request.py"):
        shutil.copy(_PROMPTING / name, folder / "code")
    return folder
