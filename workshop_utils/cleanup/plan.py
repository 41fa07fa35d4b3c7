"""What would be deleted, shown before it is; and what came of it.

It knows plans and results; it must not know how a kind is found or deleted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from workshop_utils.cleanup import expiry, page, text, work
from workshop_utils.cleanup.asking import WORKERS
from workshop_utils.cleanup.kinds import SPAWNED
from workshop_utils.cleanup.look import Look, look
from workshop_utils.cleanup.resource import ADOPTED, Resource, timestamp
from workshop_utils.session import Session

_FRESH = 10.0
"""Seconds for which a plan is taken for what the account looks like."""
_ROUNDS = 3


@dataclass(frozen=True)
class Scope:
    """What clean-up is about.

    Attributes
    ----------
    lab
        Only what this lab has made; all labs if None.
    expired
        Only what is past the time that its tag gives it.
    adopt
        Names of resources that nothing marks, and that are to go all the same.
    """

    lab: str | None = None
    expired: bool = False
    adopt: tuple[str, ...] = ()

    def look(self, session: Session, now: datetime | None = None) -> Look:
        """Return what is in an account, as far as this is about it."""
        seen = look(session, lab=self.lab, adopt=self.adopt)
        if self.expired:
            seen.found = expiry.past(session, seen.found, now or datetime.now(UTC))
        return seen


@dataclass(frozen=True)
class Plan:
    """What would be deleted; nothing is until `run`.

    Attributes
    ----------
    session, scope
        Whose account, and what it is about.
    resources
        What would go.
    lookalikes
        What has the workshop's name and not its tag, and stays.
    unknown
        ARNs with the workshop's tag of kinds that clean-up does not know.
    unseen
        Kinds that could not be looked at, and why.
    notes
        What else to know.
    made
        When the account was looked at.
    """

    session: Session = field(repr=False)
    scope: Scope
    resources: tuple[Resource, ...]
    lookalikes: tuple[Resource, ...]
    unknown: tuple[str, ...]
    unseen: dict[str, str]
    notes: tuple[str, ...]
    made: datetime

    @property
    def usd_per_hour(self) -> float:
        """What the resources cost together, as far as it is known."""
        return sum(one.usd_per_hour or 0.0 for one in self.resources)

    def run(self, report: Callable[[str], object] = print, *, workers: int = WORKERS) -> "Result":
        """Delete everything that is in the plan, and look again.

        What was made under the same name since the plan was is left alone, and so is what has lost
        the workshop's tag. What cannot be deleted is reported, and the rest goes on. An interrupted
        run can be repeated.

        Parameters
        ----------
        report
            Is told, line by line, what has been done.
        workers
            Requests at once.
        """
        started = datetime.now(UTC)
        outcome = work.Outcome()
        waiting = (
            self._still_there()
            if (started - self.made).total_seconds() > _FRESH
            else list(self.resources)
        )
        for _ in range(_ROUNDS):
            if waiting:
                done = work.carry_out(self.session, waiting, report, workers)
                outcome.done |= done.done
                outcome.failed |= done.failed
            seen = self.scope.look(self.session, self.made if self.scope.expired else None)
            waiting = [one for one in self._due(seen) if one.arn not in outcome.failed]
            if not waiting:
                break
        left = tuple(
            replace(one, note=outcome.failed.get(one.arn) or _why_left(one, self))
            for one in seen.found
        )
        there = {one.arn for one in seen.found}
        deleted = tuple(one for arn, one in outcome.done.items() if arn not in there)
        # Failed, and gone all the same: somebody else was cleaning up, too.
        failed = {arn: why for arn, why in outcome.failed.items() if arn in there}
        seconds = (datetime.now(UTC) - started).total_seconds()
        return Result(self, deleted, left, failed, seen.unseen, seen.unknown, seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "account": self.session.account,
            "region": self.session.region,
            "lab": self.scope.lab,
            "expired_only": self.scope.expired,
            "made": timestamp(self.made),
            "usd_per_hour": self.usd_per_hour,
            "resources": [one.to_dict() for one in self.resources],
            "lookalikes": [one.to_dict() for one in self.lookalikes],
            "unknown": list(self.unknown),
            "not_looked_at": self.unseen,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return text.plan(self)

    def _repr_html_(self) -> str:
        return page.plan(self)

    def _still_there(self) -> list[Resource]:
        """Return what is there of the plan: the very same resources, still marked."""
        return self._due(self.scope.look(self.session, self.made if self.scope.expired else None))

    def _due(self, seen: Look) -> list[Resource]:
        """Return what may go: what the plan has, and what that has made in the meantime."""
        planned = {one.arn: one for one in self.resources}
        return [
            one
            for one in seen.found
            if (one.arn in planned and one.same(planned[one.arn]))
            or (one.kind in SPAWNED and one.why != ADOPTED)
        ]


@dataclass(frozen=True)
class Result:
    """What came of a plan.

    Attributes
    ----------
    plan
        Which.
    deleted
        What is gone.
    left
        What the second look found; a resource's note says why it is there.
    failed
        Why resources could not be deleted, by ARN.
    unseen
        Kinds that the second look could not see, and why.
    unknown
        ARNs with the workshop's tag of kinds that clean-up does not know.
    seconds
        How long it took.
    """

    plan: Plan = field(repr=False)
    deleted: tuple[Resource, ...]
    left: tuple[Resource, ...]
    failed: dict[str, str]
    unseen: dict[str, str]
    unknown: list[str]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether the second look saw everything, and nothing that is the workshop's."""
        return not (self.left or self.unseen or self.unknown)

    def to_dict(self) -> dict[str, Any]:
        """Return it for a program."""
        session = self.plan.session
        return {
            "account": session.account,
            "region": session.region,
            "ok": self.ok,
            "deleted": [one.to_dict() for one in self.deleted],
            "left": [
                one.to_dict() | {"console": text.console_link(session.region, one)}
                for one in self.left
            ],
            "not_looked_at": self.unseen,
            "unknown": self.unknown,
            "seconds": round(self.seconds, 1),
        }

    def __str__(self) -> str:
        return text.result(self)

    def _repr_html_(self) -> str:
        return page.result(self)


def _why_left(one: Resource, plan: Plan) -> str:
    planned = {known.arn: known for known in plan.resources}.get(one.arn)
    if planned is None:
        return "it is newer than the plan: make another one"
    if not one.same(planned):
        return "it was made anew since the plan: make another one"
    return "it is there in spite of having been deleted: make another plan"
