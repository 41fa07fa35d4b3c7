"""The API of human loops, service ``sagemaker-a2i-runtime``.

It knows requests and their errors; it must not know how a loop ends.
"""

from math import inf
from typing import Any

from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.human_review.flow_definitions import ACTIVE, FlowDefinitions
from local_sagemaker.human_review.flows import Flow, Flows
from local_sagemaker.human_review.loop import VALIDATION_CODE, Failure, Loop
from local_sagemaker.human_review.loops import Loops
from local_sagemaker.human_review.task_uis import TaskUis, read_input
from local_sagemaker.human_review.templates import TemplateError, Templates
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page_behind

# InputContent in botocore's model counts characters; A2I counts bytes.
_MAX_INPUT = 3 * 1024 * 1024


class HumanLoops:
    """The operations on human loops.

    Parameters
    ----------
    database
        Where they are kept.
    definitions, flows, loops
        Flow definitions, their rules and their loops.
    task_uis, templates
        What workers see.
    """

    def __init__(
        self,
        database: Database,
        definitions: FlowDefinitions,
        flows: Flows,
        loops: Loops,
        task_uis: TaskUis,
        templates: Templates,
    ) -> None:
        self._database = database
        self._definitions = definitions
        self._flows = flows
        self._loops = loops
        self._task_uis = task_uis
        self._templates = templates

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "StartHumanLoop": self._start,
            "DescribeHumanLoop": self._describe,
            "ListHumanLoops": self._list,
            "StopHumanLoop": self._stop,
            "DeleteHumanLoop": self._delete,
        }

    def _start(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        name, arn = params["HumanLoopName"], params["FlowDefinitionArn"]
        text = params["HumanLoopInput"]["InputContent"]
        size = len(text.encode())
        if size > _MAX_INPUT:
            raise validation_exception(
                f"InputContent has {size} bytes; at most {_MAX_INPUT} are allowed."
            )
        content = read_input(text, "InputContent")
        flow = self._flows.find(arn) if _is_of(caller, arn) else None
        if flow is None:
            raise validation_exception(
                f"The flow definition {arn} does not exist in account {caller.account} and "
                f"region {caller.region}. Create it with CreateFlowDefinition."
            )
        known = self._known(caller, name, flow, content)
        if known is not None:
            return {"HumanLoopArn": known.arn}
        self._check_active(flow)
        template = self._task_uis.template(caller, flow.task_ui)
        failure = self._failure(flow, template, content)
        with self._database.transaction():
            # Somebody may have been quicker.
            known = self._known(caller, name, flow, content)
            if known is None:
                self._check_active(flow)
                attributes = params.get("DataAttributes", {})
                known = self._loops.start(flow, name, text, attributes, template, failure)
        return {"HumanLoopArn": known.arn}

    def _check_active(self, flow: Flow) -> None:
        status = self._definitions.status(flow)
        if status != ACTIVE:
            raise validation_exception(
                f"The flow definition {flow.arn} is {status}, and human loops can be started of "
                "one that is Active. Wait until DescribeFlowDefinition says so."
            )

    def _known(self, caller: Caller, name: str, flow: Flow, content: Any) -> Loop | None:
        """Return the loop that an equal request has started; refuse one that another has."""
        loop = self._loops.find(caller.account, caller.region, name)
        if loop is None:
            return None
        if loop.flow.id == flow.id and self._same(loop, content):
            return loop
        raise AWSError(
            "ConflictException",
            f"The human loop {name} is there already, with another input. Names are unique in an "
            "account and region: use another one, or delete that loop.",
            409,
        )

    def _same(self, loop: Loop, content: Any) -> bool:
        return bool(read_input(self._loops.content(loop), "InputContent") == content)

    def _failure(self, flow: Flow, template: str | None, content: Any) -> Failure | None:
        """Return why no worker could ever see the task, or None."""
        if template is None:
            return Failure(
                VALIDATION_CODE, f"The human task UI {flow.task_ui} of the flow definition is gone."
            )
        try:
            self._templates.render(template, content, flow.owner)
        except TemplateError as error:
            reason = f"The template cannot be rendered with this input: {error.message}"
            return Failure(VALIDATION_CODE, reason)
        return None

    def _describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        loop = self._required(caller, params["HumanLoopName"])
        return {
            "CreationTime": loop.created,
            "FailureReason": loop.failure_reason,
            "FailureCode": loop.failure_code,
            "HumanLoopStatus": loop.status,
            "HumanLoopName": loop.name,
            "HumanLoopArn": loop.arn,
            "FlowDefinitionArn": loop.flow.arn,
            # Present before there is anything: that is what AWS does, and notebooks rely on it.
            "HumanLoopOutput": {"OutputS3Uri": str(loop.output)},
        }

    def _list(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        arn = params["FlowDefinitionArn"]
        flow = self._flows.find(arn) if _is_of(caller, arn) else None
        if flow is None:
            raise _not_found(f"The flow definition {arn} does not exist.")
        span = (params.get("CreationTimeAfter", -inf), params.get("CreationTimeBefore", inf))
        descending = params.get("SortOrder") != "Ascending"

        def fetch(last: str | None, size: int) -> list[Loop]:
            behind = None if last is None else _place(last)
            return self._loops.of_flow(
                flow, size, created=span, behind=behind, descending=descending
            )

        chosen, token = page_behind(
            fetch, params, lambda loop: f"{loop.created!r} {loop.number}", scope=flow.id
        )
        return {
            "HumanLoopSummaries": [
                {
                    "HumanLoopName": loop.name,
                    "HumanLoopStatus": loop.status,
                    "CreationTime": loop.created,
                    "FailureReason": loop.failure_reason,
                    "FlowDefinitionArn": loop.flow.arn,
                }
                for loop in chosen
            ],
            "NextToken": token,
        }

    def _stop(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        self._loops.stop(self._required(caller, params["HumanLoopName"]))
        return {}

    def _delete(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        with self._database.transaction():
            loop = self._required(caller, params["HumanLoopName"])
            if not loop.ended:
                raise validation_exception(
                    f"The human loop {loop.name} is {loop.status}; only one that is Completed, "
                    "Failed or Stopped can be deleted. Stop it with StopHumanLoop first."
                )
            self._loops.delete(loop)
        return {}

    def _required(self, caller: Caller, name: str) -> Loop:
        loop = self._loops.find(caller.account, caller.region, name)
        if loop is None:
            raise _not_found(
                f"The human loop {name} does not exist in account {caller.account} and region "
                f"{caller.region}."
            )
        return loop


def _is_of(caller: Caller, arn: str) -> bool:
    _, _, _, region, account, _ = arn.split(":", 5)
    return (account, region) == (caller.account, caller.region)


def _place(identity: str) -> tuple[float, int]:
    """Return where in its list a loop is that a token names."""
    created, number = identity.split(" ")
    return float(created), int(number)


def _not_found(message: str) -> AWSError:
    return AWSError("ResourceNotFoundException", message, 404)
