"""train.py on a tiny encoder: what it prints, writes and promises."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny_models
from tests.scripts.few_shot_support import imported_from
from tests.scripts.sentiment_support import SENTIMENT, call, run

# Importing torch and transformers in a process of its own takes seconds.
pytestmark = pytest.mark.slow

GOOD = ["a joy", "lovely", "what a treat", "so good", "great fun", "i was moved"]
BAD = ["a bore", "awful", "what a mess", "so bad", "no fun", "i was cheated"]
ROWS = [(text, "positive") for text in GOOD] + [(text, "negative") for text in BAD]
QUICK = ("--epochs", "2", "--batch-size", "4", "--learning-rate", "0.001")


class Trained:
    """A finished training: its folder and what it printed."""

    def __init__(self, model: Path, result: subprocess.CompletedProcess[str]) -> None:
        self.model, self.result = model, result

    def json(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.model / name).read_bytes())
        return content


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def train_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.csv"
    weighted = [f"{text},{label},1,base" for text, label in ROWS[:-1]]
    last = f"{ROWS[-1][0]},{ROWS[-1][1]},2,review"
    path.write_text("\n".join(["text,label,weight,source", *weighted, last, ""]), "utf-8")
    return path


@pytest.fixture(scope="module")
def trained(encoder: Path, train_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Train the way a job does: as a process, with its paths from SM_* variables."""
    model = tmp_path_factory.mktemp("trained") / "model"
    result = run(
        "train.py",
        *("--epochs", "2", "--batch_size", "4", "--learning_rate", "0.001"),
        env={
            "SM_CHANNEL_TRAIN": train_csv.parent,
            "SM_CHANNEL_MODEL": encoder,
            "SM_MODEL_DIR": model,
        },
    )
    assert result.returncode == 0, result.stderr
    return Trained(model, result)


@pytest.fixture
def train(encoder: Path, train_csv: Path, tmp_path: Path) -> Callable[..., Trained]:
    def train(name: str, *arguments: str | Path, data: Path = train_csv) -> Trained:
        paths = ("--train", data, "--model", encoder, "--model-dir", tmp_path / name)
        result = call("train", *paths, *QUICK, *arguments)
        assert result.returncode == 0, result.stderr
        return Trained(tmp_path / name, result)

    return train


def test_a_job_writes_a_model_that_deploys_as_it_is(trained: Trained) -> None:
    written = {p.relative_to(trained.model).as_posix() for p in trained.model.rglob("*")}
    assert {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "calibration.json",
        "metrics.json",
        "README.md",
        "code/inference.py",
        "code/classifier.py",
        "code/payload.py",
        "code/requirements.txt",
    } <= written
    assert not [name for name in written if name.endswith((".bin", ".pkl", ".pt"))]
    assert trained.json("config.json")["id2label"] == {"0": "negative", "1": "positive"}
    assert (trained.model / "model.safetensors").stat().st_mode & 0o444 == 0o444


def test_metrics_are_printed_as_their_definitions_promise(trained: Trained) -> None:
    source = (SENTIMENT / "train.py").read_text("utf-8")
    definitions = dict(re.findall(r"^``((?:train|dev):\w+)`` +``(.+?)``$", source, re.MULTILINE))
    assert len(definitions) == 6
    for name, expression in definitions.items():
        found = re.findall(expression, trained.result.stdout)
        assert found, f"{name} is not in the log"
    assert re.findall(definitions["train:rows"], trained.result.stdout) == ["12"]
    assert len(re.findall(definitions["train:loss"], trained.result.stdout)) == 2


def test_metrics_and_card_say_what_was_trained(trained: Trained) -> None:
    metrics = trained.json("metrics.json")
    assert (metrics["train_rows"], metrics["reviewed_rows"]) == (12, 1)
    assert metrics["by_label"] == {"negative": 6, "positive": 6}
    assert metrics["recipe"]["epochs"] == 2
    assert metrics["base_model"] == "from channel model (bert, 2 layers)"
    assert trained.json("calibration.json") == metrics["calibration"]
    assert metrics["calibration"]["rows"] == 6
    card = (trained.model / "README.md").read_text("utf-8")
    assert "`positive` (`LABEL_1`)" in card
    assert "1 labelled in review" in card


def test_hugging_face_gives_the_calibrated_confidence_as_well(trained: Trained) -> None:
    from transformers import pipeline

    expected = pipeline("text-classification", model=str(trained.model), top_k=None, device="cpu")
    with imported_from(trained.model / "code", "inference") as served:
        model = served.inference.model_fn(str(trained.model))
        body = json.dumps({"inputs": GOOD, "parameters": {"top_k": 2}})
        request = served.inference.input_fn(body, "application/json")
        answer = served.inference.output_fn(served.inference.predict_fn(request, model), "*/*")
    for ours, theirs in zip(json.loads(answer), expected(GOOD), strict=True):
        assert [entry["label"] for entry in ours] == [entry["label"] for entry in theirs]
        assert [e["score"] for e in ours] == pytest.approx([e["score"] for e in theirs], abs=1e-5)
        assert sum(entry["score"] for entry in ours) == pytest.approx(1)


def test_the_temperature_changes_confidences_and_no_answer(
    trained: Trained, train: Callable[..., Trained]
) -> None:
    raw = train("raw", "--temperature", "False")
    assert raw.json("calibration.json")["method"] == "none"
    temperature = trained.json("calibration.json")["temperature"]
    with imported_from(SENTIMENT, "classifier") as scripts:
        before, after = (
            scripts.classifier.load_classifier(one.model).logits(GOOD + BAD)
            for one in (raw, trained)
        )
    assert after * temperature == pytest.approx(before, rel=1e-3, abs=1e-5)


def test_the_same_seed_gives_the_same_model(
    trained: Trained, train: Callable[..., Trained]
) -> None:
    again, other = train("again"), train("other", "--seed", "1")
    first = (trained.model / "model.safetensors").read_bytes()
    assert (again.model / "model.safetensors").read_bytes() == first
    assert (other.model / "model.safetensors").read_bytes() != first


def test_a_heavy_row_outweighs_a_light_one(tmp_path: Path, train: Callable[..., Trained]) -> None:
    sides = []
    for heavy in ("positive", "negative"):
        light = "negative" if heavy == "positive" else "positive"
        data = tmp_path / f"{heavy}.csv"
        lines = ["text,label,weight", f"same,{heavy},50", f"same,{light},1"] * 1
        data.write_text("\n".join([*lines, ""]), "utf-8")
        arguments = ("--temperature", "False", "--epochs", "20", "--head-learning-rate", "0.05")
        one = train(heavy, *arguments, data=data)
        with imported_from(SENTIMENT, "classifier") as scripts:
            model = scripts.classifier.load_classifier(one.model)
            sides.append(model.labels[int(model.logits(["same"]).argmax())])
    assert sides == ["positive", "negative"]


def test_too_few_rows_to_calibrate_are_told_and_trained_on(
    tmp_path: Path, train: Callable[..., Trained]
) -> None:
    data = tmp_path / "two.csv"
    data.write_text("text,label\ngood,positive\nbad,negative\n", "utf-8")
    two = train("two", data=data)
    assert "not calibrated" in two.result.stderr
    assert two.json("metrics.json")["held_out_accuracy"] is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("text,label\nx,positive\n", "has two labels, but the rows have 1"),
        ("text,label\nx,a\ny,b\nz,c\n", "the rows have 3"),
        ("text,label\n", "has no rows"),
    ],
)
def test_unusable_rows_are_refused_before_anything_is_loaded(
    tmp_path: Path, encoder: Path, content: str, complaint: str
) -> None:
    (tmp_path / "train.csv").write_text(content, "utf-8")
    paths = ("--train", tmp_path, "--model", encoder, "--model-dir", tmp_path / "model")
    result = call("train", *paths)
    assert result.returncode == 1
    assert complaint in result.stderr
    assert "stage=load" not in result.stdout


def test_a_failure_is_left_where_sagemaker_looks_for_it(tmp_path: Path) -> None:
    result = run(
        "train.py",
        *("--train", tmp_path, "--model", tmp_path, "--model-dir", tmp_path / "model"),
        env={"SM_OUTPUT_DIR": tmp_path},
    )
    assert result.returncode == 1
    assert "config.json is missing" in (tmp_path / "failure").read_text("utf-8")


def test_calibration_finds_the_temperature_that_spoilt_the_logits() -> None:
    with imported_from(SENTIMENT, "temperature") as scripts:
        rng = np.random.default_rng(0)
        logits = rng.normal(size=(4000, 2)) * 2
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        truth = (rng.random(4000) < probabilities[:, 1]).astype(np.int64)
        found = scripts.temperature.calibrate(logits * 3, truth, "made up")
        assert found.temperature == pytest.approx(3, rel=0.1)
        assert found.error_after < found.error_before
        assert found.brier_after < found.brier_before
