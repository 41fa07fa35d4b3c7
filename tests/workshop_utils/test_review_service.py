"""Which service is chosen, with a local server that plays AWS."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_sagemaker.account_review import AccountReview
from workshop_utils import answers, human_review, review_service, reviewers
from workshop_utils.reviewers import Colleague
from workshop_utils.session import Session, SessionError


@pytest.fixture
def account(ws: Session) -> Session:
    """Return a session that cannot tell that its AWS is on this machine."""
    return dataclasses.replace(ws, local=None)


@pytest.fixture
def closed(ws: Session) -> Iterator[None]:
    """Let Amazon A2I refuse the account, as it does with new customers."""
    ws.break_on_purpose("ListFlowDefinitions", "AccessDeniedException", times=9)
    yield
    ws.break_on_purpose("ListFlowDefinitions", "AccessDeniedException", times=0)


def test_here_it_is_the_local_server(ws: Session) -> None:
    service = review_service.choose(ws)
    assert service.name == "the local SageMaker"
    assert service.script_link == service.portal
    assert "workteam/private-crowd" in service.team
    assert service.portal in service.link_html("words").replace("&amp;", "&")


def test_amazons_own_is_taken_where_the_account_has_it(account: Session) -> None:
    service = review_service.choose(account)
    assert service.name == "Amazon A2I"
    assert service.portal.startswith("https://")
    assert service.script_link is None
    assert review_service.choose(account, "a2i").team == service.team


@pytest.mark.usefixtures("closed")
def test_who_insists_on_amazons_own_is_told_why_not(account: Session) -> None:
    with pytest.raises(SessionError, match=r"cannot use Amazon A2I: .*AccessDenied"):
        review_service.choose(account, "a2i")


@pytest.mark.slow
@pytest.mark.usefixtures("closed")
def test_our_own_takes_its_place_and_answers_reach_the_account(
    account: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    review = human_review.set_up(account, name="test-own")
    started = account.start_reviews()
    try:
        assert review.service.name == "the review service in this space"
        assert "AccessDenied" in review.service.why
        assert "/proxy/" in review.service.portal
        assert review.service.script_link == started.script_link
        names = review.ask(["Loved it."])
        careful = Colleague("Ada", slips=0, unclear=0)
        reviewers.work(review, names, {"Loved it.": "positive"}, [careful])
        said = answers.collect(account, review.output)
        assert dict(zip(said.frame["text"], said.frame["label"], strict=True)) == {
            "Loved it.": "Positive"
        }
        review.delete()
    finally:
        answers.remove(account, review.output)
        AccountReview(account.account, account.region).stop()


@pytest.mark.slow
def test_it_takes_its_place_also_where_only_making_is_refused(
    ws: Session, account: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    ws.break_on_purpose("CreateFlowDefinition", "AccessDeniedException", times=1)
    try:
        review = human_review.set_up(account, name="test-half")
        assert "make nothing new" in review.service.why
        review.delete()
    finally:
        AccountReview(account.account, account.region).stop()
