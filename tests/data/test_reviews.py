"""The film reviews are what their data card says: written one by one, balanced, and apart."""

import csv
import re
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
    trigrams,
    words,
)

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data" / "reviews"
LABELS = ("positive", "negative")
KINDS = ("clear", "mixed", "ironic")
SPLITS = ("train", "test", "traffic")

SEEN_IN_TRAIN = 0.1  # most of another split's trigrams that training has
OPENING_SHARE = 0.02  # most of the reviews that begin with the same two words


class Review(NamedTuple):
    id: str
    text: str
    label: str
    kind: str
    split: str


@pytest.fixture(scope="module")
def rows() -> list[Review]:
    with (DATA / "reviews.csv").open(encoding="utf-8", newline="") as file:
        return [Review(**row) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def texts(rows: list[Review]) -> list[str]:
    return [row.text for row in rows]


def of_split(rows: list[Review], split: str) -> list[Review]:
    return [row for row in rows if row.split == split]


def test_values_are_those_of_the_card(rows: list[Review]) -> None:
    assert {row.label for row in rows} == set(LABELS)
    assert {row.kind for row in rows} == set(KINDS)
    assert {row.split for row in rows} == set(SPLITS)


def test_ids_are_unique_and_sorted(rows: list[Review]) -> None:
    ids = [row.id for row in rows]
    assert all(re.fullmatch(r"r\d{4}", name) for name in ids)
    assert ids == sorted(set(ids))


def test_labels_are_balanced_within_every_kind_and_split(rows: list[Review]) -> None:
    counts = Counter((row.split, row.kind, row.label) for row in rows)
    for split in SPLITS:
        for kind in KINDS:
            positive, negative = (counts[split, kind, label] for label in LABELS)
            assert positive == negative > 0, (split, kind)


def test_hard_reviews_are_rare_in_training_and_common_in_traffic(rows: list[Review]) -> None:
    assert len(rows) >= 900
    clear = {}
    for split in SPLITS:
        mine = of_split(rows, split)
        clear[split] = sum(row.kind == "clear" for row in mine) / len(mine)
    assert clear["train"] >= 0.88
    assert 0.6 <= clear["test"] <= 0.7
    assert 0.4 <= clear["traffic"] <= 0.5


def test_rows_are_mixed_so_that_a_part_of_the_file_has_every_label(rows: list[Review]) -> None:
    for split in SPLITS:
        mine = of_split(rows, split)
        for start in range(0, len(mine) - 40, 40):
            positive = sum(row.label == "positive" for row in mine[start : start + 40])
            assert 8 <= positive <= 32, (split, start)


def test_no_two_are_nearly_the_same(texts: list[str]) -> None:
    found = [words(text) for text in texts]
    assert len(set(found)) == len(found)
    assert near_duplicates(texts) == set()
    assert one_word_apart(found, found) == []


def test_training_has_few_phrases_of_the_other_splits(rows: list[Review]) -> None:
    known = {trigram for row in of_split(rows, "train") for trigram in trigrams(row.text)}
    for split in ("test", "traffic"):
        theirs = [trigram for row in of_split(rows, split) for trigram in trigrams(row.text)]
        assert sum(trigram in known for trigram in theirs) / len(theirs) <= SEEN_IN_TRAIN, split


def test_they_repeat_few_phrases_and_begin_in_many_ways(texts: list[str]) -> None:
    assert repeated_trigrams(texts) <= 0.1
    (opening, count), *_ = openings(texts).most_common(1)
    assert count / len(texts) <= OPENING_SHARE, f"{count} reviews begin with {opening}"


def test_the_way_a_review_begins_does_not_give_its_label_away(rows: list[Review]) -> None:
    common = Counter(words(row.text)[0] for row in rows)
    for word in (word for word, count in common.items() if count >= 20):
        positive = sum(row.label == "positive" for row in rows if words(row.text)[0] == word)
        assert 0.2 <= positive / common[word] <= 0.8, word


def test_lengths_vary_between_eight_and_sixty_words(texts: list[str]) -> None:
    lengths = [len(text.split()) for text in texts]
    assert min(lengths) >= 8
    assert max(lengths) <= 60
    assert sum(length <= 12 for length in lengths) / len(lengths) >= 0.1
    assert sum(length >= 24 for length in lengths) / len(lengths) >= 0.1


def test_length_does_not_give_the_label_away(rows: list[Review]) -> None:
    for kind in KINDS:
        positive, negative = (
            statistics.mean(
                len(words(row.text)) for row in rows if (row.kind, row.label) == (kind, label)
            )
            for label in LABELS
        )
        assert 0.8 <= positive / negative <= 1.25, kind


def test_texts_are_clean(texts: list[str]) -> None:
    for text in texts:
        assert text == " ".join(text.split()) != ""
        assert text == unicodedata.normalize("NFC", text)
        assert not [c for c in text if unicodedata.category(c).startswith("C")], text


def test_file_is_plain_utf8_with_unix_line_ends() -> None:
    content = (DATA / "reviews.csv").read_bytes()
    assert content.startswith(b"id,text,label,kind,split\n")
    assert b"\r" not in content
    assert content.endswith(b"\n")
    content.decode("utf-8", errors="strict")


def test_the_card_states_the_figures_that_hold(rows: list[Review], texts: list[str]) -> None:
    card = (DATA / "README.md").read_text(encoding="utf-8")
    lengths = [len(words(text)) for text in texts]
    known = {trigram for row in of_split(rows, "train") for trigram in trigrams(row.text)}
    lines = [
        f"| median | {statistics.median(lengths):.0f} |",
        f"| 95th percentile | {statistics.quantiles(lengths, n=20)[-1]:.0f} |",
        f"| longest | {max(lengths)} |",
        f"| word trigrams that repeat an earlier one | {repeated_trigrams(texts):.0%} |",
    ]
    for split in SPLITS:
        mine = of_split(rows, split)
        kinds = Counter(row.kind for row in mine)
        shares = " | ".join(f"{kinds[kind]} ({kinds[kind] / len(mine):.0%})" for kind in KINDS)
        lines.append(f"| {split} | {len(mine)} | {shares} |")
        if split != "train":
            theirs = [trigram for row in mine for trigram in trigrams(row.text)]
            seen = sum(trigram in known for trigram in theirs) / len(theirs)
            lines.append(f"| {split} trigrams that occur in training | {seen:.0%} |")
    for line in lines:
        assert line in card, line
