"""Carrying a plan out: stage by stage, several at once, on past whatever fails.

It knows how to go about it; what to do with a kind is `deletion`'s business.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from threading import Event

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.cleanup import marked
from workshop_utils.cleanup.asking import all_at_once
from workshop_utils.cleanup.errors import GaveUp, gone, persist, reason
from workshop_utils.cleanup.resource import MARKED, ROOT, TAG, Resource
from workshop_utils.cleanup.stages import STAGES, Stage
from workshop_utils.session import Session

Report = Callable[[str], object]
THROTTLED, IN_USE, LEAVING = 300.0, 60.0, 1200.0
"""Seconds for which throttling is borne, for which things that are in use are waited for, and
things that are stopping or being deleted: an endpoint on AWS takes minutes."""
_MOMENT = 2.0
"""Seconds for which the tag of what many things hang off is not asked for again."""


class NotOurs(Exception):
    """Between the look and the deletion the mark has gone: it is somebody else's by now."""


@dataclass
class Outcome:
    """What became of resources, by ARN.

    Attributes
    ----------
    done
        Those that are gone, or that AWS keeps and that the workshop has no mark on any more.
    failed
        Why others are not.
    """

    done: dict[str, Resource] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def carry_out(
    session: Session, resources: Iterable[Resource], report: Report, workers: int
) -> Outcome:
    """Stop and delete resources in the order that their kinds need.

    Parameters
    ----------
    session
        Whose account.
    resources
        What is to go.
    report
        Is told what has been done, line by line.
    workers
        Requests at once.
    """
    outcome = Outcome()
    stop = Event()
    marks = _Marks(session)
    left = list(resources)
    for stage in STAGES:
        # What cannot be stopped cannot be deleted either, nor what still has something in it; and
        # what marks something that is there must stay, too.
        kept = {one.details.get(ROOT) for one in left if one.arn in outcome.failed}
        for one in stage.of(left):
            if one.arn in kept and one.arn not in outcome.failed:
                outcome.failed[one.arn] = "something that hangs off it cannot be deleted"
        concerned = stage.of(one for one in left if one.arn not in outcome.failed)
        answers = all_at_once(partial(_one, session, stage, marks, stop), concerned, workers, stop)
        for one, failure in zip(concerned, answers, strict=True):
            if failure is not None:
                outcome.failed[one.arn] = failure
                report(f"  {one}: {failure}")
            else:
                outcome.done[one.arn] = one
        _tell(stage, concerned, outcome, report)
    return outcome


class _Marks:
    """Whether the workshop's tag is still on what had it, asked right before each deletion.

    Many things may hang off one: what was asked a moment ago is not asked again.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._held: dict[str, float] = {}

    def hold(self, one: Resource) -> bool:
        if one.why == TAG:
            return self._ask(one.arn)
        root = one.details.get(MARKED)
        if root is None:
            # Known by its name, or adopted: there is no mark that could have gone.
            return True
        if time.monotonic() - self._held.get(root, -_MOMENT) < _MOMENT:
            return True
        try:
            if not self._ask(root):
                return False
        except ClientError as error:
            # An endpoint goes before its log group.
            if not gone(error):
                raise
        self._held[root] = time.monotonic()
        return True

    def _ask(self, arn: str) -> bool:
        return marked.ours(marked.tags_now(self._session, arn))


def _one(session: Session, stage: Stage, marks: _Marks, stop: Event, one: Resource) -> str | None:
    """Do a stage's step with one resource; return why it did not work, or None."""

    def step() -> None:
        if not marks.hold(one):
            raise NotOurs
        stage.step(session, one)

    try:
        persist(step, passing=THROTTLED, busy=LEAVING if stage.takes_long else IN_USE, stop=stop)
    except NotOurs:
        return "it does not carry the workshop's tag any more, so it is left alone"
    except (BotoCoreError, ClientError, GaveUp) as error:
        return None if gone(error) else reason(error)
    return None


def _tell(stage: Stage, concerned: list[Resource], outcome: Outcome, report: Report) -> None:
    counts: dict[str, int] = {}
    for one in concerned:
        if one.arn not in outcome.failed:
            counts[one.words] = counts.get(one.words, 0) + 1
    for words, count in counts.items():
        report(f"  {stage.verb}: {count} {words}{'s' if count > 1 else ''}")
