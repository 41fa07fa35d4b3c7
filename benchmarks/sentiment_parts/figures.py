"""From each seed's probabilities to figures with intervals, and to a table of them.

A row of the traffic is in several seeds' halves, so intervals resample rows, with all their seeds
together: five seeds do not make five times the evidence.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.sentiment_parts.rounds import REVIEWS, ROOT, Texts  # puts the scripts on the path

MODELS = {
    "champion": "champion, before review",
    "after": "after one round of review",
    "original": "after it, the original workshop's way",
    "tfidf_before": "TF-IDF and logistic regression, before",
    "tfidf_after": "TF-IDF and logistic regression, after",
}
# What the others are compared with.
BEFORE = {"after": "champion", "original": "champion", "tfidf_after": "tfidf_before"}
RESAMPLES = 4000
ECE_BAR = 0.05


def figures(measured: list[dict[str, Any]], movie: Texts | None) -> dict[str, Any]:
    """Return all figures, ready for JSON."""
    traffic, test = (Texts.read(REVIEWS, split) for split in ("traffic", "test"))
    others = [np.array(one["other"]) for one in measured]
    everything = [np.arange(len(test.texts)) for _ in measured]
    return {
        "asked_share": float(
            np.mean([(len(o["asked"]) + len(o["other"])) / len(traffic.texts) for o in measured])
        ),
        "asked": [len(one["asked"]) for one in measured],
        "hard_share_of_uncertain": float(
            np.mean(
                [traffic.kinds[i] != "clear" for o in measured for i in o["asked"] + o["other"]]
            )
        ),
        "other_half": _accuracies(measured, "traffic", traffic.truth, others),
        "test": _accuracies(measured, "test", test.truth, everything),
        "test_by_kind": {
            kind: {
                name: _accuracy(
                    measured, name, "test", test.truth, [_of_kind(test, kind)] * len(measured)
                )
                for name in MODELS
            }
            for kind in ("clear", "mixed", "ironic")
        },
        "calibration_test": _calibrations(measured, "test", test.truth),
        "calibration_movie": _calibrations(measured, "movie", movie.truth) if movie else None,
    }


def _of_kind(texts: Texts, kind: str) -> NDArray[np.int64]:
    return np.flatnonzero([k == kind for k in texts.kinds])


def _right(one: dict[str, Any], model: str, part: str, truth: NDArray[np.int64]) -> Any:
    return (np.array(one[model][part]) > 0.5) == truth


def _accuracy(
    measured: list[dict[str, Any]],
    model: str,
    part: str,
    truth: NDArray[np.int64],
    rows: list[NDArray[np.int64]],
) -> float:
    return float(
        np.mean(
            [_right(o, model, part, truth)[r].mean() for o, r in zip(measured, rows, strict=True)]
        )
    )


def _accuracies(
    measured: list[dict[str, Any]],
    part: str,
    truth: NDArray[np.int64],
    rows: list[NDArray[np.int64]],
) -> dict[str, Any]:
    found: dict[str, Any] = {"rows": [len(r) for r in rows]}
    for name in MODELS:
        found[name] = {"accuracy": _accuracy(measured, name, part, truth, rows)}
        if name in BEFORE:
            found[name] |= _difference(measured, name, part, truth, rows)
    return found


def _difference(
    measured: list[dict[str, Any]],
    model: str,
    part: str,
    truth: NDArray[np.int64],
    rows: list[NDArray[np.int64]],
) -> dict[str, Any]:
    """Return by how much a model is better than the one before it, with its 95 % interval."""
    gained, seen = np.zeros(len(truth)), np.zeros(len(truth))
    by_seed = []
    for one, chosen in zip(measured, rows, strict=True):
        after, before = (_right(one, name, part, truth) for name in (model, BEFORE[model]))
        gain = after[chosen].astype(float) - before[chosen]
        gained[chosen] += gain
        seen[chosen] += 1
        by_seed.append(float(gain.mean()))
    known = np.flatnonzero(seen)
    drawn = known[np.random.default_rng(0).integers(len(known), size=(RESAMPLES, len(known)))]
    means = gained[drawn].sum(axis=1) / seen[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "difference": float(gained.sum() / seen.sum()),
        "low": float(low),
        "high": float(high),
        "by_seed": by_seed,
    }


def _calibrations(
    measured: list[dict[str, Any]], part: str, truth: NDArray[np.int64]
) -> dict[str, Any]:
    return {name: [_calibration(one[name][part], truth) for one in measured] for name in MODELS}


def _calibration(second: list[float], truth: NDArray[np.int64]) -> dict[str, float]:
    from metrics import brier_score, calibration_error, calibration_floor

    column = np.array(second)
    probabilities = np.stack([1 - column, column], axis=1)
    floor = calibration_floor(probabilities, resamples=1000)
    return {
        "ece": calibration_error(probabilities, truth),
        "floor": float(floor.mean()),
        "floor_95": float(np.quantile(floor, 0.95)),
        "brier": brier_score(probabilities, truth),
        "accuracy": float(((column > 0.5) == truth).mean()),
        "confidence": float(probabilities.max(axis=1).mean()),
    }


def table(found: dict[str, Any]) -> str:
    """Return the figures as Markdown, with the bars they are held to."""
    half, test = found["other_half"], found["test"]
    lines = [
        "# What a round of review is worth",
        "",
        (
            f"{found['asked_share']:.0%} of the traffic is taken for uncertain, the part that the "
            f"model is least sure of; {found['hard_share_of_uncertain']:.0%} of that is mixed or "
            f"ironic. People were asked about half of it, {max(found['asked'])} texts. Means of "
            f"{len(found['asked'])} seeds; intervals are 95 %, over resampled rows."
        ),
        "",
        "| model | other half of the uncertain rows | change | test set | change |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, title in MODELS.items():
        cells = [title]
        for part in (half, test):
            cells += [f"{part[name]['accuracy']:.1%}", _change(part[name])]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| test set | " + " | ".join(MODELS.values()) + " |"]
    lines.append("| --- " * (len(MODELS) + 1) + "|")
    for kind, values in found["test_by_kind"].items():
        lines.append(f"| {kind} | " + " | ".join(f"{values[name]:.1%}" for name in MODELS) + " |")
    for part, title in (("movie", "1,000 sentences it never met"), ("test", "The test set")):
        if found[f"calibration_{part}"] is None:
            lines += ["", f"{title}: skipped, the file is not here."]
            continue
        lines += ["", *_calibration_table(found[f"calibration_{part}"], title)]
    lines += ["", *_bars(found)]
    return "\n".join(lines) + "\n"


def _change(figures: dict[str, Any]) -> str:
    if "difference" not in figures:
        return ""
    return f"{figures['difference']:+.1%} ({figures['low']:+.1%} to {figures['high']:+.1%})"


def _calibration_table(by_model: dict[str, list[dict[str, float]]], title: str) -> list[str]:
    lines = [
        f"| {title} | ECE, 15 bins | worst | floor, its 95 % | Brier | accuracy | confidence |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, seeds in by_model.items():
        mean = {key: float(np.mean([seed[key] for seed in seeds])) for key in seeds[0]}
        worst = max(seed["ece"] for seed in seeds)
        lines.append(
            f"| {MODELS[name]} | {mean['ece']:.3f} | {worst:.3f} | {mean['floor']:.3f}, "
            f"{mean['floor_95']:.3f} | {mean['brier']:.3f} | {mean['accuracy']:.1%} | "
            f"{mean['confidence']:.1%} |"
        )
    return lines


def _bars(found: dict[str, Any]) -> list[str]:
    bars = {
        "the other half clearly up (the interval is above 0)": found["other_half"]["after"]["low"]
        > 0,
        "the test set not down (the interval is not below 0)": found["test"]["after"]["high"] >= 0,
    }
    if movie := found["calibration_movie"]:
        bars[
            f"ECE on strange sentences at most {ECE_BAR} or the floor's 95 %, mean of the seeds"
        ] = np.mean([seed["ece"] - max(ECE_BAR, seed["floor_95"]) for seed in movie["after"]]) <= 0
    return [f"- {'held' if held else 'missed'}: {bar}" for bar, held in bars.items()]


__all__ = ["ROOT", "figures", "table"]
