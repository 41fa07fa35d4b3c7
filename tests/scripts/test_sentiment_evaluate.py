"""evaluate.py on tiny models of random weights: its figures, its verdict, and what it refuses."""

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny_models
from tests.scripts.few_shot_support import imported_from
from tests.scripts.sentiment_support import LABELS, SENTIMENT, call

TEXTS = [f"{opening} {thing}" for thing in ("plot", "cast", "end") for opening in "abcdefghijklm"]
ALTERNATING = [LABELS[row % 2] for row in range(len(TEXTS))]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.classifier(tmp_path_factory.mktemp("model"), LABELS)


def pack(model: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as tar:
        for path in model.iterdir():
            tar.add(path, path.name)
    return folder


def answers(model: Path) -> list[str]:
    """Return what the model says of every text."""
    with imported_from(SENTIMENT, "classifier") as scripts:
        loaded = scripts.classifier.load_classifier(model)
        return [LABELS[column] for column in loaded.logits(TEXTS).argmax(axis=1)]


def write_test_set(path: Path, labels: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(TEXTS, labels, strict=True)])
    return path


def evaluate(folder: Path, **inputs: Path) -> dict[str, Any]:
    options = [part for name, path in inputs.items() for part in (f"--{name}", path)]
    result = call("evaluate", *options, "--evaluation", folder / "out")
    assert result.returncode == 0, result.stderr
    content: dict[str, Any] = json.loads((folder / "out" / "evaluation.json").read_bytes())
    return content


def test_the_figures_are_those_of_the_model(model: Path, tmp_path: Path) -> None:
    truth = answers(model)
    for row in (0, 5, 9):
        truth[row] = LABELS[1 - LABELS.index(truth[row])]
    test = write_test_set(tmp_path / "test.csv", truth)
    found = evaluate(
        tmp_path, model=pack(model, tmp_path / "model"), test=test, champion=tmp_path / "none"
    )
    metrics = found["binary_classification_metrics"]
    rows = len(TEXTS)
    assert metrics["accuracy"]["value"] == pytest.approx((rows - 3) / rows)
    assert 0 < metrics["accuracy"]["standard_deviation"] < 0.1
    matrix = metrics["confusion_matrix"]
    assert sum(count for row in matrix.values() for count in row.values()) == rows
    assert matrix["0"]["1"] + matrix["1"]["0"] == 3
    assert found["dataset"] == {"item_count": rows, "labels": list(LABELS)}
    assert sum(b["count"] for b in found["calibration"]["bins"]) == rows
    assert found["champion"] is None
    assert found["comparison"]["compared_with"] == "best constant classifier"


@pytest.mark.slow
def test_a_model_is_not_worse_than_itself(model: Path, tmp_path: Path) -> None:
    test = write_test_set(tmp_path / "test.csv", answers(model))
    packed = pack(model, tmp_path / "model")
    compared = evaluate(tmp_path, model=packed, champion=model, test=test)["comparison"]
    assert compared["compared_with"] == "champion"
    assert compared["not_worse"] == 1
    assert compared["accuracy_difference"]["value"] == 0
    assert compared["mcnemar"]["p_worse"] == 1


def test_a_model_that_answers_the_contrary_is_worse(model: Path, tmp_path: Path) -> None:
    contrary = tmp_path / "contrary"
    contrary.mkdir()
    for path in model.iterdir():
        (contrary / path.name).write_bytes(path.read_bytes())
    config = json.loads((model / "config.json").read_bytes())
    config["id2label"] = {"0": LABELS[1], "1": LABELS[0]}
    config["label2id"] = {LABELS[1]: 0, LABELS[0]: 1}
    (contrary / "config.json").write_text(json.dumps(config), "utf-8")
    test = write_test_set(tmp_path / "test.csv", answers(model))
    found = evaluate(tmp_path, model=contrary, champion=model, test=test)
    compared = found["comparison"]
    assert compared["not_worse"] == 0
    assert compared["accuracy_difference"]["value"] == -1
    assert compared["accuracy_difference"]["high"] < 0
    assert found["champion"]["binary_classification_metrics"]["accuracy"]["value"] == 1


@pytest.mark.slow
def test_a_first_model_worse_than_a_constant_is_refused(model: Path, tmp_path: Path) -> None:
    flipped = [LABELS[1 - LABELS.index(label)] for label in answers(model)]
    test = write_test_set(tmp_path / "test.csv", flipped)
    found = evaluate(tmp_path, model=model, test=test, champion=tmp_path / "none")
    assert found["comparison"]["not_worse"] == 0


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside"])
def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    test = write_test_set(tmp_path / "test.csv", ALTERNATING)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    result = call("evaluate", "--model", tmp_path, "--test", test, "--evaluation", tmp_path / "o")
    assert result.returncode == 1
    assert name in result.stderr


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_an_archive_with_links_or_devices_is_refused(tmp_path: Path, kind: bytes) -> None:
    test = write_test_set(tmp_path / "test.csv", ALTERNATING)
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as tar:
        member = tarfile.TarInfo("config.json")
        member.type, member.linkname = kind, "/etc/hostname"
        tar.addfile(member)
    result = call("evaluate", "--model", tmp_path, "--test", test, "--evaluation", tmp_path / "o")
    assert result.returncode == 1
    assert "a link, a device or lies outside" in result.stderr


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    test = write_test_set(tmp_path / "test.csv", ALTERNATING)
    for content, complaint in ((b"not gzip", "cannot be unpacked"), (None, "holds no model")):
        (tmp_path / "model.tar.gz").unlink(missing_ok=True)
        if content is not None:
            (tmp_path / "model.tar.gz").write_bytes(content)
        result = call("evaluate", "--model", tmp_path, "--test", test)
        assert result.returncode == 1
        assert complaint in result.stderr


@pytest.mark.slow
def test_a_broken_champion_is_an_error_and_not_an_absent_one(tmp_path: Path, model: Path) -> None:
    test = write_test_set(tmp_path / "test.csv", ALTERNATING)
    (tmp_path / "model.tar.gz").write_bytes(b"\x1f\x8b broken")
    result = call("evaluate", "--model", model, "--champion", tmp_path, "--test", test)
    assert result.returncode == 1
    assert "cannot be unpacked" in result.stderr


@pytest.mark.slow
def test_labels_must_be_those_of_the_test_set(tmp_path: Path, model: Path) -> None:
    test = write_test_set(tmp_path / "test.csv", ["bad" if i % 2 else "good" for i in range(39)])
    result = call("evaluate", "--model", model, "--test", test)
    assert result.returncode == 1
    assert "['bad', 'good']" in result.stderr


def test_perfect_calibration_stays_at_the_floor_and_false_confidence_does_not() -> None:
    with imported_from(SENTIMENT, "metrics") as scripts:
        metrics = scripts.metrics
        rng = np.random.default_rng(0)
        second = rng.random(4000)
        truth = (rng.random(4000) < second).astype(np.int64)
        honest = np.stack([1 - second, second], axis=1)
        boastful = np.where(honest > 0.5, 0.99, 0.01)
        limit = np.quantile(metrics.calibration_floor(honest, resamples=200), 0.95)
        assert metrics.calibration_error(honest, truth) <= limit
        right = (boastful.argmax(axis=1) == truth).mean()
        assert metrics.calibration_error(boastful, truth) == pytest.approx(0.99 - right)
        assert metrics.brier_score(honest, truth) == pytest.approx(1 / 6, abs=0.01)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    with imported_from(SENTIMENT, "metrics") as scripts:
        first = np.array([True] * 3 + [False] * 10 + [True] * 5)
        second = np.array([False] * 3 + [True] * 10 + [True] * 5)
        found = scripts.metrics.mcnemar(first, second)
        assert (found.only_first_right, found.only_second_right) == (3, 10)
        # P(X <= 3) for 13 throws of a coin.
        assert found.p_worse == pytest.approx(378 / 8192)


def test_the_area_under_the_curve_counts_ties_as_half() -> None:
    with imported_from(SENTIMENT, "metrics") as scripts:
        scores, truth = np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1])
        assert scripts.metrics.area_under_curve(scores, truth) == pytest.approx(3.5 / 4)
