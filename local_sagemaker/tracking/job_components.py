"""The trial component that every training and processing job has: what was asked, how it went.

It is called ``<job>-aws-training-job``, or ``-aws-processing-job``, and follows the job's record in
the same transaction. It must not know how a job is run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local_sagemaker.database import now
from local_sagemaker.errors import AWSError
from local_sagemaker.store import Key, Record, Records
from local_sagemaker.tracking import job_contents
from local_sagemaker.tracking.metric_series import LARGEST_VALUE, MetricSeries, Point
from local_sagemaker.tracking.trial_members import TrialMembers

NOUN = "TrialComponent"


@dataclass(frozen=True)
class _Kind:
    """How the components of a kind of jobs are called, and what they say."""

    suffix: str
    source: str
    content: Callable[[Record], dict[str, Any]]


_KINDS = {
    "TrainingJob": _Kind("-aws-training-job", "SageMakerTrainingJob", job_contents.training),
    "ProcessingJob": _Kind(
        "-aws-processing-job", "SageMakerProcessingJob", job_contents.processing
    ),
}
_NOBODY: dict[str, Any] = {}


class JobComponents:
    """Keeps the components of jobs up to date.

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
        for noun in _KINDS:
            records.watch(noun, self._follow)

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
        body = _KINDS[job.key.kind].content(job)
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
        kind = _KINDS[job.key.kind]
        name = f"{job.key.name}{kind.suffix}"
        component = Record(
            key=key,
            arn=f"{_prefix(job)}:experiment-trial-component/{key.name}",
            created=moment,
            modified=moment,
            body=body
            | {
                "DisplayName": config.get("TrialComponentDisplayName", name),
                "Source": {"SourceArn": job.arn, "SourceType": kind.source},
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
    return Key(job.account, job.region, NOUN, f"{job.name}{_KINDS[job.kind].suffix}".lower())


def _prefix(job: Record) -> str:
    return f"arn:aws:sagemaker:{job.key.region}:{job.key.account}"
