"""Clean-up: what the workshop has left in an account, shown first and deleted then.

>>> from workshop_utils import cleanup
>>> plan = cleanup.plan(ws)  # doctest: +SKIP
>>> plan.run()  # doctest: +SKIP

Only what carries the workshop's tag is touched, and what hangs off it; ``docs/cleanup.md`` says
what is found how, and what is not looked for. The region is the session's, no other.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from workshop_utils.cleanup.bill import priced
from workshop_utils.cleanup.plan import Plan, Result, Scope
from workshop_utils.cleanup.resource import Resource
from workshop_utils.session import Session

__all__ = ["Plan", "Resource", "Result", "leftovers", "plan"]


def plan(
    session: Session,
    *,
    everything: bool = True,
    expired: bool = False,
    adopt: Iterable[str] = (),
    now: datetime | None = None,
) -> Plan:
    """Look what the workshop has left, and plan to delete it; nothing is deleted yet.

    Parameters
    ----------
    session
        Whose account and region.
    everything
        Whether it is about all labs, or about the session's only.
    expired
        Only endpoints (and whatever else has an expiry tag) that are past their time, with what
        only they use.
    adopt
        Names of resources without the workshop's tag that are to go as well.
    now
        The present; the clock's if None.
    """
    scope = Scope(None if everything else session.lab, expired, tuple(adopt))
    moment = now or datetime.now(UTC)
    seen = scope.look(session, moment)
    return Plan(
        session=session,
        scope=scope,
        resources=tuple(priced(session, seen.found)),
        lookalikes=tuple(seen.lookalikes),
        unknown=tuple(seen.unknown),
        unseen=dict(seen.unseen),
        notes=tuple(seen.notes),
        made=moment,
    )


def leftovers(session: Session) -> list[Resource]:
    """Return everything of the workshop's that is in the account and region of a session."""
    return Scope().look(session).found
