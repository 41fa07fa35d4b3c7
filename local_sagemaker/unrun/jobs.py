"""Jobs that are not run here, where they are more than a failed record.

How such a job fails is its row in `local_sagemaker.kinds.jobs` and its reason in
`local_sagemaker.coverage`. A room that runs a kind takes its operations over: it comes later in
the server's list, and the kind's row in `local_sagemaker.coverage` changes.
"""

from functools import partial
from typing import Any

from local_sagemaker.errors import AWSError
from local_sagemaker.filters import found
from local_sagemaker.identity import Caller
from local_sagemaker.operations import Handler
from local_sagemaker.paging import page
from local_sagemaker.plain_lists import nothing
from local_sagemaker.resources import Resources
from local_sagemaker.store import Record

# What a job refers to: it must be there when the job is made, and may go afterwards.
_SUBJECTS = {
    "EdgePackagingJob": ("CompilationJob", "CompilationJobName"),
}
# What jobs are made of, by the operation that lists it: the job's kind and the answer's member.
_PARTS = {
    "ListCandidatesForAutoMLJob": ("AutoMLJob", "Candidates"),
    "ListInferenceRecommendationsJobSteps": ("InferenceRecommendationsJob", "Steps"),
    "ListTrainingJobsForHyperParameterTuningJob": (
        "HyperParameterTuningJob",
        "TrainingJobSummaries",
    ),
}


class UnrunJobs:
    """The operations on such jobs that are not those of every resource."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def operations(self) -> dict[str, Handler]:
        """Return the handlers by operation name."""
        handlers: dict[str, Handler] = {
            "CreateAIRecommendationJob": self._create_recommendation,
            "CreateModelCardExportJob": self._create_export,
            "DeleteJob": self._delete_job,
            "ListLabelingJobsForWorkteam": self._of_workteam,
        }
        for noun in _SUBJECTS:
            handlers[f"Create{noun}"] = partial(self._create, noun)
        for operation, (noun, member) in _PARTS.items():
            handlers[operation] = partial(self._parts, noun, member)
        return handlers

    def _create(self, noun: str, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create a job about something that must exist."""
        subject, member = _SUBJECTS[noun]
        with self._resources.records.database.transaction():
            self._resources.get(caller, subject, params[member])
            record = self._resources.create(caller, noun, params)
        return {f"{noun}Arn": record.arn}

    def _create_recommendation(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        # Describe requires a place; without one in the request it is the SDK's default bucket.
        place = f"s3://sagemaker-{caller.region}-{caller.account}"
        output = {"S3OutputLocation": place} | params["OutputConfig"]
        params = params | {"OutputConfig": output}
        record = self._resources.create(caller, "AIRecommendationJob", params)
        return {"AIRecommendationJobArn": record.arn}

    def _create_export(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Create the export of a model card, whose ARN is below the card's."""
        card, name = params["ModelCardName"], params["ModelCardExportJobName"]
        with self._resources.records.database.transaction():
            newest = self._resources.get(caller, "ModelCard", card).body["ModelCardVersion"]
            version = params.get("ModelCardVersion", newest)
            if version > newest:
                raise self._resources.missing(caller, "ModelCard", f"{card}/{version}")
            record = self._resources.create(
                caller,
                "ModelCardExportJob",
                params,
                name=f"{card}/export-job/{name}",
                body={"ModelCardVersion": version},
            )
        return {"ModelCardExportJobArn": record.arn}

    def _delete_job(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a job; botocore's text says that doing so again is no error."""
        try:
            self._resources.delete(caller, "Job", f"{params['JobCategory']}/{params['JobName']}")
        except AWSError as error:
            if error.code != self._resources.kinds["Job"].missing_code:
                raise
        return {}

    def _parts(
        self, noun: str, member: str, caller: Caller, params: dict[str, Any]
    ) -> dict[str, Any]:
        """Return nothing: a job that was not run has made nothing."""
        job = self._resources.get(caller, noun, params[self._resources.kinds[noun].name_key])
        return nothing(member, params, job.arn)

    def _of_workteam(self, caller: Caller, params: dict[str, Any]) -> dict[str, Any]:
        """Return the labeling jobs that ask a workteam, by their reference codes."""
        jobs = [
            job
            for job in self._resources.records.list_kind(
                caller.account, caller.region, "LabelingJob"
            )
            if job.body["WorkteamArn"] == params["WorkteamArn"]
            and params.get("JobReferenceCodeContains", "") in job.body["JobReferenceCode"]
            and job.created > params.get("CreationTimeAfter", 0.0)
            and job.created < params.get("CreationTimeBefore", float("inf"))
        ]
        if params.get("SortOrder") != "Ascending":
            jobs.reverse()
        scope = f"{caller.account}/{caller.region}"
        chosen, token = page(jobs, params, lambda job: job.key.name, scope=scope)
        return {
            "LabelingJobSummaryList": [_for_workteam(job) for job in chosen],
            "NextToken": token,
        }


def _for_workteam(job: Record) -> dict[str, Any]:
    return {
        "LabelingJobName": job.key.name,
        "JobReferenceCode": job.body["JobReferenceCode"],
        "WorkRequesterAccountId": job.key.account,
        "CreationTime": job.created,
        "LabelCounters": {"HumanLabeled": 0, "PendingHuman": 0, "Total": 0},
        "NumberOfHumanWorkersPerDataObject": found(
            job.body, "HumanTaskConfig.NumberOfHumanWorkersPerDataObject"
        ),
    }
