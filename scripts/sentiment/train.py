"""Train a sentiment model: the entry point of Lab 3's training job, alone or in a pipeline.

Reads ``train.csv`` (columns ``text,label``, and ``weight`` if it is there) from channel ``train``,
takes its base model from channel ``model`` if that is given, and writes a Hugging Face sequence
classifier with calibrated confidences and everything an endpoint needs. Runs the same from a
shell::

    python train.py --train my.csv --model-dir out

This module puts the stages in order and must not do their work.

Progress lines have the form ``stage=<name>; <figure>=<value>; ...``. These figures can be declared
as MetricDefinitions of the training job:

=========================  ======================================
Name                       Regex
=========================  ======================================
``train:rows``             ``train:rows=([0-9]+)``
``train:loss``             ``train:loss=([0-9.]+)``
``train:accuracy``         ``train:accuracy=([0-9.]+)``
``train:seconds``          ``train:seconds=([0-9.]+)``
``dev:accuracy``           ``dev:accuracy=([0-9.]+)``
``dev:calibration_error``  ``dev:calibration_error=([0-9.]+)``
=========================  ======================================

``train:loss`` is the weighted cross-entropy (nats) after each epoch of the model that is
delivered, ``train:accuracy`` that model's on its own rows. The ``dev`` figures are those of twins
on rows that they had not seen; see `fitting`.

The model folder is described in `model_folder`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from arguments import Settings, read_settings
from rows import REVIEW, DataError, Row, label_names, read_csv
from training_log import TrainingLog, warn

FILE_NAME = "train.csv"


class Stopped(SystemExit):
    """SageMaker (or somebody) asked the job to stop; 143 is the exit code of SIGTERM."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says; return the exit code."""
    settings = read_settings(argv)
    signal.signal(signal.SIGTERM, _stop)
    try:
        train(settings, TrainingLog())
    except Exception as error:
        _write_failure_file(error)
        if isinstance(error, DataError):
            print(f"error: {error}", file=sys.stderr, flush=True)
            return 1
        raise
    return 0


def train(settings: Settings, log: TrainingLog) -> None:
    """Train, and write the model folder.

    Raises
    ------
    DataError
        If the rows or the base model cannot be used.
    """
    import base_model

    base_model.check(settings.model)
    rows = read_rows(settings.train)
    labels = label_names(rows)
    reviewed = sum(row.source == REVIEW for row in rows)
    log.stage("data", {"train:rows": len(rows), "reviewed": reviewed})

    # What follows imports torch, which takes seconds; mistakes in the data are told before.
    from classifier import use_threads
    from fine_tuning import Weighted
    from fitting import Fitting
    from model_folder import write_model

    name = str(settings.model) if settings.model else settings.model_id
    log.stage("load", {"model": name})
    started = time.monotonic()
    use_threads(_cores())
    max_tokens = settings.recipe.max_tokens
    local = settings.model is not None

    def fresh() -> Any:
        return base_model.load_base(name, local, labels, max_tokens)

    _warn_about_long_texts(fresh(), rows)
    log.stage("loaded", {"seconds": time.monotonic() - started})
    weighted = Weighted(
        [row.text for row in rows],
        np.array([labels.index(row.label) for row in rows], dtype=np.int64),
        np.array([row.weight for row in rows]),
    )
    fitted = Fitting(fresh, weighted, settings.recipe, log).run()
    if settings.recipe.temperature and not fitted.calibration.rows:
        warn("The confidences are not calibrated: there are too few rows to hold any out.")
    write_model(settings.model_dir, fitted, rows, settings.recipe, base_model.described(name))
    log.stage("done", {"model": str(settings.model_dir)})


def read_rows(source: Path) -> list[Row]:
    """Read a file, or the ``train.csv`` of a channel.

    Raises
    ------
    DataError
        If there is not exactly one, or it cannot be used.
    """
    if source.is_file():
        return _some(source)
    found = sorted(path for path in source.rglob(FILE_NAME) if path.is_file())
    if len(found) != 1:
        present = sorted(str(path.relative_to(source)) for path in source.rglob("*"))
        listing = ", ".join(present[:5]) or "nothing"
        raise DataError(
            f"{source} holds {len(found)} files named {FILE_NAME} instead of one; it holds: "
            f"{listing}. prepare.py makes such a file."
        )
    return _some(found[0])


def _some(path: Path) -> list[Row]:
    rows = read_csv(path)
    if not rows:
        raise DataError(f"{path} has no rows.")
    return rows


def _warn_about_long_texts(classifier: Any, rows: list[Row]) -> None:
    if cut := sum(classifier.is_cut(row.text) for row in rows):
        limit = classifier.max_tokens
        warn(f"{cut} training texts are longer than {limit} tokens and are cut there.")


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _write_failure_file(error: Exception) -> None:
    """Leave the reason where SageMaker looks for FailureReason (its first 1,024 characters)."""
    folder = os.environ.get("SM_OUTPUT_DIR")
    if folder and Path(folder).is_dir():
        text = f"{type(error).__name__}: {error}"
        (Path(folder) / "failure").write_text(text[:1024], encoding="utf-8")


def _stop(*_: Any) -> NoReturn:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
