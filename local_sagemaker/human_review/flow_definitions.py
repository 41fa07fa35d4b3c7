"""CreateFlowDefinition and its sisters: the records, and the rules that their loops follow.

It knows requests and records of flow definitions; it must not know workers or answers.
"""

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.filters import not_done
from local_sagemaker.human_review.flows import Flow, Flows, new_id
from local_sagemaker.human_review.loops import Loops
from local_sagemaker.human_review.outputs import OutputDelayed, OutputRefused, Outputs
from local_sagemaker.human_review.time_keeper import Alarm
from local_sagemaker.human_review.workteams import Workteams
from local_sagemaker.identity import Caller
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.store import Key, Record, RecordMissing

NOUN = "FlowDefinition"
ACTIVE, INITIALIZING, DELETING = "Active", "Initializing", "Deleting"
# As on AWS, a new one is not active at once, so that code that does not wait is found out here.
_INITIALIZING_SECONDS = 0.5
# How often one that goes looks whether the last person has left its tasks, in seconds.
_LOOK_AGAIN = 0.5
# TaskTimeLimitInSeconds in botocore's documentation. It names no default for how long a task is
# available; ten days is what examples of labeling jobs in the developer guide have.
_TIME_LIMIT = 3600
_LIFETIME = 864_000
# Members that make it one of the built-in task types, for Textract and Rekognition.
_BUILT_IN = ("HumanLoopRequestSource", "HumanLoopActivationConfig")


class FlowDefinitions:
    """The operations on flow definitions.

    Parameters
    ----------
    resources
        Where the records are.
    flows, loops
        What they mean for human loops.
    outputs
        Where their answers go.
    workteams
        Who answers.
    alarm
        Woken when one of them becomes active.
    clock
        Returns the time in seconds since the epoch.
    """

    def __init__(
        self,
        resources: Resources,
        flows: Flows,
        loops: Loops,
        outputs: Outputs,
        workteams: Workteams,
        alarm: Alarm,
        clock: Callable[[], float] = now,
    ) -> None:
        self._resources = resources
        self._flows = flows
        self._loops = loops
        self._outputs = outputs
        self._workteams = workteams
        self._alarm = alarm
        self._clock = clock
        self._lock = threading.Lock()
        # Those whose status changes by itself: when each becomes active, and those that go.
        self._active_at: dict[Key, float] = {}
        self._deleting: dict[str, Flow] = {}

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {"CreateFlowDefinition": self._create, "DeleteFlowDefinition": self._delete}

    def status(self, flow: Flow) -> str | None:
        """Return what Describe shows as its status, or None when it is not there."""
        record = self._resources.records.get(_key(flow))
        return None if record is None else record.status

    def recover(self) -> None:
        """Go on with those whose status was changing when the server ended."""
        for record in self._resources.records.every(NOUN):
            flow = self._flows.find(record.arn)
            with self._lock:
                if record.status == INITIALIZING:
                    self._active_at[record.key] = record.created
                elif record.status == DELETING and flow is not None:
                    self._deleting[flow.id] = flow

    def go_on(self) -> float:
        """Change the statuses that are due; return when the next one is, or infinity."""
        moment = self._clock()
        with self._lock:
            due = [key for key, when in self._active_at.items() if when <= moment]
            deleting = list(self._deleting.values())
        for key in due:
            self._set_active(key)
        for flow in deleting:
            self._end(flow)
        with self._lock:
            soonest = min(self._active_at.values(), default=float("inf"))
            # People leave their tasks without telling: one that they hold back is looked at.
            return min(soonest, moment + _LOOK_AGAIN) if self._deleting else soonest

    def _create(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        for member in _BUILT_IN:
            if params.get(member):
                raise not_done(member)
        config = params.get("HumanLoopConfig")
        if config is None:
            raise validation_exception(
                "HumanLoopConfig is required: the local SageMaker has custom task types only, "
                "and they need one."
            )
        self._workteams.check(caller, config["WorkteamArn"])
        self._check_task_ui(caller, config["HumanTaskUiArn"])
        if "PublicWorkforceTaskPrice" in config:
            raise validation_exception(
                "PublicWorkforceTaskPrice is for Amazon Mechanical Turk; a private team is not "
                "paid per task. Leave it out."
            )
        output = params["OutputConfig"]
        location = S3Location.parse(output["S3OutputPath"])
        flow = Flow(
            id=new_id(),
            account=caller.account,
            region=caller.region,
            name=params["FlowDefinitionName"],
            arn=self._resources.arn(caller, NOUN, params["FlowDefinitionName"]),
            created=self._clock(),
            title=config["TaskTitle"],
            description=config["TaskDescription"],
            keywords=tuple(config.get("TaskKeywords", ())),
            task_count=config["TaskCount"],
            lifetime=config.get("TaskAvailabilityLifetimeInSeconds", _LIFETIME),
            time_limit=config.get("TaskTimeLimitInSeconds", _TIME_LIMIT),
            output=location,
            kms_key=output.get("KmsKeyId"),
            role=params["RoleArn"],
            task_ui=config["HumanTaskUiArn"],
        )
        self._check_output(flow)
        shown = {"HumanLoopConfig": {"TaskTimeLimitInSeconds": _TIME_LIMIT} | config}
        with self._resources.records.database.transaction():
            record = self._resources.create(caller, NOUN, params, body=shown)
            self._flows.add(flow)
        active = flow.created + _INITIALIZING_SECONDS
        with self._lock:
            self._active_at[record.key] = active
        self._alarm.at(active)
        return {"FlowDefinitionArn": record.arn}

    def _check_task_ui(self, caller: Caller, arn: str) -> None:
        key = self._resources.key(caller, "HumanTaskUi", arn)
        if self._resources.records.get(key) is None:
            raise validation_exception(
                f"The human task UI {arn} does not exist in account {caller.account} and region "
                f"{caller.region}. Create it with CreateHumanTaskUi."
            )

    def _check_output(self, flow: Flow) -> None:
        try:
            self._outputs.check(flow.owner, flow.output)
        except OutputRefused as error:
            raise validation_exception(f"S3OutputPath {flow.output}: {error}") from error
        except OutputDelayed as error:
            raise AWSError(
                "ServiceUnavailable",
                f"Whether answers can be written to {flow.output} cannot be found out now: "
                f"{error}. Try again.",
                503,
            ) from error

    def _set_active(self, key: Key) -> None:
        def change(record: Record) -> None:
            record.status = ACTIVE

        # Deleted meanwhile, it is none of this.
        with contextlib.suppress(RecordMissing):
            self._resources.records.update(key, change)
        with self._lock:
            self._active_at.pop(key, None)

    def _delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name = params["FlowDefinitionName"]
        database = self._resources.records.database

        def change(record: Record) -> None:
            if record.status != ACTIVE:
                raise AWSError(
                    "ResourceInUse",
                    f"The flow definition {record.arn} is {record.status}; only one that is "
                    "Active can be deleted. Wait and try again.",
                )
            record.status = DELETING

        with database.transaction():
            record = self._resources.change(caller, NOUN, name, change)
            flow = self._flows.find(record.arn)
            if flow is None:
                # Recorded before flow definitions meant anything here.
                self._resources.records.delete(record.key)
                return {}
            stopped = self._loops.stop_unstarted(flow)
        self._loops.finish(stopped)
        with self._lock:
            self._deleting[flow.id] = flow
        self._end(flow)
        self._alarm.at(self._clock() + _LOOK_AGAIN)
        return {}

    def _end(self, flow: Flow) -> None:
        """Remove one that is being deleted, once nobody is in any of its tasks."""
        with self._resources.records.database.transaction():
            if self._loops.held(flow):
                return
            self._remove(flow)
        with self._lock:
            self._deleting.pop(flow.id, None)

    def _remove(self, flow: Flow) -> None:
        """Remove one, unless somebody was quicker: its name may be another's by now."""
        named_so = self._flows.find(flow.arn)
        if named_so is None or named_so.id != flow.id or self.status(flow) != DELETING:
            return
        self._resources.records.delete(_key(flow))
        self._flows.delete(flow)


def _key(flow: Flow) -> Key:
    return Key(flow.account, flow.region, NOUN, flow.name)
