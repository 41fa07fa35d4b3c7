"""Errors are shown with sentences that a person can judge them by."""

import pandas as pd

from workshop_utils.reports import Report


def _report(errors: list[tuple[str, str, str, float]]) -> Report:
    frame = pd.DataFrame(errors, columns=["text", "label", "predicted", "score"])
    return Report(0.5, 0.5, pd.DataFrame(), frame, b"")


def test_a_confused_pair_has_its_surest_error_and_the_training_example_nearest_in_words() -> None:
    report = _report(
        [
            ("where is my card", "arrival", "estimate", 0.5),
            ("when will my card come", "arrival", "estimate", 0.9),
            ("what is the fee", "fee", "rate", 0.7),
        ]
    )
    examples = pd.DataFrame(
        {
            "text": ["how many days does it take", "When will the card come", "the rate"],
            "label": ["estimate", "estimate", "rate"],
        }
    )
    pairs = report.confused_pairs(examples)
    assert pairs.iloc[0].tolist() == [
        "arrival", "estimate", 2, "when will my card come", "When will the card come",
    ]  # fmt: skip
    assert len(report.confused_pairs(examples, count=1)) == 1


def test_an_answer_without_training_examples_has_none_shown() -> None:
    report = _report([("what is the fee", "fee", "rate", 0.7)])
    pairs = report.confused_pairs(pd.DataFrame({"text": ["a"], "label": ["fee"]}))
    assert pairs["a training example of the answer"].tolist() == [""]
    assert _report([]).confused_pairs(pd.DataFrame({"text": [], "label": []})).empty
