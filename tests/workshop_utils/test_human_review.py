"""Asking people and their answering, through the API and the portal of a real local server."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from workshop_utils import answers, human_review, review_service, reviewers
from workshop_utils.human_loops import Review, ReviewFailed
from workshop_utils.reviewers import Colleague, PortalClient, PortalRefused, TaskGone
from workshop_utils.session import Session, SessionError

TRUTH = {
    "Loved it.": "positive",
    "Hated it. Ça alors!": "negative",
    "<script>alert(1)</script> is what I'd call it": "negative",
    "映画は素晴らしい": "positive",
}
CAREFUL = [Colleague(name, slips=0, unclear=0) for name in ("Ada", "Ben", "Chidi")]


SignIn = Callable[[str], PortalClient]


@pytest.fixture
def sign_in(review: Review) -> Iterator[SignIn]:
    """Return what signs somebody in to the portal; the connections are closed at the end."""
    with ExitStack() as clients:

        def signed_in(name: str) -> PortalClient:
            client = PortalClient(str(review.service.script_link), name)
            clients.callback(client.close)
            return client

        yield signed_in


@pytest.fixture
def review(ws: Session) -> Iterator[Review]:
    found = human_review.set_up(ws, people=3, name="test-review")
    yield found
    found.delete()
    answers.remove(ws, found.output)


def test_a_second_set_up_finds_the_first(ws: Session, review: Review) -> None:
    again = human_review.set_up(ws, people=3, name="test-review")
    assert again.arn == review.arn
    other = human_review.set_up(ws, people=1, name="test-review")
    assert other.arn != review.arn
    other.delete()


def test_it_says_who_is_asked_and_where_to_answer(review: Review) -> None:
    card = review._repr_html_()
    assert "the local SageMaker" in card
    assert "3 people for each task" in card
    assert "/portal/#code=" in card


def test_nobody_is_asked_twice(review: Review, capsys: pytest.CaptureFixture[str]) -> None:
    names = review.ask(["a", "b", "a ", "b"])
    assert len(names) == len(set(names)) == 2
    assert review.ask(["b", "c"])[0] == names[1]
    assert "1 tasks given to people, 1 were known" in capsys.readouterr().out
    assert set(review.loops().values()) == {"InProgress"}
    assert review.wait(names, seconds=0) == Counter(InProgress=2)


def test_a_text_whose_loop_ended_in_vain_is_asked_about_again(
    review: Review, capsys: pytest.CaptureFixture[str]
) -> None:
    first, other = review.ask(["in vain", "still open"])
    for attempt in (2, 3):
        [latest, _] = review.ask(["in vain", "still open"])
        review.service.runtime.stop_human_loop(HumanLoopName=latest)
        capsys.readouterr()
        again = review.ask(["in  vain", "in vain", "still open"])
        assert again == [f"{first}-{attempt}", other]
        assert "1 tasks given to people, 1 were known" in capsys.readouterr().out
    assert Counter(review.loops().values()) == Counter(Stopped=2, InProgress=2)


def test_a_wait_may_be_interrupted_at_once(
    review: Review, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: Review) -> dict[str, str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(Review, "loops", interrupted)
    assert review.wait(["anything"]) == {}
    assert "who has not answered still can" in capsys.readouterr().out


def test_colleagues_answer_everything_through_the_portal(ws: Session, review: Review) -> None:
    names = review.ask(TRUTH)
    reviewers.work(review, names, TRUTH, CAREFUL)
    assert review.wait(names) == Counter(Completed=len(TRUTH))
    found = answers.collect(ws, review.output)
    assert dict(zip(found.frame["text"], found.frame["label"].str.lower(), strict=True)) == TRUTH
    assert set(found.frame["votes"]) == {"3 Positive", "3 Negative"}
    output = json.loads(ws.read(review.describe(names[0])["HumanLoopOutput"]["OutputS3Uri"]))
    assert len({answer["workerId"] for answer in output["humanAnswers"]}) == 3
    # A person may come back to answered tasks without doing harm.
    reviewers.work(review, names, TRUTH, CAREFUL)
    assert answers.versions_of(ws, review.output) == found.version


def all_flows(review: Review) -> list[str]:
    pages = review.service.sagemaker.get_paginator("list_flow_definitions").paginate()
    return [flow["FlowDefinitionArn"] for page in pages for flow in page["FlowDefinitionSummaries"]]


def of_review(person: PortalClient, review: Review) -> dict[str, Any]:
    """Take a task of this review; those of other tests, on the same server, are given back."""
    for job in person.jobs():
        task = person.take(job["id"])
        assert task is not None
        if task["loop"].startswith(review.name):
            return task
        person.release(task)
    raise AssertionError("there is no task of this review")


def test_people_and_scripts_share_the_work(ws: Session, review: Review, sign_in: SignIn) -> None:
    names = review.ask(TRUTH)
    person = sign_in("Somebody with a name")
    task = of_review(person, review)
    text = task["input"]["taskObject"]
    held = person.submit(task, {"category": {"label": "Not clear"}})
    assert held is not None
    person.release(held)
    reviewers.work(review, names, TRUTH, [*CAREFUL[:2], Colleague("Dora", slips=0, unclear=1)])
    frame = answers.collect(ws, review.output).frame.set_index("text")
    assert "Not clear" in frame.loc[text, "votes"]
    assert frame["disputed"].all()


def test_colleagues_do_not_wait_for_what_somebody_else_has_in_hand(
    review: Review, capsys: pytest.CaptureFixture[str]
) -> None:
    names = review.ask(TRUTH)
    reviewers.work(review, names, TRUTH, CAREFUL[:2])
    said = capsys.readouterr().out
    assert "0 of 4 tasks have ended" in said
    assert "want more people than there are" in said
    assert set(review.loops().values()) == {"InProgress"}


def test_a_task_that_is_gone_is_told_from_other_refusals(review: Review, sign_in: SignIn) -> None:
    [name] = review.ask(["stopped meanwhile"])
    person = sign_in("Slow")
    held = of_review(person, review)
    person.release(held)
    with pytest.raises(TaskGone):
        person.submit(held, {"category": {"label": "Positive"}})
    with pytest.raises(PortalRefused, match="no such page"):
        person._ask("nowhere", x="y")
    assert review.loops() == {name: "InProgress"}


def test_a_wrong_code_opens_nothing(review: Review) -> None:
    link = str(review.service.script_link)
    with pytest.raises(PortalRefused, match="not the access code"):
        PortalClient(link.replace("#code=", "#code=x"), "Mallory")


def test_colleagues_slip_as_often_as_they_are_said_to() -> None:
    truth = {f"text {number}": "positive" for number in range(2000)}
    judge = Colleague("Ben", slips=0.1, unclear=0.05).judge(truth)
    said = Counter(map(judge, truth))
    assert said["Negative"] / 2000 == pytest.approx(0.1, abs=0.03)
    assert said["Not clear"] / 2000 == pytest.approx(0.05, abs=0.02)
    assert judge("never heard of it") == "Not clear"
    assert [judge(text) for text in truth] == [judge(text) for text in truth]


def test_the_page_shows_the_text_and_runs_none_of_it(review: Review) -> None:
    page = human_review.preview(review, "<script>alert(1)</script> it's")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; it&#39;s" in page
    assert "Not clear" in page


def test_what_cannot_be_asked_is_told(review: Review) -> None:
    with pytest.raises(ReviewFailed, match="refused"):
        review.ask(["x" * 3_200_000])


def test_services_are_named(ws: Session) -> None:
    with pytest.raises(SessionError, match="no review service 'mturk'"):
        review_service.choose(ws, "mturk")


def test_what_is_deleted_can_be_made_anew(review: Review) -> None:
    names = review.ask(["once"])
    review.delete()
    review.delete()
    again = human_review.set_up(review.session, people=3, name="test-review")
    assert again.ask(["once"]) == names
    assert again.loops() == {names[0]: "InProgress"}


def test_it_is_deleted_also_while_somebody_is_at_work(review: Review, sign_in: SignIn) -> None:
    review.ask(["one", "two"])
    person = sign_in("At work")
    held = of_review(person, review)
    review.delete()
    review.delete()
    with pytest.raises(ReviewFailed, match="somebody is still in one of its tasks"):
        human_review.set_up(review.session, people=3, name="test-review")
    person.release(held)
    assert held["job"] not in [job["id"] for job in person.jobs()]
    while review.arn in all_flows(review):
        time.sleep(0.05)
    again = human_review.set_up(review.session, people=3, name="test-review")
    assert again.loops() == {}
