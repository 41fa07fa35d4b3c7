"""What train.py makes of its command line and its files before, and after, the model's part."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.scripts.few_shot_support import FEW_SHOT, imported_from, run_train

GOOD = "text,label\nhi there,a\nbye now,b\n"


def test_help_names_every_hyperparameter_without_loading_the_libraries() -> None:

    result = subprocess.run(
        [sys.executable, "-X", "importtime", str(FEW_SHOT / "train.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for flag in ("--train", "--model-dir", "--model_dir", "--max_steps", "--label-names", "--seed"):
        assert flag in result.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert "argparse" in imported
    assert imported.isdisjoint({"torch", "sklearn", "setfit", "sentence_transformers", "boto3"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no column 'text'; its first line is []"),
        (b"text,category\nhi,a\n", "has no column 'label'; its first line is ['text', 'category']"),
        (b"text,label,text\nhi,a,b\n", "has 2 columns named 'text'"),
        (b"text,label\n", "has a header but no rows"),
        (b"text,label\nhi,a\n  ,b\nho,c\n", "row 2 (line 3): the text is empty"),
        (b"text,label\nhi,\nho,c\n", "row 1 (line 2): the label is empty"),
        (b"text,label\nhi, there,a\n", "row 1 (line 2): 3 fields where the header has 2"),
        (b'text,label\n"hi,a\nho,b\n', "is not valid CSV"),
        ("text,label\nZürich,a\n".encode("latin-1"), "is not UTF-8 (byte 12"),
        (b"text,label\nhi,a\nho,a\n", "has one label only ('a')"),
    ],
)
def test_unusable_rows_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(content)
    (tmp_path / "out").mkdir()
    result = run_train(
        "--train", tmp_path, "--model-dir", tmp_path / "m", env={"SM_OUTPUT_DIR": tmp_path / "out"}
    )
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {tmp_path / 'train.csv'}")
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    # SageMaker shows this file as the job's FailureReason.
    assert message in (tmp_path / "out" / "failure").read_text(encoding="utf-8")
    assert not (tmp_path / "m").exists()


def test_a_channel_must_hold_exactly_one_file(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(GOOD)
    result = run_train("--train", tmp_path, "--model-dir", tmp_path / "m")
    assert result.returncode == 1
    assert "has no train.csv; it holds: data.csv" in result.stderr

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.csv").write_text(GOOD)
    result = run_train("--train", tmp_path, "--model-dir", tmp_path / "m")
    assert result.returncode == 1
    assert "holds 2 files named train.csv (a/train.csv, b/train.csv)" in result.stderr


def test_what_cannot_be_scored_or_loaded_is_refused_before_training(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text(GOOD)
    test.write_text("text,label\nhi,c\n")
    result = run_train("--train", train, "--test", test, "--model-dir", tmp_path / "m")
    assert result.returncode == 1
    assert f"No label of {test} is in {train}" in result.stderr

    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.tar.gz").touch()
    result = run_train("--train", train, "--model", tmp_path / "model", "--model-dir", tmp_path)
    assert result.returncode == 1
    assert "holds no model" in result.stderr
    assert "model.tar.gz" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no training data"),
        (["--train", "x.csv"], "no place for the model"),
        (["--max_steps", "-1"], "'-1' is not a whole number of at least 0"),
        (["--c", "0"], "'0' is not a number above 0"),
        (["--label_names", "maybe"], "'maybe' is neither True nor False"),
        (["--recipe", "slow"], "invalid choice: 'slow'"),
        (
            ["--train", "x", "--model-dir", "m", "--max_steps", "5"],
            "--max-steps belongs to --recipe setfit, not to fast",
        ),
        (["--trained_layers", "1.5"], "'1.5' is not a number above 0 and at most 1"),
        (["--dev_share", "0.6"], "'0.6' is not a number from 0 to 0.5"),
        (["--shots", "8"], "unrecognized arguments: --shots 8"),
    ],
)
def test_wrong_hyperparameters_are_explained(arguments: list[str], message: str) -> None:
    result = run_train(*arguments)
    assert result.returncode == 2
    assert message in result.stderr


def test_label_names_become_examples_only_when_they_say_something() -> None:
    with imported_from(FEW_SHOT, "classifier") as code:
        texts, labels = code.classifier.with_label_names(["t"] * 3, ["lost-card", "17", "Refund_?"])
    assert list(zip(texts[3:], labels[3:], strict=True)) == [
        ("Refund ?", "Refund_?"),
        ("lost card", "lost-card"),
    ]


def test_the_picture_shows_the_most_confused_labels_of_many(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = [f"intent_{i:02d}" for i in range(77)]
    truth = np.repeat(np.arange(77), 20)
    guess = np.where(rng.random(truth.size) < 0.9, truth, rng.integers(0, 77, truth.size))
    guess[:15] = 76  # most of intent_00 goes to intent_76
    with imported_from(FEW_SHOT, "report") as code:
        evaluation = code.report.Evaluation(
            texts=["t"] * truth.size,
            labels=[names[i] for i in truth],
            predicted=[names[i] for i in guess],
            scores=[0.5] * truth.size,
        )
        _, counts = evaluation.confusion()
        drawn = code.report.most_confused(counts, 20)
        files = code.report.write_report(evaluation, tmp_path)
    assert len(drawn) == 20
    assert {0, 76} <= set(drawn)
    picture = next(file for file in files if file.suffix == ".png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    width, height = (int.from_bytes(picture[i : i + 4], "big") for i in (16, 20))
    assert width > 1000
    assert height > 1000
