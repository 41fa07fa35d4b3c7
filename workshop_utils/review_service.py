"""Which service asks people: Amazon A2I where the account has it, or the one that comes along.

Amazon A2I has been closed to new customers since July 2026, and many workshop accounts may not make
a workforce. The service that comes along speaks the same API, so nobody but this module can tell.
"""

import html
import os
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.session import Session, SessionError

A2I = "Amazon A2I"
CHOICES = ("auto", "a2i", "own")
_VARIABLE = "WORKSHOP_REVIEWS"


@dataclass(frozen=True)
class ReviewService:
    """A service that offers tasks to people.

    Attributes
    ----------
    name, why
        What it is, and why it was chosen.
    portal
        Where people work: a link that opens the portal.
    script_link
        The same for a script on this machine; None where scripts cannot sign in.
    team
        The ARN of the team that gets the tasks.
    sagemaker, runtime
        Clients of the two APIs that A2I consists of.
    """

    name: str
    why: str
    portal: str
    script_link: str | None
    team: str
    sagemaker: Any = field(repr=False)
    runtime: Any = field(repr=False)

    def link_html(self, words: str) -> str:
        """Return the portal's link as HTML; it opens beside the notebook."""
        return (
            f"<p><a href='{html.escape(self.portal)}' target='_blank' rel='noopener'>"
            f"{html.escape(words)}</a></p>"
        )


def choose(session: Session, wanted: str = "auto") -> ReviewService:
    """Return the service to use.

    Parameters
    ----------
    session
        Whose account.
    wanted
        ``a2i``, ``own``, or ``auto``: what ``$WORKSHOP_REVIEWS`` says, and if it is not set, Amazon
        A2I if the account may use it and has a private team, otherwise our own.

    Raises
    ------
    SessionError
        When A2I is asked for by name and the account does not have it, or our own does not start.
    """
    if wanted == "auto":
        wanted = os.environ.get(_VARIABLE, "auto")
    if wanted not in CHOICES:
        raise SessionError(f"There is no review service {wanted!r}: say {' or '.join(CHOICES)}.")
    if wanted == "own" and session.review_portal() is None:
        return own(session, "it was asked for")
    found, reason = available(session)
    if found is not None:
        return found
    if wanted == "a2i":
        raise SessionError(f"This account cannot use Amazon A2I: {reason}.")
    return own(session, reason)


def available(session: Session) -> tuple[ReviewService | None, str]:
    """Return the service that the account has, or None and why it has none; nothing is started."""
    here = session.review_portal()
    if here is None:
        return _amazon(session)
    client = session.client("sagemaker")
    service = ReviewService(
        name="the local SageMaker",
        why="it speaks A2I's API and brings a portal of its own",
        portal=here,
        script_link=here,
        team=_first_team(client) or "",
        sagemaker=client,
        runtime=session.client("sagemaker-a2i-runtime"),
    )
    return service, ""


def _amazon(session: Session) -> tuple[ReviewService | None, str]:
    client = session.client("sagemaker")
    try:
        client.list_flow_definitions(MaxResults=1)
        team = _first_team(client)
    except (BotoCoreError, ClientError) as error:
        return None, f"Amazon A2I refuses this account ({_code(error)})"
    if team is None:
        return None, "the account has no private workteam, which only a Cognito workforce brings"
    domain = client.describe_workteam(WorkteamName=team.rsplit("/", 1)[-1])["Workteam"]["SubDomain"]
    service = ReviewService(
        name=A2I,
        why="the account has it, with a private team",
        portal=f"https://{domain}",
        script_link=None,
        team=team,
        sagemaker=client,
        runtime=session.client("sagemaker-a2i-runtime"),
    )
    return service, ""


def own(session: Session, reason: str) -> ReviewService:
    """Start the service that comes along, or find it; say why it is used."""
    started = session.start_reviews()
    client = started.client("sagemaker")
    return ReviewService(
        name="the review service in this space",
        why=f"{reason}; it speaks A2I's API and puts the answers into your bucket",
        portal=started.portal,
        script_link=started.script_link,
        team=_first_team(client) or "",
        sagemaker=client,
        runtime=started.client("sagemaker-a2i-runtime"),
    )


def _first_team(client: Any) -> str | None:
    teams = client.list_workteams(SortOrder="Descending")["Workteams"]
    private = [
        str(team["WorkteamArn"]) for team in teams if "/private-crowd/" in team["WorkteamArn"]
    ]
    return private[0] if private else None


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Code"])
    return type(error).__name__
