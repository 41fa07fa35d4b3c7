"""Which service is chosen, with a local server that plays AWS."""

import dataclasses
from collections.abc import Iterator

import pytest

from workshop_utils import review_service
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
