"""The command line of the training script, which is also how a job's hyperparameters arrive.

SageMaker turns every hyperparameter into ``--name value`` and says in ``SM_*`` variables where the
channels and the output folders are. This module reads both and must not know what training does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier import Recipe

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True)
class Settings:
    """What to train on, with what, and where the results go.

    Attributes
    ----------
    train, test : Path
        A CSV file, or the folder of a channel; `test` may be None.
    model : Path or None
        Folder of the base model.
    model_id : str
        Name of the base model on the Hugging Face hub, used when `model` is None.
    model_dir, output_data_dir : Path
        Where the model and the reports are written.
    recipe : Recipe
        How to train.
    """

    train: Path
    test: Path | None
    model: Path | None
    model_id: str
    model_dir: Path
    output_data_dir: Path
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
    return Settings(
        train=given.train,
        test=given.test,
        model=given.model,
        model_id=given.model_id,
        model_dir=given.model_dir,
        output_data_dir=given.output_data_dir or given.model_dir / "report",
        recipe=Recipe(
            seed=given.seed,
            c=given.c,
            label_names=given.label_names,
            max_steps=given.max_steps,
            num_iterations=given.num_iterations,
            batch_size=given.batch_size,
            learning_rate=given.learning_rate,
        ),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Train a few-shot text classifier (SetFit) from a CSV file with the columns "
        "text,label. Inside a SageMaker training job all paths come from the environment.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    paths = parser.add_argument_group("paths")
    _option(paths, "--train", type=Path, default=_channel("TRAIN"), help="train.csv or its folder")
    _option(paths, "--test", type=Path, default=_channel("TEST"), help="test.csv or its folder")
    _option(paths, "--model", type=Path, default=_channel("MODEL"), help="folder of the base model")
    _option(paths, "--model-dir", type=Path, default=_path("SM_MODEL_DIR"), help="model goes here")
    _option(
        paths,
        "--output-data-dir",
        type=Path,
        default=_path("SM_OUTPUT_DATA_DIR"),
        help="reports go here (outside a job: MODEL_DIR/report)",
    )
    recipe = parser.add_argument_group("recipe")
    _option(
        recipe, "--model-id", default=DEFAULT_MODEL, help="base model when --model is not given"
    )
    _option(recipe, "--seed", type=_whole(0, 2**32 - 1), default=Recipe.seed, help="random seed")
    _option(recipe, "--c", type=_positive, default=Recipe.c, help="C of the logistic regression")
    _option(
        recipe,
        "--label-names",
        type=_boolean,
        default=Recipe.label_names,
        help="use every label's name as one more example of it",
    )
    _option(
        recipe,
        "--max-steps",
        type=_whole(0),
        default=Recipe.max_steps,
        help="limit of contrastive steps on the body; 0 with num_iterations 0: the body is frozen",
    )
    _option(
        recipe,
        "--num-iterations",
        type=_whole(0),
        default=Recipe.num_iterations,
        help="SetFit's contrastive pairs per example and kind",
    )
    _option(
        recipe,
        "--batch-size",
        type=_whole(1),
        default=Recipe.batch_size,
        help="pairs per contrastive step",
    )
    _option(
        recipe,
        "--learning-rate",
        type=_positive,
        default=Recipe.learning_rate,
        help="of the contrastive steps",
    )
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


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _whole(low: int, high: int | None = None) -> Any:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low or (high is not None and value > high):
            limit = f"from {low} to {high}" if high is not None else f"of at least {low}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {limit}")
        return value

    return convert
