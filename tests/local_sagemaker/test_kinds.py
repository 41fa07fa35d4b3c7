"""What a kind of resource is follows from the service model, and what does not is listed here.

The lists are complete: they fail when botocore adds a resource that nobody looked at.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.model import Shape

from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Caller
from local_sagemaker.kinds import EXECUTED, RECORDED, Kind, Override, declared_kinds, derive
from local_sagemaker.protocol import JsonProtocol, service_model
from local_sagemaker.resources import Resources
from local_sagemaker.store import Database, Records
from tests.local_sagemaker.core_support import minimal

MODEL = service_model("sagemaker")
OPERATIONS = set(MODEL.operation_names)
CALLER = Caller("111122223333", "us-east-1", "arn", "user", "key")

# Create operations that make no resource.
NO_RESOURCES = {
    "EdgeDeploymentStage",
    "HubContentPresignedUrls",
    "HubContentReference",
    "PartnerAppPresignedUrl",
    "PresignedDomainUrl",
    "PresignedMlflowAppUrl",
    "PresignedMlflowTrackingServerUrl",
    "PresignedNotebookInstanceUrl",
}
# Describe does not answer its ARN.
NOT_DERIVED = {"ClusterExtension"}
# Describe asks for something else than the name, or for more.
ADDRESSED_OTHERWISE = {
    "App": ("DomainId", "AppType", "AppName"),
    "Artifact": ("ArtifactArn",),
    "ClusterSchedulerConfig": ("ClusterSchedulerConfigId",),
    "ComputeQuota": ("ComputeQuotaId",),
    "Domain": ("DomainId",),
    "Job": ("JobName", "JobCategory"),
    "MlflowApp": ("Arn",),
    "ModelCardExportJob": ("ModelCardExportJobArn",),
    "PartnerApp": ("Arn",),
    "Space": ("DomainId", "SpaceName"),
    "UserProfile": ("DomainId", "UserProfileName"),
}
# What an answer must hold and neither the request nor this server's records do: whoever adds one
# of these kinds has to say where it comes from.
MONITORING = "MonitoringJobDefinitionName, MonitoringJobDefinitionArn, EndpointName"
LACKING = {
    "AIRecommendationJob": "S3OutputLocation",
    "Algorithm": "AlgorithmStatusDetails",
    "AutoMLJob": "AutoMLJobSecondaryStatus",
    "AutoMLJobV2": "AutoMLJobSecondaryStatus",
    "Cluster": "InstanceGroups",
    "CompilationJob": "FailureReason, ModelArtifacts, InputConfig",
    "DataQualityJobDefinition": MONITORING,
    "EdgeDeploymentPlan": "Stages",
    "FeatureGroup": "NextToken",
    "HyperParameterTuningJob": "TrainingJobStatusCounters, ObjectiveStatusCounters",
    "ImageVersion": "ImageArn, Version",
    "InferenceComponent": "EndpointArn",
    "InferenceExperiment": "EndpointMetadata",
    "InferenceRecommendationsJob": "JobDescription",
    "LabelingJob": "LabelCounters, JobReferenceCode",
    "ModelBiasJobDefinition": MONITORING,
    "ModelCard": "ModelCardVersion",
    "ModelExplainabilityJobDefinition": MONITORING,
    "ModelPackage": "ModelPackageStatusDetails",
    "ModelQualityJobDefinition": MONITORING,
    "OptimizationJob": "OptimizationTypes",
    "Project": "ProjectId",
    "TrainingJob": "ModelArtifacts, SecondaryStatus, StoppingCondition",
    "Workteam": "Success",
}


def status_of(kind: Kind) -> str | None:
    """Return some status that the kind may have."""
    if kind.status_key is None:
        return None
    return str(kind.describe.members[kind.status_key].metadata["enum"][0])


def every_kind() -> dict[str, Kind]:
    kinds = {}
    for operation in sorted(OPERATIONS):
        noun = operation.removeprefix("Create")
        if operation.startswith("Create") and noun not in NO_RESOURCES | NOT_DERIVED:
            plain = derive(MODEL, noun, Override())
            kinds[noun] = derive(MODEL, noun, Override(status=status_of(plain)))
    return kinds


KINDS = every_kind()
SIMPLE = [noun for noun in KINDS if noun not in ADDRESSED_OTHERWISE]


def test_every_create_operation_makes_a_kind_or_is_known_not_to() -> None:
    """75 in botocore 1.44, of which 67 make a resource; older models have fewer."""
    creates = {name.removeprefix("Create") for name in OPERATIONS if name.startswith("Create")}
    described = {noun for noun in creates if f"Describe{noun}" in OPERATIONS}
    assert creates - described == NO_RESOURCES & creates
    assert described == set(KINDS) | (NOT_DERIVED & described)
    assert len(described) > 60
    for noun in NO_RESOURCES | NOT_DERIVED:
        with pytest.raises(LookupError, match=noun):
            derive(MODEL, noun, Override())


def test_how_a_resource_is_addressed() -> None:
    other = {
        noun: kind.addressed_by
        for noun, kind in KINDS.items()
        if kind.addressed_by != (kind.name_key,)
    }
    assert other == {noun: by for noun, by in ADDRESSED_OTHERWISE.items() if noun in KINDS}


def test_every_kind_that_this_server_declares_is_one() -> None:
    declared = declared_kinds(MODEL)
    assert set(declared) == set(RECORDED) | set(EXECUTED)
    assert not set(RECORDED) & set(EXECUTED)
    assert set(declared) <= set(KINDS)
    for kind in declared.values():
        for text in (kind.exists, kind.missing):
            assert text.format(label="l", name="n", arn="a")
        codes = {"ValidationException", "ResourceInUse", "ResourceNotFound"}
        assert {kind.exists_code, kind.missing_code} <= codes
        if kind.status is not None and kind.status_key is not None:
            enum = kind.describe.members[kind.status_key].metadata["enum"]
            assert kind.status in enum


@pytest.fixture
def resources(tmp_path: Path) -> Iterator[Resources]:
    database = Database(tmp_path / "state.db")
    made = Resources(Records(database), MODEL)
    made.kinds = KINDS
    yield made
    database.close()


@pytest.mark.parametrize("noun", SIMPLE)
def test_the_mechanism_carries_every_kind_that_a_name_addresses(
    resources: Resources, noun: str
) -> None:
    """Create, Describe, List, Update and Delete, each answer checked against the model."""
    kind = KINDS[noun]
    handlers = resources.operations()
    protocol = JsonProtocol(MODEL)

    def call(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = handlers[operation](CALLER, params)
        # Raises where the model requires what is not there.
        protocol.reply(MODEL.operation_model(operation), answer)
        return answer

    def round_trip() -> None:
        request = minimal(MODEL.operation_model(f"Create{noun}").input_shape)
        named = {kind.name_key: "some-name"}
        arn = call(f"Create{noun}", request | named)[kind.arn_key]
        assert arn == f"arn:aws:sagemaker:us-east-1:111122223333:{kind.slug}/some-name"
        shown = call(f"Describe{noun}", named)
        shown = shown[kind.wrapper] if kind.wrapper else shown
        assert shown[kind.shown_arn_key] == arn
        assert shown[kind.name_key] == "some-name"
        assert {member: shown[member] for member in request if member in shown} == {
            member: value for member, value in (request | named).items() if member in shown
        }
        if "list" in kind.operations:
            assert kind.list_key is not None
            assert len(call(kind.operations["list"], {})[kind.list_key]) == 1
        if "update" in kind.operations:
            call(kind.operations["update"], named)
        if "delete" in kind.operations:
            call(kind.operations["delete"], named)
            with pytest.raises(AWSError) as missing:
                call(f"Describe{noun}", named)
            assert missing.value.code in ("ResourceNotFound", "ValidationException")

    if noun in LACKING:
        with pytest.raises(AWSError, match=rf"answer lacks {LACKING[noun]} of "):
            round_trip()
    else:
        round_trip()


def test_no_shape_of_a_request_is_one_that_records_cannot_keep() -> None:
    """Records are JSON: no request of the control plane may hold bytes."""
    seen = set()

    def walk(shape: Shape) -> None:
        if shape.name in seen:
            return
        seen.add(shape.name)
        assert shape.type_name != "blob", shape.name
        for part in ("member", "key", "value"):
            if shape.type_name in ("list", "map") and hasattr(shape, part):
                walk(getattr(shape, part))
        if shape.type_name == "structure":
            for member in shape.members.values():
                walk(member)

    for name in OPERATIONS:
        if MODEL.operation_model(name).input_shape:
            walk(MODEL.operation_model(name).input_shape)
    assert len(seen) > 1000
