"""What can be seen of somebody's work: a thing that a lab has made, its state, and since when.

It must not know how AWS is asked, nor what an event says about a section.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal[
    "training job",
    "processing job",
    "transform job",
    "endpoint",
    "model",
    "pipeline",
    "pipeline execution",
    "flow definition",
    "human loop",
]
JOBS: tuple[Kind, ...] = ("training job", "processing job", "transform job")
State = Literal["busy", "done", "failed"]

_BUSY = frozenset(
    {
        "Creating",
        "Deleting",
        "Executing",
        "InProgress",
        "Initializing",
        "RollingBack",
        "Stopping",
        "SystemUpdating",
        "Updating",
    }
)
_FAILED = frozenset({"CompletedWithFailures", "Failed", "OutOfService", "UpdateRollbackFailed"})


@dataclass(frozen=True)
class Event:
    """The last thing that happened to a resource.

    Attributes
    ----------
    kind, name, arn, lab
        Which resource it is, and the lab whose tag it carries.
    status
        In AWS's word, ``InService`` for instance; empty for what has none.
    began
        When it was made.
    at
        When it came into this state, as far as AWS says: its beginning while it is busy.
    reason
        Why it failed, where the list has that.
    """

    kind: Kind
    name: str
    arn: str
    lab: str
    status: str
    began: datetime
    at: datetime
    reason: str = ""

    @property
    def state(self) -> State:
        """Whether it is on its way, well, or has failed."""
        if self.status in _BUSY:
            return "busy"
        return "failed" if self.status in _FAILED else "done"

    @property
    def serves(self) -> bool:
        """Whether it is an endpoint that machines run for."""
        return self.kind == "endpoint" and self.status not in ("Failed", "Deleting")
