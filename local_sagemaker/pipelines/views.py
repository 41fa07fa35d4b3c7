"""Executions of pipelines as they are shown: descriptions, and lists of them, steps and parameters.

It reads records; it must not change any.
"""

from typing import Any

from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.pipelines import texts
from local_sagemaker.pipelines.expressions import as_text
from local_sagemaker.pipelines.state import (
    StepState,
    executions_of,
    find_execution,
    steps_of,
)
from local_sagemaker.pipelines.versions import (
    NOUN,
    executed_definition,
    executed_version,
    find_version,
)
from local_sagemaker.plain_lists import PlainList
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

# The SDK's list_steps asks for one page only.
_STEPS_ON_A_PAGE = 100
_EXECUTIONS = PlainList(
    members=frozenset({"PipelineExecutionArn"}),
    name="PipelineExecutionArn",
    identify=lambda item: f"{item['StartTime']:017.6f} {item['PipelineExecutionArn']}",
    named=("PipelineName", "PipelineVersionAlias"),
)


class ExecutionViews:
    """The operations that look at executions."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._records = resources.records

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "DescribePipelineDefinitionForExecution": self.definition,
            "DescribePipelineExecution": self.describe,
            "ListPipelineExecutionSteps": self.list_steps,
            "ListPipelineExecutions": self.list_executions,
            "ListPipelineParametersForExecution": self.list_parameters,
        }

    def describe(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return an execution."""
        record = self._found(caller, params)
        return {
            **record.body,
            "PipelineExecutionArn": record.arn,
            "PipelineExecutionStatus": record.status,
            "CreationTime": record.created,
            "LastModifiedTime": record.modified,
        }

    def definition(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the definition that an execution executes."""
        pipeline, version = executed_version(self._records, self._found(caller, params))
        text = texts.read(self._records, pipeline, version)
        return {"PipelineDefinition": text, "CreationTime": version["CreationTime"]}

    def list_executions(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the executions of a pipeline, or of one of its versions."""
        pipeline = self._resources.get(caller, NOUN, params["PipelineName"])
        records = executions_of(self._records, pipeline)
        if "PipelineVersionAlias" in params:
            named = {"PipelineVersionAlias": params["PipelineVersionAlias"]}
            number = find_version(pipeline, named)["PipelineVersionId"]
            records = [r for r in records if r.body["PipelineVersionId"] == number]
        items = [_summary(record) for record in records]
        chosen, token = _EXECUTIONS.page(items, params, pipeline.arn)
        return {"PipelineExecutionSummaries": chosen, "NextToken": token}

    def list_steps(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the steps of an execution that have started, the latest first."""
        record = self._found(caller, params)
        steps = executed_definition(self._records, record).steps
        states = sorted(steps_of(record).items(), key=lambda item: item[1].number)
        if params.get("SortOrder", "Descending") == "Descending":
            states.reverse()
        items = [
            {"StepName": name, **steps[name].shown, **_shown_step(state)} for name, state in states
        ]
        chosen, token = page(
            items,
            params,
            lambda item: str(item["StepName"]),
            _STEPS_ON_A_PAGE,
            scope=record.arn,
        )
        return {"PipelineExecutionSteps": chosen, "NextToken": token}

    def list_parameters(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the parameters of an execution with their values, defaults among them."""
        record = self._found(caller, params)
        items = [
            {"Name": name, "Value": as_text(value)}
            for name, value in record.private["Parameters"].items()
        ]
        chosen, token = page(items, params, lambda item: item["Name"], scope=record.arn)
        return {"PipelineParameters": chosen, "NextToken": token}

    def _found(self, caller: Caller, params: dict[str, Any]) -> Record:
        return find_execution(self._records, caller, params.get("PipelineExecutionArn", ""))


def _summary(record: Record) -> dict[str, Any]:
    members = (
        "PipelineExecutionDisplayName",
        "PipelineExecutionDescription",
        "PipelineVersionAliases",
    )
    return {
        "PipelineExecutionArn": record.arn,
        "StartTime": record.created,
        "CreationTime": record.created,
        "PipelineExecutionStatus": record.status,
        "PipelineExecutionFailureReason": record.body.get("FailureReason"),
        **{key: record.body.get(key) for key in members},
    }


def _shown_step(state: StepState) -> dict[str, Any]:
    shown = {
        "StartTime": state.started,
        "EndTime": state.ended,
        "StepStatus": state.status,
        "AttemptCount": state.attempts,
        "FailureReason": state.reason,
        "Metadata": state.metadata,
        "CacheHitResult": _source(state.cached_from),
        "SelectiveExecutionResult": _source(state.source),
    }
    return {key: value for key, value in shown.items() if value is not None}


def _source(arn: str | None) -> dict[str, str] | None:
    return None if arn is None else {"SourcePipelineExecutionArn": arn}
