"""Steps that make nothing: a condition's outcome, a Fail step's message, and what is not run.

It says how such a step ends; it must not know when one is reached.
"""

from local_sagemaker.pipelines import conditions, work
from local_sagemaker.pipelines.definition import Step
from local_sagemaker.pipelines.expressions import ExpressionError, Scope, as_text, resolve
from local_sagemaker.pipelines.state import FAILED, SUCCEEDED, StepState

# botocore, FailStepMetadata.ErrorMessage.
_LONGEST = 3072


def settle(step: Step, state: StepState, scope: Scope) -> None:
    """End a step that makes nothing.

    Parameters
    ----------
    step
        A step of a type that is not in `local_sagemaker.pipelines.work.WORKS`.
    state
        Its state, changed in place.
    scope
        What its expressions see.
    """
    try:
        if step.type == work.CONDITION:
            state.outcome = conditions.hold(step.arguments["Conditions"], scope)
            state.metadata = {"Condition": {"Outcome": str(state.outcome)}}
            state.end(SUCCEEDED)
        elif step.type == work.FAIL:
            message = as_text(resolve(step.arguments.get("ErrorMessage", ""), scope))[:_LONGEST]
            state.metadata = {"Fail": {"ErrorMessage": message}}
            state.end(FAILED, message)
        else:
            state.end(
                FAILED,
                f"ClientError: not run locally: a step of type {step.type}, because "
                f"{work.NOT_RUN[step.type]}. Use AWS for it.",
            )
    except ExpressionError as error:
        state.end(FAILED, f"ClientError: {error}")
