"""Which steps of an execution can start, and how it ends when none can.

- A step starts when every step that it waits for has ended as it must, and its condition, if it
  is in a branch of one, has the branch's outcome. Steps of a branch that was not taken, and those
  that wait for them, never start.
- After a failure nothing more starts, but steps that were to run on just that failure
  (``DependsOn`` with a ``Trigger``). A failure that such a step is there for is handled: the rest
  of the pipeline then goes on.

It must not know how steps run, nor where their states are kept.
"""

from collections.abc import Collection, Mapping

from local_sagemaker.pipelines import work
from local_sagemaker.pipelines.definition import ANY, COMPLETED, Definition, Step
from local_sagemaker.pipelines.graph import upstream
from local_sagemaker.pipelines.state import (
    FAILED,
    PARTLY,
    SUCCEEDED,
    StepState,
)

_WANTED = {COMPLETED: SUCCEEDED}

States = Mapping[str, StepState]


def startable(
    definition: Definition, states: States, selected: Collection[str] | None = None
) -> list[Step]:
    """Return the steps that can start now, in the order of the definition.

    Parameters
    ----------
    definition, states
        What is executed, and how far it is.
    selected
        The names of the only steps that are to be executed; all if None.
    """
    ready = [
        step
        for name, step in definition.steps.items()
        if name not in states and _reached(step, states)
        if selected is None or name in selected
    ]
    if _unhandled(definition, states):
        return [step for step in ready if _runs_on_failure(step, states)]
    return ready


def result(definition: Definition, states: States) -> str:
    """Return the status of an execution that has nothing left to start, unless it was stopped."""
    if _unhandled(definition, states):
        return FAILED
    return PARTLY if any(state.went_wrong for state in states.values()) else SUCCEEDED


def ended_by_fail_step(definition: Definition, states: States) -> bool:
    """Tell whether a Fail step was reached."""
    return any(step.type == work.FAIL and name in states for name, step in definition.steps.items())


def _reached(step: Step, states: States) -> bool:
    if step.branch is not None:
        condition = states.get(step.branch.condition)
        if condition is None or condition.outcome is not step.branch.outcome:
            return False
    return all(_met(states.get(name), trigger) for name, trigger in upstream(step).items())


def _met(state: StepState | None, trigger: str) -> bool:
    if state is None or state.under_way:
        return False
    return trigger == ANY or state.status == _WANTED.get(trigger, trigger)


def _unhandled(definition: Definition, states: States) -> bool:
    """Tell whether a step went wrong that no other step is there for."""
    wrong = {name for name, state in states.items() if state.went_wrong}
    handled = {
        name
        for step in definition.steps.values()
        for name, trigger in step.after.items()
        if trigger != COMPLETED and name in wrong and _met(states[name], trigger)
    }
    return bool(wrong - handled)


def _runs_on_failure(step: Step, states: States) -> bool:
    return any(
        trigger != COMPLETED and states[name].went_wrong for name, trigger in step.after.items()
    )
