"""An evaluation of a model on the fixed test set, as `scripts/sentiment/evaluate.py` writes it.

It must not know which job wrote it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workshop_utils.display import card
from workshop_utils.session import Session

FILE = "evaluation.json"


@dataclass(frozen=True)
class Evaluation:
    """A candidate's figures, and the same rows' as another model answers them.

    Attributes
    ----------
    rows
        Of the test set.
    accuracy, calibration_error, brier
        The candidate's; the error is the expected calibration error with 15 bins.
    calibration_floor
        The error that 95 of 100 perfectly calibrated models would stay under on so few rows.
    compared_with
        ``champion``, or ``best constant classifier`` where there is none.
    champion_accuracy
        None where there is none.
    difference, low, high
        The candidate's accuracy minus the other's, with its 95 % interval from the same rows.
    not_worse
        What the pipeline's condition reads.
    """

    rows: int
    accuracy: float
    calibration_error: float
    calibration_floor: float
    brier: float
    compared_with: str
    champion_accuracy: float | None
    difference: float
    low: float
    high: float
    not_worse: bool

    def summary(self) -> dict[str, float]:
        """Return the figures that a table of versions shows."""
        return {
            "accuracy": self.accuracy,
            "calibration_error": self.calibration_error,
            "difference": self.difference,
        }

    def _repr_html_(self) -> str:
        verdict = "not worse" if self.not_worse else "worse"
        champion = (
            "there is none yet"
            if self.champion_accuracy is None
            else f"accuracy {self.champion_accuracy:.1%}"
        )
        return card(
            f"On the fixed test set of {self.rows} reviews",
            {
                "Candidate": f"accuracy {self.accuracy:.1%}",
                "Champion": champion,
                "Difference": f"{self.difference * 100:+.1f} points to the {self.compared_with}, "
                f"95 % interval {self.low * 100:+.1f} to {self.high * 100:+.1f}",
                "Verdict": f"{verdict} beyond noise",
                "Calibration error": f"{self.calibration_error:.3f}; chance alone makes up to "
                f"{self.calibration_floor:.3f} on so few rows",
                "Brier score": f"{self.brier:.3f}",
            },
        )


def parse(content: Mapping[str, Any]) -> Evaluation:
    """Return an evaluation from the content of its file."""
    metrics, compared = content["binary_classification_metrics"], content["comparison"]
    calibration, champion = content["calibration"], content["champion"]
    difference = compared["accuracy_difference"]
    error = calibration["expected_calibration_error"]
    other = champion and champion["binary_classification_metrics"]["accuracy"]["value"]
    return Evaluation(
        rows=int(content["dataset"]["item_count"]),
        accuracy=float(metrics["accuracy"]["value"]),
        calibration_error=float(error["value"]),
        calibration_floor=float(error["floor_95"]),
        brier=float(calibration["brier_score"]["value"]),
        compared_with=str(compared["compared_with"]),
        champion_accuracy=None if other is None else float(other),
        difference=float(difference["value"]),
        low=float(difference["low"]),
        high=float(difference["high"]),
        not_worse=bool(compared["not_worse"]),
    )


def read_evaluation(session: Session, folder: str) -> Evaluation:
    """Return the evaluation that lies in an S3 folder."""
    return parse(json.loads(session.read(f"{folder.rstrip('/')}/{FILE}")))
