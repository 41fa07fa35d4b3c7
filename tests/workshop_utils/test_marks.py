"""The tag that says until when a resource is needed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from workshop_utils.marks import EXPIRES, Malformed, expires, expiry_tag

_NOON = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def test_what_is_written_is_read_again() -> None:
    tag = expiry_tag(8, now=_NOON)
    assert tag == {"Key": EXPIRES, "Value": "2026-11-29T20:00:00Z"}
    assert expires([{"Key": "workshop", "Value": "x"}, tag]) == _NOON + timedelta(hours=8)
    assert expires({tag["Key"]: tag["Value"]}) == _NOON + timedelta(hours=8)


def test_other_time_zones_are_written_as_utc() -> None:
    there = _NOON.astimezone(timezone(timedelta(hours=-7)))
    assert expiry_tag(0.5, now=there)["Value"] == "2026-11-29T12:30:00Z"


def test_what_has_no_tag_does_not_expire() -> None:
    assert expires([]) is None
    assert expires({"workshop": "nlp-workshop"}) is None


@pytest.mark.parametrize("value", ["", "tomorrow", "2026-11-29", "2026-13-01T00:00:00Z", "8"])
def test_a_value_that_is_no_time_is_reported_and_does_not_expire(value: str) -> None:
    with pytest.warns(Malformed, match="no time"):
        assert expires([{"Key": EXPIRES, "Value": value}]) is None


@pytest.mark.parametrize("hours", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_time_that_never_comes_is_refused(hours: float) -> None:
    with pytest.raises(ValueError, match="hours"):
        expiry_tag(hours, now=_NOON)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        expiry_tag(8, now=datetime(2026, 11, 29, 12, 0))  # noqa: DTZ001 - what is refused
