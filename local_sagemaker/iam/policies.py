"""What IAM policies say of an action on a resource: statements, wildcards, conditions, decisions.

It knows policy documents and the rules by which they are judged; it must not know users, roles or
where documents come from.

Source: "Policy evaluation logic" and "IAM JSON policy elements reference", IAM user guide.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local_sagemaker.iam.conditions import Context, holds, like

ALLOWED = "allowed"
EXPLICIT_DENY = "explicitDeny"
IMPLICIT_DENY = "implicitDeny"
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class PolicyError(Exception):
    """A document is no policy; the message says why."""


@dataclass(frozen=True)
class Policy:
    """A policy: how it is called, and its statements."""

    name: str
    statements: Sequence[Mapping[str, Any]]

    @classmethod
    def parse(cls, name: str, document: str) -> "Policy":
        """Read a policy; `PolicyError` when it is none."""
        try:
            content = json.loads(document)
            statements = _listed(content["Statement"])
            for statement in statements:
                if statement["Effect"] not in ("Allow", "Deny"):
                    raise PolicyError(f"{name}: Effect must be Allow or Deny")
                if not ({"Action", "NotAction"} & statement.keys()):
                    raise PolicyError(f"{name}: a statement has neither Action nor NotAction")
                _check(name, statement)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise PolicyError(f"{name} is not a policy: {error!r}") from error
        return cls(name, statements)


@dataclass
class Decision:
    """What policies say.

    Attributes
    ----------
    verdict
        `ALLOWED`, `EXPLICIT_DENY` or `IMPLICIT_DENY`.
    matched
        The names of the policies whose statements decided.
    missing
        Context keys that statements ask for and that were not given.
    """

    verdict: str = IMPLICIT_DENY
    matched: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)


def decide(policies: Iterable[Policy], action: str, resource: str, context: Context) -> Decision:
    """Judge an action on a resource by policies of one kind.

    A Deny that matches counts more than any Allow; what nothing allows is denied.
    """
    matched: dict[str, list[str]] = {"Allow": [], "Deny": []}
    missing: set[str] = set()
    for policy in policies:
        for statement in policy.statements:
            if _matches(statement, action, resource, context, missing):
                matched[statement["Effect"]].append(policy.name)
    if matched["Deny"]:
        return Decision(EXPLICIT_DENY, matched["Deny"], missing)
    if matched["Allow"]:
        return Decision(ALLOWED, matched["Allow"], missing)
    return Decision(IMPLICIT_DENY, [], missing)


def _matches(
    statement: Mapping[str, Any], action: str, resource: str, context: Context, missing: set[str]
) -> bool:
    actions = _listed(statement.get("Action", statement.get("NotAction", [])))
    named = any(like(action.lower(), pattern.lower()) for pattern in actions)
    if named is ("NotAction" in statement):
        return False
    if "Resource" in statement or "NotResource" in statement:
        resources = _listed(statement.get("Resource", statement.get("NotResource", [])))
        named = any(_names(pattern, resource, context) for pattern in resources)
        if named is ("NotResource" in statement):
            return False
    return holds(statement.get("Condition", {}), context, missing)


def _names(pattern: str, resource: str, context: Context) -> bool:
    """Tell whether a Resource element names a resource.

    A simulation without resources asks for ``*``, which only a statement on all has.
    """

    def value(found: re.Match[str]) -> str:
        values = context.get(found[1].lower())
        return values[0] if values else found[0]

    return like(resource, _VARIABLE.sub(value, pattern))


def _check(name: str, statement: Mapping[str, Any]) -> None:
    """Refuse a statement whose elements are not of the types that policies have."""
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if not all(isinstance(one, str) for one in _listed(statement.get(element, []))):
            raise PolicyError(f"{name}: {element} must be a text or a list of texts")
    for operator, keys in statement.get("Condition", {}).items():
        if not isinstance(keys, dict) or any(value == [] for value in keys.values()):
            raise PolicyError(f"{name}: {operator} of Condition must be keys with their values")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
