"""Executions of pipelines: the operations that start, stop, show and change them.

It turns requests into records and tells the engine; it must not know how steps are carried out.
"""

from collections.abc import Callable
from typing import Any

from local_sagemaker import identifiers
from local_sagemaker.database import now
from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.pipelines import experiment, order, parameters, selection, texts
from local_sagemaker.pipelines.definition import Definition
from local_sagemaker.pipelines.engine import Engine
from local_sagemaker.pipelines.expressions import ExpressionError
from local_sagemaker.pipelines.scope import StepScope
from local_sagemaker.pipelines.state import (
    EXECUTING,
    FAILED,
    STOPPED,
    STOPPING,
    UNDER_WAY,
    execution_key,
    executions_of,
    find_execution,
    keep_steps,
    steps_of,
)
from local_sagemaker.pipelines.versions import NOUN, delete_texts, executed_definition, find_version
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Record

_SELECTIVE = "SelectiveExecutionConfig"
_LIMIT = "MaxParallelExecutionSteps"
_NOBODY: dict[str, Any] = {}


class PipelineExecutions:
    """The operations on executions, and the deletion of pipelines.

    Parameters
    ----------
    resources, objects
        Where pipelines and executions are, and S3.
    engine
        Carries executions out.
    """

    def __init__(self, resources: Resources, objects: Objects, engine: Engine) -> None:
        self._resources = resources
        self._objects = objects
        self._records = resources.records
        self._engine = engine

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        return {
            "DeletePipeline": self.delete_pipeline,
            "RetryPipelineExecution": self.retry,
            "StartPipelineExecution": self.start,
            "StopPipelineExecution": self.stop,
            "UpdatePipelineExecution": self.update,
        }

    def start(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Start an execution; the same ClientRequestToken starts one."""
        with self._records.database.transaction():
            pipeline = self._resources.get(caller, NOUN, params["PipelineName"])
            identifier = _identifier(pipeline, params["ClientRequestToken"])
            known = self._records.get(execution_key(pipeline.key, identifier))
            if known is not None:
                return {"PipelineExecutionArn": known.arn}
            version = find_version(pipeline, params)
            definition = Definition.read(texts.read(self._records, pipeline, version))
            given = parameters.values(definition.parameters, params.get("PipelineParameters") or ())
            record = _new(identifier, pipeline, version, params, given)
            self._name_experiment(definition, record, pipeline)
            if _SELECTIVE in params:
                config = params[_SELECTIVE]
                record.private["Selected"] = selection.selected(definition, config)
                keep_steps(
                    record,
                    selection.reused(self._records, caller, pipeline, definition, config),
                )
            self._records.insert(record)
            self._records.annotate(
                pipeline.key, lambda pipeline: pipeline.body.update(LastRunTime=record.created)
            )
        self._engine.start(record.key)
        return {"PipelineExecutionArn": record.arn}

    def stop(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Stop an execution: its jobs are stopped, and nothing more starts."""

        def change(record: Record) -> None:
            if record.status not in UNDER_WAY:
                raise AWSError(
                    "ConflictException",
                    f"Pipeline execution '{record.arn}' is in status {record.status}; only one "
                    "that is Executing can be stopped.",
                )
            record.status = STOPPING

        record = self._change(caller, params, change)
        self._engine.stop(record.key)
        return {"PipelineExecutionArn": record.arn}

    def retry(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Carry an execution out again from the steps that went wrong; the others stay."""
        token = params["ClientRequestToken"]

        def change(record: Record) -> None:
            states = steps_of(record)
            if record.status not in (FAILED, STOPPED):
                raise AWSError(
                    "ConflictException",
                    f"Pipeline execution '{record.arn}' is in status {record.status}; only one "
                    "that is Failed or Stopped can be retried.",
                )
            if order.ended_by_fail_step(definition, states):
                raise AWSError(
                    "ConflictException",
                    f"Pipeline execution '{record.arn}' was ended by a Fail step and cannot be "
                    "retried: start a new one.",
                )
            keep_steps(
                record, {name: state for name, state in states.items() if not state.went_wrong}
            )
            _limit(record, params)
            record.status = EXECUTING
            record.body.pop("FailureReason", None)
            record.private["RetryToken"] = token

        with self._records.database.transaction():
            found = find_execution(self._records, caller, params["PipelineExecutionArn"])
            if found.private.get("RetryToken") == token:
                # The same request once more. It runs already, or has ended again.
                return {"PipelineExecutionArn": found.arn}
            definition = executed_definition(self._records, found)
            record = self._records.update(found.key, change)
        self._engine.start(record.key)
        return {"PipelineExecutionArn": record.arn}

    def update(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Change what an execution is called, and how many of its steps run at once."""

        def change(record: Record) -> None:
            for member in ("PipelineExecutionDisplayName", "PipelineExecutionDescription"):
                if member in params:
                    record.body[member] = params[member]
            _limit(record, params)
            record.body["LastModifiedBy"] = _NOBODY

        record = self._change(caller, params, change)
        self._engine.poke(record.key)
        return {"PipelineExecutionArn": record.arn}

    def delete_pipeline(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a pipeline that executes nothing, and all its executions."""
        with self._records.database.transaction():
            pipeline = self._resources.get(caller, NOUN, params["PipelineName"])
            executions = executions_of(self._records, pipeline)
            for record in executions:
                if record.status in UNDER_WAY:
                    raise AWSError(
                        "ConflictException",
                        f"Pipeline '{pipeline.arn}' cannot be deleted while it executes: stop "
                        f"'{record.arn}' first, which is in status {record.status}.",
                    )
            for record in executions:
                self._records.delete(record.key)
            delete_texts(self._records, pipeline)
            self._records.delete(pipeline.key)
        return {"PipelineArn": pipeline.arn}

    def _name_experiment(self, definition: Definition, record: Record, pipeline: Record) -> None:
        scope = StepScope(definition, record, pipeline.arn, self._objects)
        try:
            named = experiment.names(definition, scope)
        except ExpressionError as error:
            raise validation_exception(f"PipelineExperimentConfig: {error}.") from error
        if named is not None:
            record.body["PipelineExperimentConfig"] = named

    def _change(
        self, caller: Caller, params: dict[str, Any], change: Callable[[Record], None]
    ) -> Record:
        found = find_execution(self._records, caller, params["PipelineExecutionArn"])
        return self._records.update(found.key, change)


def _identifier(pipeline: Record, token: str) -> str:
    """Return what an execution is called that a request with this token starts, now or before.

    A pipeline of the same name that was deleted had others: its jobs may still be there.
    """
    return identifiers.derived(f"{pipeline.arn} {pipeline.created} {token}")


def _new(
    identifier: str,
    pipeline: Record,
    version: dict[str, Any],
    params: dict[str, Any],
    given: dict[str, Any],
) -> Record:
    """Return the record of a new execution."""
    name = pipeline.key.name
    moment = now()
    parallelism = params.get("ParallelismConfiguration") or pipeline.body.get(
        "ParallelismConfiguration"
    )
    body = {
        "PipelineArn": pipeline.arn,
        "PipelineExecutionDisplayName": params.get(
            "PipelineExecutionDisplayName", f"execution-{moment * 1000:.0f}"
        ),
        "PipelineExecutionDescription": params.get("PipelineExecutionDescription"),
        "ParallelismConfiguration": parallelism,
        _SELECTIVE: params.get(_SELECTIVE),
        "PipelineVersionId": version["PipelineVersionId"],
        "PipelineVersionAliases": version["PipelineVersionAliases"] or None,
        "RoleArn": params.get("RoleArn") or pipeline.body["RoleArn"],
        "CreatedBy": _NOBODY,
        "LastModifiedBy": _NOBODY,
    }
    record = Record(
        execution_key(pipeline.key, identifier),
        f"{pipeline.arn}/execution/{identifier}",
        moment,
        moment,
        EXECUTING,
        {key: value for key, value in body.items() if value is not None},
        {
            "Pipeline": name,
            "Id": identifier,
            "Parameters": given,
        },
    )
    _limit(record, {"ParallelismConfiguration": parallelism})
    keep_steps(record, {})
    return record


def _limit(record: Record, params: dict[str, Any]) -> None:
    parallelism = params.get("ParallelismConfiguration")
    if parallelism is not None:
        record.body["ParallelismConfiguration"] = parallelism
        record.private[_LIMIT] = parallelism[_LIMIT]
