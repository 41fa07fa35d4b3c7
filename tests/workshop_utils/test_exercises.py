"""Each check: what passes, and which hint an attendee gets for what is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workshop_utils import datasets, exercises
from workshop_utils.zero_shot import Answer


def encode(texts: Sequence[str]) -> Any:
    """Return counts of letters in threes as unit vectors: an encoder that needs no weights."""
    from sklearn.feature_extraction.text import HashingVectorizer

    counted = HashingVectorizer(n_features=512, analyzer="char_wb", ngram_range=(3, 3))
    return counted.transform(list(texts)).toarray()


@pytest.fixture(scope="module")
def cards() -> pd.DataFrame:
    """Questions of two intents that have nothing in common."""
    train = datasets.banking77().train
    return train[train["label"].isin(["card_arrival", "exchange_rate"])]


@pytest.fixture(scope="module")
def shelf(cards: pd.DataFrame) -> pd.DataFrame:
    return cards.groupby("label").head(8)


def test_a_verdict_is_words_and_a_card_with_one_hint() -> None:
    verdict = exercises.Verdict(False, 0.5, "Half of <it>", "try the other half")
    assert str(verdict) == repr(verdict) == "Not yet. Half of <it>\nHint: try the other half"
    assert "Half of &lt;it&gt;" in verdict._repr_html_()
    assert str(exercises.Verdict(True, 1.0, "All of it.")) == "Passed. All of it."


def test_whoever_has_not_passed_gets_a_hint() -> None:
    with pytest.raises(ValueError, match="hint"):
        exercises.Verdict(False, 0.5, "Half of it")


@pytest.mark.parametrize(
    ("questions", "scores", "said"),
    [
        (["my pin is blocked"], [0.9], "It names its matter"),
        (["my pin is blocked", "what"], [0.9, 0.1], "“my pin is blocked” gets pin_blocked"),
        (["what", "help"], [0.9, 0.1], "“help” gets pin_blocked with a score of 0.10, but it is"),
        (["what", "help"], [0.9, 0.1], "Write three words"),
        (["my pin is blocked", "it is all wrong"], [0.9], "There are 2 questions and 1 answers"),
        ("my pin is blocked", [0.9], "Make it a list"),
        ([], [], "Make it a list"),
        (None, [], "Make it a list"),
    ],
)
def test_vague_questions_are_questions_and_unclear(
    questions: Any, scores: list[float], said: str
) -> None:
    best = [{"label": "pin_blocked", "score": score} for score in scores]
    verdict = exercises.check_vague(questions, best)
    assert not verdict.passed
    assert said in str(verdict)


def test_one_question_that_leaves_the_classifier_unsure_is_enough() -> None:
    best = [{"label": "pin_blocked", "score": 0.9}, {"label": "change_pin", "score": 0.2}]
    verdict = exercises.check_vague(["my pin is blocked", "it is all wrong again"], best)
    assert verdict.passed
    assert verdict.figure == 0.2


def test_a_word_that_is_no_question_does_not_stand_in_the_way_of_one() -> None:
    best = [{"label": "pin_blocked", "score": 0.1}, {"label": "change_pin", "score": 0.3}]
    verdict = exercises.check_vague(["help", "something is wrong, please help me"], best)
    assert verdict.passed
    assert verdict.figure == 0.3


@pytest.mark.parametrize(
    ("picked", "said"),
    [
        ("12", "Make it a list of 8 row numbers"),
        (7, "Make it a list of 8 row numbers"),
        ([-1] * 8, "has -1, which is no row"),
        ([True] * 8, "has True, which is no row"),
        (["card_arrival"] * 8, "which is no row"),
    ],
)
def test_a_pick_that_is_no_rows_is_explained(
    picked: Any, said: str, shelf: pd.DataFrame, cards: pd.DataFrame
) -> None:
    verdict = exercises.check_eight_examples(picked, shelf, cards, encode)
    assert not verdict.passed
    assert said in str(verdict)
    assert verdict.figure is None


def test_eight_examples_are_eight_different_ones_of_every_label(
    shelf: pd.DataFrame, cards: pd.DataFrame
) -> None:
    rows = list(shelf.index)

    def said(picked: list[int]) -> str:
        return str(exercises.check_eight_examples(picked, shelf, cards, encode))

    assert "has 7 rows, not 8" in said(rows[:7])
    assert f"has row {rows[0]} twice" in said([*rows[:7], rows[0]])
    of = shelf["label"]
    alone = [row for row in rows if of[row] == "card_arrival"]
    assert "None of the eight is an example of exchange_rate" in said(alone)


def test_the_best_eight_pass_and_the_worst_eight_do_not(
    shelf: pd.DataFrame, cards: pd.DataFrame
) -> None:
    held_out = cards.drop(shelf.index)
    random = np.random.default_rng(1)
    by_label = [list(of.index) for _, of in shelf.groupby("label")]
    verdicts = []
    for _ in range(12):
        picked = [int(row) for of in by_label for row in random.choice(of, 4, replace=False)]
        verdicts.append(exercises.check_eight_examples(picked, shelf, held_out, encode, draws=20))
    verdicts.sort(key=lambda verdict: verdict.figure or 0.0)
    assert not verdicts[0].passed
    assert "Hint" in str(verdicts[0])
    assert verdicts[-1].passed
    # Luck alone passes about one pick in four.
    assert 1 <= sum(verdict.passed for verdict in verdicts) <= 8


def test_eight_examples_without_an_error_pass_where_random_ones_have_none_either() -> None:
    texts = {"a": "where is my card {}", "b": "an exchange rate of {} euro"}
    rows = [(texts[label].format(number), label) for label in texts for number in range(6)]
    shelf = pd.DataFrame(rows, columns=["text", "label"])
    picked = [0, 1, 2, 3, 6, 7, 8, 9]
    verdict = exercises.check_eight_examples(picked, shelf, shelf, encode, draws=10)
    assert verdict.passed
    assert verdict.figure == 1
    assert "better than 50% of them" in str(verdict)


def test_two_examples_that_say_the_same_are_named() -> None:
    rows = [("where is my card", "a"), ("Where is my card?", "a")]
    rows += [("my post is late", "a"), ("when will it come", "a")]
    rows += [(text, "b") for text in ("euro rate", "where is my rate", "card rate", "is it a rate")]
    shelf = pd.DataFrame(rows, columns=["text", "label"])
    held_out = shelf.assign(label=shelf["label"].map({"a": "b", "b": "a"}))
    verdict = exercises.check_eight_examples(list(range(8)), shelf, held_out, encode, draws=3)
    assert "Rows 0 and 1 say nearly the same" in str(verdict)


def test_a_rule_for_strangers_is_judged_on_both_kinds() -> None:
    asked = exercises.mixed_questions(datasets.banking77().test)
    assert asked["ours"].mean() == 0.5
    everything = exercises.check_none_of_ours([True] * len(asked), asked)
    assert everything.figure == 0.5
    assert "Too much is let through" in everything.hint
    nothing = exercises.check_none_of_ours(~asked["ours"] & False, asked)
    assert "ask for less" in nothing.hint
    assert exercises.check_none_of_ours(asked["ours"], asked).passed
    for wrong, said in ((0.5, "column of True and False"), ([1.0] * len(asked), "float64")):
        assert said in str(exercises.check_none_of_ours(wrong, asked))
    # A cell calls the table so.
    assert "for each row of `mixed`" in exercises.check_none_of_ours([True], asked).hint
    ragged = exercises.check_none_of_ours([[True, False], [True]], asked)
    assert "lists, of several lengths" in str(ragged)


def _answers(*best: str) -> list[Answer]:
    labels = ["hardware", "billing", "opening hours"]
    texts = ["it does not turn on", "charged me twice", "are you open on Sunday"]
    return [
        Answer(text, (one, *(label for label in labels if label != one)), (0.8, 0.1, 0.1))
        for text, one in zip(texts, best, strict=True)
    ]


def test_three_labels_have_to_fit_their_texts_in_few_words() -> None:
    labels = ["hardware", "billing", "opening hours"]
    assert exercises.check_three_labels(labels, _answers(*labels)).passed
    verdict = exercises.check_three_labels(labels, _answers("hardware", "hardware", "billing"))
    assert verdict.figure == 1
    assert "gets 'hardware' rather than 'billing'" in verdict.hint
    copied = ["it does not turn on", "billing", "opening hours"]
    assert "taken from the text" in str(exercises.check_three_labels(copied, _answers(*labels)))
    blank = [f"{label} " for label in labels]
    assert exercises.check_three_labels(blank, _answers(*labels)).passed
    copied = ["it does not turn on ", "billing", "opening hours"]
    assert "taken from the text" in str(exercises.check_three_labels(copied, _answers(*labels)))
    assert "Write 3 labels" in str(exercises.check_three_labels(["one"], _answers(*labels)))


@pytest.fixture
def before() -> pd.DataFrame:
    """Twenty rows of which half the jokes are missed."""
    labels = ["Humor"] * 10 + ["Finance"] * 10
    predicted = ["Humor"] * 5 + ["Finance"] * 15
    texts = [f"text {number}" for number in range(20)]
    return pd.DataFrame({"text": texts, "label": labels, "predicted": predicted})


def test_a_rescued_label_is_found_more_often_at_no_cost_to_others(before: pd.DataFrame) -> None:
    words = {"Humor": "a joke"}
    rescued = before.assign(predicted=before["label"])
    assert exercises.check_descriptions(words, "Humor", before, rescued).passed
    same = exercises.check_descriptions(words, "Humor", before, before)
    assert "5 of its texts are missed, most of them taken for Finance" in same.hint
    greedy = exercises.check_descriptions(words, "Humor", before, before.assign(predicted="Humor"))
    assert "It now draws 10 texts of others" in greedy.hint
    assert (
        "says nothing about Humor" in exercises.check_descriptions({}, "Humor", before, before).hint
    )


def test_the_others_may_lose_one_in_twenty_and_fewer_than_twenty_none(before: pd.DataFrame) -> None:
    words = {"Humor": "a joke", "Finance": "money"}

    def judged(times: int, lost: int) -> exercises.Verdict:
        """Return the verdict on so many rows of Finance, of which some are taken for Travel."""
        finance = pd.concat([before[10:]] * times, ignore_index=True)
        given = ["Travel"] * lost + ["Finance"] * (len(finance) - lost)
        first = pd.concat([before[:10], finance], ignore_index=True)
        second = first.assign(predicted=["Humor"] * 10 + given)
        return exercises.check_descriptions(words, "Humor", first, second)

    alone = judged(times=1, lost=1)
    assert not alone.passed
    assert alone.figure == 1
    assert "Of the 10 other rows 9 are right, 10 with bare names" in alone.reached
    assert "the bar is 0.82, and no other row may be lost" in alone.reached
    assert "1 of Finance are taken for Travel" in alone.hint
    assert judged(times=2, lost=1).passed
    many = judged(times=2, lost=2)
    assert "no more than 0.05 of the others may be lost" in many.reached
    assert not many.passed


def test_a_label_that_its_name_explains_well_can_be_rescued_no_further_than_whole() -> None:
    labels = ["Humor"] * 10 + ["Finance"] * 10
    before = pd.DataFrame({"text": [f"text {n}" for n in range(20)], "label": labels})
    before["predicted"] = ["Finance", *labels[1:]]
    whole = before.assign(predicted=labels)
    assert exercises.check_descriptions({"Humor": "a joke"}, "Humor", before, whole).passed


def test_descriptions_of_labels_that_do_not_exist_or_are_copied_are_named(
    before: pd.DataFrame,
) -> None:
    def said(words: Any) -> str:
        return str(exercises.check_descriptions(words, "Humor", before, before))

    assert "Did you mean 'Humor'?" in said({"Humour": "a joke"})
    assert "is one of the resolutions" in said({"Humor": "Text 3"})
    assert "Make it {label: description}" in said("a joke")


def test_thirty_labels_have_to_beat_none() -> None:
    table = datasets.resolutions()
    truth = table["label"]
    rows = list(table.groupby("label").head(3).index)
    weak = truth.where(table.index % 2 == 0, "Humor")
    passed = exercises.check_thirty_labels(rows, truth, table, weak)
    assert passed.passed
    assert passed.figure == 1
    lost = exercises.check_thirty_labels(rows, weak, table, truth)
    assert "Use both" in lost.hint
    first = exercises.check_thirty_labels(list(table.index[:30]), weak, table, truth)
    assert "has no example among the thirty" in first.hint
    strange = exercises.check_thirty_labels(rows, truth.replace("Humor", "Humour"), table, weak)
    assert "Did you mean 'Humor'?" in strange.hint
    assert "does not answer every row" in str(
        exercises.check_thirty_labels(rows, truth[:7], table, weak)
    )
    assert "has 29 rows, not 30" in str(
        exercises.check_thirty_labels(rows[:29], truth, table, weak)
    )


def test_reviews_are_hard_if_the_model_is_unsure_of_one() -> None:
    text = ["I liked it very much", "Not a film I would warn about"]
    judged = pd.DataFrame({"text": text, "score": [0.99, 0.6], "unsure": [False, True]})
    assert exercises.check_hard_to_read(judged).passed
    verdict = exercises.check_hard_to_read(judged.assign(unsure=False))
    assert "least sure of “Not a film" in str(verdict)
    assert "very short" in str(exercises.check_hard_to_read(judged.assign(text="bad")))


@pytest.mark.parametrize(
    ("threshold", "passed", "said"),
    [
        (0.75, True, "50 of 100 reviews go to people, 50 of the 60"),
        (0.9, False, "30 are too many"),
        (0.6, False, "People have time for 30 more"),
        (50, False, "choose between 0.5 and 1"),
        (float("nan"), False, "choose between 0.5 and 1"),
        ("0.8", False, "A threshold is a number"),
        (True, False, "A threshold is a number"),
    ],
)
def test_a_budget_is_used_and_not_exceeded(threshold: Any, passed: bool, said: str) -> None:
    scores = 0.5025 + np.arange(100) / 200
    answered = pd.DataFrame({"score": scores, "right": np.arange(100) >= 60})
    verdict = exercises.check_budget(threshold, answered)
    assert verdict.passed is passed
    assert said in str(verdict)


def test_equal_scores_may_leave_some_of_the_budget_unused() -> None:
    answered = pd.DataFrame({"score": [0.6] * 10 + [0.9] * 60, "right": [True] * 70})
    assert exercises.check_budget(0.8, answered).passed


def test_fifty_reviews_are_judged_by_the_errors_that_they_find() -> None:
    scores = 0.5025 + np.arange(200) / 401
    answered = pd.DataFrame({"score": scores, "right": np.arange(200) >= 40})
    unsure = exercises.check_whom_to_ask(list(range(50)), answered)
    assert unsure.passed
    assert unsure.figure == 40
    sure = exercises.check_whom_to_ask(list(range(150, 200)), answered)
    assert "sure of most of these" in sure.hint
    mixed = exercises.check_whom_to_ask([*range(5), *range(60, 105)], answered)
    assert "change of mind" in mixed.hint
    few = exercises.check_whom_to_ask(list(range(49)), answered)
    assert "has 49 rows, not 50" in str(few)
