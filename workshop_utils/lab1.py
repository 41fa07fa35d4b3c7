"""Lab 1 from end to end without a notebook: what ``make run`` runs.

The same helpers in the same order as the notebook; only the prose is missing.
"""

import statistics
import time
from typing import TYPE_CHECKING

import pandas as pd

from workshop_utils import datasets, endpoints, estimators, experiments, models
from workshop_utils.session import Session, start

if TYPE_CHECKING:
    from sagemaker.core.resources import TrainingJob

EXPERIMENT = "banking77-few-shot"
QUESTIONS = (
    "my card still isn't here and it's been two weeks",
    "what's your rate for turning pounds into euros?",
    "i typed the wrong pin three times, now what",
)
_LATENCY_REQUESTS = 50


def run(shots: int = 8, seed: int = 0, keep_endpoint: bool = False) -> dict[str, float]:
    """Train, track, deploy and ask a few-shot classifier; print what happens and a table.

    Parameters
    ----------
    shots
        Training examples per intent.
    seed
        Draws the examples.
    keep_endpoint
        Leave the endpoint running.

    Returns
    -------
    dict
        ``accuracy`` and ``macro_f1`` between 0 and 1, ``training_seconds``, ``endpoint_p50_ms``.
    """
    session = start("few-shot")
    print(f"\n1. Session: {session}")

    data = datasets.banking77()
    sample = datasets.few_shot(data.train, shots, seed)
    print(f"\n2. Data: {data}")
    print(f"   {shots} shots of each of {len(data.labels)} intents: {len(sample)} training rows")

    print("\n3. Training")
    started = time.monotonic()
    job = train(session, sample, data.test, shots, seed)
    print(f"   the job took {time.monotonic() - started:.1f} s, waiting included")
    metrics = estimators.final_metrics(job)

    print("\n4. Experiment")
    figures = ["test:accuracy", "test:macro_f1"]
    compared = experiments.table(session, EXPERIMENT, figures)
    print(compared[["shots", "seed", *figures]].tail(5).to_string())

    print("\n5. Endpoint")
    endpoint = endpoints.deploy(session, str(job.model_artifacts.s3_model_artifacts))
    try:
        answers = endpoint.predict(QUESTIONS)
        for question, answer in zip(QUESTIONS, answers, strict=True):
            print(f"   {question!r}\n      -> {answer['label']} ({answer['score']:.2f})")
        latency = statistics.median(endpoint.latencies(QUESTIONS[0], _LATENCY_REQUESTS))
    finally:
        if keep_endpoint:
            print(f"   {endpoint.name} keeps running")
        else:
            endpoint.delete()
            print("   the endpoint is deleted again")
            session.close()
    result = {
        "accuracy": metrics["test:accuracy"],
        "macro_f1": metrics["test:macro_f1"],
        "training_seconds": metrics["train:seconds"],
        "endpoint_p50_ms": latency,
    }
    _print_result(result, shots, len(data.test))
    return result


def train(
    session: Session, sample: pd.DataFrame, test: pd.DataFrame, shots: int, seed: int
) -> "TrainingJob":
    """Train on a few-shot sample as a job that logs to a run of the lab's experiment."""
    stamp = time.strftime("%H%M%S")
    with experiments.run(session, EXPERIMENT, f"{shots}-shots-seed-{seed}-{stamp}") as opened:
        opened.log_parameters({"shots": shots})
        trainer = estimators.huggingface_estimator(
            session,
            estimators.SCRIPTS / "few_shot",
            hyperparameters={"seed": seed},
            environment=experiments.environment(opened),
            instance_type="auto",
        )
        channels = {
            "train": _upload(session, sample, opened.run_name, "train"),
            "test": _upload(session, test, opened.run_name, "test"),
            "model": models.base_model(session),
        }
        return estimators.train(session, trainer, channels)


def _upload(session: Session, frame: pd.DataFrame, run_name: str, channel: str) -> str:
    content = frame.to_csv(index=False).encode()
    return session.upload(content, "data", run_name, channel, f"{channel}.csv")


def _print_result(result: dict[str, float], shots: int, test_rows: int) -> None:
    rows = [
        ("Accuracy", f"{result['accuracy']:.3f}", f"{test_rows} test rows, 77 intents"),
        ("Macro-F1", f"{result['macro_f1']:.3f}", "every intent counts the same"),
        ("Training time", f"{result['training_seconds']:.1f} s", f"{shots} shots per intent"),
        ("Endpoint p50", f"{result['endpoint_p50_ms']:.1f} ms", f"{_LATENCY_REQUESTS} requests"),
    ]
    line = "+---------------+----------+--------------------------------+"
    print(f"\nLab 1, few-shot classification\n{line}")
    for name, value, note in rows:
        print(f"| {name:<13} | {value:>8} | {note:<30} |")
    print(line)
    print(
        "Try next:\n"
        "  make lab                                               the same as a notebook\n"
        "  .venv/bin/python -m workshop_utils run-lab1 --shots 4  with fewer examples\n"
        "  .venv/bin/python -m workshop_utils run-lab1 --help     what else can be changed\n"
    )
