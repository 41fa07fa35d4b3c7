"""Whether the caller and the execution role may do what the labs do, as IAM itself judges it.

It asks about the minimal policy's actions; it must not know what is in that policy.

Organizations' policies and boundaries count in IAM's answer; policies of buckets do not.
"""

import re
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from workshop_utils.preflight import policy
from workshop_utils.preflight.finding import Finding, blocker, ok, warning
from workshop_utils.preflight.policy import Question, Who
from workshop_utils.session import Session

AREA = "permissions"
_SERVICE = "sagemaker.amazonaws.com"
_SHOWN = 6
_ASSUMED = re.compile(r"arn:([\w-]+):sts::(\d+):assumed-role/([^/]+)/")
_ATTACH = (
    "Attach aws/minimal-policy.json to {name}, or ask who administers the account to; "
    "docs/instructors.md shows how."
)


def check(session: Session, labs: Sequence[int]) -> list[Finding]:
    """Let IAM simulate every action that the labs take, by whom they take it."""
    caller = _principal(session)
    if caller is None:
        return [
            warning(
                AREA,
                f"Nobody can simulate what {session.caller} may do.",
                "IAM simulates users and roles only; this is not a yes.",
                "Sign in as a role, as Studio does.",
            )
        ]
    if caller.endswith(":root"):
        return [
            warning(
                AREA,
                "You are the account's root user, who may do everything.",
                "A key of the root user that leaks is the whole account.",
                "Make a role with aws/minimal-policy.json, and work as that.",
            )
        ]
    whose: list[tuple[Who, str]] = [("People", caller), ("Jobs", session.role)]
    return [
        finding for who, principal in whose for finding in _simulated(session, labs, who, principal)
    ]


def role(session: Session, _: Sequence[int]) -> list[Finding]:
    """Find out whether SageMaker may act as the execution role."""
    name = session.role.rpartition("/")[2]
    try:
        found = session.client("iam").get_role(RoleName=name)["Role"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return [
            blocker(
                AREA,
                f"There is no role {session.role}.",
                "Jobs and endpoints act as it.",
                "Set WORKSHOP_ROLE_ARN to an execution role of this account.",
            )
        ]
    if _trusts(found["AssumeRolePolicyDocument"]):
        return [ok(AREA, f"SageMaker may act as the role {name}.")]
    return [
        blocker(
            AREA,
            f"The role {name} does not trust {_SERVICE}.",
            "SageMaker must be able to assume the role that jobs and endpoints act as.",
            f"Let its trust policy allow sts:AssumeRole to the service {_SERVICE}.",
        )
    ]


def _principal(session: Session) -> str | None:
    """Return the user or role behind the caller; None where IAM has neither."""
    assumed = _ASSUMED.match(session.caller)
    if assumed is None:
        known = ":user/" in session.caller or session.caller.endswith(":root")
        return session.caller if known else None
    partition, account, name = assumed.groups()
    if session.role.rpartition("/")[2] == name:
        return session.role
    try:
        # A role's ARN has a path, which the ARN of who assumed it leaves out.
        return str(session.client("iam").get_role(RoleName=name)["Role"]["Arn"])
    except ClientError:
        return f"arn:{partition}:iam::{account}:role/{name}"


def _simulated(session: Session, labs: Sequence[int], who: Who, principal: str) -> list[Finding]:
    of_others = policy.of_other_labs(labs)
    name = principal.partition(":")[2].rpartition(":")[2]
    acts = {"People": "who works here", "Jobs": "what jobs and endpoints act as"}[who]
    denied: list[str] = []
    asked = 0
    for question in policy.questions(session, who, policy.statements()):
        asked += len(question.actions)
        denied += _denied(session, principal, question)
    needed = [action for action in denied if action.partition(" ")[0] not in of_others]
    found = []
    if needed:
        found.append(
            blocker(
                AREA,
                f"{name} ({acts}) may not: {_few(needed)}.",
                "The labs would be refused in the middle.",
                _ATTACH.format(name=name),
            )
        )
    others = [action for action in denied if action not in needed]
    if others:
        found.append(
            warning(
                AREA,
                f"{name} ({acts}) may not: {_few(others)}.",
                "These labs do not need it; other labs, costs, clean-up or preflight do.",
                _ATTACH.format(name=name),
            )
        )
    return found or [ok(AREA, f"{name} ({acts}) may take all {asked} actions.")]


def _denied(session: Session, principal: str, question: Question) -> list[str]:
    """Return the actions that would be refused, each with its resource."""
    context: list[dict[str, Any]] = [
        {"ContextKeyName": key, "ContextKeyValues": list(values), "ContextKeyType": "string"}
        for key, values in question.context
    ]
    pages = session.client("iam").get_paginator("simulate_principal_policy")
    return [
        f"{result['EvalActionName']} on {result['EvalResourceName']}"
        for page in pages.paginate(
            PolicySourceArn=principal,
            ActionNames=list(question.actions),
            ResourceArns=[question.resource],
            ContextEntries=context,
        )
        for result in page["EvaluationResults"]
        if result["EvalDecision"] != "allowed"
    ]


def _few(actions: Sequence[str]) -> str:
    more = f", and {len(actions) - _SHOWN} more" if len(actions) > _SHOWN else ""
    return ", ".join(f"`{action}`" for action in actions[:_SHOWN]) + more


def _trusts(document: Any) -> bool:
    """Tell whether a trust policy lets SageMaker in."""
    for statement in document.get("Statement", []) if isinstance(document, dict) else []:
        principal = statement.get("Principal", {})
        services = policy.listed(principal.get("Service", [])) if principal != "*" else [_SERVICE]
        actions = policy.listed(statement.get("Action", []))
        allows = statement.get("Effect") == "Allow"
        if allows and _SERVICE in services and {"sts:AssumeRole", "sts:*", "*"} & set(actions):
            return True
    return False
