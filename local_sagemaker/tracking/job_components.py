"""The trial component that every training job has: what it was asked, how it went, its metrics.

It is called ``<job>-aws-training-job`` and follows the job's record, in the same transaction. Which
members it has is what public notebooks and the SDK's tests show of the service's. It must not know
how a job is run.
"""

import math
from collections.abc import Sequence
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.store import Key, Record, Records, now
from local_sagemaker.tracking.metric_series import LARGEST_VALUE, MetricSeries, Point
from local_sagemaker.tracking.trial_members import TrialMembers

JOB = "TrainingJob"
NOUN = "TrialComponent"
SUFFIX = "-aws-training-job"
# botocore: the greatest lengths of TrialComponentStatus.Message and of an artifact's MediaType.
_LONGEST_MESSAGE = 1024
_LONGEST_MEDIA_TYPE = 64
_NOBODY: dict[str, Any] = {}


class JobComponents:
    """Keeps the components of training jobs up to date.

    Parameters
    ----------
    records
        Where jobs and components are kept; the jobs among them are watched.
    series
        The metrics of trial components.
    """

    def __init__(self, records: Records, series: MetricSeries) -> None:
        self._records = records
        self._series = series
        self._members = TrialMembers(records.database)
        records.watch(JOB, self._follow)

    def log(self, job: Key, points: Sequence[tuple[str, float, float]]) -> None:
        """Add values of metrics to a job's component.

        Parameters
        ----------
        job
            Which job.
        points
            Names, values, and times in seconds since the epoch. A value too large for a summary
            is left out.
        """
        component = self._records.get(_key(job))
        if component is None or "Job" not in component.private:
            # It was deleted, or somebody made one of this name by hand.
            return
        kept = [Point(name, value, at) for name, value, at in points if abs(value) <= LARGEST_VALUE]
        self._series.append(component.arn, kept)

    def _follow(self, job: Record) -> None:
        """Bring a job's component up to date, within the transaction that writes the job."""
        key = _key(job.key)
        component = self._records.get(key)
        body = _content(job)
        if component is None:
            self._add(key, job, body)
        elif component.body.get("Source", {}).get("SourceArn") != job.arn:
            # Somebody made a component of this name by hand: it is theirs.
            return
        elif component.private.get("Job") != job.created:
            # A job of this name was deleted, and here is another.
            self._series.forget(component.arn)
            self._replace(key, job, body)
            self._join(job, component)
        elif any(component.body.get(name) != value for name, value in body.items()):
            self._replace(key, job, body)

    def _add(self, key: Key, job: Record, body: dict[str, Any]) -> None:
        moment = now()
        config = job.body.get("ExperimentConfig", {})
        name = f"{job.key.name}{SUFFIX}"
        component = Record(
            key=key,
            arn=f"{_prefix(job)}:experiment-trial-component/{key.name}",
            created=moment,
            modified=moment,
            body=body
            | {
                "DisplayName": config.get("TrialComponentDisplayName", name),
                "Source": {"SourceArn": job.arn, "SourceType": "SageMakerTrainingJob"},
                "CreationTime": moment,
                "CreatedBy": _NOBODY,
                "LastModifiedBy": _NOBODY,
            },
            private={"Job": job.created},
        )
        self._records.insert(component)
        self._join(job, component)

    def _join(self, job: Record, component: Record) -> None:
        """Make the component a member of the trial that the job names, if it names one."""
        trial = job.body.get("ExperimentConfig", {}).get("TrialName")
        if trial is None:
            return
        owner = (job.key.account, job.key.region)
        if self._records.get(Key(*owner, "Trial", trial.lower())) is None:
            if job.modified > job.created:
                # Both were deleted while the job went on: that must not keep it from ending.
                return
            raise AWSError(
                "ResourceNotFound",
                f"Trial '{_prefix(job)}:experiment-trial/{trial.lower()}' does not exist. Create "
                "it, or leave TrialName out of ExperimentConfig.",
            )
        self._members.add(owner, trial.lower(), component.key.name)

    def _replace(self, key: Key, job: Record, body: dict[str, Any]) -> None:
        def change(component: Record) -> None:
            gone = {"StartTime", "EndTime", "OutputArtifacts"}
            kept = {name: value for name, value in component.body.items() if name not in gone}
            component.body = kept | body
            component.private["Job"] = job.created

        self._records.update(key, change)


def _key(job: Key) -> Key:
    # Names of trial components ignore case, and are kept in lower case.
    return Key(job.account, job.region, NOUN, f"{job.name}{SUFFIX}".lower())


def _prefix(job: Record) -> str:
    return f"arn:aws:sagemaker:{job.key.region}:{job.key.account}"


def _content(job: Record) -> dict[str, Any]:
    """Return what a component says about its job."""
    body = job.body
    words = (
        f"Status: {job.status}, secondary status: {body.get('SecondaryStatus')}, failure reason: "
        f"{body.get('FailureReason', '')}."
    )
    content = {
        "Status": {"PrimaryStatus": job.status, "Message": words[:_LONGEST_MESSAGE]},
        "Parameters": _parameters(body),
        "InputArtifacts": _inputs(body),
        "OutputArtifacts": _outputs(job),
    }
    for shown, moment in (("StartTime", "TrainingStartTime"), ("EndTime", "TrainingEndTime")):
        if moment in body:
            content[shown] = body[moment]
    return content


def _parameters(body: dict[str, Any]) -> dict[str, Any]:
    cluster = body.get("ResourceConfig", {})
    own = {
        "SageMaker.ImageUri": body.get("AlgorithmSpecification", {}).get("TrainingImage"),
        "SageMaker.InstanceCount": cluster.get("InstanceCount"),
        "SageMaker.InstanceType": cluster.get("InstanceType"),
        "SageMaker.VolumeSizeInGB": cluster.get("VolumeSizeInGB"),
    }
    values = {**body.get("HyperParameters", {}), **own}
    return {name: _parameter(value) for name, value in values.items() if value is not None}


def _parameter(value: str | float) -> dict[str, Any]:
    """Return a parameter: a number where the text is one, as the service does."""
    try:
        number = float(value)
    except ValueError:
        return {"StringValue": value}
    return {"NumberValue": number} if math.isfinite(number) else {"StringValue": str(value)}


def _inputs(body: dict[str, Any]) -> dict[str, Any]:
    artifacts = {}
    for channel in body.get("InputDataConfig", ()):
        source = channel.get("DataSource", {}).get("S3DataSource")
        if source is None:
            continue
        artifact = {"Value": source["S3Uri"]}
        if 0 < len(channel.get("ContentType", "")) <= _LONGEST_MEDIA_TYPE:
            artifact["MediaType"] = channel["ContentType"]
        artifacts[channel["ChannelName"]] = artifact
    return artifacts


def _outputs(job: Record) -> dict[str, Any]:
    """Return where results are: the model once the job is over and has left one."""
    artifacts = {}
    if job.status in ("Completed", "Stopped"):
        model = job.body["ModelArtifacts"]["S3ModelArtifacts"]
        artifacts["SageMaker.ModelArtifact"] = {"Value": model}
    hook = job.body.get("DebugHookConfig", {}).get("S3OutputPath")
    if hook is not None:
        artifacts["SageMaker.DebugHookOutput"] = {"Value": hook}
    return artifacts
