"""What Search shows of trials and trial components, where it is more than what Describe shows.

A trial comes with its components, a component with its metrics and its parents. It reads only;
the rules between them are `local_sagemaker.tracking.experiments`' matter.
"""

from collections.abc import Callable
from typing import Any

from local_sagemaker.identity import Caller
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record
from local_sagemaker.tracking.metric_series import MetricSeries
from local_sagemaker.tracking.trial_members import TrialMembers

SearchDocuments = Callable[[Caller, list[Record]], list[dict[str, Any]]]

# The members of the service model's TrialComponentSimpleSummary.
_SIMPLE_SUMMARY = ("TrialComponentName", "TrialComponentArn", "CreationTime", "CreatedBy")


class ExperimentDocuments:
    """Builds the documents, each list from one consistent view of the database."""

    def __init__(self, resources: Resources, series: MetricSeries, members: TrialMembers) -> None:
        self._resources = resources
        self._series = series
        self._members = members
        self._database = resources.records.database

    def trials(self, caller: Caller, records: list[Record]) -> list[dict[str, Any]]:
        """Return the documents of trials."""
        with self._database.transaction():
            return [
                self._resources.shown(record)
                | {"TrialComponentSummaries": self._simple_summaries(caller, record.key.name)}
                for record in records
            ]

    def components(self, caller: Caller, records: list[Record]) -> list[dict[str, Any]]:
        """Return the documents of trial components."""
        owner = (caller.account, caller.region)
        with self._database.transaction():
            metrics = self._series.described([record.arn for record in records])
            if len(records) == 1:
                # What the SDK's Run asks; reading all memberships for it would grow with the runs.
                name = records[0].key.name
                members = {name: self._members.trials(owner, name)}
            else:
                members = self._members.every(owner)
            known = {trial for trials in members.values() for trial in trials}
            parents = {trial: self._parent(caller, trial) for trial in known}
        return [
            self._resources.shown(record)
            | {
                "Metrics": metrics[record.arn],
                "Parents": [parents[trial] for trial in members.get(record.key.name, [])],
            }
            for record in records
        ]

    def _simple_summaries(self, caller: Caller, trial: str) -> list[dict[str, Any]]:
        summaries = []
        for name in sorted(self._members.components((caller.account, caller.region), trial)):
            shown = self._resources.shown(self._resources.get(caller, "TrialComponent", name))
            summaries.append({key: shown[key] for key in _SIMPLE_SUMMARY if key in shown})
        return summaries

    def _parent(self, caller: Caller, trial: str) -> dict[str, str]:
        body = self._resources.get(caller, "Trial", trial).body
        return {key: body[key] for key in ("TrialName", "ExperimentName")}
