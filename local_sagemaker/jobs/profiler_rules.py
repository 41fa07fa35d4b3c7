"""Rules of Debugger and its profiler, whose images exist on AWS only.

A job that asks for rules is not run, with one exception: SDK v2 put a rule on every job that does
nothing but report, ``ProfilerReport``. Without it the job does all its work; so the job runs, and
of the rule it says that nobody evaluated it. It must not know a job's states.
"""

from collections.abc import Mapping
from typing import Any

from local_sagemaker.database import now

_REPORT = "ProfilerReport"
_NOT_EVALUATED = "not run locally: the images that evaluate rules exist on AWS only."


def needed(request: Mapping[str, Any]) -> bool:
    """Tell whether a training job asks for rules that do more than report."""
    rules = request.get("ProfilerRuleConfigurations", [])
    return bool(request.get("DebugRuleConfigurations")) or not all(map(_reports, rules))


def statuses(request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what DescribeTrainingJob says of the profiler's rules."""
    return [
        {
            "RuleConfigurationName": rule["RuleConfigurationName"],
            "RuleEvaluationStatus": "Error",
            "StatusDetails": _NOT_EVALUATED,
            "LastModifiedTime": now(),
        }
        for rule in request.get("ProfilerRuleConfigurations", [])
    ]


def _reports(rule: Mapping[str, Any]) -> bool:
    return bool(rule.get("RuleParameters", {}).get("rule_to_invoke") == _REPORT)
