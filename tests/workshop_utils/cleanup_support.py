"""Accounts for the tests of clean-up: filled with what labs leave, and with what is not theirs."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config

from workshop_utils.marks import EXPIRES
from workshop_utils.session import PREFIX, Session

_numbers = iter(range(700_000_000_000, 800_000_000_000))
IMAGE = "{account}.dkr.ecr.us-east-1.amazonaws.com/some:image"
FORM = "<crowd-form><crowd-input name='x'></crowd-input></crowd-form>"
MARK = {"workshop": PREFIX, "workshop:lab": "few-shot"}
_UNASSIGNED = json.dumps({"Version": "2020-12-01", "Steps": []})
_LISTS = {
    "Endpoint": "Endpoints",
    "EndpointConfig": "EndpointConfigs",
    "Model": "Models",
    "InferenceComponent": "InferenceComponents",
    "MonitoringSchedule": "MonitoringScheduleSummaries",
    "TrainingJob": "TrainingJobSummaries",
    "ProcessingJob": "ProcessingJobSummaries",
    "TransformJob": "TransformJobSummaries",
    "HyperParameterTuningJob": "HyperParameterTuningJobSummaries",
    "AutoMLJob": "AutoMLJobSummaries",
    "Pipeline": "PipelineSummaries",
    "ModelPackageGroup": "ModelPackageGroupSummaryList",
    "FlowDefinition": "FlowDefinitionSummaries",
    "HumanTaskUi": "HumanTaskUiSummaries",
    "Workteam": "Workteams",
    "Experiment": "ExperimentSummaries",
    "Trial": "TrialSummaries",
    "TrialComponent": "TrialComponentSummaries",
}


def new_session(lab: str = "few-shot", account: str | None = None) -> Session:
    """Return a session in an account that nobody has used."""
    number = account or str(next(_numbers))
    role = f"arn:aws:iam::{number}:role/Attendee"
    key = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    boto = boto3.Session(
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
        region_name="us-east-1",
    )
    session = Session(
        mode="local",
        lab=lab,
        region="us-east-1",
        account=number,
        caller=role,
        role=role,
        bucket=f"sagemaker-us-east-1-{number}",
        prefix=f"{PREFIX}/{lab}",
        boto=boto,
    )
    session.client("s3").create_bucket(Bucket=session.bucket)
    return session


@dataclass
class Filler:
    """Makes resources in an account.

    Attributes
    ----------
    stem
        What their names begin with.
    tags
        What they carry.
    folder
        The first part of their keys in S3.
    """

    session: Session
    stem: str
    tags: dict[str, str] = field(default_factory=dict)
    folder: str = PREFIX

    def everything(self) -> None:
        """Make one of each kind, at least."""
        self.hosting()
        self.jobs()
        self.registry()
        self.pipeline()
        self.people()
        self.experiment()
        self.files()

    @property
    def marks(self) -> list[dict[str, str]]:
        return [{"Key": key, "Value": value} for key, value in self.tags.items()]

    @property
    def image(self) -> str:
        return IMAGE.format(account=self.session.account)

    def hosting(self, name: str = "hosted", expires: str | None = None) -> str:
        """Make an endpoint whose model is not there, so that it has failed soon."""
        client = self.session.client("sagemaker")
        full = f"{self.stem}-{name}"
        tags = self.marks + ([{"Key": EXPIRES, "Value": expires}] if expires else [])
        client.create_model(
            ModelName=full,
            PrimaryContainer={"Image": self.image},
            ExecutionRoleArn=self.session.role,
            Tags=tags,
        )
        variant = {"VariantName": "All", "ModelName": full, "InstanceType": "ml.m5.xlarge"}
        client.create_endpoint_config(
            EndpointConfigName=full,
            ProductionVariants=[variant | {"InitialInstanceCount": 1}],
            Tags=tags,
        )
        client.create_endpoint(EndpointName=full, EndpointConfigName=full, Tags=tags)
        self._log(f"/aws/sagemaker/Endpoints/{full}", "All/i-1")
        return full

    def jobs(self) -> None:
        """Make jobs that are refused at once, and their log streams."""
        client = self.session.client("sagemaker")
        name = f"{self.stem}-job"
        machines = {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
        client.create_training_job(
            TrainingJobName=name,
            RoleArn=self.session.role,
            AlgorithmSpecification={"TrainingImage": self.image, "TrainingInputMode": "File"},
            OutputDataConfig={"S3OutputPath": f"s3://{self.session.bucket}/other"},
            ResourceConfig=machines,
            StoppingCondition={"MaxRuntimeInSeconds": 60},
            Tags=self.marks,
        )
        client.create_processing_job(
            ProcessingJobName=name,
            RoleArn=self.session.role,
            AppSpecification={"ImageUri": self.image},
            ProcessingResources={"ClusterConfig": machines},
            Tags=self.marks,
        )
        for kind in ("TrainingJobs", "ProcessingJobs"):
            self._log(f"/aws/sagemaker/{kind}", f"{name}/algo-1-1")
        client.create_auto_ml_job(
            AutoMLJobName=f"{self.stem}"[:24] + "-automl",
            InputDataConfig=[
                {
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/in"}
                    },
                    "TargetAttributeName": "y",
                }
            ],
            OutputDataConfig={"S3OutputPath": "s3://bucket/out"},
            RoleArn=self.session.role,
            Tags=self.marks,
        )

    def registry(self) -> None:
        """Make a model package group with two versions."""
        client = self.session.client("sagemaker")
        name = f"{self.stem}-group"
        client.create_model_package_group(ModelPackageGroupName=name, Tags=self.marks)
        for _ in range(2):
            client.create_model_package(
                ModelPackageGroupName=name,
                InferenceSpecification={
                    "Containers": [{"Image": self.image}],
                    "SupportedContentTypes": ["text/csv"],
                    "SupportedResponseMIMETypes": ["text/csv"],
                },
            )

    def pipeline(self) -> None:
        """Make a pipeline that has been executed."""
        client = self.session.client("sagemaker")
        name = f"{self.stem}-pipeline"
        client.create_pipeline(
            PipelineName=name,
            PipelineDefinition=_UNASSIGNED,
            RoleArn=self.session.role,
            Tags=self.marks,
        )
        client.start_pipeline_execution(PipelineName=name)

    def people(self) -> None:
        """Make a team, a task's page, a flow definition and two human loops."""
        client = self.session.client("sagemaker")
        name = f"{self.stem}-people"[:63]
        # What the server makes by itself is somebody else's.
        member = client.list_workteams()["Workteams"][0]["MemberDefinitions"]
        team = client.create_workteam(
            WorkteamName=name, MemberDefinitions=member, Description="test", Tags=self.marks
        )["WorkteamArn"]
        page = client.create_human_task_ui(
            HumanTaskUiName=name, UiTemplate={"Content": FORM}, Tags=self.marks
        )["HumanTaskUiArn"]
        flow = client.create_flow_definition(
            FlowDefinitionName=name,
            HumanLoopConfig={
                "WorkteamArn": team,
                "HumanTaskUiArn": page,
                "TaskTitle": "title",
                "TaskDescription": "description",
                "TaskCount": 1,
            },
            OutputConfig={"S3OutputPath": f"s3://{self.session.bucket}/other"},
            RoleArn=self.session.role,
            Tags=self.marks,
        )["FlowDefinitionArn"]
        while (
            client.describe_flow_definition(FlowDefinitionName=name)["FlowDefinitionStatus"]
            != "Active"
        ):
            time.sleep(0.05)
        for number in range(2):
            self.session.client("sagemaker-a2i-runtime").start_human_loop(
                HumanLoopName=f"{self.stem}-loop-{number}"[:63],
                FlowDefinitionArn=flow,
                HumanLoopInput={"InputContent": "{}"},
            )

    def experiment(self) -> None:
        """Make an experiment with a trial, a component of it, and an unmarked one in it."""
        client = self.session.client("sagemaker")
        name = f"{self.stem}-experiment"
        client.create_experiment(ExperimentName=name, Tags=self.marks)
        client.create_trial(TrialName=f"{name}-trial", ExperimentName=name, Tags=self.marks)
        client.create_trial_component(TrialComponentName=f"{name}-run", Tags=self.marks)
        client.associate_trial_component(
            TrialComponentName=f"{name}-run", TrialName=f"{name}-trial"
        )

    def files(self) -> None:
        """Put objects and an unfinished upload below the folder."""
        client = self.session.client("s3")
        for key in ("a", "a/b", "ünï cödé", "deep/er/file.txt"):
            client.put_object(
                Bucket=self.session.bucket, Key=f"{self.folder}/few-shot/{key}", Body=b"x"
            )
        client.create_multipart_upload(
            Bucket=self.session.bucket, Key=f"{self.folder}/few-shot/unfinished"
        )

    def _log(self, group: str, stream: str) -> None:
        logs = self.session.client("logs")
        there = logs.exceptions.ResourceAlreadyExistsException
        with contextlib.suppress(there):
            logs.create_log_group(logGroupName=group)
        with contextlib.suppress(there):
            logs.create_log_stream(logGroupName=group, logStreamName=stream)


def settle(session: Session) -> None:
    """Wait until nothing that was made is on its way any more."""
    client = session.client("sagemaker")
    while any(
        one["EndpointStatus"] in ("Creating", "Updating")
        for one in client.list_endpoints()["Endpoints"]
    ) or any(
        execution["PipelineExecutionStatus"] == "Executing"
        for pipeline in client.list_pipelines()["PipelineSummaries"]
        for execution in client.list_pipeline_executions(PipelineName=pipeline["PipelineName"])[
            "PipelineExecutionSummaries"
        ]
    ):
        time.sleep(0.05)


def census(session: Session) -> dict[str, str]:
    """Return everything that is in an account, by path: when it was made, and its tags.

    Asked for kind by kind, tags one by one: it shares nothing with what clean-up does.
    """
    config = Config(retries={"mode": "standard", "total_max_attempts": 10})
    client = session.boto.client("sagemaker", config=config)
    found: dict[str, str] = {}
    for noun, member in _LISTS.items():
        for item in _items(client, f"list_{xform_name(noun)}s", member):
            name = item[f"{noun}Name"]
            tags = client.list_tags(ResourceArn=item[f"{noun}Arn"])["Tags"]
            made = item.get("CreationTime") or item.get("CreateDate")
            found[f"{noun} {name}"] = f"{made} {sorted(tag['Value'] for tag in tags)}"
    found |= _members(session, client, found)
    logs = session.boto.client("logs", config=config)
    for group in _items(logs, "describe_log_groups", "logGroups"):
        found[f"LogGroup {group['logGroupName']}"] = ""
        for stream in _items(
            logs, "describe_log_streams", "logStreams", logGroupName=group["logGroupName"]
        ):
            found[f"LogStream {group['logGroupName']} {stream['logStreamName']}"] = ""
    s3 = session.boto.client("s3", config=config)
    for item in _items(s3, "list_objects_v2", "Contents", Bucket=session.bucket):
        found[f"Object {item['Key']}"] = ""
    for item in _items(s3, "list_multipart_uploads", "Uploads", Bucket=session.bucket):
        found[f"Upload {item['Key']}"] = ""
    return found


def _members(session: Session, client: Any, found: dict[str, str]) -> dict[str, str]:
    more: dict[str, str] = {}
    for path in found:
        noun, name = path.split(" ", 1)
        if noun == "ModelPackageGroup":
            for item in _items(
                client, "list_model_packages", "ModelPackageSummaryList", ModelPackageGroupName=name
            ):
                more[f"Version {item['ModelPackageArn']}"] = ""
        if noun == "FlowDefinition":
            arn = client.describe_flow_definition(FlowDefinitionName=name)["FlowDefinitionArn"]
            runtime = session.boto.client("sagemaker-a2i-runtime")
            for item in _items(
                runtime, "list_human_loops", "HumanLoopSummaries", FlowDefinitionArn=arn
            ):
                more[f"Loop {item['HumanLoopName']}"] = item["HumanLoopStatus"]
        if noun == "Trial":
            for item in _items(
                client, "list_trial_components", "TrialComponentSummaries", TrialName=name
            ):
                more[f"Member {name} {item['TrialComponentName']}"] = ""
    return more


def _items(client: Any, operation: str, member: str, **asked: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**asked):
        yield from page.get(member, [])
