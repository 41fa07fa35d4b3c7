"""The model registry through boto3: versions, approval, policies, and cards with their versions."""

import json
import uuid
from typing import Any

import boto3
import pytest
from botocore.exceptions import ParamValidationError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import refused
from tests.local_sagemaker.endpoint_support import IMAGE, ROLE, answering, archive

ACCOUNT_ARN = "arn:aws:sagemaker:us-east-1:111122223333"
SPECIFICATION = {"Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://b/model.tar.gz"}]}
POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "sagemaker:Describe*", "Resource": "*"}
        ],
    }
)


@pytest.fixture
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return boto3.client("sagemaker")


@pytest.fixture
def name() -> str:
    return f"registry-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def group(client: Any, name: str) -> str:
    client.create_model_package_group(ModelPackageGroupName=name)
    return name


def version(client: Any, group: str, **more: Any) -> str:
    request = {"ModelPackageGroupName": group, "InferenceSpecification": SPECIFICATION}
    answer = client.create_model_package(**request | more)
    return str(answer["ModelPackageArn"])


def listed(client: Any, **filters: Any) -> list[str]:
    pages = client.get_paginator("list_model_packages").paginate(**filters)
    return [item["ModelPackageArn"] for page in pages for item in page["ModelPackageSummaryList"]]


def test_versions_are_numbered_in_their_group_and_a_number_is_not_used_again(client, group):
    first, second = version(client, group), version(client, group)
    assert first == f"{ACCOUNT_ARN}:model-package/{group}/1"
    assert second == f"{ACCOUNT_ARN}:model-package/{group}/2"
    client.delete_model_package(ModelPackageName=second)
    message = refused(client.describe_model_package, "ValidationException", ModelPackageName=second)
    assert message == f"ModelPackage {second} does not exist."
    assert version(client, group).endswith(f"{group}/3")


def test_a_version_is_described_by_its_arn_and_by_group_and_number(client, group):
    group_arn = f"{ACCOUNT_ARN}:model-package-group/{group}"
    arn = version(client, group_arn, ModelPackageDescription="the first")
    by_arn = client.describe_model_package(ModelPackageName=arn)
    by_name = client.describe_model_package(ModelPackageName=f"{group}/1")
    assert by_arn["ModelPackageArn"] == by_name["ModelPackageArn"] == arn
    assert by_arn["ModelPackageGroupName"] == group
    assert by_arn["ModelPackageVersion"] == 1
    assert by_arn["ModelPackageStatus"] == "Completed"
    assert by_arn["ModelApprovalStatus"] == "PendingManualApproval"
    assert by_arn["InferenceSpecification"] == SPECIFICATION


def test_approval_is_listed_and_changes(client, group):
    first, second = version(client, group), version(client, group, ModelApprovalStatus="Approved")
    assert listed(client, ModelPackageGroupName=group, ModelApprovalStatus="Approved") == [second]
    answer = client.update_model_package(
        ModelPackageArn=first, ModelApprovalStatus="Approved", ApprovalDescription="good"
    )
    assert answer["ModelPackageArn"] == first
    described = client.describe_model_package(ModelPackageName=first)
    assert described["ApprovalDescription"] == "good"
    assert described["LastModifiedTime"] > described["CreationTime"]
    approved = listed(
        client, ModelPackageGroupName=group, ModelApprovalStatus="Approved", SortOrder="Descending"
    )
    assert approved == [second, first]


def test_properties_are_merged_and_specifications_added(client, group):
    arn = version(client, group, CustomerMetadataProperties={"a": "1", "b": "2"})
    more = {"Name": "fast", "Containers": [{"Image": IMAGE}]}
    client.update_model_package(
        ModelPackageArn=arn,
        CustomerMetadataProperties={"b": "3", "c": "4"},
        CustomerMetadataPropertiesToRemove=["a"],
        AdditionalInferenceSpecificationsToAdd=[more],
    )
    described = client.describe_model_package(ModelPackageName=arn)
    assert described["CustomerMetadataProperties"] == {"b": "3", "c": "4"}
    assert described["AdditionalInferenceSpecifications"] == [more]
    refused(
        client.update_model_package,
        "ValidationException",
        ModelPackageArn=arn,
        AdditionalInferenceSpecificationsToAdd=[more],
    )


def test_packages_that_stand_alone_are_listed_apart(client, name, group):
    in_group = version(client, group)
    create = client.create_model_package
    alone = create(
        ModelPackageName=f"{name}-alone",
        InferenceSpecification=SPECIFICATION,
        Tags=[{"Key": "a", "Value": "b"}],
    )["ModelPackageArn"]
    assert alone == f"{ACCOUNT_ARN}:model-package/{name}-alone"
    assert client.list_tags(ResourceArn=alone)["Tags"] == [{"Key": "a", "Value": "b"}]
    assert listed(client, NameContains=name) == [alone]
    assert listed(client, NameContains=name, ModelPackageType="Versioned") == [in_group]
    assert set(listed(client, NameContains=name, ModelPackageType="Both")) == {alone, in_group}
    message = refused(create, "ValidationException", ModelPackageName=f"{name}-alone")
    assert message == f"ModelPackage already exists: {alone}"
    update = client.update_model_package
    refused(update, "ValidationException", ModelPackageArn=alone, ModelApprovalStatus="Approved")


def test_what_is_neither_or_both_is_refused(client, name, group):
    create = client.create_model_package
    refused(create, "ValidationException")
    refused(create, "ValidationException", ModelPackageName=name, ModelPackageGroupName=group)
    tags = [{"Key": "a", "Value": "b"}]
    refused(create, "ValidationException", ModelPackageGroupName=group, Tags=tags)
    message = refused(create, "ValidationException", ModelPackageGroupName=f"{name}-not")
    assert message.endswith(f"model-package-group/{name}-not does not exist.")


def test_the_same_client_token_makes_one_version(client, group):
    token = uuid.uuid4().hex
    assert version(client, group, ClientToken=token) == version(client, group, ClientToken=token)
    assert len(listed(client, ModelPackageGroupName=group)) == 1


def test_a_package_that_asks_for_validation_has_not_passed_it(client, name):
    arn = client.create_model_package(
        ModelPackageName=name,
        InferenceSpecification=SPECIFICATION,
        ValidationSpecification={
            "ValidationRole": ROLE,
            "ValidationProfiles": [
                {
                    "ProfileName": "small",
                    "TransformJobDefinition": {
                        "TransformInput": {
                            "DataSource": {
                                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}
                            }
                        },
                        "TransformOutput": {"S3OutputPath": "s3://b/out"},
                        "TransformResources": {
                            "InstanceType": "ml.m5.xlarge",
                            "InstanceCount": 1,
                        },
                    },
                }
            ],
        },
    )["ModelPackageArn"]
    described = client.describe_model_package(ModelPackageName=arn)
    assert described["ModelPackageStatus"] == "Failed"
    (check,) = described["ModelPackageStatusDetails"]["ValidationStatuses"]
    assert (check["Name"], check["Status"]) == ("small", "Failed")
    assert check["FailureReason"].startswith("not run locally: ")


def test_several_are_described_at_once(client, group):
    there, gone = version(client, group), f"{ACCOUNT_ARN}:model-package/{group}/9"
    answer = client.batch_describe_model_package(ModelPackageArnList=[there, gone])
    assert answer["ModelPackageSummaries"][there]["ModelPackageVersion"] == 1
    assert answer["ModelPackageSummaries"][there]["InferenceSpecification"] == SPECIFICATION
    (error,) = answer["BatchDescribeModelPackageErrorMap"].items()
    assert error[0] == gone
    assert error[1]["ErrorCode"] == "ValidationException"


def test_a_group_goes_when_it_is_empty(client, group):
    arn = version(client, group)
    delete = client.delete_model_package_group
    message = refused(delete, "ConflictException", ModelPackageGroupName=group)
    assert "1 model package(s)" in message
    client.delete_model_package(ModelPackageName=arn)
    delete(ModelPackageGroupName=group)
    refused(client.describe_model_package_group, "ValidationException", ModelPackageGroupName=group)


def test_a_package_is_searched_for(client, group):
    arn = version(client, group, ModelApprovalStatus="Approved")
    version(client, group)
    filters = [
        {"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": group},
        {"Name": "ModelApprovalStatus", "Operator": "Equals", "Value": "Approved"},
    ]
    found = client.search(Resource="ModelPackage", SearchExpression={"Filters": filters})
    (result,) = found["Results"]
    assert result["ModelPackage"]["ModelPackageArn"] == arn


def test_a_group_s_policy_is_put_got_and_deleted(client, group):
    get = client.get_model_package_group_policy
    message = refused(get, "ValidationException", ModelPackageGroupName=group)
    assert "Cannot find Model Package Group" in message
    put = client.put_model_package_group_policy
    arn = put(ModelPackageGroupName=group, ResourcePolicy=POLICY)["ModelPackageGroupArn"]
    assert arn == f"{ACCOUNT_ARN}:model-package-group/{group}"
    assert json.loads(get(ModelPackageGroupName=group)["ResourcePolicy"]) == json.loads(POLICY)
    for wrong in ("no JSON", "{}", '{"Statement": [{"Effect": "Perhaps"}]}'):
        refused(put, "ValidationException", ModelPackageGroupName=group, ResourcePolicy=wrong)
    client.delete_model_package_group_policy(ModelPackageGroupName=group)
    refused(get, "ValidationException", ModelPackageGroupName=group)
    delete = client.delete_model_package_group_policy
    refused(delete, "ValidationException", ModelPackageGroupName=group)
    client.delete_model_package_group(ModelPackageGroupName=group)
    refused(put, "ValidationException", ModelPackageGroupName=group, ResourcePolicy=POLICY)


def test_the_sdk_finds_packages(client, group):
    resources = pytest.importorskip("sagemaker.core.resources")
    arns = [version(client, group), version(client, group)]
    package = resources.ModelPackage.get(model_package_name=arns[0])
    assert package.inference_specification.containers[0].image == IMAGE
    assert package.refresh().model_package_version == 1
    every = resources.ModelPackage.get_all(model_package_group_name=group)
    try:
        found = [item.model_package_arn for item in every]
    except ParamValidationError:
        pytest.skip("this SDK looks packages of a group up by a name that versions do not have")
    assert found == arns


def test_a_card_s_older_versions_stay_readable(client, name):
    client.create_model_card(ModelCardName=name, Content='{"a": 1}', ModelCardStatus="Draft")
    client.update_model_card(ModelCardName=name, Content='{"a": 2}')
    client.update_model_card(ModelCardName=name, ModelCardStatus="Approved")
    newest = client.describe_model_card(ModelCardName=name)
    assert (newest["ModelCardVersion"], newest["Content"]) == (3, '{"a": 2}')
    first = client.describe_model_card(ModelCardName=name, ModelCardVersion=1)
    assert (first["Content"], first["ModelCardStatus"]) == ('{"a": 1}', "Draft")
    hidden = client.describe_model_card(ModelCardName=name, IncludedData="MetadataOnly")
    assert (hidden["Content"], hidden["ModelCardStatus"]) == ("{}", "Approved")
    versions = client.list_model_card_versions(ModelCardName=name)["ModelCardVersionSummaryList"]
    assert [(item["ModelCardVersion"], item["ModelCardStatus"]) for item in versions] == [
        (3, "Approved"),
        (2, "Draft"),
        (1, "Draft"),
    ]
    drafts = client.list_model_card_versions(
        ModelCardName=name, ModelCardStatus="Draft", SortOrder="Ascending", MaxResults=1
    )
    assert [item["ModelCardVersion"] for item in drafts["ModelCardVersionSummaryList"]] == [1]
    assert drafts["NextToken"]
    refused(client.describe_model_card, "ResourceNotFound", ModelCardName=name, ModelCardVersion=4)
    refused(client.list_model_card_versions, "ResourceNotFound", ModelCardName=f"{name}-not")


def test_a_card_changes_in_one_way_at_a_time_and_is_json(client, name):
    create = client.create_model_card
    refused(
        create, "ValidationException", ModelCardName=name, Content="no", ModelCardStatus="Draft"
    )
    create(ModelCardName=name, Content="{}", ModelCardStatus="Draft")
    update = client.update_model_card
    refused(
        update, "ValidationException", ModelCardName=name, Content="{}", ModelCardStatus="Approved"
    )
    assert client.describe_model_card(ModelCardName=name)["ModelCardVersion"] == 1


def test_an_approved_version_is_deployed_by_its_arn(deployer, group):
    client = deployer.sagemaker
    script = "import os\ndef model_fn(d): pass\n"
    script += "def transform_fn(m, data, c, a): return os.environ['A'] + os.environ['B'], a"
    uri = deployer.put(f"{group}/model.tar.gz", archive({"code/inference.py": script}))
    container = {"Image": IMAGE, "ModelDataUrl": uri, "Environment": {"A": "package", "B": "x"}}
    arn = version(client, group, InferenceSpecification={"Containers": [container]})
    create = client.create_model
    request = {
        "ModelName": group,
        "ExecutionRoleArn": ROLE,
        "PrimaryContainer": {"ModelPackageName": arn, "Environment": {"B": "+model"}},
    }
    with pytest.raises(client.exceptions.ClientError, match="PendingManualApproval"):
        create(**request)
    client.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    create(**request)
    described = client.describe_model(ModelName=group)
    assert described["PrimaryContainer"]["ModelPackageName"] == arn
    name = deployer.create(deployer.config({"ModelName": group}))
    assert deployer.settled(name)["EndpointStatus"] == "InService"
    assert deployer.invoke(name, "anything")["Body"] == "package+model"
    gone = arn.replace("/1", "/9")
    request["PrimaryContainer"] = {"ModelPackageName": gone}
    with pytest.raises(client.exceptions.ClientError, match=f"{gone} does not exist"):
        create(**request | {"ModelName": f"{group}-2"})


def test_what_a_model_says_itself_wins_over_its_package(deployer, group):
    first, second = (
        deployer.put(f"{group}/{text}.tar.gz", archive({"code/inference.py": answering(text)}))
        for text in ("first", "second")
    )
    container = {"Image": IMAGE, "ModelDataUrl": first}
    version(
        deployer.sagemaker,
        group,
        InferenceSpecification={"Containers": [container]},
        ModelApprovalStatus="Approved",
    )
    # SDK v3 deploys a package with an image of its own in this way.
    image = IMAGE.replace("some", "other")
    package = f"{group}/1"
    plain = deployer.model(ModelPackageName=package)
    own = deployer.model(ModelPackageName=package, Image=image, ModelDataUrl=second)
    variants = [
        {"ModelName": plain, "VariantName": "plain"},
        {"ModelName": own, "VariantName": "own"},
    ]
    name = deployer.create(deployer.config(*variants))
    described = deployer.settled(name)
    assert described["EndpointStatus"] == "InService"
    assert deployer.invoke(name, TargetVariant="plain")["Body"] == "first"
    assert deployer.invoke(name, TargetVariant="own")["Body"] == "second"
    images = {
        shown["VariantName"]: shown["DeployedImages"][0]["SpecifiedImage"]
        for shown in described["ProductionVariants"]
    }
    assert images == {"plain": IMAGE, "own": image}
