"""Judge a candidate model on the fixed test set, beside the champion: a processing job of Lab 3.

Reads the candidate (``--model``, a folder with ``model.tar.gz``), the champion (``--champion``,
likewise; may be absent or empty) and the test set (``--test``, CSV files with the columns
``text,label``; where a file has a column ``split``, its rows ``test``). Writes
``evaluation.json``, which README.md describes. Runs the same from a shell::

    python evaluate.py --model candidate --test held_out.csv --evaluation out

This module puts the stages in order and must not do their work.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archive import find_model
from classifier import Classifier, load_classifier, use_threads
from comparison import evaluation
from rows import DataError, Row, label_names, read_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PROCESSING = Path("/opt/ml/processing")
FILE_NAME = "evaluation.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate as the command line says; return the exit code."""
    options = _parser().parse_args(argv)
    try:
        found = evaluate(options.model, options.champion, options.test)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    options.evaluation.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (options.evaluation / FILE_NAME).write_text(text, encoding="utf-8")
    _tell(found)
    return 0


def evaluate(model: Path, champion: Path, test: Path) -> dict[str, Any]:
    """Return the content of ``evaluation.json``.

    Raises
    ------
    DataError
        If there is no candidate, the test set cannot be used, or the models' labels differ from it.
    """
    rows = read_folder(test, "test")
    labels = label_names(rows)
    with tempfile.TemporaryDirectory() as scratch:
        candidate = _answers(model, Path(scratch) / "candidate", rows, labels)
        if candidate is None:
            raise DataError(f"{model} holds no model; send model.tar.gz of a training job there.")
        other = _answers(champion, Path(scratch) / "champion", rows, labels)
    return evaluation(candidate, other, _truth(rows, labels), labels)


def _answers(
    folder: Path, scratch: Path, rows: list[Row], labels: list[str]
) -> NDArray[np.float64] | None:
    found = find_model(folder, scratch)
    if found is None:
        return None
    print(f"stage=load; model={folder.name}", flush=True)
    use_threads(_cores())
    try:
        model: Classifier = load_classifier(found)
    except ValueError as error:
        raise DataError(str(error)) from error
    if sorted(model.labels) != labels:
        raise DataError(
            f"The model in {folder} knows the labels {model.labels}, but the test set has {labels}."
        )
    columns = [model.labels.index(label) for label in labels]
    return model.probabilities([row.text for row in rows])[:, columns]


def _truth(rows: list[Row], labels: list[str]) -> NDArray[np.int64]:
    import numpy as np

    return np.array([labels.index(row.label) for row in rows], dtype=np.int64)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tell(found: dict[str, Any]) -> None:
    metrics, compared = found["binary_classification_metrics"], found["comparison"]
    difference = compared["accuracy_difference"]
    error = found["calibration"]["expected_calibration_error"]
    print(
        f"stage=evaluate; test:rows={found['dataset']['item_count']}; "
        f"test:accuracy={metrics['accuracy']['value']:.6f}; calibration_error={error['value']:.4f}",
        flush=True,
    )
    verdict = "not worse than" if compared["not_worse"] else "worse than"
    print(
        f"The candidate is {verdict} the {compared['compared_with']} beyond noise: accuracy "
        f"differs by {difference['value']:+.4f}, 95 % interval {difference['low']:+.4f} to "
        f"{difference['high']:+.4f}.",
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Judge a candidate model on a fixed test set, beside the champion.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    inputs = PROCESSING / "input"
    parser.add_argument("--model", type=Path, default=inputs / "model", help="the candidate")
    parser.add_argument(
        "--champion", type=Path, default=inputs / "champion", help="the champion, if there is one"
    )
    parser.add_argument("--test", type=Path, default=inputs / "test", help="CSV files, or one file")
    parser.add_argument(
        "--evaluation",
        type=Path,
        default=PROCESSING / "output" / "evaluation",
        help="evaluation.json goes here",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
