"""The minimal policy: which actions the labs need, on which resources, under which conditions.

It reads aws/minimal-policy.json and data/results/lab_calls.json; it must not ask AWS anything.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workshop_utils.recorded import RESULTS
from workshop_utils.session import Session

Who = Literal["People", "Jobs"]
"""Whose a statement is, by the beginning of its Sid; ``Both`` is everybody's."""

POLICY = RESULTS.parent.parent / "aws" / "minimal-policy.json"
CALLS = RESULTS / "lab_calls.json"
_BUCKETS = "sagemaker-*"
_KINDS = {
    "Endpoint": "endpoint",
    "EndpointConfig": "endpoint-config",
    "Experiment": "experiment",
    "FlowDefinition": "flow-definition",
    "HubContent": "hub-content",
    "ListHubContents": "hub",
    "HumanLoop": "human-loop",
    "HumanTaskUi": "human-task-ui",
    "Model": "model",
    "ModelPackage": "model-package",
    "ModelPackageGroup": "model-package-group",
    "Pipeline": "pipeline",
    "ProcessingJob": "processing-job",
    "TrainingJob": "training-job",
    "TransformJob": "transform-job",
    "Trial": "experiment-trial",
    "TrialComponent": "experiment-trial-component",
    "Workteam": "workteam",
}
# What an action on any kind is asked about, by the pattern that it stands beside.
_WHATEVER = {"experiment*": "experiment"}
_CONTEXTS = ("StringEquals", "StringLike", "ForAnyValue:StringEquals")


@dataclass(frozen=True)
class Question:
    """What a simulation is asked: actions on a resource in a context."""

    actions: tuple[str, ...]
    resource: str
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()


def statements(path: Path = POLICY) -> list[dict[str, Any]]:
    """Return the statements of the minimal policy."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["Statement"]
    return found


def questions(session: Session, who: Who, policy: Iterable[Mapping[str, Any]]) -> list[Question]:
    """Return what to ask of somebody's policies: every action on a resource of its own kind.

    Parameters
    ----------
    session
        Names account, region, bucket and role of the resources.
    who
        Whose statements.
    policy
        From `statements`.
    """
    asked: dict[tuple[Any, ...], list[str]] = {}
    for statement in policy:
        if not str(statement["Sid"]).startswith((who, "Both")):
            continue
        context = _context(statement.get("Condition", {}))
        for pattern in listed(statement["Resource"]):
            for action in listed(statement["Action"]):
                resource = _example(session, action, pattern)
                asked.setdefault((resource, context), []).append(action)
    return [
        Question(tuple(actions), resource, context)
        for (resource, context), actions in asked.items()
    ]


def of_other_labs(labs: Sequence[int], path: Path = CALLS) -> set[str]:
    """Return the actions that only others than these labs were seen to take."""
    content = json.loads(path.read_text(encoding="utf-8"))["calls"]
    seen = {
        name: {
            action
            for calls in whose.values()
            for call in calls.values()
            for action in call["actions"]
        }
        for name, whose in content.items()
    }
    own = set().union(*(seen.get(f"lab{lab}", set()) for lab in labs))
    return set().union(*seen.values()) - own


def listed(value: Any) -> list[str]:
    """Return a list of what a policy may write as one text or several."""
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _context(condition: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for operator, keys in condition.items():
        if operator not in _CONTEXTS:
            raise ValueError(f"preflight cannot make up a request that meets {operator}")
        for key, values in keys.items():
            found.append((key, tuple(value.replace("*", "") for value in listed(values)[:1])))
    return tuple(found)


def _example(session: Session, action: str, pattern: str) -> str:
    """Return an ARN that a pattern matches: of this account, of its bucket, of its role."""
    if pattern == "*":
        return pattern
    _, _, service, region, account, name = pattern.split(":", 5)
    partition = session.role.split(":")[1]
    if service == "iam":
        return session.role
    if service == "s3":
        bucket, slash, key = name.partition("/")
        bucket = session.bucket if bucket == _BUCKETS else bucket.replace("*", session.region)
        return f"arn:{partition}:s3:::{bucket}{slash}{_some(key)}"
    if service == "sagemaker":
        kind, _, rest = name.partition("/")
        if "*" in kind:
            kind = kind_of(action) or _WHATEVER.get(kind, "training-job")
        name = f"{kind}/{rest or '*'}"
    region = session.region if region == "*" else region
    account = session.account if account == "*" else account
    return f"arn:{partition}:{service}:{region}:{account}:{_some(name)}"


def kind_of(action: str) -> str:
    """Return the kind of resource, as ARNs have it, that one of SageMaker's actions is about.

    It is empty for actions on any kind, such as AddTags.
    """
    verb = action.partition(":")[2]
    found = [noun for noun in _KINDS if noun in verb]
    return _KINDS[max(found, key=len)] if found else ""


def _some(name: str) -> str:
    return name.replace("*", "-preflight").replace("/-", "/")
