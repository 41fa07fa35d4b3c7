"""Train a few-shot text classifier: the entry point of Lab 1's training job.

Reads ``train.csv`` (columns ``text,label``) from channel ``train``, takes its base model from
channel ``model`` if that is given, evaluates on ``test.csv`` of channel ``test`` if that is
given, and writes a SetFit model together with everything an endpoint needs. Runs the same from a
shell::

    python train.py --train my.csv --test held_out.csv --model-dir out

This module puts the stages in order and must not do their work.

Progress lines have the form ``stage=<name>; <figure>=<value>; ...``. These figures can be declared
as MetricDefinitions of the training job:

=========================  ====================================
Name                       Regex
=========================  ====================================
``train:rows``             ``train:rows=([0-9]+)``
``train:contrastive_loss`` ``train:contrastive_loss=([0-9.]+)``
``train:loss``             ``train:loss=([0-9.]+)``
``train:accuracy``         ``train:accuracy=([0-9.]+)``
``train:seconds``          ``train:seconds=([0-9.]+)``
``dev:accuracy``           ``dev:accuracy=([0-9.]+)``
``test:rows``              ``test:rows=([0-9]+)``
``test:accuracy``          ``test:accuracy=([0-9.]+)``
``test:macro_f1``          ``test:macro_f1=([0-9.]+)``
``test:seconds``           ``test:seconds=([0-9.]+)``
=========================  ====================================

``train:contrastive_loss`` is the loss of the encoder's fine-tuning, after each epoch (``setfit``:
about twenty times), ``train:loss`` the head's cross-entropy (nats) on the training rows,
``train:seconds`` the time for embedding, fine-tuning, head and calibration; loading libraries and
the base model is not in it. ``dev:accuracy`` is there when ``--dev-share`` holds rows out: after
each epoch of ``fast``, and at the end.

The same figures go to the SageMaker Experiments run that ``EXPERIMENT_NAME`` and ``RUN_NAME``
name, if they are set, with the number of fine-tuning steps made so far as their step.

The model folder is described in `model_folder`, the reports in `report.write_report`.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from arguments import Settings, read_settings
from body import embed, load_body
from calibration import expected_calibration_error
from examples import DataError, Examples
from fitting import Fitted, Fitting
from inputs import Data, base_model, read_data, warn_about_long_texts
from model_card import write_card
from model_folder import save_model, versions, write_facts
from onnx_export import PARITY_TEXTS, Reference, prepare
from recipe import name_of
from report import Evaluation, write_embeddings, write_report
from tracking import RunTracker
from training_log import TrainingLog

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer


class Stopped(SystemExit):
    """SageMaker (or somebody) asked the job to stop; 143 is the exit code of SIGTERM."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)

    def __str__(self) -> str:
        return "The job was stopped (SIGTERM)."


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the command line says; return the exit code."""
    settings = read_settings(argv)
    signal.signal(signal.SIGTERM, _stop)
    # Idle threads that spin take the CPU from whoever shares it; must be set before torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        with RunTracker.from_environment() as tracker:
            _train(settings, tracker)
    except Exception as error:
        _write_failure_file(error)
        if isinstance(error, DataError):
            print(f"error: {error}", file=sys.stderr, flush=True)
            return 1
        raise
    return 0


def _train(settings: Settings, tracker: RunTracker) -> None:
    log = TrainingLog(tracker)
    recipe = settings.recipe
    data = read_data(settings, log)
    base = base_model(settings)
    tracker.log_parameters({"base_model": base, "recipe": name_of(recipe), **asdict(recipe)})

    body, load_seconds = _load(base, settings.model is not None, log)
    warn_about_long_texts(data.train, body.max_seq_length)
    fitted = Fitting(body, data, recipe, log).run()
    save_model(settings.model_dir, fitted.model, fitted.head)

    metrics = _facts(settings, base, data, fitted, load_seconds)
    files: list[Path] = []
    reference: Reference | None = None
    if data.test:
        test = data.test
        evaluation, figures, embeddings = _evaluate(body, fitted, test, log)
        reference = Reference(test.texts, embeddings)
        metrics |= {
            "accuracy": evaluation.accuracy,
            "macro_f1": evaluation.macro_f1,
            "calibration_error": figures["calibration_error"],
            "test_rows": len(test),
            "test_sha256": test.sha256,
            "test_labels_not_in_train": sorted(set(test.labels) - set(data.train.labels)),
        }
        metrics["seconds"]["test"] = figures["test:seconds"]
    if scored := evaluation if data.test else fitted.dev:
        files = write_report(scored, settings.output_data_dir)
    if data.test:
        files.append(write_embeddings(embeddings, settings.output_data_dir))
    head = fitted.head
    metrics["serving"] = _make_servable(settings.model_dir, body, fitted, data, reference, log)
    files += write_facts([settings.model_dir, settings.output_data_dir], head.labels, metrics)
    files.append(write_card(settings.model_dir, head.labels, metrics))
    for file in files:
        tracker.log_file(file)
    log.stage("done", {"model": str(settings.model_dir), "output": str(settings.output_data_dir)})


def _facts(
    settings: Settings, base: str, data: Data, fitted: Fitted, load_seconds: float
) -> dict[str, Any]:
    """Return what ``metrics.json`` says of the training itself."""
    return {
        "accuracy": None,
        "macro_f1": None,
        "calibration_error": None,
        "dev_accuracy": fitted.dev.accuracy if fitted.dev else None,
        "train_rows": len(data.train),
        "dev_rows": len(data.dev) if data.dev else 0,
        "test_rows": 0,
        "labels": len(fitted.head.labels),
        "train_loss": fitted.figures["train:loss"],
        "train_accuracy": fitted.figures["train:accuracy"],
        "seconds": {
            "load": load_seconds,
            "train": fitted.figures["train:seconds"],
            "train_cpu": fitted.cpu_seconds,
        },
        "recipe": {"name": name_of(settings.recipe), **asdict(settings.recipe)},
        "steps": fitted.steps,
        "precision": fitted.precision,
        "calibration": asdict(fitted.calibration),
        "seed": settings.recipe.seed,
        "base_model": base,
        "train_sha256": data.train.sha256,
        "versions": versions(),
    }


def _load(base: str, local: bool, log: TrainingLog) -> tuple[SentenceTransformer, float]:
    started = time.monotonic()
    log.stage("load", {"model": base})
    _quiet_libraries(offline=local)
    try:
        body = load_body(base, local)
    except OSError as error:
        raise DataError(
            f"The base model {base!r} cannot be loaded: {error} Without internet access send a "
            "model folder as channel 'model' (on the command line: --model FOLDER)."
        ) from error
    return body, time.monotonic() - started


def _evaluate(
    body: SentenceTransformer, fitted: Fitted, test: Examples, log: TrainingLog
) -> tuple[Evaluation, dict[str, float], NDArray[np.float32]]:
    """Score the test rows; return the answers, the figures and the rows' embeddings."""
    started = time.monotonic()
    head = fitted.head
    embeddings = embed(
        body, test.texts, lambda done: log.heartbeat("embed_test", {"rows": f"{done}/{len(test)}"})
    )
    probabilities = head.probabilities(embeddings)
    evaluation = Evaluation.of(test.texts, test.labels, probabilities, head.labels)
    column = {label: number for number, label in enumerate(head.labels)}
    # A label that is not in the training rows has no column and is always wrong.
    truth = np.array([column.get(label, -1) for label in test.labels])
    figures = {
        "test:accuracy": evaluation.accuracy,
        "test:macro_f1": evaluation.macro_f1,
        "calibration_error": expected_calibration_error(probabilities, truth),
        "test:seconds": time.monotonic() - started,
    }
    log.stage("evaluate", figures, fitted.steps)
    return evaluation, figures, embeddings


def _make_servable(
    folder: Path,
    body: SentenceTransformer,
    fitted: Fitted,
    data: Data,
    reference: Reference | None,
    log: TrainingLog,
) -> dict[str, Any]:
    """Write the ONNX form of the encoder; return what was measured and chosen."""
    if reference is None:
        texts = data.dev.texts if data.dev else data.train.texts[:PARITY_TEXTS]
        reference = Reference(texts, embed(body, texts, lambda _: None))
    facts = prepare(
        folder,
        fitted.head,
        body.max_seq_length,
        reference,
        unseen=bool(data.test or data.dev),
        threshold=fitted.calibration.threshold if fitted.calibration.rows else None,
    )
    shown = {
        name: facts[name] for name in ("variant", "int8_agreement", "seconds") if name in facts
    }
    log.stage("serving", shown)
    print(f"The model is served by {facts['variant']}. {facts['reason']}.", flush=True)
    return facts


def _quiet_libraries(offline: bool) -> None:
    """Silence progress bars and notes that would hide our own lines."""
    if offline:
        # A model in a folder needs nothing from the hub; jobs may have no network at all.
        os.environ["HF_HUB_OFFLINE"] = "1"
    import setfit.logging
    import transformers

    setfit.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


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
