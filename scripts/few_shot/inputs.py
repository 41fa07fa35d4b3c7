"""What a training job is given, read and checked before anything slow starts.

Everything that can be wrong with the data or the base model is said here. This module must not
know how training works.
"""

from __future__ import annotations

from dataclasses import dataclass

from arguments import Settings
from examples import DataError, Examples, compare, read_channel
from training_log import TrainingLog, warn


@dataclass(frozen=True)
class Data:
    """The rows of a job.

    Attributes
    ----------
    train : Examples
        What is trained on.
    dev : Examples or None
        Rows of the training file that are held out of it (``--dev-share``).
    test : Examples or None
        The rows of channel ``test``.
    """

    train: Examples
    dev: Examples | None
    test: Examples | None


def read_data(settings: Settings, log: TrainingLog) -> Data:
    """Read both files, warn about what is odd, and hold out the development rows.

    Raises
    ------
    DataError
        If the data cannot be trained on.
    """
    train = read_channel(settings.train, "train.csv")
    known = train.label_set
    if len(known) < 2:
        raise DataError(
            f"{train.path} has one label only ({known[0]!r}). A classifier needs at least two."
        )
    _warn_about(train)
    dev = None
    if settings.dev_share:
        train, dev = train.split(settings.dev_share, settings.recipe.seed)
    figures: dict[str, int] = {"train:rows": len(train), "labels": len(known)}
    if dev:
        figures["dev:rows"] = len(dev)
    test = None
    if settings.test is not None:
        test = read_channel(settings.test, "test.csv")
        for message in compare(train, test):
            warn(message)
        figures["test:rows"] = len(test)
    log.stage("data", figures)
    return Data(train, dev, test)


def base_model(settings: Settings) -> str:
    """Return the folder or the name of the base model.

    Raises
    ------
    DataError
        If the channel ``model`` holds no model.
    """
    folder = settings.model
    if folder is None:
        return settings.model_id
    if not (folder / "modules.json").is_file() and not (folder / "config.json").is_file():
        present = ", ".join(sorted(p.name for p in folder.iterdir())) if folder.is_dir() else ""
        raise DataError(
            f"{folder} holds no model: modules.json (Sentence Transformers) or config.json "
            f"(transformers) is missing; it holds: {present or 'nothing'}. Send the unpacked files "
            "of a model as channel 'model', or leave the channel out and name one with --model-id."
        )
    return str(folder)


def warn_about_long_texts(train: Examples, limit: int | None) -> None:
    """Say how many training texts have more words than the model takes tokens."""
    # A word is at least one token, so no text that fits is counted.
    cut = sum(len(text.split()) > limit for text in train.texts) if limit else 0
    if cut:
        warn(f"{cut} training texts are longer than the model's {limit} tokens and are cut there.")


def _warn_about(train: Examples) -> None:
    if single := train.labels_with_one_example():
        warn(f"{len(single)} labels have a single training example, among them {single[0]!r}.")
    contradictions = train.contradictions()
    for text, labels in list(contradictions.items())[:3]:
        warn(
            f"{_excerpt(text)!r} is a training text of {len(labels)} labels: {', '.join(labels)}."
            f" ({len(contradictions)} such texts in all.)"
        )


def _excerpt(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
