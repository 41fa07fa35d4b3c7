import pandas as pd
import pytest

from workshop_utils.confidence import ConfidenceRule, reliability, trade_off

SCORES = [0.55, 0.6, 0.9, 0.95]
RIGHT = [False, True, True, True]


def test_what_is_below_the_threshold_is_sent_and_what_reaches_it_is_not() -> None:
    unsure = ConfidenceRule(0.9).unsure([0.5, 0.899, 0.9, 1.0])
    assert list(unsure) == [True, True, False, False]
    assert list(ConfidenceRule(0.9).unsure([])) == []


@pytest.mark.parametrize("threshold", [0.5, 0.0, 1.01, float("nan")])
def test_a_threshold_that_decides_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"above 0\.5"):
        ConfidenceRule(threshold)


def test_a_confidence_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.2"):
        ConfidenceRule(0.9).unsure([0.7, 1.2])


def test_each_threshold_has_its_price_and_its_gain() -> None:
    curve = trade_off(SCORES, RIGHT)
    nobody, everybody = curve.iloc[0], curve.iloc[-1]
    assert (nobody["sent"], nobody["kept_accuracy"], nobody["accuracy"]) == (0, 0.75, 0.75)
    assert (everybody["sent"], everybody["kept_accuracy"], everybody["accuracy"]) == (1, 1, 1)
    at = curve[curve["threshold"] == 0.6].iloc[0]
    assert (at["sent"], at["kept_accuracy"], at["accuracy"]) == (0.25, 1, 1)
    assert curve["sent"].is_monotonic_increasing
    assert curve["accuracy"].is_monotonic_increasing


def test_confidences_and_judgements_must_fit() -> None:
    with pytest.raises(ValueError, match="3 confidences and 4"):
        trade_off(SCORES[:3], RIGHT)
    with pytest.raises(ValueError, match="0 confidences"):
        trade_off([], [])


def test_reliability_counts_every_row_once() -> None:
    table = reliability(pd.Series([*SCORES, 1.0, 0.5]), pd.Series([*RIGHT, True, False]))
    assert table["rows"].sum() == 6
    first = table.iloc[0]
    assert (first["rows"], first["accuracy"]) == (2, 0)
    assert table["confidence"].between(table["low"], table["high"]).all()


@pytest.mark.parametrize(("share", "sent"), [(0, 0), (0.25, 1), (0.5, 2), (0.9, 3), (1, 4)])
def test_a_threshold_is_found_for_what_people_can_read(share: float, sent: int) -> None:
    scores = [0.9, 0.6, 0.8, 0.7]
    assert ConfidenceRule.for_share(scores, share).unsure(scores).sum() == sent


def test_no_more_is_sent_where_confidences_are_equal() -> None:
    scores = [0.5, 0.5, 0.9, 0.9, 0.9, 0.9]
    assert ConfidenceRule.for_share(scores, 0.5).unsure(scores).sum() == 2


def test_a_share_must_be_one_and_be_of_something() -> None:
    with pytest.raises(ValueError, match="no confidences"):
        ConfidenceRule.for_share([], 0.3)
    with pytest.raises(ValueError, match="share is 30"):
        ConfidenceRule.for_share([0.9], 30)
