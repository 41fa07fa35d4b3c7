"""prepare.py: base data and people's answers become training rows, and everything is counted."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.scripts.sentiment_support import call, human, run, write_output

BASE = [("A joy from start to end.", "positive"), ("Dull, and far too long.", "negative")]


class Prepared:
    """What a run of prepare.py left behind."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self.result = call(
            "prepare",
            *("--base", folder / "base", "--reviews", folder / "reviews"),
            *("--test", folder / "test", "--train", folder / "train"),
            *("--report", folder / "report", *arguments),
        )
        assert self.result.returncode == 0, self.result.stderr
        with (folder / "train" / "train.csv").open(encoding="utf-8", newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.report: dict[str, Any] = json.loads((folder / "report" / "report.json").read_bytes())

    def labels(self) -> dict[str, str]:
        return {row["text"]: row["label"] for row in self.rows}


def write_base(path: Path, rows: list[tuple[str, ...]], header: str = "text,label") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_base(tmp_path / "base" / "reviews.csv", BASE)
    return tmp_path


def test_without_answers_the_base_rows_are_the_training_rows(folder: Path) -> None:
    prepared = Prepared(folder)
    assert [list(row.values()) for row in prepared.rows] == [
        [text, label, "1", "base"] for text, label in BASE
    ]
    assert prepared.report["reviews"]["files"] == 0
    assert prepared.report["train"]["by_label"] == {"negative": 1, "positive": 1}


def test_both_kinds_of_question_give_weighted_rows(folder: Path) -> None:
    write_output(folder / "reviews", "a", "Hats off, I slept well.", human("Negative"))
    write_output(folder / "reviews", "b", "I cannot complain.", human(["positive"]))
    prepared = Prepared(folder, "--review-weight", "2.5")
    reviewed = [row for row in prepared.rows if row["source"] == "review"]
    assert [(row["text"], row["label"], row["weight"]) for row in reviewed] == [
        ("Hats off, I slept well.", "negative", "2.5"),
        ("I cannot complain.", "positive", "2.5"),
    ]
    train = prepared.report["train"]
    assert (train["from_base"], train["from_reviews"]) == (2, 2)
    assert train["share_of_weight_from_reviews"] == pytest.approx(5 / 7)


def test_reviewed_rows_weigh_more_than_base_rows_unless_told_otherwise(folder: Path) -> None:
    write_output(folder / "reviews", "a", "Hats off, I slept well.", human("Negative"))
    weights = {row["source"]: float(row["weight"]) for row in Prepared(folder).rows}
    assert weights["review"] > weights["base"] == 1


def test_most_votes_win_and_a_tie_drops_the_text(folder: Path) -> None:
    reviews = folder / "reviews"
    three = [human("Positive", "w1"), human("Negative", "w2"), human("Positive", "w3")]
    write_output(reviews, "a", "Two of three.", *three)
    write_output(reviews, "b", "One each.", human("Positive", "w1"), human("Negative", "w2"))
    # Two loops about one text are one question.
    write_output(reviews, "c", "Asked  TWICE", human("Negative", "w1"))
    write_output(reviews, "d", "asked twice", human("Negative", "w2"))
    prepared = Prepared(folder)
    assert prepared.labels()["Two of three."] == "positive"
    assert "One each." not in prepared.labels()
    reviews_report = prepared.report["reviews"]
    assert (reviews_report["answers"], reviews_report["texts"]) == (7, 3)
    assert (reviews_report["disagreements"], reviews_report["ties_dropped"]) == (2, 1)
    assert reviews_report["used"] == 2
    assert reviews_report["without_verdict"] == [
        {"text": "One each.", "votes": {"negative": 1, "positive": 1}}
    ]


def test_not_clear_is_dropped_and_never_becomes_negative(folder: Path) -> None:
    reviews = folder / "reviews"
    write_output(reviews, "a", "Hm.", human("Not clear"))
    write_output(reviews, "b", "Hm, hm.", human([]))
    write_output(reviews, "c", "Hm, hm, hm.", human(["Positive", "Negative"]))
    outvoted = [human("Not clear", "w1"), human("Positive", "w2"), human("Positive", "w3")]
    write_output(reviews, "d", "Outvoted.", *outvoted)
    prepared = Prepared(folder)
    assert prepared.labels() == dict(BASE) | {"Outvoted.": "positive"}
    assert prepared.report["reviews"]["not_clear_dropped"] == 3


def test_the_last_answer_of_a_worker_counts_once(folder: Path) -> None:
    reviews = folder / "reviews"
    write_output(reviews, "a", "Second thoughts.", human("Negative", "w1", "11:00:00"))
    write_output(reviews, "b", "Second thoughts.", human("Positive", "w1", "10:00:00"))
    prepared = Prepared(folder)
    assert prepared.labels()["Second thoughts."] == "negative"
    assert prepared.report["reviews"]["answers_replaced_by_later_ones"] == 1
    assert prepared.report["reviews"]["ties_dropped"] == 0


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no JSON"),
        (b'{"humanAnswers": [', "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "inputContent is missing"),
        (b'{"inputContent": {}, "humanAnswers": []}', "taskObject is missing"),
        (b'{"inputContent": {"taskObject": 7}, "humanAnswers": []}', "is not a text"),
        (b'{"inputContent": {"taskObject": "\\ud800"}, "humanAnswers": [1]}', "surrogate"),
        (b'{"inputContent": {"taskObject": "x"}, "humanAnswers": []}', "humanAnswers"),
    ],
)
def test_a_broken_file_is_named_and_passed_over(folder: Path, content: bytes, reason: str) -> None:
    write_output(folder / "reviews", "good", "Hats off, I slept well.", human("Negative"))
    broken = write_output(folder / "reviews", "broken", "x", human("Positive"))
    broken.write_bytes(content)
    prepared = Prepared(folder)
    assert prepared.labels()["Hats off, I slept well."] == "negative"
    [entry] = prepared.report["reviews"]["broken_files"]
    assert entry["file"] == broken.relative_to(folder / "reviews").as_posix()
    assert reason in entry["reason"]
    assert entry["file"] in prepared.result.stdout
    assert prepared.report["reviews"]["files"] == 2


@pytest.mark.parametrize(
    "answer",
    [
        human("Wonderful"),
        human([1, 2]),  # type: ignore[list-item]  # what nobody should send
        {"answerContent": {"category": "Positive"}},
        {"answerContent": {}},
        "Positive",
    ],
)
def test_a_broken_answer_does_not_cost_the_answer_beside_it(folder: Path, answer: Any) -> None:
    write_output(folder / "reviews", "a", "Fine by me.", answer, human("Positive", "w2"))
    prepared = Prepared(folder)
    assert prepared.labels()["Fine by me."] == "positive"
    [entry] = prepared.report["reviews"]["broken_answers"]
    assert entry["file"].endswith("a/output.json, humanAnswers[0]")


def test_one_text_in_two_spellings_is_one_row(folder: Path) -> None:
    write_base(
        folder / "base" / "second.csv",
        [("a JOY from start to end.", "positive"), ("It\u2019s  \ufb01ne", "positive")],
    )
    write_output(folder / "reviews", "a", "It's fine", human("Negative"))
    write_output(folder / "reviews", "b", "dull, and far too long.", human("Negative"))
    prepared = Prepared(folder)
    assert prepared.labels() == {
        "A joy from start to end.": "positive",
        "It's fine": "negative",
        "dull, and far too long.": "negative",
    }
    base = prepared.report["base"]
    assert (base["rows"], base["duplicates_dropped"]) == (4, 1)
    assert (base["replaced_by_reviews"], base["corrected_by_reviews"]) == (2, 1)


def test_a_text_with_both_labels_is_dropped(folder: Path) -> None:
    write_base(folder / "base" / "more.csv", [("Fine.", "positive"), ("fine.", "negative")])
    prepared = Prepared(folder)
    assert prepared.labels() == dict(BASE)
    assert prepared.report["base"]["contradictions_dropped"] == 2


def test_no_text_of_the_test_set_gets_into_training(folder: Path) -> None:
    write_base(
        folder / "test" / "test.csv",
        [
            (BASE[0][0], "positive"),
            ("HATS off, I slept well.", "negative"),
            ("Not seen", "negative"),
        ],
    )
    write_base(folder / "base" / "more.csv", [("Quite good.", "positive")])
    write_output(folder / "reviews", "a", "Hats off, I slept well.", human("Negative"))
    prepared = Prepared(folder)
    assert prepared.labels() == {BASE[1][0]: "negative", "Quite good.": "positive"}
    assert prepared.report["leaked"] == {
        "test_texts": 3,
        "dropped": 2,
        "exact": 1,
        "differently_written": 1,
    }


def test_only_the_rows_of_a_split_are_read(folder: Path) -> None:
    rows = [("1", "Lovely.", "positive", "train"), ("2", "Lovely!", "positive", "test")]
    write_base(folder / "base" / "split.csv", rows, "id,text,label,split")
    write_base(folder / "test" / "split.csv", rows, "id,text,label,split")
    prepared = Prepared(folder)
    assert "Lovely." in prepared.labels()
    assert "Lovely!" not in prepared.labels()
    assert prepared.report["leaked"]["test_texts"] == 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"text\nx\n", "no column label"),
        (b"text,label\nx,\n", "the label is empty"),
        (b"text,label\nx,positive,y\n", "more or fewer fields"),
        (b"text,label\n\xff,positive\n", "not UTF-8"),
        (b"text,label,weight\nx,positive,nan\n", "not a number above 0"),
        (b"text,label\nx,positive\ny,1\nz,2\n", "has two labels"),
        (b'text,label\n"x,positive\n', "not valid CSV"),
    ],
)
def test_unusable_base_data_are_refused_with_the_place(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    (tmp_path / "base.csv").write_bytes(content)
    arguments = ("--train", tmp_path / "out", "--report", tmp_path / "out")
    result = call("prepare", "--base", tmp_path / "base.csv", *arguments)
    assert result.returncode == 1
    assert complaint in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_empty_base_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    result = call("prepare", "--base", tmp_path / "base", "--train", tmp_path / "out")
    assert result.returncode == 1
    assert "holds no CSV file" in result.stderr


def test_it_runs_as_a_script(folder: Path) -> None:
    arguments = ("--train", folder / "train", "--report", folder / "report")
    result = run("prepare.py", "--base", folder / "base", *arguments)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("stage=prepare; rows=2; answers=0;")
