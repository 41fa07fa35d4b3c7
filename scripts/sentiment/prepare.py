"""Put base data and people's answers together: the entry point of Lab 3's processing job.

Reads the base data (``--base``, CSV files with the columns ``text,label``; where a file has a
column ``split``, its rows ``train``) and everything that people answered (``--reviews``, the
``output.json`` files of Amazon A2I at any depth; may be empty or absent). Writes ``train.csv``
(``text,label,weight,source``) and ``report.json``, which counts what was done. No text of the
fixed test set (``--test``, if given) gets into ``train.csv``. Runs the same from a shell::

    python prepare.py --base my.csv --reviews answers --train out --report out

This module decides which row stays; it must not know how answers are read or models are trained.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from answers import Answers, read_answers
from rows import REVIEW, DataError, Row, label_names, normalised, read_folder, write_csv
from verdicts import Verdict, verdicts

PROCESSING = Path("/opt/ml/processing")
REVIEW_WEIGHT = 2.0
SHOWN = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare as the command line says; return the exit code."""
    options = _parser().parse_args(argv)
    try:
        report = prepare(
            options.base,
            options.reviews,
            options.test,
            options.train,
            options.report,
            options.review_weight,
        )
    except DataError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    _tell(report)
    return 0


def prepare(
    base: Path, reviews: Path, test: Path, train: Path, report_folder: Path, review_weight: float
) -> dict[str, Any]:
    """Write ``train.csv`` and ``report.json``; return the report.

    Raises
    ------
    DataError
        If the base data or the test set cannot be used, or nothing is left to train on.
    """
    base_rows = read_folder(base, "train")
    labels = label_names(base_rows)
    found = read_answers(reviews, labels)
    decided, repeated = verdicts(found.answers)
    reviewed = {
        normalised(verdict.text): Row(verdict.text, verdict.label, review_weight, REVIEW)
        for verdict in decided
        if verdict.label in labels
    }
    forbidden = _texts_of(test)
    kept, of_base = _without_repetitions(base_rows)
    rows = [row for key, row in kept.items() if key not in reviewed]
    rows += reviewed.values()
    clean = [row for row in rows if normalised(row.text) not in forbidden]
    report = {
        "labels": labels,
        "base": of_base | _overruled(kept, reviewed),
        "reviews": _of_reviews(found, decided, repeated),
        "leaked": _leaked([*kept.values(), *reviewed.values()], forbidden),
        "train": _of_train(clean, labels, review_weight),
    }
    label_names(clean)
    write_csv(train / "train.csv", clean)
    report_folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (report_folder / "report.json").write_text(text, encoding="utf-8")
    return report


def _texts_of(test: Path) -> dict[str, set[str]]:
    """Return the test set's texts as they are, by their normalised form."""
    texts: dict[str, set[str]] = {}
    if test.is_file() or (test.is_dir() and any(test.rglob("*.csv"))):
        for row in read_folder(test, "test"):
            texts.setdefault(normalised(row.text), set()).add(row.text)
    return texts


def _without_repetitions(rows: list[Row]) -> tuple[dict[str, Row], dict[str, int]]:
    """Keep one row for each text, and none of a text that has both labels."""
    by_text: dict[str, list[Row]] = {}
    for row in rows:
        by_text.setdefault(normalised(row.text), []).append(row)
    contrary = {key for key, same in by_text.items() if len({row.label for row in same}) > 1}
    kept = {key: same[0] for key, same in by_text.items() if key not in contrary}
    dropped = sum(len(by_text[key]) for key in contrary)
    return kept, {
        "rows": len(rows),
        "duplicates_dropped": len(rows) - len(kept) - dropped,
        "contradictions_dropped": dropped,
    }


def _overruled(kept: dict[str, Row], reviewed: dict[str, Row]) -> dict[str, int]:
    """Count base rows that give way to people's verdict on the same text."""
    both = kept.keys() & reviewed.keys()
    return {
        "replaced_by_reviews": len(both),
        "corrected_by_reviews": sum(kept[key].label != reviewed[key].label for key in both),
    }


def _of_reviews(found: Answers, decided: list[Verdict], repeated: int) -> dict[str, Any]:
    return {
        "files": found.files,
        "broken_files": [asdict(broken) for broken in found.broken_files],
        "answers": len(found.answers),
        "broken_answers": [asdict(broken) for broken in found.broken_answers],
        "answers_replaced_by_later_ones": repeated,
        "texts": len(decided),
        "disagreements": sum(verdict.disputed for verdict in decided),
        "ties_dropped": sum(verdict.tied for verdict in decided),
        "not_clear_dropped": sum(verdict.not_clear for verdict in decided),
        "used": sum(not verdict.tied and not verdict.not_clear for verdict in decided),
        "without_verdict": [
            {"text": verdict.text, "votes": verdict.votes}
            for verdict in decided
            if verdict.tied or verdict.not_clear
        ],
    }


def _leaked(rows: list[Row], forbidden: dict[str, set[str]]) -> dict[str, int]:
    exact = sum(row.text in forbidden.get(normalised(row.text), ()) for row in rows)
    either = sum(normalised(row.text) in forbidden for row in rows)
    return {
        "test_texts": len(forbidden),
        "dropped": either,
        "exact": exact,
        "differently_written": either - exact,
    }


def _of_train(rows: list[Row], labels: list[str], review_weight: float) -> dict[str, Any]:
    reviews = [row for row in rows if row.source == REVIEW]
    return {
        "rows": len(rows),
        "by_label": {label: sum(row.label == label for row in rows) for label in labels},
        "from_base": len(rows) - len(reviews),
        "from_reviews": len(reviews),
        "review_weight": review_weight,
        "share_of_weight_from_reviews": (
            sum(row.weight for row in reviews) / sum(row.weight for row in rows) if rows else 0.0
        ),
    }


def _tell(report: dict[str, Any]) -> None:
    """Say in the job's log what was done."""
    reviews, train = report["reviews"], report["train"]
    for kind in ("broken_files", "broken_answers"):
        for broken in reviews[kind][:SHOWN]:
            print(f"WARNING: skipped {broken['file']}: {broken['reason']}", flush=True)
    figures = {
        "answers": reviews["answers"],
        "broken_files": len(reviews["broken_files"]),
        "disagreements": reviews["disagreements"],
        "ties": reviews["ties_dropped"],
        "not_clear": reviews["not_clear_dropped"],
        "leaked": report["leaked"]["dropped"],
        "base": train["from_base"],
        "reviewed": train["from_reviews"],
    }
    line = "; ".join(f"{name}={value}" for name, value in figures.items())
    print(f"stage=prepare; rows={train['rows']}; {line}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Put base data and people's answers together.",
        allow_abbrev=False,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    inputs, outputs = PROCESSING / "input", PROCESSING / "output"
    parser.add_argument("--base", type=Path, default=inputs / "base", help="CSV files, or one file")
    parser.add_argument("--reviews", type=Path, default=inputs / "reviews", help="A2I's output")
    parser.add_argument("--test", type=Path, default=inputs / "test", help="fixed test set")
    parser.add_argument("--train", type=Path, default=outputs / "train", help="train.csv goes here")
    parser.add_argument(
        "--report", type=Path, default=outputs / "report", help="report.json goes here"
    )
    parser.add_argument(
        "--review-weight",
        type=_positive,
        default=REVIEW_WEIGHT,
        help="how much a reviewed row counts in training; a base row counts 1",
    )
    return parser


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


if __name__ == "__main__":
    sys.exit(main())
