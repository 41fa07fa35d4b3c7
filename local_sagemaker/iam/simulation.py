"""SimulatePrincipalPolicy and SimulateCustomPolicy: what policies would say, really judged.

It knows the requests and answers of both, and which policies count; how a policy is judged is
`local_sagemaker.iam.policies`' matter. Nothing is enforced by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.iam.conditions import Context
from local_sagemaker.iam.policies import (
    ALLOWED,
    EXPLICIT_DENY,
    IMPLICIT_DENY,
    Decision,
    Policy,
    PolicyError,
    decide,
)

_NOT_JUDGED = ("ResourcePolicy", "OrderedOrganizationPolicyInputList", "PolicyExclusionList")


@dataclass(frozen=True)
class Principal:
    """Whose policies are judged: documents by policy name, and the context of its requests."""

    policies: dict[str, str]
    boundary: str | None = None
    context: dict[str, list[str]] = field(default_factory=dict)


def simulate(params: dict[str, Any], principal: Principal) -> dict[str, Any]:
    """Return the answer to a simulation.

    Parameters
    ----------
    params
        Of either operation.
    principal
        Whose policies count beside those of the request.

    Raises
    ------
    AWSError
        ``InvalidInput`` for what is no policy, and for what is not judged here.
    """
    for name in _NOT_JUDGED:
        if params.get(name):
            raise _invalid(f"The local SageMaker does not judge {name}: leave it out, or use AWS.")
    try:
        granted = [Policy.parse(name, text) for name, text in principal.policies.items()]
        granted += _given(params, "PolicyInputList")
        boundaries = _given(params, "PermissionsBoundaryPolicyInputList")
        if principal.boundary is not None and not boundaries:
            boundaries = [Policy.parse("PermissionsBoundary", principal.boundary)]
        context = principal.context | _context(params)
        results = [
            _result(action, resource, granted, boundaries, context)
            for action in params["ActionNames"]
            for resource in params.get("ResourceArns") or ["*"]
        ]
    except (PolicyError, ValueError, OverflowError) as error:
        raise _invalid(str(error)) from error
    return {"EvaluationResults": results, "IsTruncated": False}


def _given(params: dict[str, Any], name: str) -> list[Policy]:
    documents = params.get(name) or []
    return [Policy.parse(f"{name}.{n}", text) for n, text in enumerate(documents, 1)]


def _context(params: dict[str, Any]) -> dict[str, list[str]]:
    return {
        entry["ContextKeyName"].lower(): list(entry.get("ContextKeyValues") or [])
        for entry in params.get("ContextEntries") or []
    }


def _result(
    action: str,
    resource: str,
    granted: Sequence[Policy],
    boundaries: Sequence[Policy],
    context: Context,
) -> dict[str, Any]:
    if ":" not in action:
        raise ValueError(f"{action!r} is not an action: it has no service before a colon")
    decision = decide(granted, action, resource, context)
    result: dict[str, Any] = {}
    if boundaries:
        bound = decide(boundaries, action, resource, context)
        result["PermissionsBoundaryDecisionDetail"] = {
            "AllowedByPermissionsBoundary": bound.verdict == ALLOWED
        }
        decision = _within(decision, bound)
    return {
        "EvalActionName": action,
        "EvalResourceName": resource,
        "EvalDecision": decision.verdict,
        "MatchedStatements": [
            {"SourcePolicyId": name, "SourcePolicyType": "IAM Policy"} for name in decision.matched
        ],
        "MissingContextValues": sorted(decision.missing),
        **result,
    }


def _within(decision: Decision, bound: Decision) -> Decision:
    """Return what is left of a decision within a boundary, which grants nothing itself."""
    missing = decision.missing | bound.missing
    if bound.verdict == EXPLICIT_DENY and decision.verdict != EXPLICIT_DENY:
        return Decision(EXPLICIT_DENY, bound.matched, missing)
    if bound.verdict == ALLOWED or decision.verdict != ALLOWED:
        return Decision(decision.verdict, decision.matched, missing)
    return Decision(IMPLICIT_DENY, [], missing)


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidInput", message)
