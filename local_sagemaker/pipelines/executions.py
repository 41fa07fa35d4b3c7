"""Executions of pipelines, of which there are none: nothing executes a pipeline yet.

Lists of a pipeline's executions are empty, and an execution that somebody names is not there.
Whoever executes pipelines takes these operations over.
"""

from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.pipelines.versions import NOUN, find_version
from local_sagemaker.plain_lists import nothing
from local_sagemaker.resources import Resources

_OF_ONE = (
    "DescribePipelineDefinitionForExecution",
    "DescribePipelineExecution",
    "ListPipelineExecutionSteps",
    "ListPipelineParametersForExecution",
)


class PipelineExecutions:
    """The operations that look at executions."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        handlers: dict[str, Handler] = dict.fromkeys(_OF_ONE, self._missing)
        return handlers | {"ListPipelineExecutions": self.list_executions}

    def list_executions(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the executions of a pipeline that exists: none."""
        pipeline = self._resources.get(caller, NOUN, params["PipelineName"])
        if "PipelineVersionAlias" in params:
            find_version(pipeline, {"PipelineVersionAlias": params["PipelineVersionAlias"]})
        return nothing("PipelineExecutionSummaries", params, pipeline.arn)

    @staticmethod
    def _missing(_caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        raise AWSError(
            "ResourceNotFound",
            f"Pipeline execution '{params.get('PipelineExecutionArn')}' does not exist: the local "
            "SageMaker has executed no pipeline.",
        )
