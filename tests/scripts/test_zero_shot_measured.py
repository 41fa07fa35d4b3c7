"""How zero-shot is measured, and that card, table and recorded figures agree."""

import json
from typing import Any

import numpy as np
import pytest

from benchmarks.zero_shot_parts import calibrating, choosing, report
from tests.scripts.few_shot_support import ROOT
from tests.scripts.zero_shot_support import ZERO_SHOT

RESULTS = ROOT / "data" / "results" / "zero_shot.json"


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Return the recorded sections."""
    sections = json.loads(RESULTS.read_text(encoding="utf-8"))["sections"]
    return {name: section["found"] for name, section in sections.items()}


def test_the_table_is_that_of_the_recorded_figures(found: dict[str, Any]) -> None:
    assert RESULTS.with_suffix(".md").read_text(encoding="utf-8") == report.text(found)


def test_the_card_serves_what_was_fitted(found: dict[str, Any]) -> None:
    card = json.loads((ZERO_SHOT / "cards" / "all-MiniLM-L6-v2.json").read_text(encoding="utf-8"))
    fit = found["fit"]
    assert card["templates"] == fit["templates"]
    for name in ("temperature", "midpoint", "width"):
        assert card[name] == pytest.approx(fit[name], rel=0.02)


def test_the_card_states_the_figures_that_were_measured(found: dict[str, Any]) -> None:
    path = ZERO_SHOT / "cards" / "all-MiniLM-L6-v2.json"
    stated = json.loads(path.read_text(encoding="utf-8"))["measured"]
    for level in found["by_labels"]:
        assert f"{level['accuracy']:.3f} with {level['labels']}" in stated["Accuracy"]
        error = f"{level['calibration_error']:.3f} with {level['labels']}"
        assert error in stated["Its calibration error"]
    names = found["resolutions"]["names"]
    assert f"10 labels: {names['accuracy']:.3f}" in stated["Accuracy"]
    error = f"resolutions: {names['calibration_error_odd_rows']:.3f}"
    assert error in stated["Its calibration error"]
    alone = found["resolutions"]["each label alone"]["calibration_error_odd_rows"]
    assert f"on the others {alone:.3f}" in stated["Labels judged alone"]


def test_a_missed_bar_is_said() -> None:
    others = dict.fromkeys(("p95_ms", "cpu_ms", "new_labels_ms"), 1.0)

    def bars(p50: float) -> str:
        levels = [{"labels": 3, "p50_ms": 10.0}, {"labels": 77, "p50_ms": p50}]
        return report.text({"latency_bi_encoder": {"levels": [x | others for x in levels]}})

    assert "under 1.3 times the latency: 1.20 times: holds" in bars(12.0)
    assert "under 1.3 times the latency: 1.40 times: missed" in bars(14.0)


def test_the_temperature_of_made_up_texts_is_found() -> None:
    rng = np.random.default_rng(0)
    cosines = rng.normal(0.2, 0.1, (4000, 8))
    for true in (0.03, 0.06, 0.12):
        shares = calibrating.softmax(cosines, true)
        truth = np.array([rng.choice(8, p=row) for row in shares])
        fitted = calibrating.temperature([(cosines, truth)])
        assert fitted == pytest.approx(true, rel=0.1)
        assert calibrating.error(shares, truth) < 0.03
        assert calibrating.error(calibrating.softmax(cosines, true / 3), truth) > 0.1


def test_midpoint_and_width_of_made_up_texts_are_found() -> None:
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.2, 0.8, 20_000)
    chances = 1 / (1 + np.exp((0.35 - cosines) / 0.07))
    holds = rng.random(len(cosines)) < chances
    midpoint, width = calibrating.logistic(cosines, holds)
    assert (midpoint, width) == (pytest.approx(0.35, abs=0.01), pytest.approx(0.07, rel=0.1))
    assert calibrating.binned_error(chances, holds) < 0.02


def test_the_template_that_tells_labels_apart_is_chosen() -> None:
    labels, width = ["one", "two", "three"], 6
    rng = np.random.default_rng(0)
    places = {label: np.eye(width)[number] for number, label in enumerate(labels)}

    def embed(sentences: list[str]) -> np.ndarray:
        # Only this wording brings a label to where its texts are.
        good = [sentence.startswith("Topic: ") for sentence in sentences]
        vectors = [
            places[s.removeprefix("Topic: ")] if g else rng.normal(size=width)
            for s, g in zip(sentences, good, strict=True)
        ]
        return np.array([v / np.linalg.norm(v) for v in vectors], np.float32)

    truth = np.repeat([0, 1, 2], 20)
    texts = np.stack([places[labels[t]] for t in truth]) + rng.normal(0, 0.1, (60, width))
    chosen = choosing.choose(embed, labels, texts.astype(np.float32), truth)
    assert chosen.templates == ["Topic: {}"]
    assert chosen.accuracy == chosen.alone["Topic: {}"] == 1
    assert chosen.alone[choosing.BARE] < 1
    assert chosen.combinations_tried == len(choosing.CANDIDATES) - 1
