"""What this server does with each operation of SageMaker's four services, declared and reviewed.

An operation executes, records, fails by saying so, or is refused by name; one that is nowhere in
these tables is refused too, and a test over botocore's model names it. This module knows words
only; it must not know how anything is done.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from local_sagemaker.errors import AWSError

SERVICES = ("sagemaker", "sagemaker-a2i-runtime", "sagemaker-runtime", "sagemaker-metrics")


class Coverage(StrEnum):
    """The classes of operations.

    ``FAILS`` and ``REFUSED`` are both work that is not run: the first is kept as a record that
    has failed with a reason, the second is answered ``NotImplemented``.
    """

    EXECUTES = "executes"
    RECORDS = "records"
    FAILS = "fails"
    REFUSED = "refused"


@dataclass(frozen=True)
class Declaration:
    """The class of a noun's operations, or of one operation.

    Attributes
    ----------
    coverage
        The class.
    reason
        Why it is not run, as the end of "not run locally: …"; empty where it is.
    """

    coverage: Coverage
    reason: str = ""


def _fails(reason: str) -> Declaration:
    return Declaration(Coverage.FAILS, reason)


def _refused(reason: str) -> Declaration:
    return Declaration(Coverage.REFUSED, reason)


_EXECUTES = Declaration(Coverage.EXECUTES)
_RECORDS = Declaration(Coverage.RECORDS)

_HYPERPOD = "it needs the instances of a HyperPod cluster"
_STUDIO = "Studio's applications run on AWS; open JupyterLab on this machine"
_MLFLOW = "managed MLflow runs on AWS; start `mlflow server` on this machine"
_CAPACITY = "capacity is reserved and paid for on AWS"
_CALLBACKS = "callback steps are not run, so nobody waits for an answer"
_DEVICES = "it needs devices that AWS reaches"
_AUTOPILOT = "Autopilot's algorithms run on AWS; train with a training job instead"

# One row per noun of a Create operation, for its Create, Describe, List, Update, Delete, Start and
# Stop.
NOUNS: dict[str, Declaration] = {
    "AIBenchmarkJob": _fails("it loads an endpoint of AWS"),
    "AIRecommendationJob": _fails("it tries instances of AWS"),
    "AIWorkloadConfig": _RECORDS,
    "Action": _RECORDS,
    "Algorithm": _RECORDS,
    "App": _fails(_STUDIO),
    "AppImageConfig": _RECORDS,
    "Artifact": _RECORDS,
    "AutoMLJob": _fails(_AUTOPILOT),
    "AutoMLJobV2": _fails(_AUTOPILOT),
    "Cluster": _fails(_HYPERPOD),
    "ClusterExtension": _refused(_HYPERPOD),
    "ClusterSchedulerConfig": _fails(_HYPERPOD),
    "CodeRepository": _RECORDS,
    "CompilationJob": _fails("Neo's compilers run on AWS; serve the model as it is"),
    "ComputeQuota": _fails(_HYPERPOD),
    "Context": _RECORDS,
    "DataQualityJobDefinition": _RECORDS,
    "DeviceFleet": _RECORDS,
    "Domain": _RECORDS,
    "EdgeDeploymentPlan": _RECORDS,
    "EdgeDeploymentStage": _RECORDS,
    "EdgePackagingJob": _fails(_DEVICES),
    "Endpoint": _EXECUTES,
    "EndpointConfig": _RECORDS,
    "Experiment": _RECORDS,
    "FeatureGroup": _RECORDS,
    "FlowDefinition": _EXECUTES,
    "Hub": _RECORDS,
    "HubContentReference": _refused(
        "a model of the public hub is deployed by its id; import the content to change it"
    ),
    "HumanTaskUi": _EXECUTES,
    "HyperParameterTuningJob": _fails("tuning is not executed; start the training jobs yourself"),
    "Image": _RECORDS,
    "ImageVersion": _RECORDS,
    "InferenceComponent": _fails(
        "a variant's instances are not shared by models here; give each a variant"
    ),
    "InferenceExperiment": _refused("it mirrors live traffic between instances of AWS"),
    "InferenceRecommendationsJob": _fails("it tries instances of AWS"),
    "InferenceRouter": _fails("it routes between endpoints on AWS; call each endpoint by its name"),
    "Job": _fails("what it runs is a service of AWS"),
    "LabelingJob": _fails("no workforce is asked here"),
    "MlflowApp": _refused(_MLFLOW),
    "MlflowTrackingServer": _refused(_MLFLOW),
    "Model": _RECORDS,
    "ModelBiasJobDefinition": _RECORDS,
    "ModelCard": _RECORDS,
    "ModelCardExportJob": _fails("AWS makes the PDF; the card's content can be described"),
    "ModelExplainabilityJobDefinition": _RECORDS,
    "ModelPackage": _RECORDS,
    "ModelPackageGroup": _RECORDS,
    "ModelQualityJobDefinition": _RECORDS,
    "MonitoringSchedule": _fails("the images that monitor exist on AWS only"),
    "NotebookInstance": _fails(_STUDIO),
    "NotebookInstanceLifecycleConfig": _RECORDS,
    "OptimizationJob": _fails("its compilers and quantizers run on AWS"),
    "PartnerApp": _fails("partner applications run on AWS"),
    "Pipeline": _EXECUTES,
    "ProcessingJob": _EXECUTES,
    "Project": _RECORDS,
    "Space": _RECORDS,
    "StudioLifecycleConfig": _RECORDS,
    "TrainingJob": _EXECUTES,
    "TrainingPlan": _refused(_CAPACITY),
    "TrainingSession": _fails("it trains on AWS's own models"),
    "TransformJob": _EXECUTES,
    "Trial": _RECORDS,
    "TrialComponent": _RECORDS,
    "UserProfile": _RECORDS,
    "Workforce": _EXECUTES,
    "Workteam": _EXECUTES,
}

_VERBS = ("Create", "Describe", "List", "Update", "Delete", "Start", "Stop")


def _rows(declaration: Declaration, operations: str) -> dict[str, Declaration]:
    return dict.fromkeys(operations.split(), declaration)


# Operations of no noun, and those that do otherwise than their noun.
OPERATIONS: dict[str, Declaration] = (
    _rows(
        _EXECUTES,
        "BatchGetMetrics BatchPutMetrics DeleteHumanLoop DescribeHumanLoop "
        "DescribePipelineDefinitionForExecution DescribePipelineExecution GetSearchSuggestions "
        "InvokeEndpoint InvokeEndpointAsync InvokeEndpointWithResponseStream ListHumanLoops "
        "ListPipelineExecutionSteps ListPipelineExecutions ListPipelineParametersForExecution "
        "ListPipelineVersions QueryLineage RenderUiTemplate RetryPipelineExecution Search "
        "StartHumanLoop StartPipelineExecution StopHumanLoop StopPipelineExecution "
        "UpdateEndpointWeightsAndCapacities UpdatePipelineExecution UpdatePipelineVersion",
    )
    | _rows(
        _RECORDS,
        "AddAssociation AddTags AssociateTrialComponent BatchDescribeModelPackage "
        "DeleteAssociation DeleteEndpointPolicy DeleteHubContent "
        "DeleteModelPackageGroupPolicy DeleteTags DeregisterDevices DescribeDevice "
        "DescribeFeatureMetadata DescribeHubContent DescribeLineageGroup "
        "DescribeSubscribedWorkteam DisableSagemakerServicecatalogPortfolio "
        "DisassociateTrialComponent EnableSagemakerServicecatalogPortfolio "
        "GetDeviceFleetReport GetEndpointPolicy GetLineageGroupPolicy "
        "GetModelPackageGroupPolicy GetSagemakerServicecatalogPortfolioStatus "
        "ImportHubContent ListAliases ListAssociations ListCandidatesForAutoMLJob ListDevices "
        "ListHubContentVersions ListHubContents ListInferenceRecommendationsJobSteps "
        "ListLabelingJobsForWorkteam ListLineageGroups ListModelCardVersions "
        "ListMonitoringAlertHistory ListMonitoringAlerts ListMonitoringExecutions "
        "ListResourceCatalogs ListStageDevices ListSubscribedWorkteams "
        "ListTags ListTrainingJobsForHyperParameterTuningJob PutEndpointPolicy "
        "PutModelPackageGroupPolicy RegisterDevices UpdateDevices UpdateFeatureMetadata "
        "UpdateHubContent UpdateMonitoringAlert",
    )
    | _rows(
        _refused(_HYPERPOD),
        "AttachClusterNodeNetworkInterface AttachClusterNodeVolume BatchAddClusterNodes "
        "BatchDeleteClusterNodes BatchRebootClusterNodes BatchReplaceClusterNodes "
        "DescribeClusterEvent DescribeClusterNode DescribeClusterOperation "
        "DetachClusterNodeVolume ListClusterEvents ListClusterExtensionVersions ListClusterNodes "
        "ListClusterOperations StartClusterHealthCheck UpdateClusterSoftware",
    )
    | _rows(
        _refused(_STUDIO),
        "CreatePresignedDomainUrl CreatePresignedNotebookInstanceUrl StartNotebookInstance "
        "StartSession",
    )
    # None of these is ever made, and to find or list none is an honest answer.
    | _rows(
        _RECORDS,
        "DeleteInferenceExperiment DeleteMlflowApp DeleteMlflowTrackingServer "
        "DescribeInferenceExperiment DescribeMlflowApp DescribeMlflowTrackingServer "
        "DescribeTrainingPlan ListInferenceExperiments ListMlflowApps ListMlflowTrackingServers "
        "ListTrainingPlans",
    )
    | _rows(_refused(_MLFLOW), "CreatePresignedMlflowAppUrl CreatePresignedMlflowTrackingServerUrl")
    | _rows(
        _refused(_CAPACITY),
        "DescribeReservedCapacity DescribeTrainingPlanExtensionHistory ExtendTrainingPlan "
        "ListUltraServersByReservedCapacity SearchTrainingPlanOfferings",
    )
    | _rows(
        _refused(_CALLBACKS),
        "SendPipelineExecutionStepFailure SendPipelineExecutionStepSuccess",
    )
    | _rows(_refused(_DEVICES), "StartEdgeDeploymentStage StopEdgeDeploymentStage")
    | {
        "CreateHubContentPresignedUrls": _refused("it signs addresses of AWS's own storage"),
        "CreatePartnerAppPresignedUrl": _refused("partner applications run on AWS"),
        "DescribeJobSchemaVersion": _refused("the schemas of these jobs are AWS's own"),
        "GetScalingConfigurationRecommendation": _refused("it needs the results of a load test"),
        "StartMonitoringSchedule": _refused("the images that monitor exist on AWS only"),
        "ListJobSchemaVersions": _refused("the schemas of these jobs are AWS's own"),
        "ListModelMetadata": _refused("it is AWS's own list of public models"),
        "UpdateTrainingJob": _refused("profilers, warm pools and remote debugging are not run"),
        "UpdateInferenceComponentRuntimeConfig": _refused(
            "inference components are recorded but not run"
        ),
    }
)


def noun_of(operation: str, nouns: Iterable[str] = NOUNS) -> str | None:
    """Return the noun of an operation that creates, shows, lists, changes or ends one, or None."""
    for verb in _VERBS:
        rest = operation.removeprefix(verb)
        if rest != operation:
            return next((noun for noun in nouns if rest in (noun, plural(noun))), None)
    return None


def plural(noun: str) -> str:
    """Return a noun as the names of List operations have it."""
    return f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"


def declared(operation: str) -> Declaration | None:
    """Return the declared class of an operation, or None when nobody classified it."""
    if operation in OPERATIONS:
        return OPERATIONS[operation]
    noun = noun_of(operation)
    return NOUNS[noun] if noun is not None else None


def refusal(operation: str) -> AWSError:
    """Return what an operation that is not answered says instead."""
    declaration = declared(operation)
    why = (
        declaration.reason
        if declaration is not None and declaration.coverage is Coverage.REFUSED
        else "it is newer than this server"
    )
    return AWSError(
        "NotImplemented",
        f"{operation} is not run locally: {why}. Everything that is answered here is listed in "
        "docs/local-sagemaker-api.md; use AWS for the rest.",
    )


def failure_reason(noun: str) -> str:
    """Return the reason with which a resource of a noun that is not run has failed."""
    reason = NOUNS[noun].reason
    # Behind a semicolon a reason says already what to do instead.
    advice = "" if ";" in reason else " Use AWS for it."
    return f"not run locally: {reason}.{advice}"
