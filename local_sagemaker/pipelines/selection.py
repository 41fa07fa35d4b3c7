"""Selective execution: some steps are executed, and what they need is taken from another execution.

It must not know how steps are executed.
"""

from collections.abc import Mapping
from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.pipelines.definition import Definition
from local_sagemaker.pipelines.graph import waited_for
from local_sagemaker.pipelines.state import (
    SUCCEEDED,
    UNDER_WAY,
    StepState,
    find_execution,
    steps_of,
)
from local_sagemaker.store import Record, Records

_SOURCE = "SourcePipelineExecutionArn"


def selected(definition: Definition, config: Mapping[str, Any]) -> list[str]:
    """Return the steps that are to be executed: those that are asked for, and what is in them.

    Raises
    ------
    AWSError
        ``ValidationException`` for a step that is not there.
    """
    asked = [item["StepName"] for item in config["SelectedSteps"]]
    for name in asked:
        if name not in definition.steps:
            raise validation_exception(
                f"Invalid SelectedSteps: the pipeline has no step '{name}'. Its steps: "
                f"{', '.join(definition.steps)}."
            )
    chosen = set(asked)
    for name, step in definition.steps.items():
        # In the order of the definition a condition stands before the steps of its branches.
        if step.branch is not None and step.branch.condition in chosen:
            chosen.add(name)
    return [name for name in definition.steps if name in chosen]


def reused(
    records: Records,
    caller: Caller,
    pipeline: Record,
    definition: Definition,
    config: Mapping[str, Any],
) -> dict[str, StepState]:
    """Return what selected steps wait for and are not: their states in the other execution.

    Raises
    ------
    AWSError
        ``ValidationException`` when there is no such execution, or it did not succeed in them.
    """
    chosen = selected(definition, config)
    waited = set().union(*(waited_for(definition.steps[name]) for name in chosen))
    needed = [name for name in definition.steps if name in waited - set(chosen)]
    arn = config.get(_SOURCE)
    if arn is None and needed:
        raise validation_exception(
            f"Invalid {_SOURCE}: null. The selected steps [{', '.join(chosen)}] have dependencies "
            f"on [{', '.join(needed)}]"
        )
    if arn is None:
        return {}
    source = find_execution(records, caller, arn)
    if source.private["Pipeline"] != pipeline.key.name or source.status in UNDER_WAY:
        raise validation_exception(
            f"Invalid {_SOURCE}: {arn} must be an execution of '{pipeline.key.name}' that has "
            f"ended; its status is {source.status}."
        )
    states = steps_of(source)
    failed = [n for n in needed if n not in states or states[n].status != SUCCEEDED]
    if failed:
        raise validation_exception(
            f"Invalid {_SOURCE}: {arn} did not succeed in [{', '.join(failed)}], on which the "
            f"selected steps [{', '.join(chosen)}] have dependencies."
        )
    return {name: _taken(number, states[name], arn) for number, name in enumerate(needed, start=1)}


def _taken(number: int, state: StepState, arn: str) -> StepState:
    moment = now()
    state.number, state.started, state.ended = number, moment, moment
    state.attempts, state.source = 0, state.source or arn
    return state
