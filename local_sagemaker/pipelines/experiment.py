"""The experiment and the trial that the jobs of an execution are tracked in.

A definition names them, the SDK's by the pipeline and the execution; they are made when they are
not there. Without them, or where they cannot be made, jobs are executed all the same. It must not
know steps.
"""

from collections.abc import Mapping

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.pipelines.calls import Calls
from local_sagemaker.pipelines.definition import Definition
from local_sagemaker.pipelines.expressions import Scope, as_text, resolve

EXPERIMENT, TRIAL = "ExperimentName", "TrialName"


def names(definition: Definition, scope: Scope) -> dict[str, str] | None:
    """Return what an execution's experiment and trial are called, or None if it has none.

    Raises
    ------
    ExpressionError
        When one of the names has no value.
    """
    if not definition.experiment:
        return None
    found = resolve(definition.experiment, scope)
    # The service writes the name of the experiment in lower case.
    return {EXPERIMENT: as_text(found[EXPERIMENT]).lower(), TRIAL: as_text(found[TRIAL])}


def made(calls: Calls, caller: Caller, named: Mapping[str, str]) -> dict[str, str]:
    """Make an experiment and a trial where they are not there.

    Returns
    -------
    dict
        ``ExperimentConfig`` of the jobs; empty when there is no such trial.
    """
    experiment, trial = {EXPERIMENT: named[EXPERIMENT]}, {TRIAL: named[TRIAL]}
    for operation, request in (
        ("CreateExperiment", experiment),
        ("CreateTrial", experiment | trial),
    ):
        try:
            calls.undisturbed(caller, operation, request)
        except AWSError:
            # It is there already, or cannot be, which the next line tells.
            continue
    try:
        calls.undisturbed(caller, "DescribeTrial", trial)
    except AWSError:
        return {}
    return experiment | trial
