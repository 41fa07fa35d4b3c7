"""The rule that sends a prediction to people, and what each threshold would cost and bring.

It knows confidences between 0 and 1; it must not know what is classified, nor how people are asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class ConfidenceRule:
    """A prediction that the model is less sure of than the threshold goes to people.

    The threshold is a probability: of the predictions with a confidence of 0.8, four in five are
    right, if the model is calibrated. What is not sent has at least the threshold's chance to be
    right, each by itself; on the whole it is right more often than that.

    Attributes
    ----------
    threshold
        More than one half, because of two labels the better one has at least that; at most 1.
    """

    threshold: float = 0.9

    def __post_init__(self) -> None:
        if not 0.5 < self.threshold <= 1:
            raise ValueError(
                f"The threshold is {self.threshold}; with two labels it must be above 0.5 and at "
                "most 1."
            )

    @classmethod
    def for_share(cls, scores: Sequence[float] | pd.Series, share: float) -> "ConfidenceRule":
        """Return the rule that sends as many of such predictions to people, and no more.

        Parameters
        ----------
        scores
            Confidences of one model on the traffic that is to come. A threshold belongs to a model:
            what another one calls 0.9 is another number after the next training.
        share
            How much of it people have time to read, between 0 and 1. Where many confidences are
            equal it may be less; what the model gives even odds is always sent.

        Raises
        ------
        ValueError
            If there are no confidences, or the share is none.
        """
        ordered = np.sort(np.asarray(scores, dtype=float))
        if not ordered.size:
            raise ValueError("There are no confidences to find a threshold for.")
        if not 0 <= share <= 1:
            raise ValueError(f"The share is {share}; it must be between 0 and 1.")
        place = int(share * len(ordered))
        threshold = ordered[place] if place < len(ordered) else 1.0
        return cls(max(float(threshold), float(np.nextafter(0.5, 1))))

    def unsure(self, scores: Sequence[float] | pd.Series) -> pd.Series:
        """Return, for each confidence, whether people are asked."""
        found = pd.Series(scores, dtype=float)
        if len(found) and not found.between(0, 1).all():
            bad = found[~found.between(0, 1)].iloc[0]
            raise ValueError(f"A confidence is {bad}, which is no probability.")
        return found < self.threshold


def trade_off(
    scores: Sequence[float] | pd.Series, right: Sequence[bool] | pd.Series
) -> pd.DataFrame:
    """Return what every threshold would have cost and brought on rows whose truth is known.

    Parameters
    ----------
    scores
        The confidences.
    right
        Whether the model's answers were right.

    Returns
    -------
    pandas.DataFrame
        One row for each threshold that makes a difference, ascending: ``threshold``, ``sent`` (the
        share of rows that go to people), ``kept_accuracy`` (the accuracy on those that do not; 1
        if there are none) and ``accuracy`` (on all of them, if people are always right).
    """
    confidence = np.asarray(scores, dtype=float)
    hits = np.asarray(right, dtype=bool)
    if confidence.shape != hits.shape or not confidence.size:
        raise ValueError(f"{confidence.size} confidences and {hits.size} judgements do not fit.")
    thresholds = np.unique(np.append(confidence, [0.5, 1.0]))
    rows = []
    for threshold in thresholds:
        kept = confidence >= threshold
        rows.append(
            {
                "threshold": float(threshold),
                "sent": float(1 - kept.mean()),
                "kept_accuracy": float(hits[kept].mean()) if kept.any() else 1.0,
                "accuracy": float((hits | ~kept).mean()),
            }
        )
    return pd.DataFrame(rows)


def reliability(
    scores: Sequence[float] | pd.Series, right: Sequence[bool] | pd.Series, bins: int = 5
) -> pd.DataFrame:
    """Return how often the model was right, by how sure it was.

    Returns
    -------
    pandas.DataFrame
        One row for each bin of equal width from 0.5 to 1 with rows in it: ``low, high, rows,
        confidence`` (the mean) and ``accuracy``.
    """
    frame = pd.DataFrame({"confidence": scores, "right": right}, dtype=float)
    edges = np.linspace(0.5, 1, bins + 1)
    places = np.clip(np.digitize(frame["confidence"], edges) - 1, 0, bins - 1)
    rows = [
        {
            "low": float(edges[number]),
            "high": float(edges[number + 1]),
            "rows": len(part),
            "confidence": float(part["confidence"].mean()),
            "accuracy": float(part["right"].mean()),
        }
        for number, part in frame.groupby(places)
    ]
    return pd.DataFrame(rows)
