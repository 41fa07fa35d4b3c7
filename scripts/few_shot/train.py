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
``test:rows``              ``test:rows=([0-9]+)``
``test:accuracy``          ``test:accuracy=([0-9.]+)``
``test:macro_f1``          ``test:macro_f1=([0-9.]+)``
``test:seconds``           ``test:seconds=([0-9.]+)``
=========================  ====================================

``train:loss`` is the head's cross-entropy (nats) on the training rows, ``train:seconds`` the time
for embedding, contrastive steps and head; loading libraries and the base model is not in it.

The same figures go to the SageMaker Experiments run that ``EXPERIMENT_NAME`` and ``RUN_NAME``
name, if they are set, with the number of contrastive steps made so far as their step.

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

from arguments import Settings, read_settings
from classifier import (
    Recipe,
    assemble,
    embed,
    fine_tune,
    fit_head,
    load_body,
    seed_everything,
    with_label_names,
)
from examples import DataError, Examples, compare, read_channel
from model_folder import save_model, versions, write_facts
from report import Evaluation, write_report
from tracking import RunTracker
from training_log import TrainingLog, warn

if TYPE_CHECKING:
    from linear_head import LinearHead
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
    train, test = _read_examples(settings, log)
    base = _base_model(settings)
    tracker.log_parameters({"base_model": base, **asdict(recipe)})

    body, load_seconds = _load(base, settings.model is not None, log)
    _warn_about_long_texts(body, train)
    model, head, figures = _fit(body, train, recipe, log)
    save_model(settings.model_dir, model, head)

    metrics: dict[str, Any] = {
        "accuracy": None,
        "macro_f1": None,
        "train_rows": len(train),
        "test_rows": 0,
        "labels": len(head.labels),
        "train_loss": figures["train:loss"],
        "train_accuracy": figures["train:accuracy"],
        "seconds": {"load": load_seconds, "train": figures["train:seconds"]},
        "recipe": asdict(recipe),
        "seed": recipe.seed,
        "base_model": base,
        "train_sha256": train.sha256,
        "versions": versions(),
    }
    files: list[Path] = []
    if test:
        steps = recipe.contrastive_steps(figures["examples"])
        evaluation, seconds = _evaluate(body, head, test, log, steps)
        metrics |= {
            "accuracy": evaluation.accuracy,
            "macro_f1": evaluation.macro_f1,
            "test_rows": len(test),
            "test_sha256": test.sha256,
            "test_labels_not_in_train": sorted(set(test.labels) - set(train.labels)),
        }
        metrics["seconds"]["test"] = seconds
        files = write_report(evaluation, settings.output_data_dir)
    files += write_facts([settings.model_dir, settings.output_data_dir], head.labels, metrics)
    for file in files:
        tracker.log_file(file)
    log.stage("done", {"model": str(settings.model_dir), "output": str(settings.output_data_dir)})


def _read_examples(settings: Settings, log: TrainingLog) -> tuple[Examples, Examples | None]:
    """Read and check both files before anything slow starts."""
    train = read_channel(settings.train, "train.csv")
    known = train.label_set
    if len(known) < 2:
        raise DataError(
            f"{train.path} has one label only ({known[0]!r}). A classifier needs at least two."
        )
    if single := train.labels_with_one_example():
        warn(f"{len(single)} labels have a single training example, among them {single[0]!r}.")
    contradictions = train.contradictions()
    for text, labels in list(contradictions.items())[:3]:
        warn(
            f"{_excerpt(text)!r} is a training text of {len(labels)} labels: {', '.join(labels)}."
            f" ({len(contradictions)} such texts in all.)"
        )
    figures: dict[str, int] = {"train:rows": len(train), "labels": len(known)}
    if settings.test is None:
        log.stage("data", figures)
        return train, None

    test = read_channel(settings.test, "test.csv")
    for message in compare(train, test):
        warn(message)
    log.stage("data", {**figures, "test:rows": len(test)})
    return train, test


def _base_model(settings: Settings) -> str:
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


def _fit(
    body: SentenceTransformer, train: Examples, recipe: Recipe, log: TrainingLog
) -> tuple[Any, LinearHead, dict[str, Any]]:
    """Train; return the SetFit model, its head as arrays, and the figures of the training."""
    started = time.monotonic()
    seed_everything(recipe.seed)
    texts, labels = train.texts, train.labels
    if recipe.label_names:
        texts, labels = with_label_names(texts, labels)
    steps = recipe.contrastive_steps(len(texts))
    if steps:
        log.stage("contrastive", {"step": f"0/{steps}"})
        fine_tune(
            body,
            texts,
            labels,
            recipe,
            lambda step, of, loss: log.stage(
                "contrastive", {"step": f"{step}/{of}", "train:contrastive_loss": loss}, step
            ),
        )
    embeddings = embed(
        body, texts, lambda done: log.heartbeat("embed_train", {"rows": f"{done}/{len(texts)}"})
    )
    classifier, head = fit_head(embeddings, labels, recipe.c)
    probabilities = head.probabilities(embeddings[: len(train)])
    fitted = Evaluation.of(train.texts, train.labels, probabilities, head.labels)
    figures: dict[str, Any] = {
        "examples": len(texts),
        "train:loss": head.cross_entropy(probabilities, train.labels),
        "train:accuracy": fitted.accuracy,
        "train:seconds": time.monotonic() - started,
    }
    log.stage("head", figures, steps)
    return assemble(body, classifier, head.labels), head, figures


def _evaluate(
    body: SentenceTransformer, head: LinearHead, test: Examples, log: TrainingLog, step: int
) -> tuple[Evaluation, float]:
    started = time.monotonic()
    embeddings = embed(
        body, test.texts, lambda done: log.heartbeat("embed_test", {"rows": f"{done}/{len(test)}"})
    )
    probabilities = head.probabilities(embeddings)
    evaluation = Evaluation.of(test.texts, test.labels, probabilities, head.labels)
    seconds = time.monotonic() - started
    figures = {
        "test:accuracy": evaluation.accuracy,
        "test:macro_f1": evaluation.macro_f1,
        "test:seconds": seconds,
    }
    log.stage("evaluate", figures, step)
    return evaluation, seconds


def _warn_about_long_texts(body: SentenceTransformer, train: Examples) -> None:
    limit = body.max_seq_length
    # A word is at least one token, so no text that fits is counted.
    cut = sum(len(text.split()) > limit for text in train.texts) if limit else 0
    if cut:
        warn(f"{cut} training texts are longer than the model's {limit} tokens and are cut there.")


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


def _excerpt(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


if __name__ == "__main__":
    sys.exit(main())
