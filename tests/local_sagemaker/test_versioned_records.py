"""Image versions, pipeline versions, feature metadata, endpoint policies, and lists of nothing."""

import json
import uuid
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import refused

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
BASE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/studio:1"
MONITORING = {
    "MonitoringInputs": [
        {"EndpointInput": {"EndpointName": "some", "LocalPath": "/opt/ml/processing/input"}}
    ],
    "MonitoringOutputConfig": {
        "MonitoringOutputs": [
            {"S3Output": {"S3Uri": "s3://b/out", "LocalPath": "/opt/ml/processing/output"}}
        ]
    },
    "MonitoringResources": {
        "ClusterConfig": {
            "InstanceCount": 1,
            "InstanceType": "ml.m5.xlarge",
            "VolumeSizeInGB": 1,
        }
    },
    "MonitoringAppSpecification": {"ImageUri": BASE},
    "RoleArn": ROLE,
}
ACCOUNT_ARN = "arn:aws:sagemaker:us-east-1:111122223333"


@pytest.fixture
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return boto3.client("sagemaker")


@pytest.fixture
def name() -> str:
    return f"versioned-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def image(client: Any, name: str) -> str:
    client.create_image(ImageName=name, RoleArn=ROLE)
    return name


def image_version(client: Any, image: str, **more: Any) -> str:
    answer = client.create_image_version(ImageName=image, BaseImage=BASE, **more)
    return str(answer["ImageVersionArn"])


def test_an_image_s_versions_are_numbered_and_the_newest_is_described(client, image):
    assert image_version(client, image) == f"{ACCOUNT_ARN}:image-version/{image}/1"
    image_version(client, image, ReleaseNotes="second")
    newest = client.describe_image_version(ImageName=image)
    assert (newest["Version"], newest["ReleaseNotes"]) == (2, "second")
    assert newest["ImageVersionStatus"] == "CREATED"
    listed = client.list_image_versions(ImageName=image)["ImageVersions"]
    assert [version["Version"] for version in listed] == [2, 1]
    ordered = client.list_image_versions(
        ImageName=image, SortBy="VERSION", SortOrder="ASCENDING", MaxResults=1
    )
    assert [version["Version"] for version in ordered["ImageVersions"]] == [1]
    client.delete_image_version(ImageName=image, Version=2)
    assert image_version(client, image).endswith("/3")
    refused(client.describe_image_version, "ResourceNotFound", ImageName=image, Version=2)
    token = uuid.uuid4().hex
    first = image_version(client, image, ClientToken=token)
    assert image_version(client, image, ClientToken=token) == first


def test_an_alias_names_one_version(client, image):
    image_version(client, image, Aliases=["stable", "v1"])
    image_version(client, image)
    with pytest.raises(client.exceptions.ResourceInUse):
        image_version(client, image, Aliases=["stable"])
    update = client.update_image_version
    update(ImageName=image, Alias="v1", AliasesToDelete=["stable"], MLFramework="pytorch 2.0")
    update(ImageName=image, Version=2, AliasesToAdd=["stable"])
    assert client.describe_image_version(ImageName=image, Alias="stable")["Version"] == 2
    first = client.describe_image_version(ImageName=image, Version=1)
    assert first["MLFramework"] == "pytorch 2.0"
    aliases = client.list_aliases
    assert aliases(ImageName=image)["SageMakerImageVersionAliases"] == ["stable", "v1"]
    assert aliases(ImageName=image, Version=1)["SageMakerImageVersionAliases"] == ["v1"]
    refused(aliases, "ResourceNotFound", ImageName=image, Version=9)
    client.delete_image(ImageName=image)
    client.create_image(ImageName=image, RoleArn=ROLE)
    assert client.list_image_versions(ImageName=image)["ImageVersions"] == []


def definition(number: int) -> str:
    return json.dumps({"Version": "2020-12-01", "Metadata": {"n": number}, "Steps": []})


@pytest.fixture
def pipeline(client: Any, name: str) -> str:
    client.create_pipeline(PipelineName=name, RoleArn=ROLE, PipelineDefinition=definition(1))
    return name


def test_every_definition_of_a_pipeline_is_a_version(client, pipeline):
    update = client.update_pipeline
    answer = update(PipelineName=pipeline, PipelineDefinition=definition(2))
    assert answer["PipelineVersionId"] == 2
    assert update(PipelineName=pipeline, PipelineDescription="x")["PipelineVersionId"] == 2
    describe = client.describe_pipeline
    newest = describe(PipelineName=pipeline)
    assert (newest["PipelineDefinition"], newest["PipelineDescription"]) == (definition(2), "x")
    first = describe(PipelineName=pipeline, PipelineVersionId=1)
    assert first["PipelineDefinition"] == definition(1)
    client.update_pipeline_version(
        PipelineArn=first["PipelineArn"],
        PipelineVersionId=1,
        PipelineVersionDisplayName="the-first",
    )
    first = describe(PipelineName=pipeline, PipelineVersionId=1)
    assert first["PipelineVersionDisplayName"] == "the-first"
    listed = client.list_pipeline_versions(PipelineName=pipeline)["PipelineVersionSummaries"]
    assert [version["PipelineVersionId"] for version in listed] == [2, 1]
    refused(describe, "ResourceNotFound", PipelineName=pipeline, PipelineVersionId=3)
    refused(update, "ValidationException", PipelineName=pipeline, PipelineDefinition="no JSON")


def test_an_alias_names_one_version_of_a_pipeline(client, pipeline):
    members = service_model("sagemaker").shape_for("UpdatePipelineRequest").members
    if "PipelineVersionAliases" not in members:
        pytest.skip("botocore: versions of pipelines have no aliases in this version")
    answer = client.update_pipeline(
        PipelineName=pipeline, PipelineDefinition=definition(2), PipelineVersionAliases=["new"]
    )
    arn = answer["PipelineArn"]
    change = client.update_pipeline_version
    change(
        PipelineArn=arn,
        PipelineVersionId=1,
        PipelineVersionAliasOperations={"Add": ["old", "gone"]},
    )
    change(
        PipelineArn=arn, PipelineVersionId=1, PipelineVersionAliasOperations={"Remove": ["gone"]}
    )
    describe = client.describe_pipeline
    old = describe(PipelineName=pipeline, PipelineVersionAlias="old")
    assert (old["PipelineDefinition"], old["PipelineVersionAliases"]) == (definition(1), ["old"])
    refused(describe, "ResourceNotFound", PipelineName=pipeline, PipelineVersionAlias="never")
    for taken in ("new", "12"):
        refused(
            change,
            "ValidationException",
            PipelineArn=arn,
            PipelineVersionId=1,
            PipelineVersionAliasOperations={"Add": [taken]},
        )


def test_a_definition_may_lie_in_s3(client, s3, bucket, name):
    place = {"Bucket": bucket, "ObjectKey": "pipelines/p.json"}
    request = {"PipelineName": name, "RoleArn": ROLE, "PipelineDefinitionS3Location": place}
    message = refused(client.create_pipeline, "ValidationException", **request)
    assert f"s3://{bucket}/pipelines/p.json cannot be read" in message
    s3.put_object(Bucket=bucket, Key="pipelines/p.json", Body=definition(7).encode())
    client.create_pipeline(**request)
    assert client.describe_pipeline(PipelineName=name)["PipelineDefinition"] == definition(7)


def test_features_are_described_and_annotated(client, name):
    client.create_feature_group(
        FeatureGroupName=name,
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[
            {"FeatureName": "id", "FeatureType": "String"},
            {"FeatureName": "at", "FeatureType": "Fractional"},
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )
    feature = {"FeatureGroupName": name, "FeatureName": "at"}
    assert client.describe_feature_metadata(**feature)["Parameters"] == []
    client.update_feature_metadata(
        **feature,
        Description="when",
        ParameterAdditions=[{"Key": "unit", "Value": "s"}, {"Key": "zone", "Value": "UTC"}],
    )
    client.update_feature_metadata(**feature, ParameterRemovals=["zone"])
    described = client.describe_feature_metadata(**feature)
    assert (described["FeatureType"], described["Description"]) == ("Fractional", "when")
    assert described["Parameters"] == [{"Key": "unit", "Value": "s"}]
    assert described["LastModifiedTime"] > described["CreationTime"]
    feature["FeatureName"] = "never"
    refused(client.describe_feature_metadata, "ResourceNotFound", **feature)
    refused(client.update_feature_metadata, "ResourceNotFound", **feature)


def test_an_endpoint_s_policy_lives_as_long_as_the_endpoint(deployer):
    client = deployer.sagemaker
    if not hasattr(client, "put_endpoint_policy"):
        pytest.skip("botocore: PutEndpointPolicy is not in this version")
    policy = {"ResourcePolicy": '{"Statement": [{"Effect": "Allow"}]}'}
    put, get = client.put_endpoint_policy, client.get_endpoint_policy
    refused(put, "ValidationException", EndpointName="not-there", **policy)
    name = deployer.deploy()
    refused(get, "ValidationException", EndpointName=name)
    arn = put(EndpointName=name, **policy)["EndpointArn"]
    assert get(EndpointName=name)["ResourcePolicy"] == policy["ResourcePolicy"]
    assert get(EndpointName=arn.rpartition("/")[2])["EndpointArn"] == arn
    client.delete_endpoint_policy(EndpointName=name)
    refused(get, "ValidationException", EndpointName=name)
    put(EndpointName=name, **policy)
    deployer.delete(name)
    refused(get, "ValidationException", EndpointName=name)


def test_the_portfolio_is_a_switch(client):
    status = client.get_sagemaker_servicecatalog_portfolio_status
    assert status()["Status"] == "Disabled"
    client.enable_sagemaker_servicecatalog_portfolio()
    client.enable_sagemaker_servicecatalog_portfolio()
    assert status()["Status"] == "Enabled"
    client.disable_sagemaker_servicecatalog_portfolio()
    assert status()["Status"] == "Disabled"


def test_what_nobody_subscribed_or_shared_is_not_listed(client):
    assert client.list_subscribed_workteams()["SubscribedWorkteams"] == []
    assert client.list_resource_catalogs()["ResourceCatalogs"] == []
    team = f"{ACCOUNT_ARN}:workteam/vendor/some"
    refused(client.describe_subscribed_workteam, "ValidationException", WorkteamArn=team)
    refused(client.list_subscribed_workteams, "ValidationException", NextToken="another's")


def test_a_schedule_has_executed_nothing_and_alerts_nobody(client, name):
    config = {
        "MonitoringJobDefinition": MONITORING,
        "MonitoringType": "DataQuality",
        "ScheduleConfig": {"ScheduleExpression": "cron(0 * ? * * *)"},
    }
    client.create_monitoring_schedule(MonitoringScheduleName=name, MonitoringScheduleConfig=config)
    described = client.describe_monitoring_schedule(MonitoringScheduleName=name)
    assert described["MonitoringScheduleStatus"] == "Failed"
    assert described["FailureReason"].startswith("not run locally: ")
    executions = client.list_monitoring_executions(MonitoringScheduleName=name)
    assert executions["MonitoringExecutionSummaries"] == []
    alerts = client.list_monitoring_alerts
    assert "MonitoringAlertSummaries" not in alerts(MonitoringScheduleName=name)
    refused(alerts, "ResourceNotFound", MonitoringScheduleName=f"{name}-not")
    history = client.list_monitoring_alert_history(MonitoringScheduleName=name)
    assert history["MonitoringAlertHistory"] == []
    refused(
        client.update_monitoring_alert,
        "ResourceNotFound",
        MonitoringScheduleName=name,
        MonitoringAlertName="some",
        DatapointsToAlert=1,
        EvaluationPeriod=1,
    )
    refused(client.start_monitoring_schedule, "NotImplemented", MonitoringScheduleName=name)


def test_documents_that_are_nested_too_deep_are_refused(client: Any) -> None:
    deep = "[" * 10_000
    name = f"deep-{uuid.uuid4().hex[:12]}"
    group = client.create_model_package_group(ModelPackageGroupName=name)
    assert group["ModelPackageGroupArn"]
    put = client.put_model_package_group_policy
    refused(put, "ValidationException", 400, ModelPackageGroupName=name, ResourcePolicy=deep)
    card = {"ModelCardName": name, "Content": deep, "ModelCardStatus": "Draft"}
    refused(client.create_model_card, "ValidationException", 400, **card)
    pipeline = {"PipelineName": name, "PipelineDefinition": deep, "RoleArn": ROLE}
    refused(
        client.create_pipeline, "ValidationException", 400, ClientRequestToken="t" * 32, **pipeline
    )
    client.create_hub(HubName=name, HubDescription="any")
    content = {
        "HubName": name,
        "HubContentName": "deep",
        "HubContentType": "Model",
        "DocumentSchemaVersion": "1.0.0",
    }
    imported = client.import_hub_content
    refused(imported, "ValidationException", 400, HubContentDocument=deep, **content)
    # botocore's pattern would let this pass, and every list with MaxSchemaVersion fail.
    content |= {"DocumentSchemaVersion": "1x0x0", "HubContentDocument": "{}"}
    refused(imported, "ValidationException", 400, **content)
