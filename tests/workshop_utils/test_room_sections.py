"""The section that somebody is in, told from what a lab has made, and the notebooks' numbers."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workshop_utils.room.events import Event, Kind
from workshop_utils.room.sections import LABS, Lab, place
from workshop_utils.zero_shot_rows import Rows

BEGAN = datetime(2026, 11, 29, 9, tzinfo=UTC)


def event(
    kind: Kind, status: str, minute: int, lab: str, name: str = "it", since: int | None = None
) -> Event:
    began = BEGAN + timedelta(minutes=minute if since is None else since)
    at = BEGAN + timedelta(minutes=minute)
    return Event(kind, name, f"arn:{kind}/{name}", lab, status, began, at)


def batch(number: int, rows: Rows) -> str:
    """Return the name of a transform job, as `batch.start` and `Session.name` make it."""
    return f"nlp-workshop-{number}-parts-{rows.name}-261129-090000-c0ffee"


BARE = Rows(["Finance", "Humor"])
OWN = Rows("choices")
DESCRIBED = Rows(["Finance", "Humor"], descriptions={"Humor": "a joke"})


@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.name)
def test_every_section_is_one_of_the_notebooks_headings(lab: Lab, repository: Path) -> None:
    notebook = json.loads((repository / lab.notebook).read_text(encoding="utf-8"))
    text = "\n".join("".join(cell["source"]) for cell in notebook["cells"])
    headings = {int(number) for number in re.findall(r"^## (\d+)\. ", text, re.MULTILINE)}
    assert {sign.section for sign in lab.signs} <= headings
    assert f'start("{lab.name}")' in text


FEW_SHOT = [
    (event("training job", "InProgress", 1, "few-shot"), 4),
    (event("training job", "Completed", 3, "few-shot", since=1), 5),
    (event("training job", "InProgress", 4, "few-shot", "fewer"), 5),
    (event("endpoint", "Creating", 9, "few-shot"), 7),
    (event("endpoint", "InService", 12, "few-shot", since=9), 7),
    (event("endpoint", "Creating", 20, "few-shot", "nlp-workshop-gpt-neo-stand-in"), 8),
]
ZERO_SHOT = [
    (event("model", "", 1, "zero-shot"), 4),
    (event("endpoint", "Creating", 2, "zero-shot"), 4),
    (event("endpoint", "InService", 5, "zero-shot", since=2), 5),
    (event("transform job", "InProgress", 9, "zero-shot", batch(1, BARE)), 6),
    (event("transform job", "Completed", 11, "zero-shot", batch(1, BARE), since=9), 6),
    (event("transform job", "InProgress", 15, "zero-shot", batch(3, DESCRIBED)), 7),
    (event("transform job", "Completed", 17, "zero-shot", batch(3, DESCRIBED), since=15), 7),
    (event("endpoint", "Creating", 20, "zero-shot", "nlp-workshop-gpt-neo"), 8),
]
# Who does not skip section 6's cell with labels of its own has a job more.
ALL_OF_ZERO_SHOT = [
    *ZERO_SHOT[:5],
    (event("transform job", "InProgress", 12, "zero-shot", batch(2, OWN)), 6),
    (event("transform job", "Completed", 14, "zero-shot", batch(2, OWN), since=12), 6),
    *ZERO_SHOT[5:],
]
SENTIMENT = [
    (event("pipeline", "", 1, "sentiment"), 3),
    (event("pipeline execution", "Executing", 2, "sentiment", "one"), 3),
    (event("flow definition", "Active", 4, "sentiment"), 4),
    (event("pipeline execution", "Succeeded", 9, "sentiment", "one", since=2), 5),
    (event("endpoint", "Creating", 10, "sentiment"), 6),
    (event("endpoint", "InService", 13, "sentiment", since=10), 7),
    (event("human loop", "InProgress", 15, "sentiment"), 8),
    (event("flow definition", "Active", 18, "sentiment", "of one person"), 8),
    (event("pipeline execution", "Executing", 20, "sentiment", "two"), 9),
    (event("endpoint", "Updating", 25, "sentiment", since=10), 9),
    (event("endpoint", "InService", 27, "sentiment", since=10), 10),
]


@pytest.mark.parametrize(
    ("number", "story"),
    [(1, FEW_SHOT), (2, ZERO_SHOT), (2, ALL_OF_ZERO_SHOT), (3, SENTIMENT)],
    ids=["1", "2, core path", "2, all cells", "3"],
)
def test_a_lab_is_followed_section_by_section(number: int, story: list[tuple[Event, int]]) -> None:
    seen: dict[str, Event] = {}
    for last, section in story:
        # A look shows each resource in its present state only.
        seen[last.arn] = last
        found = place(seen.values())
        assert found is not None
        assert (found.lab, found.section, found.since) == (number, section, last.at)
        assert found.doing == f"{last.kind} {last.status or 'made'}"


def test_a_review_that_is_set_up_anew_before_anybody_is_asked_is_section_4_still() -> None:
    first = event("flow definition", "Active", 4, "sentiment", "of three people")
    second = event("flow definition", "Active", 6, "sentiment", "of two people")
    found = place([first, second])
    assert found is not None
    assert (found.section, found.since) == (4, second.at)


def test_who_has_gone_on_to_another_lab_is_there() -> None:
    before = [one for one, _ in SENTIMENT]
    now = event("training job", "InProgress", 60, "few-shot")
    found = place([now, *before])
    assert found is not None
    assert (found.lab, found.section) == (1, 4)


def test_what_says_nothing_tells_the_lab_at_least() -> None:
    assert place([]) is None
    assert place([event("model", "", 1, "somebody's own")]) is None
    found = place([event("processing job", "InProgress", 1, "sentiment")])
    assert found is not None
    assert (found.lab, found.section) == (3, None)
