"""The command line of the training script, which is also how a job's hyperparameters arrive.

SageMaker turns every hyperparameter into ``--name value`` and says in ``SM_*`` variables where the
channels and the output folders are. This module reads both and must not know what training does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from recipe import Recipe

DEFAULT_MODEL = "distilbert/distilbert-base-uncased"


@dataclass(frozen=True)
class Settings:
    """What to train on, with what, and where the model goes.

    Attributes
    ----------
    train : Path
        A CSV file, or the folder of a channel.
    model : Path or None
        Folder of the base model.
    model_id : str
        Name of the base model on the Hugging Face hub, used when `model` is None.
    model_dir : Path
        Where the model goes.
    recipe : Recipe
        How to train.
    """

    train: Path
    model: Path | None
    model_id: str
    model_dir: Path
    recipe: Recipe


def read_settings(argv: Sequence[str] | None = None) -> Settings:
    """Read the command line and the environment; exit with a message when they do not suffice."""
    parser = _parser()
    given = parser.parse_args(argv)
    if given.train is None:
        parser.error(
            "no training data: pass --train FILE.csv, or run as a training job with a channel "
            "named 'train' (SM_CHANNEL_TRAIN)"
        )
    if given.model_dir is None:
        parser.error("no place for the model: pass --model-dir FOLDER (SM_MODEL_DIR is not set)")
    recipe = Recipe(**{field.name: getattr(given, field.name) for field in fields(Recipe)})
    return Settings(given.train, given.model, given.model_id, given.model_dir, recipe)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Fine-tune a sequence classifier for sentiment on a CSV file with the columns "
        "text,label[,weight]. Inside a SageMaker training job all paths come from the environment.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    paths = parser.add_argument_group("paths")
    _option(paths, "--train", type=Path, default=_channel("TRAIN"), help="train.csv or its folder")
    _option(paths, "--model", type=Path, default=_channel("MODEL"), help="folder of the base model")
    _option(paths, "--model-id", default=DEFAULT_MODEL, help="base model when --model is not given")
    _option(paths, "--model-dir", type=Path, default=_path("SM_MODEL_DIR"), help="model goes here")
    hyperparameters = parser.add_argument_group("hyperparameters")
    for field in fields(Recipe):
        kind, text = _HYPERPARAMETERS[field.name]
        flag = "--" + field.name.replace("_", "-")
        _option(hyperparameters, flag, type=kind, default=field.default, help=text)
    return parser


def _option(group: Any, flag: str, **kwargs: Any) -> None:
    """Add an option that may be written with hyphens or, as hyperparameters are, underscores."""
    spellings = dict.fromkeys([flag, "--" + flag[2:].replace("-", "_")])
    group.add_argument(*spellings, **kwargs)


def _path(variable: str) -> Path | None:
    return Path(os.environ[variable]) if os.environ.get(variable) else None


def _channel(name: str) -> Path | None:
    return _path(f"SM_CHANNEL_{name}")


def _boolean(text: str) -> bool:
    if text.lower() in {"true", "1", "yes"}:
        return True
    if text.lower() in {"false", "0", "no"}:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither True nor False")


def _number(low: float, high: float) -> Callable[[str], float]:
    """Return a reader of numbers above `low` and at most `high`."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = low
        if not low < value <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number above {low:g} and at most {high:g}"
            )
        return value

    return convert


def _whole(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return value

    return convert


# By name: how it is read, and what it is. `Recipe` says more.
_HYPERPARAMETERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "seed": (_whole(0, 2**32 - 1), "random seed"),
    "epochs": (_whole(1, 1000), "how often every row is seen"),
    "learning_rate": (_number(0, 1), "of the encoder's layers"),
    "head_learning_rate": (_number(0, 1), "of the new layers on top"),
    "batch_size": (_whole(1, 4096), "rows per step"),
    "trained_layers": (_number(0, 1), "share of the encoder's layers that learn, from the top"),
    "max_tokens": (_whole(8, 100_000), "longer texts are cut there"),
    "temperature": (_boolean, "calibrate the confidences"),
}
