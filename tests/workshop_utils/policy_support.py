"""Asking IAM whether the minimal policy allows something."""

import json
from typing import Any

from workshop_utils.session import Session


def whose(text: str, by: str) -> str:
    """Return the policy with the statements of people, or of jobs, and of both."""
    document = json.loads(text)
    wanted = ({"people": "People", "jobs": "Jobs"}[by], "Both")
    document["Statement"] = [s for s in document["Statement"] if s["Sid"].startswith(wanted)]
    return json.dumps(document)


def allowed(
    ws: Session,
    text: str,
    action: str,
    resource: str,
    passed_to: str = "sagemaker.amazonaws.com",
) -> bool:
    key = {"ContextKeyName": "iam:PassedToService", "ContextKeyType": "string"}
    iam: Any = ws.client("iam")
    (result,) = iam.simulate_custom_policy(
        PolicyInputList=[text],
        ActionNames=[action],
        ResourceArns=[resource],
        ContextEntries=[{**key, "ContextKeyValues": [passed_to]}],
    )["EvaluationResults"]
    return bool(result["EvalDecision"] == "allowed")
