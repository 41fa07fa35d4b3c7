"""Puts the rooms of human review together, and lets time pass for them.

It knows every module of this package; it must not do anything itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

from local_sagemaker.database import now
from local_sagemaker.human_review.account_outputs import AccountOutputs
from local_sagemaker.human_review.endings import Endings
from local_sagemaker.human_review.flow_definitions import FlowDefinitions
from local_sagemaker.human_review.flows import Flows
from local_sagemaker.human_review.human_loops import HumanLoops
from local_sagemaker.human_review.loops import Loops
from local_sagemaker.human_review.outputs import LocalOutputs, Outputs
from local_sagemaker.human_review.presence import Presence
from local_sagemaker.human_review.task_uis import TaskUis
from local_sagemaker.human_review.templates import Templates
from local_sagemaker.human_review.time_keeper import TimeKeeper
from local_sagemaker.human_review.workers import Workers
from local_sagemaker.human_review.worklist import Worklist
from local_sagemaker.human_review.workteams import Workteams
from local_sagemaker.identity import Identity
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.settings import Settings


@dataclass(frozen=True)
class Surroundings:
    """The rooms of the server that human review uses."""

    settings: Settings
    resources: Resources
    objects: Objects
    identity: Identity


class HumanReview:
    """Human review of one server.

    Parameters
    ----------
    around
        The server.
    outputs
        Where answers go; as the settings say if None: the server's own S3, or the account's.
    presence
        How long a page that is not heard of keeps its task.
    clock
        Returns the time in seconds since the epoch.

    Attributes
    ----------
    workers
        Who may answer.
    worklist
        What they do.
    templates
        How a task looks.
    """

    def __init__(
        self,
        around: Surroundings,
        outputs: Outputs | None = None,
        presence: Presence | None = None,
        clock: Callable[[], float] = now,
    ) -> None:
        settings, resources = around.settings, around.resources
        database = resources.records.database
        local = LocalOutputs(around.objects, around.identity, settings.url)
        if outputs is None:
            outputs = _account(settings) if settings.answers_to_account else local
        portal = f"127.0.0.1:{settings.port}/portal"
        issuer = f"http://{portal}"
        self._keeper = TimeKeeper("human review", clock)
        self.workers = Workers(database, settings.account, settings.region)
        self.templates = Templates(outputs)
        flows = Flows(database)
        self._endings = Endings(database, flows, outputs, issuer, self._keeper, clock)
        loops = Loops(database, flows, self._endings, self._keeper, clock)
        self._presence = presence or Presence()
        self.worklist = Worklist(database, self._endings, self._presence, self._keeper, clock)
        self._workteams = Workteams(resources, portal, issuer)
        self._task_uis = TaskUis(resources, around.objects, local, self.templates)
        self._definitions = FlowDefinitions(
            resources, flows, loops, outputs, self._workteams, self._keeper, clock
        )
        self._human_loops = HumanLoops(
            database, self._definitions, flows, loops, self._task_uis, self.templates
        )

    def operations(self) -> dict[str, Handler]:
        """Return the handlers of the control plane, by operation name."""
        return {
            **self._workteams.operations(),
            **self._task_uis.operations(),
            **self._definitions.operations(),
        }

    def runtime_operations(self) -> dict[str, Handler]:
        """Return the handlers of ``sagemaker-a2i-runtime``, by operation name."""
        return self._human_loops.operations()

    def recover(self) -> None:
        """Go on where the last server ended, and let time pass from now on."""
        self._endings.recover()
        self.worklist.recover()
        self._definitions.recover()
        self._keeper.start([self._end_assignments, self._end_loops, self._definitions.go_on])

    def look(self) -> None:
        """Look at the clock now, because it was set."""
        self._keeper.at(float("-inf"))

    def close(self) -> None:
        """Stop; what is under way goes on at the next start."""
        self._keeper.close()
        self.templates.close()

    def _end_assignments(self) -> float:
        for loop in self.worklist.take_back():
            self._endings.finish(loop)
        deadline = self.worklist.next_deadline()
        return min(self._presence.next_check(), float("inf") if deadline is None else deadline)

    def _end_loops(self) -> float:
        self._endings.expire()
        return self._endings.next_moment()


def _account(settings: Settings) -> AccountOutputs:
    # Imported where it is needed: a server on a laptop starts sooner without.
    import boto3

    return AccountOutputs(boto3.Session(region_name=settings.region))
