"""Judging a candidate on a fixed test set, alone and beside the champion.

The figures have the shape of SageMaker's model quality metrics for binary classification
(https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html), so that
pipelines and Model Monitor read them. This module must not know of files or of how a model answers.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from metrics import (
    CONFIDENCE,
    RESAMPLES,
    Probabilities,
    Truth,
    area_under_curve,
    bootstrap_interval,
    brier_score,
    calibration_error,
    calibration_floor,
    mcnemar,
    reliability,
)

SIGNIFICANCE = 0.05
CONSTANT = "best constant classifier"
CHAMPION = "champion"
_SEED = 0


def evaluation(
    candidate: Probabilities, champion: Probabilities | None, truth: Truth, labels: list[str]
) -> dict[str, Any]:
    """Return the content of ``evaluation.json``.

    Parameters
    ----------
    candidate, champion : ndarray of float64, shape (n_rows, 2)
        The probabilities that each gives to the labels; None where there is no champion yet.
    truth : ndarray of int64, shape (n_rows,)
        The column of each row's label.
    labels : list of str
        The two labels; the second is the positive one.
    """
    right = candidate.argmax(axis=1) == truth
    constant = np.full(len(truth), np.bincount(truth, minlength=2).argmax()) == truth
    other = constant if champion is None else champion.argmax(axis=1) == truth
    return {
        "version": 0,
        "dataset": {"item_count": len(truth), "labels": labels},
        "binary_classification_metrics": _binary(candidate, truth),
        "calibration": _calibration(candidate, truth),
        "champion": None
        if champion is None
        else {
            "binary_classification_metrics": _binary(champion, truth),
            "calibration": _calibration(champion, truth),
        },
        "comparison": _compared(right, other, CONSTANT if champion is None else CHAMPION),
    }


def _compared(
    candidate: np.ndarray[Any, Any], other: np.ndarray[Any, Any], name: str
) -> dict[str, Any]:
    """Say whether the candidate is worse than the other beyond what chance explains."""
    differences = candidate.astype(float) - other
    low, high = bootstrap_interval(differences, _SEED)
    test = mcnemar(candidate, other)
    return {
        "compared_with": name,
        "accuracy_difference": {
            "value": float(differences.mean()),
            "low": low,
            "high": high,
            "confidence": CONFIDENCE,
            "method": f"paired bootstrap, {RESAMPLES} resamples",
        },
        "mcnemar": {
            "only_candidate_right": test.only_first_right,
            "only_other_right": test.only_second_right,
            "p_worse": test.p_worse,
        },
        "significance": SIGNIFICANCE,
        # A number, because a pipeline's condition compares numbers.
        "not_worse": int(test.p_worse >= SIGNIFICANCE),
    }


def _binary(probabilities: Probabilities, truth: Truth) -> dict[str, Any]:
    predicted = probabilities.argmax(axis=1)
    table = np.zeros((2, 2), dtype=int)
    np.add.at(table, (truth, predicted), 1)
    figures = _figures(table)
    rng = np.random.default_rng(_SEED)
    drawn = [
        _figures(_table(truth[rows], predicted[rows]))
        for rows in rng.integers(len(truth), size=(RESAMPLES // 4, len(truth)))
    ]
    constant = int(np.bincount(truth, minlength=2).argmax())
    best_constant = float((truth == constant).mean())
    return {
        "confusion_matrix": {
            str(row): {str(column): int(table[row, column]) for column in range(2)}
            for row in range(2)
        },
        **{
            name: _value(value, float(np.std([one[name] for one in drawn])))
            for name, value in figures.items()
        },
        "auc": _value(area_under_curve(probabilities[:, 1], truth)),
        "accuracy_best_constant_classifier": _value(best_constant),
    }


def _table(truth: Truth, predicted: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.bincount(2 * truth + predicted, minlength=4).reshape(2, 2)


def _figures(table: np.ndarray[Any, Any]) -> dict[str, float]:
    (true_negative, false_positive), (false_negative, true_positive) = table.tolist()
    recall = _share(true_positive, true_positive + false_negative)
    precision = _share(true_positive, true_positive + false_positive)
    true_negative_rate = _share(true_negative, true_negative + false_positive)
    return {
        "accuracy": _share(true_positive + true_negative, int(table.sum())),
        "precision": precision,
        "recall": recall,
        "f0_5": _f(precision, recall, 0.5),
        "f1": _f(precision, recall, 1.0),
        "f2": _f(precision, recall, 2.0),
        "true_positive_rate": recall,
        "true_negative_rate": true_negative_rate,
        "false_positive_rate": 1 - true_negative_rate,
        "false_negative_rate": 1 - recall,
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _f(precision: float, recall: float, beta: float) -> float:
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0


def _value(value: float, deviation: float | None = None) -> dict[str, Any]:
    # As SageMaker writes it where nothing was resampled; JSON has no NaN of its own.
    return {"value": value, "standard_deviation": "NaN" if deviation is None else deviation}


def _calibration(probabilities: Probabilities, truth: Truth) -> dict[str, Any]:
    floor = calibration_floor(probabilities, _SEED, resamples=RESAMPLES // 4)
    return {
        "expected_calibration_error": {
            "value": calibration_error(probabilities, truth),
            # What perfectly calibrated answers would show on so few rows, by chance.
            "floor": float(floor.mean()),
            "floor_95": float(np.quantile(floor, CONFIDENCE)),
        },
        "brier_score": {"value": brier_score(probabilities, truth)},
        "mean_confidence": {"value": float(probabilities.max(axis=1).mean())},
        "bins": [asdict(found) for found in reliability(probabilities, truth)],
    }
