"""Experiments: experiments hold trials, trials share trial components, components hold values.

The records are ordinary ones; here are the rules between them: names that ignore case, merging
updates, which component belongs to which trials, and what must not be deleted yet. It must not
know who logs to a component: the SDK's `Run`, a job, or a user with boto3.
"""

import math
from functools import partial
from typing import Any

from local_sagemaker.errors import AWSError, validation_exception
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record
from local_sagemaker.tracking.experiment_documents import ExperimentDocuments, SearchDocuments
from local_sagemaker.tracking.lineage import Associations
from local_sagemaker.tracking.metric_series import MetricSeries
from local_sagemaker.tracking.trial_members import TrialMembers

# The three maps of a trial component that an update merges, key by key.
_MAPS = ("Parameters", "InputArtifacts", "OutputArtifacts")
# Callers that are no Studio user have an empty context in the service's answers.
_NOBODY: dict[str, Any] = {}


class Experiments:
    """The operations on experiments, trials and trial components.

    Parameters
    ----------
    resources
        The generic operations, called for what is not special here.
    series
        The metrics of trial components.
    associations
        Lineage edges, which go when an experiment or a component goes.
    """

    def __init__(
        self, resources: Resources, series: MetricSeries, associations: Associations
    ) -> None:
        self._resources = resources
        self._records = resources.records
        self._database = resources.records.database
        self._series = series
        self._associations = associations
        self._members = TrialMembers(self._database)
        self._documents = ExperimentDocuments(resources, series, self._members)

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        handlers: dict[str, Handler] = {
            "CreateExperiment": partial(self._create, "Experiment"),
            "CreateTrial": self.create_trial,
            "CreateTrialComponent": self.create_trial_component,
            "UpdateTrialComponent": self.update_trial_component,
            "DescribeTrialComponent": self.describe_trial_component,
            "AssociateTrialComponent": self.associate,
            "DisassociateTrialComponent": self.disassociate,
            "ListTrials": self.list_trials,
            "ListTrialComponents": self.list_trial_components,
            "DeleteExperiment": self.delete_experiment,
            "DeleteTrial": self.delete_trial,
            "DeleteTrialComponent": self.delete_trial_component,
        }
        for noun in ("Experiment", "Trial"):
            handlers[f"Describe{noun}"] = partial(self._describe, noun)
            handlers[f"Update{noun}"] = partial(self._update, noun)
        return handlers

    def search_documents(self) -> dict[str, SearchDocuments]:
        """Return what Search shows of the kinds of which it shows more than Describe, by noun."""
        return {"Trial": self._documents.trials, "TrialComponent": self._documents.components}

    def trial_component(self, caller: Caller, name: str) -> Record | None:
        """Return a trial component, or None; case does not matter."""
        return self._records.get(self._resources.key(caller, "TrialComponent", name.lower()))

    def create_trial(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create a trial in an experiment that exists."""
        with self._database.transaction():
            self._get(caller, "Experiment", params["ExperimentName"])
            return self._create("Trial", caller, params)

    def create_trial_component(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create a trial component; one that exists is refused and stays as it is."""
        _check_parameters(params.get("Parameters", {}))
        return self._create("TrialComponent", caller, params)

    def update_trial_component(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Merge parameters and artifacts into a component, key by key, and set the rest.

        What is to be removed goes last: the SDK sends a component's old values along with the
        names of those to remove.
        """
        _check_parameters(params.get("Parameters", {}))
        shape = self._resources.kinds["TrialComponent"].describe
        plain = ("DisplayName", "Status", "StartTime", "EndTime")
        changes = {key: params[key] for key in plain if key in params}

        def change(record: Record) -> None:
            record.body |= changes | {"LastModifiedBy": _NOBODY}
            for member in _MAPS:
                merged = record.body.get(member, {}) | params.get(member, {})
                for key in params.get(f"{member}ToRemove", ()):
                    merged.pop(key, None)
                most = shape.members[member].metadata["max"]
                if len(merged) > most:
                    raise validation_exception(
                        f"TrialComponent '{record.arn}' would have {len(merged)} {member}; "
                        f"at most {most} are allowed."
                    )
                record.body[member] = merged

        name = params["TrialComponentName"].lower()
        record = self._resources.change(caller, "TrialComponent", name, change)
        return {"TrialComponentArn": record.arn}

    def describe_trial_component(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return a component with the summaries of its metrics; its ARN may name it."""
        record = self._get(caller, "TrialComponent", params["TrialComponentName"])
        metrics = self._series.described([record.arn])[record.arn]
        shown = self._resources.shown(record) | {"Metrics": metrics}
        if "Source" in shown:
            shown["Sources"] = [shown["Source"]]
        return shown

    def associate(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Make a component part of a trial; doing it twice changes nothing."""
        with self._database.transaction():
            trial, component = self._pair(caller, params)
            self._members.add(_owner(caller), trial.key.name, component.key.name)
        return {"TrialArn": trial.arn, "TrialComponentArn": component.arn}

    def disassociate(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Take a component out of a trial."""
        with self._database.transaction():
            trial, component = self._pair(caller, params)
            if not self._members.remove(_owner(caller), trial.key.name, component.key.name):
                raise AWSError(
                    "ResourceNotFound",
                    f"TrialComponent '{component.arn}' is not associated with '{trial.arn}'.",
                )
        return {"TrialArn": trial.arn, "TrialComponentArn": component.arn}

    def list_trials(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return trials, those of an experiment or of a component if one is named."""
        trials = self._records.list_kind(*_owner(caller), "Trial")
        if params.get("ExperimentName"):
            experiment = self._get(caller, "Experiment", params["ExperimentName"])
            trials = [trial for trial in trials if _experiment(trial) == experiment.key.name]
        if params.get("TrialComponentName"):
            component = self._get(caller, "TrialComponent", params["TrialComponentName"])
            inside = self._members.trials(_owner(caller), component.key.name)
            trials = [trial for trial in trials if trial.key.name in inside]
        return self._resources.listed(caller, "Trial", params, trials)

    def list_trial_components(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return components, those of an experiment, of a trial or of a source if one is named."""
        filters = [
            name for name in ("ExperimentName", "TrialName", "SourceArn") if params.get(name)
        ]
        if len(filters) > 1:
            raise validation_exception(
                f"{' and '.join(filters)} cannot be used together: specify only one of them."
            )
        components = self._records.list_kind(*_owner(caller), "TrialComponent")
        if filters == ["SourceArn"]:
            # The SDK asks with the ARN in lower case, whatever the job is called.
            source = params["SourceArn"].lower()
            components = [c for c in components if _source(c).lower() == source]
        elif filters:
            inside = self._inside(caller, params)
            components = [c for c in components if c.key.name in inside]
        answer = self._resources.listed(caller, "TrialComponent", params, components)
        sources = {c.arn: c.body["Source"] for c in components if "Source" in c.body}
        for summary in answer["TrialComponentSummaries"]:
            summary["TrialComponentSource"] = sources.get(summary["TrialComponentArn"])
        return answer

    def delete_experiment(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete an experiment that has no trials any more."""
        with self._database.transaction():
            record = self._get(caller, "Experiment", params["ExperimentName"])
            trials = self._records.list_kind(*_owner(caller), "Trial")
            if any(_experiment(trial) == record.key.name for trial in trials):
                raise _linked(record, "trials")
            self._remove(caller, record)
        return {"ExperimentArn": record.arn}

    def delete_trial(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a trial that has no components any more."""
        with self._database.transaction():
            record = self._get(caller, "Trial", params["TrialName"])
            if self._members.components(_owner(caller), record.key.name):
                raise _linked(record, "trial components")
            self._remove(caller, record)
        return {"TrialArn": record.arn}

    def delete_trial_component(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a component that no trial holds any more, with its metrics and lineage edges."""
        with self._database.transaction():
            record = self._get(caller, "TrialComponent", params["TrialComponentName"])
            if self._members.trials(_owner(caller), record.key.name):
                raise _linked(record, "trials")
            self._series.forget(record.arn)
            self._remove(caller, record)
        return {"TrialComponentArn": record.arn}

    def _create(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        given = params[f"{noun}Name"]
        body = {"DisplayName": given, "CreatedBy": _NOBODY, "LastModifiedBy": _NOBODY}
        if params.get("DisplayName"):
            body["DisplayName"] = params["DisplayName"]
        record = self._resources.create(caller, noun, params, name=given.lower(), body=body)
        return {f"{noun}Arn": record.arn}

    def _get(self, caller: Caller, noun: str, name: str) -> Record:
        return self._resources.get(caller, noun, name.lower())

    def _describe(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        return self._resources.shown(self._get(caller, noun, params[f"{noun}Name"]))

    def _update(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        changes = {key: params[key] for key in ("DisplayName", "Description") if key in params}

        def change(record: Record) -> None:
            record.body |= changes | {"LastModifiedBy": _NOBODY}
            if record.body.get("Description") == "":
                del record.body["Description"]

        record = self._resources.change(caller, noun, params[f"{noun}Name"].lower(), change)
        return {f"{noun}Arn": record.arn}

    def _remove(self, caller: Caller, record: Record) -> None:
        self._associations.forget(record.arn)
        self._resources.delete(caller, record.key.kind, record.key.name)

    def _pair(self, caller: Caller, params: dict[str, Any]) -> tuple[Record, Record]:
        return (
            self._get(caller, "Trial", params["TrialName"]),
            self._get(caller, "TrialComponent", params["TrialComponentName"]),
        )

    def _inside(self, caller: Caller, params: dict[str, Any]) -> set[str]:
        """Return the components of the trial or of the experiment that a List names."""
        if params.get("TrialName"):
            trials = [self._get(caller, "Trial", params["TrialName"])]
        else:
            experiment = self._get(caller, "Experiment", params["ExperimentName"])
            every = self._records.list_kind(*_owner(caller), "Trial")
            trials = [trial for trial in every if _experiment(trial) == experiment.key.name]
        owner = _owner(caller)
        return {name for t in trials for name in self._members.components(owner, t.key.name)}


def _owner(caller: Caller) -> tuple[str, str]:
    return (caller.account, caller.region)


def _experiment(trial: Record) -> str:
    return str(trial.body["ExperimentName"]).lower()


def _source(component: Record) -> str:
    return str(component.body.get("Source", {}).get("SourceArn", ""))


def _linked(record: Record, others: str) -> AWSError:
    return validation_exception(
        f"{record.key.kind} '{record.arn}' is linked to 1 or more {others} and cannot be deleted."
    )


def _check_parameters(parameters: dict[str, dict[str, Any]]) -> None:
    """Refuse what the service model allows but no value of a parameter can be."""
    for name, value in parameters.items():
        if len(value) != 1:
            raise validation_exception(
                f"Parameter {name!r} must have either a StringValue or a NumberValue."
            )
        if not math.isfinite(value.get("NumberValue", 0)):
            raise validation_exception(
                f"The NumberValue of parameter {name!r} must be a finite number, "
                f"but it is {value['NumberValue']}."
            )
