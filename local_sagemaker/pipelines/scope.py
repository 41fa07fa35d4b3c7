"""What the expressions of one step see: parameters, the execution, the steps that have ended.

It reads states and objects in S3; it must not change either.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.pipelines.definition import Definition
from local_sagemaker.pipelines.documents import read_json
from local_sagemaker.pipelines.expressions import (
    EXECUTION,
    PARAMETERS,
    ExpressionError,
    Reference,
)
from local_sagemaker.pipelines.paths import PathError, find
from local_sagemaker.pipelines.state import StepState, steps_of
from local_sagemaker.s3.objects import Objects
from local_sagemaker.store import Record

# A file of figures is small; a mistaken path may lead to a model.
_LARGEST = 32 * 1024 * 1024
_JOB_NAMES = ("TrainingJobName", "ProcessingJobName")


class StepScope:
    """The scope of one step of an execution.

    Parameters
    ----------
    definition
        The pipeline's.
    execution
        Its record.
    pipeline_arn
        Of the pipeline.
    objects
        S3.
    job
        The name of what the step makes, if it makes something.
    """

    def __init__(
        self,
        definition: Definition,
        execution: Record,
        pipeline_arn: str,
        objects: Objects,
        job: str | None = None,
    ) -> None:
        self._definition = definition
        self._account = execution.key.account
        self._states = steps_of(execution)
        self._parameters: Mapping[str, Any] = execution.private["Parameters"]
        self._objects = objects
        self._variables = {
            "StartDateTime": _moment(execution.created),
            "PipelineName": execution.private["Pipeline"],
            "PipelineArn": pipeline_arn,
            "PipelineExecutionId": execution.private["Id"],
            "PipelineExecutionArn": execution.arn,
            **{name: job for name in _JOB_NAMES if job is not None},
        }

    def value(self, reference: Reference) -> Any:
        """Return the value of a reference."""
        if reference.root == PARAMETERS:
            return self._parameters[reference.name]
        if reference.root == EXECUTION:
            return self._variable(reference)
        state = self._state(reference)
        if reference.path == ("Outcome",) and state.outcome is not None:
            return state.outcome
        try:
            return find(state.described, reference.path)
        except PathError as error:
            raise ExpressionError(f"'{reference.text}' has no value: {error}") from error

    def property_file(self, reference: Reference) -> Any:
        """Return the content of a property file, from the output of the job that made it."""
        step = self._definition.steps[reference.name]
        file = step.property_files[str(reference.property_file)]
        path = ("ProcessingOutputConfig", "Outputs", file.output, "S3Output", "S3Uri")
        try:
            uri = find(self._state(reference).described, path)
        except PathError as error:
            raise ExpressionError(
                f"'{reference.text}' has no value: step '{step.name}' has no output '{file.output}'"
            ) from error
        return self.object(f"{str(uri).rstrip('/')}/{file.path.lstrip('/')}")

    def object(self, uri: str) -> Any:
        """Return the content of a JSON object."""
        try:
            location = S3Location.parse(uri)
            with self._objects.open(self._account, location.bucket, location.key) as stream:
                content = stream.read(_LARGEST + 1)
        except AWSError as error:
            raise ExpressionError(f"{uri} cannot be read: {error.message}") from error
        if len(content) > _LARGEST:
            raise ExpressionError(f"{uri} is larger than {_LARGEST} bytes")
        try:
            return read_json(content)
        except (ValueError, RecursionError) as error:
            raise ExpressionError(f"{uri} is not JSON: {error}") from error

    def _state(self, reference: Reference) -> StepState:
        # The order of steps has seen to it that it has ended well.
        return self._states[reference.name]

    def _variable(self, reference: Reference) -> Any:
        if reference.name == "CurrentDateTime":
            return _moment(datetime.now(UTC).timestamp())
        try:
            return self._variables[reference.name]
        except KeyError:
            raise ExpressionError(
                f"'{reference.text}' has no value: this step makes no job"
            ) from None


def _moment(seconds: float) -> str:
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
