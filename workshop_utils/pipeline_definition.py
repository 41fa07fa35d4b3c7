"""The definition of the lab's pipeline: what may vary, and sending it.

It knows the SageMaker SDK's ways of writing one; it must not know of executions.
"""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from workshop_utils.answers import NO_ANSWERS
from workshop_utils.model_registry import DECISIONS, PENDING
from workshop_utils.pipeline_recipe import Recipe
from workshop_utils.pipeline_steps import Steps
from workshop_utils.session import Session

if TYPE_CHECKING:
    from sagemaker.core.workflow.parameters import Parameter


def upsert(session: Session, recipe: Recipe, description: str) -> None:
    """Create or update the pipeline: prepare, train, evaluate, and register or fail.

    This uploads the scripts. The SDK uploads a training script to a place named after the time, so
    that two definitions are never the same: do this once for each `Recipe.digest`, or steps that
    could be taken from the cache run again.
    """
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.mlops.workflow.pipeline import Pipeline

    with warnings.catch_warnings(), _configuration_checked_once():
        # "There will be no job being started", for every step: that is what a definition is.
        warnings.filterwarnings("ignore", message="Running within a PipelineSession")
        sdk = PipelineSession(
            boto_session=session.boto,
            default_bucket=session.bucket,
            default_bucket_prefix=session.prefix,
        )
        parameters = _parameters(recipe)
        pipeline = Pipeline(
            name=recipe.name,
            parameters=list(parameters.values()),
            steps=Steps(session, recipe, sdk, parameters).all(),
            sagemaker_session=sdk,
        )
        pipeline.definition = partial(_tags_spelled_right, pipeline.definition)
        pipeline.upsert(role_arn=session.role, description=description, tags=session.tags)


def _parameters(recipe: Recipe) -> "dict[str, Parameter]":
    from sagemaker.core.workflow.parameters import ParameterInteger, ParameterString

    approvals = [PENDING, *DECISIONS]
    found = [
        ParameterString("ProcessingInstanceType", recipe.processing_type),
        ParameterInteger("ProcessingInstanceCount", 1),
        ParameterString("TrainingInstanceType", recipe.training_type),
        ParameterInteger("TrainingInstanceCount", 1),
        ParameterString("ModelApprovalStatus", PENDING, enum_values=approvals),
        ParameterString("BaseData", recipe.base),
        ParameterString("Reviews", recipe.reviews),
        # The same prefix holds more answers every day. A cached step would not see them, were
        # there not something among its arguments that changes with them.
        ParameterString("ReviewsVersion", NO_ANSWERS),
        ParameterString("Champion", recipe.no_champion),
    ]
    return {parameter.name: parameter for parameter in found}


def _tags_spelled_right(define: Callable[[], str]) -> str:
    # SDK 3.12, which Studio has, writes a training step's tags as {"key": ..., "value": ...}, and
    # the service refuses the job.
    definition: dict[str, Any] = json.loads(define())
    for step in definition["Steps"]:
        tags = step["Arguments"].get("Tags", [])
        tags[:] = [{name.capitalize(): value for name, value in tag.items()} for tag in tags]
    return json.dumps(definition)


@contextmanager
def _configuration_checked_once() -> Iterator[None]:
    """Let the SDK check its configuration against its schema once, not before every look at it.

    It looks some sixty times for one definition, and each check takes a fifth of a second.
    """
    checked: set[str] = set()
    check = import_module("jsonschema").validate

    def once(instance: Any, schema: Any, *rest: Any, **more: Any) -> None:
        key = f"{id(schema)} {json.dumps(instance, sort_keys=True, default=str)}"
        if key not in checked:
            check(instance, schema, *rest, **more)
            checked.add(key)

    with patch("jsonschema.validate", once):
        yield
