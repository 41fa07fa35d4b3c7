"""Lab 2 from end to end without a notebook: the same helpers in the same order.

It knows the lab's steps; what each of them does is its helper's to know.
"""

import statistics
import time

from workshop_utils import batch, datasets, jumpstart, zero_shot, zero_shot_models
from workshop_utils.session import start
from workshop_utils.zero_shot import Task
from workshop_utils.zero_shot_rows import Rows

QUESTIONS = (
    "finally pay off the credit card, then never speak of it again",
    "run a half marathon without walking",
    "call grandma every sunday",
)
TEMPLATE = "This New Year's resolution is about {}."
_LATENCY_REQUESTS = 50


def run(model_id: str = zero_shot_models.AUTO, keep_endpoint: bool = False) -> dict[str, float]:
    """Deploy a zero-shot model, ask it, and classify a whole file; print what happens.

    Parameters
    ----------
    model_id
        As `zero_shot_models.build` takes it.
    keep_endpoint
        Leave the endpoint running.

    Returns
    -------
    dict
        ``accuracy`` and ``either`` (one of the two categories that an ambiguous resolution has)
        between 0 and 1, ``batch_seconds``, ``endpoint_p50_ms``.
    """
    session = start("zero-shot")
    print(f"\n1. Session: {session}")

    frame = datasets.resolutions()
    meaning = datasets.resolution_categories()
    print(
        f"\n2. Data: {len(frame)} resolutions, {len(meaning)} categories, none of them trained on"
    )

    print("\n3. Model")
    model = zero_shot_models.build(session, model_id)
    try:
        print(f"   {model.about.name}, {model.about.shown_size}, licence {model.about.licence}")

        print("\n4. Endpoint")
        endpoint = jumpstart.deploy(model)
        task = Task(list(meaning), hypothesis_template=TEMPLATE, descriptions=meaning)
        for question in QUESTIONS:
            print(f"   {question!r}\n      -> {zero_shot.ask(endpoint, question, task)}")
        waited = []
        for _ in range(_LATENCY_REQUESTS):
            began = time.perf_counter()
            zero_shot.ask(endpoint, QUESTIONS[0], task)
            waited.append((time.perf_counter() - began) * 1000)

        print("\n5. Batch transform")
        rows = Rows(list(meaning), hypothesis_template=TEMPLATE, descriptions=meaning)
        answered = batch.start(
            session, model.name, frame, rows, records=zero_shot_models.records(model)
        ).wait()
    finally:
        if keep_endpoint:
            print(f"   {model.name} keeps running")
        else:
            model.delete()
            print("   endpoint and model are deleted again")
            session.close()
    right = answered.frame["predicted"] == answered.frame["label"]
    either = right | (answered.frame["predicted"] == answered.frame["second_label"])
    result = {
        "accuracy": float(right.mean()),
        "either": float(either.mean()),
        "batch_seconds": answered.seconds,
        "endpoint_p50_ms": statistics.median(waited),
    }
    _print_result(result, len(frame), len(meaning))
    return result


def _print_result(result: dict[str, float], rows: int, labels: int) -> None:
    shown = [
        ("Accuracy", f"{result['accuracy']:.3f}", f"{rows} resolutions, {labels} categories"),
        ("Either label", f"{result['either']:.3f}", "where two of them fit"),
        ("Batch", f"{result['batch_seconds']:.1f} s", "the whole job, or S3 if it ran before"),
        ("Endpoint p50", f"{result['endpoint_p50_ms']:.1f} ms", f"{_LATENCY_REQUESTS} requests"),
    ]
    line = "+---------------+----------+----------------------------------------+"
    print(f"\nLab 2, zero-shot classification\n{line}")
    for name, value, note in shown:
        print(f"| {name:<13} | {value:>8} | {note:<38} |")
    print(line)
    print(
        "Try next:\n"
        "  make lab                                      the same as a notebook, and more\n"
        "  .venv/bin/python -m workshop_utils run-lab2 --help     what can be changed\n"
    )
