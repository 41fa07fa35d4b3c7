"""Jobs that are not run here: what a kind's row says is in `local_sagemaker.kinds.kind`.

Each of them has failed as soon as it is there. The service model asks for members that no request
carries: a job that did no work has counted nothing, and nothing lies where its output would.
"""

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from local_sagemaker.coverage import failure_reason
from local_sagemaker.database import now
from local_sagemaker.errors import validation_exception
from local_sagemaker.kinds.kind import Override, Parent

Request = Mapping[str, Any]


def _ended(member: str, request: Request) -> dict[str, Any]:
    del request
    return {member: now()}


def _automl(request: Request) -> dict[str, Any]:
    return {"AutoMLJobSecondaryStatus": "Failed"} | _ended("EndTime", request)


def _compilation(request: Request) -> dict[str, Any]:
    if "InputConfig" not in request:
        raise validation_exception(
            "CreateCompilationJob is recorded with an InputConfig only: the local SageMaker "
            "compiles no model packages. Use AWS for it."
        )
    output = request["OutputConfig"]
    platform = output.get("TargetPlatform", {})
    listed = {
        "CompilationTargetDevice": output.get("TargetDevice"),
        "CompilationTargetPlatformOs": platform.get("Os"),
        "CompilationTargetPlatformArch": platform.get("Arch"),
        "CompilationTargetPlatformAccelerator": platform.get("Accelerator"),
    }
    return {
        "CompilationEndTime": now(),
        "ModelArtifacts": {"S3ModelArtifacts": output["S3OutputLocation"]},
        **{key: value for key, value in listed.items() if value is not None},
    }


def _edge_packaging(request: Request) -> dict[str, Any]:
    del request
    return {"EdgePackagingJobStatusMessage": failure_reason("EdgePackagingJob")}


def _job(request: Request) -> dict[str, Any]:
    moment = now()
    failed = {"Status": "Failed", "StartTime": moment, "EndTime": moment}
    return {
        "SecondaryStatus": "Failed",
        "SecondaryStatusTransitions": [failed],
    } | _ended("EndTime", request)


def _labeling(request: Request) -> dict[str, Any]:
    task = request["HumanTaskConfig"]
    lambdas = {
        "PreHumanTaskLambdaArn": task.get("PreHumanTaskLambdaArn"),
        "AnnotationConsolidationLambdaArn": task.get("AnnotationConsolidationConfig", {}).get(
            "AnnotationConsolidationLambdaArn"
        ),
    }
    counters = ("TotalLabeled", "HumanLabeled", "MachineLabeled", "FailedNonRetryableError")
    return {
        "LabelCounters": dict.fromkeys((*counters, "Unlabeled"), 0),
        "JobReferenceCode": uuid.uuid4().hex,
        "WorkteamArn": task["WorkteamArn"],
        **{key: value for key, value in lambdas.items() if value is not None},
    }


def _optimization(request: Request) -> dict[str, Any]:
    kinds = {key for config in request["OptimizationConfigs"] for key in config}
    types = sorted(key.removeprefix("Model").removesuffix("Config") for key in kinds)
    return {"OptimizationTypes": types} | _ended("OptimizationEndTime", request)


def _recommender(request: Request) -> dict[str, Any]:
    subject = {
        key: request["InputConfig"][key]
        for key in ("ModelName", "ModelPackageVersionArn")
        if key in request["InputConfig"]
    }
    description = {"JobDescription": request.get("JobDescription", "")}
    return description | subject | _ended("CompletionTime", request)


def _tuning(request: Request) -> dict[str, Any]:
    config = request["HyperParameterTuningJobConfig"]
    jobs = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
    return {
        "TrainingJobStatusCounters": dict.fromkeys(jobs, 0),
        "ObjectiveStatusCounters": dict.fromkeys(("Succeeded", "Pending", "Failed"), 0),
        "Strategy": config["Strategy"],
        "ResourceLimits": config["ResourceLimits"],
    } | _ended("HyperParameterTuningEndTime", request)


_WORKLOAD = Parent("AIWorkloadConfig", ("AIWorkloadConfigIdentifier",))

ROWS: dict[str, Override] = {
    "AIBenchmarkJob": Override(
        status="Failed", parents=(_WORKLOAD,), invented=partial(_ended, "EndTime")
    ),
    "AIRecommendationJob": Override(
        status="Failed", parents=(_WORKLOAD,), invented=partial(_ended, "EndTime")
    ),
    "AutoMLJob": Override(slug="automl-job", status="Failed", invented=_automl, sort_by="Name"),
    "CompilationJob": Override(status="FAILED", invented=_compilation, descending=False),
    "EdgePackagingJob": Override(status="FAILED", invented=_edge_packaging),
    "HyperParameterTuningJob": Override(
        status="Failed", invented=_tuning, sort_by="Name", descending=False
    ),
    "InferenceRecommendationsJob": Override(
        status="FAILED",
        invented=_recommender,
        kept=("OutputConfig",),
        aliases={
            "ModelNameEquals": "ModelName",
            "ModelPackageVersionArnEquals": "ModelPackageVersionArn",
        },
    ),
    "Job": Override(
        address=("JobCategory", "JobName"),
        status="Failed",
        invented=_job,
        aliases={"JobSecondaryStatus": "SecondaryStatus"},
    ),
    "LabelingJob": Override(status="Failed", invented=_labeling, descending=False),
    "ModelCardExportJob": Override(
        slug="model-card",
        label="model card export job",
        status="Failed",
        address=("ModelCardExportJobArn",),
    ),
    "OptimizationJob": Override(
        status="FAILED",
        invented=_optimization,
        aliases={"Optimization": "OptimizationTypes"},
        descending=False,
    ),
}
