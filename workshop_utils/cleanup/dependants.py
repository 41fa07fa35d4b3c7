"""What hangs off the workshop's resources and can carry no tag of its own.

Executions and schedules of pipelines, versions of model package groups, trials and trial
components, human loops. Logs and files are found in `leavings`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from workshop_utils.cleanup import kinds, leavings
from workshop_utils.cleanup.asking import all_at_once, items
from workshop_utils.cleanup.errors import GaveUp, gone, reason
from workshop_utils.cleanup.resource import Resource
from workshop_utils.session import Session

SLUGS = frozenset({kinds.PACKAGE})
"""Kinds of tagged things that are found here, by what they hang off."""

Account = Mapping[str, list[Resource]]


@dataclass
class Hanging:
    """What was found, and what could not be looked at."""

    found: list[Resource] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)


def find(
    session: Session, marked: Iterable[Resource], account: Account, lab: str | None
) -> Hanging:
    """Return what hangs off marked resources.

    Parameters
    ----------
    session
        Whose account.
    marked
        The workshop's resources.
    account
        Everything that may be the workshop's, by kind, marked or not.
    lab
        Only what this lab has made, if given.
    """
    roots = list(marked)
    by_kind: dict[str, list[Resource]] = {}
    for one in roots:
        by_kind.setdefault(one.kind, []).append(one)
    searches: list[tuple[str, Callable[[], list[Resource]]]] = [
        (kinds.SCHEDULE, partial(_schedules, session, by_kind.get(kinds.PIPELINE, []))),
        *(
            (kind, partial(search, session, root))
            for parent, kind, search in (
                (kinds.PIPELINE, kinds.EXECUTION, _executions),
                (kinds.GROUP, kinds.PACKAGE, _packages),
                (kinds.FLOW, kinds.LOOP, _loops),
                (kinds.EXPERIMENT, kinds.TRIAL, _trials),
            )
            for root in by_kind.get(parent, [])
        ),
        *leavings.searches(session, by_kind, account, lab),
    ]
    answers = all_at_once(_answer, searches)
    known = {one.arn for one in roots}
    result = Hanging()
    for (kind, _), answer in zip(searches, answers, strict=True):
        if isinstance(answer, str):
            result.unseen[kind] = answer
        else:
            result.found += [one for one in answer if one.arn not in known]
    result.found += _components_of_jobs(roots, account)
    return result


def _answer(search: tuple[str, Callable[[], list[Resource]]]) -> list[Resource] | str:
    try:
        return search[1]()
    except (BotoCoreError, ClientError, GaveUp) as error:
        # What it hangs off has gone in the meantime.
        return [] if gone(error) else reason(error)


def _schedules(session: Session, pipelines: list[Resource]) -> list[Resource]:
    if not pipelines:
        return []
    by_arn = {pipeline.arn: pipeline for pipeline in pipelines}
    return [
        Resource(
            kind=kinds.SCHEDULE,
            name=str(item["Name"]),
            arn=str(item["Arn"]),
            created=item.get("CreationDate"),
            status=str(item.get("State", "")),
            details={"group": str(item.get("GroupName", "default"))},
        ).below(by_arn[item["Target"]["Arn"]])
        for item in items(session, "scheduler", "list_schedules", "Schedules")
        if item.get("Target", {}).get("Arn") in by_arn
    ]


def _executions(session: Session, pipeline: Resource) -> list[Resource]:
    """Return those that run; those that have ended go with their pipeline."""
    found = items(
        session,
        "sagemaker",
        "list_pipeline_executions",
        "PipelineExecutionSummaries",
        PipelineName=pipeline.name,
    )
    return [
        Resource(
            kind=kinds.EXECUTION,
            name=f"{pipeline.name}/{str(item['PipelineExecutionArn']).rsplit('/', 1)[-1]}",
            arn=str(item["PipelineExecutionArn"]),
            created=item.get("StartTime"),
            status=str(item["PipelineExecutionStatus"]),
            note="its jobs are stopped with it",
        ).below(pipeline)
        for item in found
        if item["PipelineExecutionStatus"] in kinds.UNDER_WAY
    ]


def _packages(session: Session, group: Resource) -> list[Resource]:
    found = items(
        session,
        "sagemaker",
        "list_model_packages",
        "ModelPackageSummaryList",
        ModelPackageGroupName=group.name,
    )
    return [
        Resource(
            kind=kinds.PACKAGE,
            name=f"{group.name}/{item['ModelPackageVersion']}",
            arn=str(item["ModelPackageArn"]),
            created=item.get("CreationTime"),
            status=str(item.get("ModelApprovalStatus", "")),
        ).below(group)
        for item in found
    ]


def _loops(session: Session, flow: Resource) -> list[Resource]:
    found = items(
        session,
        "sagemaker-a2i-runtime",
        "list_human_loops",
        "HumanLoopSummaries",
        FlowDefinitionArn=flow.arn,
    )
    return [
        Resource(
            kind=kinds.LOOP,
            name=str(item["HumanLoopName"]),
            arn=f"{flow.arn}#{item['HumanLoopName']}",
            created=item.get("CreationTime"),
            status=str(item["HumanLoopStatus"]),
        ).below(flow)
        for item in found
    ]


def _trials(session: Session, experiment: Resource) -> list[Resource]:
    found = items(
        session,
        "sagemaker",
        "list_trials",
        "TrialSummaries",
        ExperimentName=experiment.name,
    )
    return [
        Resource(
            kind=kinds.TRIAL,
            name=str(item["TrialName"]),
            arn=str(item["TrialArn"]),
            created=item.get("CreationTime"),
        ).below(experiment)
        for item in found
    ]


def _components_of_jobs(roots: list[Resource], account: Account) -> list[Resource]:
    """Return the trial components that SageMaker made of the workshop's jobs."""
    jobs = {one.arn: one for one in roots if one.kind in kinds.JOBS}
    return [
        one.below(jobs[one.details["source"]])
        for one in account.get(kinds.TRIAL_COMPONENT, [])
        if not one.why and one.details.get("source") in jobs
    ]
