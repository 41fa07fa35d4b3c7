"""Jobs that are not run here: checked and kept, failed at once with a reason, never completed.

`test_round_trips` lives through every kind of them; here is what differs from kind to kind.
"""

import uuid
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import refused

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"


@pytest.fixture
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return boto3.client("sagemaker")


@pytest.fixture
def name() -> str:
    return f"unrun-{uuid.uuid4().hex[:12]}"


def tuning(client: Any, name: str, **more: Any) -> str:
    answer = client.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "ResourceLimits": {"MaxParallelTrainingJobs": 1},
        },
        **more,
    )
    return str(answer["HyperParameterTuningJobArn"])


def automl_v1(client: Any, name: str) -> None:
    client.create_auto_ml_job(
        AutoMLJobName=name,
        InputDataConfig=[
            {"TargetAttributeName": "label", "ContentType": "text/csv;header=present"}
        ],
        OutputDataConfig={"S3OutputPath": "s3://b/out"},
        ProblemType="MulticlassClassification",
        AutoMLJobObjective={"MetricName": "Accuracy"},
        AutoMLJobConfig={"Mode": "ENSEMBLING", "DataSplitConfig": {"ValidationFraction": 0.25}},
        RoleArn=ROLE,
    )


def automl_v2(client: Any, name: str) -> str:
    problem = {"ContentColumn": "text", "TargetLabelColumn": "label"}
    answer = client.create_auto_ml_job_v2(
        AutoMLJobName=name,
        AutoMLJobInputDataConfig=[{"ChannelType": "training"}],
        OutputDataConfig={"S3OutputPath": "s3://b/out"},
        AutoMLProblemTypeConfig={"TextClassificationJobConfig": problem},
        RoleArn=ROLE,
        Tags=[{"Key": "lab", "Value": "2"}],
    )
    return str(answer["AutoMLJobArn"])


def test_the_sdk_s_wait_ends_with_the_failure(client: Any, name: str) -> None:
    resources = pytest.importorskip("sagemaker.core.resources")
    exceptions = pytest.importorskip("sagemaker.core.utils.exceptions")
    tuning(client, name)
    job = resources.HyperParameterTuningJob.get(hyper_parameter_tuning_job_name=name)
    with pytest.raises(exceptions.FailedStatusError, match="not run locally"):
        job.wait(poll=1)


def test_a_name_is_taken_once_and_a_finished_job_cannot_be_stopped(client: Any, name: str) -> None:
    arn = tuning(client, name, Tags=[{"Key": "a", "Value": "b"}])
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    named = {"HyperParameterTuningJobName": name}
    assert arn in refused(lambda **_: tuning(client, name), "ResourceInUse")
    message = refused(client.stop_hyper_parameter_tuning_job, "ValidationException", **named)
    assert message.startswith("The request was rejected because the ")
    assert message.endswith("tuning job is in status Failed.")
    client.delete_hyper_parameter_tuning_job(**named)
    assert refused(client.describe_hyper_parameter_tuning_job, "ResourceNotFound", **named)


def test_a_tuning_job_has_tried_nothing(client: Any, name: str) -> None:
    tuning(client, name)
    described = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    assert set(described["TrainingJobStatusCounters"].values()) == {0}
    assert "BestTrainingJob" not in described
    (listed,) = client.list_hyper_parameter_tuning_jobs(NameContains=name)[
        "HyperParameterTuningJobSummaries"
    ]
    assert listed["Strategy"] == "Random"
    jobs = client.list_training_jobs_for_hyper_parameter_tuning_job
    assert jobs(HyperParameterTuningJobName=name)["TrainingJobSummaries"] == []
    refused(jobs, "ResourceNotFound", HyperParameterTuningJobName=f"{name}-not")


def test_an_autopilot_job_of_text_is_one_of_the_second_generation(client: Any, name: str) -> None:
    name = name[:32]
    arn = automl_v2(client, name)
    assert arn.endswith(f":automl-job/{name}")
    described = client.describe_auto_ml_job_v2(AutoMLJobName=name)
    assert described["AutoMLProblemTypeConfigName"] == "TextClassification"
    config = described["AutoMLProblemTypeConfig"]["TextClassificationJobConfig"]
    assert config == {"ContentColumn": "text", "TargetLabelColumn": "label"}
    assert described["AutoMLJobStatus"] == described["AutoMLJobSecondaryStatus"] == "Failed"
    assert described["FailureReason"].startswith("not run locally: ")
    assert client.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "lab", "Value": "2"}]
    message = refused(client.describe_auto_ml_job, "ValidationException", AutoMLJobName=name)
    assert "DescribeAutoMLJobV2" in message
    names = [
        job["AutoMLJobName"]
        for job in client.list_auto_ml_jobs(NameContains=name)["AutoMLJobSummaries"]
    ]
    assert names == [name]
    assert client.list_candidates_for_auto_ml_job(AutoMLJobName=name)["Candidates"] == []
    with pytest.raises(client.exceptions.ResourceInUse):
        automl_v1(client, name)
    refused(client.stop_auto_ml_job, "ValidationException", AutoMLJobName=name)


def test_an_older_autopilot_job_is_described_in_both_ways(client: Any, name: str) -> None:
    name = name[:32]
    automl_v1(client, name)
    first = client.describe_auto_ml_job(AutoMLJobName=name)
    assert first["InputDataConfig"][0]["TargetAttributeName"] == "label"
    second = client.describe_auto_ml_job_v2(AutoMLJobName=name)
    assert second["AutoMLProblemTypeConfigName"] == "Tabular"
    assert second["AutoMLProblemTypeConfig"]["TabularJobConfig"] == {
        "TargetAttributeName": "label",
        "Mode": "ENSEMBLING",
        "ProblemType": "MulticlassClassification",
    }
    assert second["AutoMLJobInputDataConfig"] == [{"ContentType": "text/csv;header=present"}]
    assert second["DataSplitConfig"] == {"ValidationFraction": 0.25}


def test_a_compilation_is_described_with_what_it_would_have_made(client: Any, name: str) -> None:
    request = {
        "CompilationJobName": name,
        "RoleArn": ROLE,
        "OutputConfig": {
            "S3OutputLocation": "s3://b/compiled",
            "TargetPlatform": {"Os": "LINUX", "Arch": "ARM64"},
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 900},
    }
    source = {"S3Uri": "s3://b/m.tar.gz", "Framework": "PYTORCH"}
    refused(client.create_compilation_job, "ValidationException", **request)
    client.create_compilation_job(**request, InputConfig=source)
    described = client.describe_compilation_job(CompilationJobName=name)
    assert described["CompilationJobStatus"] == "FAILED"
    assert described["ModelArtifacts"] == {"S3ModelArtifacts": "s3://b/compiled"}
    (listed,) = client.list_compilation_jobs(NameContains=name)["CompilationJobSummaries"]
    assert (listed["CompilationTargetPlatformOs"], listed["CompilationTargetPlatformArch"]) == (
        "LINUX",
        "ARM64",
    )


def test_an_export_is_of_a_version_of_a_card(client: Any, name: str) -> None:
    def export(**more: Any) -> str:
        answer = client.create_model_card_export_job(
            ModelCardName=name,
            ModelCardExportJobName=f"export-{uuid.uuid4().hex[:8]}",
            OutputConfig={"S3OutputPath": "s3://b/cards"},
            **more,
        )
        return str(answer["ModelCardExportJobArn"])

    with pytest.raises(client.exceptions.ResourceNotFound):
        export()
    client.create_model_card(ModelCardName=name, Content="{}", ModelCardStatus="Draft")
    client.update_model_card(ModelCardName=name, Content='{"model_overview": {}}')
    newest, first = export(), export(ModelCardVersion=1)
    assert newest.partition(":model-card/")[2].startswith(f"{name}/export-job/export-")
    with pytest.raises(client.exceptions.ResourceNotFound):
        export(ModelCardVersion=3)
    described = client.describe_model_card_export_job(ModelCardExportJobArn=newest)
    assert (described["Status"], described["ModelCardVersion"]) == ("Failed", 2)
    assert "ExportArtifacts" not in described
    every = client.list_model_card_export_jobs(ModelCardName=name)["ModelCardExportJobSummaries"]
    assert {job["ModelCardExportJobArn"] for job in every} == {newest, first}
    (of_first,) = client.list_model_card_export_jobs(ModelCardName=name, ModelCardVersion=1)[
        "ModelCardExportJobSummaries"
    ]
    assert of_first["ModelCardExportJobArn"] == first


def test_labeling_jobs_are_found_by_their_workteam(client: Any, name: str) -> None:
    team = f"arn:aws:sagemaker:us-east-1:111122223333:workteam/private-crowd/{name}"
    client.create_labeling_job(
        LabelingJobName=name,
        LabelAttributeName="label",
        InputConfig={"DataSource": {"S3DataSource": {"ManifestS3Uri": "s3://b/in.manifest"}}},
        OutputConfig={"S3OutputPath": "s3://b/out"},
        RoleArn=ROLE,
        HumanTaskConfig={
            "WorkteamArn": team,
            "UiConfig": {"UiTemplateS3Uri": "s3://b/ui.html"},
            "TaskTitle": "Label",
            "TaskDescription": "Label a text",
            "NumberOfHumanWorkersPerDataObject": 3,
            "TaskTimeLimitInSeconds": 60,
        },
    )
    (job,) = client.list_labeling_jobs_for_workteam(WorkteamArn=team)["LabelingJobSummaryList"]
    described = client.describe_labeling_job(LabelingJobName=name)
    assert job["JobReferenceCode"] == described["JobReferenceCode"]
    assert job["NumberOfHumanWorkersPerDataObject"] == 3
    assert set(described["LabelCounters"].values()) == {0}
    none = client.list_labeling_jobs_for_workteam(WorkteamArn=team, JobReferenceCodeContains="no!")
    assert none["LabelingJobSummaryList"] == []


def test_jobs_have_their_names_within_a_category(client: Any, name: str) -> None:
    if not hasattr(client, "create_job"):
        pytest.skip("botocore: CreateJob is not in this version")

    def create(category: str) -> str:
        answer = client.create_job(
            JobName=name,
            JobCategory=category,
            RoleArn=ROLE,
            JobConfigSchemaVersion="1.0.0",
            JobConfigDocument="{}",
        )
        return str(answer["JobArn"])

    tuned, judged = create("AgentRFT"), create("AgentRFTEvaluation")
    assert tuned.endswith(f":job/AgentRFT/{name}")
    assert tuned != judged
    described = client.describe_job(JobName=name, JobCategory="AgentRFT")
    assert (described["JobStatus"], described["SecondaryStatus"]) == ("Failed", "Failed")
    (listed,) = client.list_jobs(JobCategory="AgentRFT", NameContains=name)["JobSummaries"]
    assert listed["JobArn"] == tuned
    client.delete_job(JobName=name, JobCategory="AgentRFT")
    client.delete_job(JobName=name, JobCategory="AgentRFT")
    refused(client.describe_job, "ResourceNotFound", JobName=name, JobCategory="AgentRFT")
    client.describe_job(JobName=name, JobCategory="AgentRFTEvaluation")
