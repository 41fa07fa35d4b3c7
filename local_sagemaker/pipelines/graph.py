"""How the steps of a definition hang together: what each waits for, and whether that can be.

The same rules check a definition and order an execution. It must not know executions.
"""

from graphlib import CycleError, TopologicalSorter

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.pipelines import work
from local_sagemaker.pipelines.definition import COMPLETED, Definition, Step
from local_sagemaker.pipelines.expressions import EXECUTION, PARAMETERS, Reference, references

EXECUTION_VARIABLES = frozenset(
    {
        "CurrentDateTime",
        "PipelineArn",
        "PipelineExecutionArn",
        "PipelineExecutionId",
        "PipelineName",
        "ProcessingJobName",
        "StartDateTime",
        "TrainingJobName",
    }
)

_EXPERIMENT = "PipelineExperimentConfig"


def upstream(step: Step) -> dict[str, str]:
    """Return the steps that a step waits for, and how each must have ended.

    These are the steps of its ``DependsOn`` and those that its arguments refer to. Its condition
    is not among them, because a condition's outcome counts as well.
    """
    found = {
        reference.name: COMPLETED
        for reference in references(step.arguments)
        if reference.root not in (PARAMETERS, EXECUTION)
    }
    return {**found, **step.after}


def check(definition: Definition) -> None:
    """Refuse a definition whose parts do not fit together.

    Raises
    ------
    AWSError
        ``ValidationException`` that names the first thing that is wrong.
    """
    try:
        _check(definition)
    except RecursionError as error:
        raise validation_exception("The PipelineDefinition is nested too deeply.") from error


def _check(definition: Definition) -> None:
    for step in definition.steps.values():
        for name in step.after:
            _check_dependency(definition, step, name)
        for reference in references(step.arguments):
            _check_reference(definition, step, reference)
    for reference in references(definition.experiment or {}):
        _check_name(definition, _EXPERIMENT, reference)
        if reference.root not in (PARAMETERS, EXECUTION):
            raise _undefined(_EXPERIMENT, reference, "No step has run when it is read")
    _check_cycles(definition)


def _check_dependency(definition: Definition, step: Step, name: str) -> None:
    found = definition.steps.get(name)
    if found is None:
        raise validation_exception(f"Step '{step.name}' depends on '{name}', which is undefined.")
    if found.type == work.FAIL:
        if step.type == work.CONDITION:
            raise validation_exception("CondStep can not depends on FailStep")
        raise validation_exception(
            f"Step '{step.name}' cannot depend on '{name}': a Fail step ends the execution."
        )


def _check_reference(definition: Definition, step: Step, reference: Reference) -> None:
    owner = f"Step '{step.name}'"
    _check_name(definition, owner, reference)
    if reference.root in (PARAMETERS, EXECUTION):
        return
    _check_dependency(definition, step, reference.name)
    file = reference.property_file
    if file is not None and file not in definition.steps[reference.name].property_files:
        raise validation_exception(
            f"{owner} refers to '{reference.text}', but step '{reference.name}' has no property "
            f"file '{file}'."
        )


def _check_name(definition: Definition, owner: str, reference: Reference) -> None:
    if reference.root == PARAMETERS and reference.name not in definition.parameters:
        raise _undefined(owner, reference, f"Parameter '{reference.name}' is undefined")
    if reference.root == EXECUTION and reference.name not in EXECUTION_VARIABLES:
        known = ", ".join(sorted(EXECUTION_VARIABLES))
        raise _undefined(owner, reference, f"The execution has {known}")


def _undefined(owner: str, reference: Reference, why: str) -> AWSError:
    return validation_exception(f"{owner} refers to '{reference.text}'. {why}.")


def _check_cycles(definition: Definition) -> None:
    waits = {name: waited_for(step) for name, step in definition.steps.items()}
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        # Its second argument is the way round, each before the one that waits for it.
        way = " -> ".join(reversed(error.args[1]))
        raise validation_exception(
            f"Cycle detected in pipeline step graph: {way}. Each waits for the next."
        ) from error


def waited_for(step: Step) -> set[str]:
    """Return the names of the steps that must have ended before a step, its condition included."""
    return {*upstream(step), *([step.branch.condition] if step.branch else [])}
