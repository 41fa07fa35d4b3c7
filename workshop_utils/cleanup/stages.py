"""The order in which things go: what starts other things first, what marks other things last.

A log stream is the workshop's because its job is; were the job deleted first, and clean-up killed
before the stream, nobody could tell any more. So everything goes before what it hangs off.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workshop_utils.cleanup import deletion, kinds
from workshop_utils.cleanup.deletion import Step
from workshop_utils.cleanup.kinds import UNDER_WAY
from workshop_utils.cleanup.resource import Resource
from workshop_utils.session import Session


@dataclass(frozen=True)
class Stage:
    """What is done at the same time.

    Attributes
    ----------
    step
        What is done with each resource.
    kinds
        With those of these kinds.
    only
        With those of them that this holds for.
    verb
        What has happened to them then.
    takes_long
        Whether AWS needs minutes for it.
    """

    step: Step
    kinds: tuple[str, ...]
    only: Callable[[Resource], bool] = lambda _: True
    verb: str = "gone"
    takes_long: bool = False

    def of(self, resources: Iterable[Resource]) -> list[Resource]:
        """Return the resources that this stage is about."""
        return [one for one in resources if one.kind in self.kinds and self.only(one)]


def _stopping(*which: str) -> Stage:
    return Stage(deletion.stop, which, _running, verb="stopped", takes_long=True)


def _running(one: Resource) -> bool:
    return one.status in UNDER_WAY


def _end_job(session: Session, one: Resource) -> None:
    if deletion.undeletable(session, one):
        deletion.forget(session, one)
    else:
        deletion.delete(session, one)


STAGES = (
    # What would start something new.
    Stage(deletion.delete, (kinds.SCHEDULE, kinds.MONITORING)),
    _stopping(kinds.EXECUTION),
    _stopping(kinds.TUNING, kinds.AUTOML),
    # What is billed by the hour.
    Stage(deletion.delete, (kinds.COMPONENT,), takes_long=True),
    Stage(deletion.delete, (kinds.ENDPOINT,), takes_long=True),
    _stopping(kinds.TRAINING, kinds.PROCESSING, kinds.TRANSFORM),
    # What is free, from the leaves to the roots.
    Stage(
        deletion.delete,
        (kinds.CONFIG, kinds.MODEL, kinds.LOOP, kinds.PACKAGE, kinds.TRIAL_COMPONENT),
    ),
    Stage(deletion.delete, (kinds.FLOW, kinds.GROUP, kinds.TRIAL)),
    Stage(deletion.delete, (kinds.TASK_UI, kinds.TEAM, kinds.EXPERIMENT)),
    Stage(deletion.delete, (kinds.PIPELINE, kinds.LOG_STREAM, kinds.LOG_GROUP)),
    Stage(_end_job, kinds.JOBS),
    # Last: whatever ran until now wrote here.
    Stage(deletion.delete, (kinds.OBJECTS,)),
)
