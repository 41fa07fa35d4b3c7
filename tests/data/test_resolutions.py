"""The resolutions are what their data card says: written one by one, no two alike."""

import csv
import statistics
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.data.similarity import (
    near_duplicates,
    one_word_apart,
    openings,
    repeated_trigrams,
    words,
)

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data" / "resolutions"
LABELS = [
    "Career",
    "Education/Training",
    "Family/Friends/Relationships",
    "Finance",
    "Health & Fitness",
    "Humor",
    "Personal Growth",
    "Philanthropic",
    "Recreation & Leisure",
    "Time Management/Organization",
]


class Resolution(NamedTuple):
    text: str
    label: str
    second_label: str


@pytest.fixture(scope="module")
def rows() -> list[Resolution]:
    with (DATA / "resolutions.csv").open(encoding="utf-8", newline="") as file:
        return [Resolution(**row) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def texts(rows: list[Resolution]) -> list[str]:
    return [row.text for row in rows]


def test_there_are_enough_of_every_category(rows: list[Resolution]) -> None:
    assert len(rows) >= 300
    counts = Counter(row.label for row in rows)
    assert sorted(counts) == LABELS
    assert min(counts.values()) >= 30
    assert [row.label for row in rows] == sorted(row.label for row in rows)


def test_ambiguous_ones_name_another_category(rows: list[Resolution]) -> None:
    ambiguous = [row for row in rows if row.second_label]
    assert 0.15 <= len(ambiguous) / len(rows) <= 0.3
    for row in ambiguous:
        assert row.second_label in LABELS
        assert row.second_label != row.label
    # Every category is somebody's first and somebody's second thought.
    assert {row.label for row in ambiguous} == set(LABELS)
    assert {row.second_label for row in ambiguous} >= set(LABELS) - {"Philanthropic", "Humor"}


def test_every_category_is_described() -> None:
    with (DATA / "categories.csv").open(encoding="utf-8", newline="") as file:
        described = {row["label"]: row["description"] for row in csv.DictReader(file)}
    assert list(described) == LABELS
    assert all(described.values())


def test_no_two_are_nearly_the_same(texts: list[str]) -> None:
    assert near_duplicates(texts) == set()
    assert len({words(text) for text in texts}) == len(texts)


def test_longer_ones_are_not_one_word_apart(texts: list[str]) -> None:
    # "Travel more" and "Volunteer more" are two resolutions.
    found = [words(text) for text in texts if len(words(text)) > 4]
    assert one_word_apart(found, found) == []


def test_they_repeat_few_phrases_and_begin_in_many_ways(texts: list[str]) -> None:
    assert repeated_trigrams(texts) <= 0.05
    (opening, count), *_ = openings(texts).most_common(1)
    assert count / len(texts) <= 0.02, f"{count} resolutions begin with {opening}"


def test_people_differ_in_how_they_write(texts: list[str]) -> None:
    lengths = [len(words(text)) for text in texts]
    assert sum(length <= 5 for length in lengths) / len(lengths) >= 0.05
    assert sum(length >= 20 for length in lengths) / len(lengths) >= 0.05
    assert max(lengths) >= 40
    assert 0.2 <= sum(text[0].islower() for text in texts) / len(texts) <= 0.6
    assert 0.2 <= sum(text[-1].isalnum() for text in texts) / len(texts) <= 0.8


def test_texts_are_clean(texts: list[str]) -> None:
    for text in texts:
        assert text == text.strip() != ""
        assert text == unicodedata.normalize("NFC", text)
        odd = [c for c in text if unicodedata.category(c).startswith("C") and c != "\u200d"]
        assert not odd, (text, odd)


@pytest.mark.parametrize("name", ["resolutions.csv", "categories.csv"])
def test_files_are_plain_utf8_with_unix_line_ends(name: str) -> None:
    content = (DATA / name).read_bytes()
    assert not content.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in content
    assert content.endswith(b"\n")
    content.decode("utf-8", errors="strict")


def test_the_card_states_the_figures_that_hold(rows: list[Resolution], texts: list[str]) -> None:
    card = (DATA / "README.md").read_text(encoding="utf-8")
    lengths = [len(words(text)) for text in texts]
    ambiguous = sum(bool(row.second_label) for row in rows)
    per_label = set(Counter(row.label for row in rows).values())
    for row in (
        f"| resolutions | {len(rows)} |",
        f"| of each category | {per_label.pop()} |",
        f"| ambiguous on purpose | {ambiguous} ({ambiguous / len(rows):.0%}) |",
        f"| median | {statistics.median(lengths):.0f} |",
        f"| 95th percentile | {statistics.quantiles(lengths, n=20)[-1]:.0f} |",
        f"| longest | {max(lengths)} |",
        f"| word trigrams that repeat an earlier one | {repeated_trigrams(texts):.0%} |",
    ):
        assert row in card, row
    assert per_label == set()
