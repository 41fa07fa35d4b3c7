"""The kinds of SageMaker resources that clean-up looks for: how they are listed, what they are.

A kind is one row; the operations follow from its noun. It must not know marks.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of resource.

    Attributes
    ----------
    slug
        How its ARNs call it, and the word for it.
    noun
        As operations have it: ``Endpoint`` of ``ListEndpoints``.
    items
        The member of List's answer that holds them.
    by_name
        Whether List can be asked for a part of the name.
    created, status
        Members of an item; an empty status where it has none.
    looked_into
        Whether the tags of each are asked for although neither its name nor the listing of tagged
        resources says that it is the workshop's: kinds of which there are few.
    spawned
        Whether other resources of the workshop make such ones on their own.
    page
        Its page in the console, behind ``#/``.
    """

    slug: str
    noun: str
    items: str
    by_name: bool = True
    created: str = "CreationTime"
    status: str = ""
    looked_into: bool = False
    spawned: bool = False
    page: str = ""


ENDPOINT, CONFIG, MODEL = "endpoint", "endpoint-config", "model"
COMPONENT, MONITORING = "inference-component", "monitoring-schedule"
TRAINING, PROCESSING, TRANSFORM = "training-job", "processing-job", "transform-job"
TUNING, AUTOML = "hyper-parameter-tuning-job", "automl-job"
PIPELINE, EXECUTION, SCHEDULE = "pipeline", "pipeline-execution", "schedule"
GROUP, PACKAGE = "model-package-group", "model-package"
FLOW, LOOP, TASK_UI, TEAM = "flow-definition", "human-loop", "human-task-ui", "workteam"
EXPERIMENT, TRIAL = "experiment", "experiment-trial"
TRIAL_COMPONENT = "experiment-trial-component"
LOG_GROUP, LOG_STREAM, OBJECTS = "log-group", "log-stream", "s3-prefix"

JOBS = (TRAINING, PROCESSING, TRANSFORM, TUNING, AUTOML)
UNDER_WAY = ("InProgress", "Stopping", "Executing", "Pending")
"""Statuses of jobs and executions that have not ended."""

KINDS = (
    Kind(ENDPOINT, "Endpoint", "Endpoints", status="EndpointStatus", page="endpoints/{name}"),
    Kind(CONFIG, "EndpointConfig", "EndpointConfigs", page="endpointConfig/{name}"),
    Kind(MODEL, "Model", "Models", spawned=True, page="models/{name}"),
    Kind(COMPONENT, "InferenceComponent", "InferenceComponents", status="InferenceComponentStatus"),
    Kind(
        MONITORING,
        "MonitoringSchedule",
        "MonitoringScheduleSummaries",
        status="MonitoringScheduleStatus",
    ),
    Kind(
        TRAINING,
        "TrainingJob",
        "TrainingJobSummaries",
        status="TrainingJobStatus",
        spawned=True,
        page="jobs/{name}",
    ),
    Kind(
        PROCESSING,
        "ProcessingJob",
        "ProcessingJobSummaries",
        status="ProcessingJobStatus",
        spawned=True,
        page="processing-jobs/{name}",
    ),
    Kind(
        TRANSFORM,
        "TransformJob",
        "TransformJobSummaries",
        status="TransformJobStatus",
        spawned=True,
        page="transform-jobs/{name}",
    ),
    Kind(
        TUNING,
        "HyperParameterTuningJob",
        "HyperParameterTuningJobSummaries",
        status="HyperParameterTuningJobStatus",
        spawned=True,
        page="hyper-tuning-jobs/{name}",
    ),
    Kind(AUTOML, "AutoMLJob", "AutoMLJobSummaries", status="AutoMLJobStatus", spawned=True),
    Kind(PIPELINE, "Pipeline", "PipelineSummaries", by_name=False, looked_into=True),
    Kind(GROUP, "ModelPackageGroup", "ModelPackageGroupSummaryList", spawned=True),
    Kind(
        FLOW,
        "FlowDefinition",
        "FlowDefinitionSummaries",
        by_name=False,
        status="FlowDefinitionStatus",
        looked_into=True,
        page="a2i/human-review-workflows/{name}",
    ),
    Kind(TASK_UI, "HumanTaskUi", "HumanTaskUiSummaries", by_name=False, looked_into=True),
    Kind(TEAM, "Workteam", "Workteams", created="CreateDate"),
    Kind(
        EXPERIMENT,
        "Experiment",
        "ExperimentSummaries",
        by_name=False,
        looked_into=True,
        spawned=True,
    ),
    Kind(TRIAL, "Trial", "TrialSummaries", by_name=False, spawned=True),
    Kind(TRIAL_COMPONENT, "TrialComponent", "TrialComponentSummaries", by_name=False, spawned=True),
)
BY_SLUG = {kind.slug: kind for kind in KINDS}
SPAWNED = {kind.slug for kind in KINDS if kind.spawned} | {
    EXECUTION,
    PACKAGE,
    LOOP,
    LOG_GROUP,
    LOG_STREAM,
    OBJECTS,
}
"""Kinds of which there may be more than when the plan was made, because what ran has made them."""
