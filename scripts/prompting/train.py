"""Train the stand-in for GPT-Neo: the entry point of a training job.

Reads ``train.csv`` (columns ``text,label``) from channel ``train`` and writes to ``SM_MODEL_DIR``
a small causal language model together with the code that serves it. It exists so that prompting
can be tried where no real model can be had; it is no measure of what GPT-Neo can do. This module
puts the stages in order and must not do their work.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import stand_in

HERE = Path(__file__).resolve().parent
SERVING_FILES = ("inference.py", "causal_model.py", "generation_request.py")
LINES = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says; return the exit code."""
    options = _parser().parse_args(argv)
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        examples = read(options.train / "train.csv")
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    size = stand_in.Size(steps=options.steps)
    print(f"stage=data; train:rows={len(examples)}", flush=True)
    started = time.monotonic()
    every = max(1, size.steps // LINES)

    def report(step: int, loss: float) -> None:
        if step % every == 0 or step == size.steps:
            print(f"stage=train; step={step}/{size.steps}; train:loss={loss:.4f}", flush=True)

    # Its progress bars would stand between our own lines.
    from transformers.utils import logging

    logging.disable_progress_bar()
    tokenizer, model = stand_in.train(stand_in.documents(examples), size, options.seed, report)
    stand_in.save(tokenizer, model, options.model_dir)
    code = options.model_dir / "code"
    code.mkdir(exist_ok=True)
    for name in SERVING_FILES:
        shutil.copyfile(HERE / name, code / name)
    millions = model.num_parameters() / 1e6
    seconds = time.monotonic() - started
    print(f"stage=done; parameters={millions:.1f}M; train:seconds={seconds:.1f}", flush=True)
    return 0


def read(path: Path) -> list[tuple[str, str]]:
    """Return the (text, label as words) pairs of a CSV file.

    Raises
    ------
    ValueError
        If a column is missing, or no row has both.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        table = csv.DictReader(file)
        if missing := {"text", "label"} - set(table.fieldnames or ()):
            raise ValueError(f"{path} has no column {', '.join(sorted(missing))}.")
        pairs = [
            (row["text"], " ".join(row["label"].replace("_", " ").split()))
            for row in table
            if (row["text"] or "").strip() and (row["label"] or "").strip()
        ]
    if not pairs:
        raise ValueError(f"{path} has no row with a text and a label.")
    return pairs


def _parser() -> argparse.ArgumentParser:
    def folder(name: str, fallback: str) -> Path:
        return Path(os.environ.get(name, fallback))

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=Path, default=folder("SM_CHANNEL_TRAIN", "."))
    parser.add_argument("--model-dir", type=Path, default=folder("SM_MODEL_DIR", "model"))
    parser.add_argument("--steps", type=int, default=stand_in.Size.steps)
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
