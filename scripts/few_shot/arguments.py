"""The command line of the training script, which is also how a job's hyperparameters arrive.

SageMaker turns every hyperparameter into ``--name value`` and says in ``SM_*`` variables where the
channels and the output folders are. This module reads both and must not know what training does.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from recipe import RECIPES, Recipe

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
    dev_share : float
        Share of the training rows that are held out to watch the training on; 0 for none.
    """

    train: Path
    test: Path | None
    model: Path | None
    model_id: str
    model_dir: Path
    output_data_dir: Path
    recipe: Recipe
    dev_share: float


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
        recipe=_recipe(parser, given),
        dev_share=given.dev_share,
    )


def _recipe(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Recipe:
    """Make the chosen recipe; a hyperparameter of another one is a mistake worth telling."""
    kind = RECIPES[given.recipe]
    known = {field.name for field in fields(kind)}
    wanted = {
        name: value
        for name in _HYPERPARAMETERS
        if (value := getattr(given, name, None)) is not None
    }
    if foreign := sorted(set(wanted) - known):
        flag = "--" + foreign[0].replace("_", "-")
        owners = [
            name for name, other in RECIPES.items() if foreign[0] in {f.name for f in fields(other)}
        ]
        parser.error(
            f"{flag} belongs to --recipe {' or '.join(owners)}, not to {given.recipe}; leave it out"
        )
    return kind(**wanted)


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
    group = parser.add_argument_group("recipe")
    _option(group, "--recipe", choices=sorted(RECIPES), default="fast", help="how to train")
    _option(group, "--model-id", default=DEFAULT_MODEL, help="base model when --model is not given")
    _option(
        group,
        "--dev-share",
        type=_share,
        default=0.0,
        help="share of each label's training rows to hold out, for dev:accuracy and calibration",
    )
    hyperparameters = parser.add_argument_group("hyperparameters (defaults are the recipe's own)")
    for name, (kind, text) in _HYPERPARAMETERS.items():
        _option(
            hyperparameters,
            "--" + name.replace("_", "-"),
            type=kind,
            default=argparse.SUPPRESS,
            help=f"{text}; {_defaults(name)}",
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


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 0.5")
    return value


def _part(text: str) -> float:
    value = _positive(text)
    if value > 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 1")
    return value


def _defaults(name: str) -> str:
    """Say what the recipes that have a hyperparameter use when it is not given."""
    return ", ".join(
        f"{recipe}: {getattr(kind, name)}"
        for recipe, kind in RECIPES.items()
        if hasattr(kind, name)
    )


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


# By name: how it is read, and what it is. `RECIPES` says which recipe has which.
_HYPERPARAMETERS: dict[str, tuple[Any, str]] = {
    "seed": (_whole(0, 2**32 - 1), "random seed"),
    "c": (_positive, "C of the logistic regression"),
    "label_names": (_boolean, "use every label's name as one more example of it"),
    "token_weights": (_boolean, "let tokens that most texts have count less"),
    "epochs": (_whole(1), "how often every example is seen"),
    "learning_rate": (_positive, "of the encoder"),
    "trained_layers": (_part, "share of the encoder's layers that learn, from the top"),
    "num_iterations": (_whole(0), "SetFit's pairs per example and kind"),
    "max_steps": (_whole(0), "limit of contrastive steps, 0 for none"),
    "batch_size": (_whole(1), "pairs per contrastive step"),
}
