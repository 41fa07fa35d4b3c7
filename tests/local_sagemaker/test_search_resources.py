"""Search over every kind of resource that has documents, and the refusal of every other kind."""

import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.protocol import service_model
from tests.local_sagemaker.core_support import fits, refused

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
IMAGE = "111122223333.dkr.ecr.us-east-1.amazonaws.com/some:image"
TAGS = [{"Key": "found", "Value": "yes"}]
MODEL = service_model("sagemaker")
RESOURCES = MODEL.shape_for("ResourceType").enum
# Only names and shapes of these are in the service model, or they come with what is not run.
REFUSED = {
    "FeatureMetadata",
    "HubContent",
    "Image",
    "ImageVersion",
    "PipelineExecution",
    "PipelineVersion",
}
# How each resource is made that the other tests of Search do not make.
DEFINITION = '{"Version": "2020-12-01", "Steps": []}'
MADE: dict[str, Callable[[Any, str], Any]] = {
    "FeatureGroup": lambda client, name: client.create_feature_group(
        FeatureGroupName=name,
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[
            {"FeatureName": "id", "FeatureType": "String"},
            {"FeatureName": "at", "FeatureType": "String"},
        ],
        OnlineStoreConfig={"EnableOnlineStore": True},
        Tags=TAGS,
    ),
    "HyperParameterTuningJob": lambda client, name: client.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "ResourceLimits": {"MaxParallelTrainingJobs": 1},
        },
        Tags=TAGS,
    ),
    "Model": lambda client, name: client.create_model(
        ModelName=name, PrimaryContainer={"Image": IMAGE}, Tags=TAGS
    ),
    "ModelCard": lambda client, name: client.create_model_card(
        ModelCardName=name, Content="{}", ModelCardStatus="Draft", Tags=TAGS
    ),
    "ModelPackage": lambda client, name: client.create_model_package(
        ModelPackageName=name,
        InferenceSpecification={"Containers": [{"Image": IMAGE}]},
        Tags=TAGS,
    ),
    "ModelPackageGroup": lambda client, name: client.create_model_package_group(
        ModelPackageGroupName=name, Tags=TAGS
    ),
    "Pipeline": lambda client, name: client.create_pipeline(
        PipelineName=name, RoleArn=ROLE, PipelineDefinition=DEFINITION, Tags=TAGS
    ),
    "Project": lambda client, name: client.create_project(ProjectName=name[:32], Tags=TAGS),
}


@pytest.fixture
def client(local: LocalSageMaker) -> Any:
    assert local.url
    return boto3.client("sagemaker")


@pytest.mark.parametrize("resource", sorted(MADE))
def test_a_resource_is_found_by_its_name_and_tag(client: Any, resource: str) -> None:
    if resource not in RESOURCES:
        pytest.skip(f"botocore: Search for {resource} is not in this version")
    name = f"found-{uuid.uuid4().hex[:12]}"
    MADE[resource](client, name)
    path = "Model.ModelName" if resource == "Model" else f"{resource}Name"
    expression = {"Filters": [{"Name": path, "Operator": "Equals", "Value": name}]}
    answer = client.search(Resource=resource, SearchExpression=expression)
    fits(answer, MODEL.operation_model("Search").output_shape)
    ((kind, document),) = answer["Results"][0].items()
    assert (len(answer["Results"]), kind) == (1, resource)
    shown = document["Model"] if resource == "Model" else document
    assert shown[f"{resource}Name"] == name
    if "Tags" in MODEL.shape_for("SearchRecord").members[resource].members:
        by_tag = {"Filters": [*expression["Filters"], {"Name": "Tags.found", "Value": "yes"}]}
        assert len(client.search(Resource=resource, SearchExpression=by_tag)["Results"]) == 1
    elif resource == "Model":
        assert shown["Tags"] == TAGS
    none = {"Filters": [{"Name": path, "Operator": "Equals", "Value": f"{name}-not"}]}
    assert client.search(Resource=resource, SearchExpression=none)["Results"] == []


def test_a_model_is_found_with_what_is_made_of_it(client: Any, s3: Any, bucket: str) -> None:
    name = f"found-{uuid.uuid4().hex[:12]}"
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"a")
    MADE["Model"](client, name)
    variant = {"VariantName": "All", "ModelName": name, "InstanceType": "ml.m5.large"}
    client.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[variant | {"InitialInstanceCount": 1}]
    )
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    for number in (1, 2):
        place = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/in"}}
        client.create_transform_job(
            TransformJobName=f"{name}-{number}",
            ModelName=name,
            TransformInput={"DataSource": place},
            TransformOutput={"S3OutputPath": f"s3://{bucket}/out"},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        )
    filters = [{"Name": "Model.ModelName", "Operator": "Equals", "Value": name}]
    answer = client.search(Resource="Model", SearchExpression={"Filters": filters})
    fits(answer, MODEL.operation_model("Search").output_shape)
    (document,) = (result["Model"] for result in answer["Results"])
    assert [endpoint["EndpointName"] for endpoint in document["Endpoints"]] == [name]
    assert document["LastBatchTransformJob"]["TransformJobName"] == f"{name}-2"


@pytest.mark.parametrize("resource", sorted(set(RESOURCES) & REFUSED))
def test_what_has_no_documents_is_refused_by_name(client: Any, resource: str) -> None:
    for call in (client.search, client.get_search_suggestions):
        message = refused(call, "ValidationException", Resource=resource)
        assert message.startswith(f"The local SageMaker cannot search for {resource}. ")


def test_every_other_resource_is_answered(client: Any) -> None:
    shape = MODEL.operation_model("Search").output_shape
    for resource in set(RESOURCES) - REFUSED:
        fits(client.search(Resource=resource), shape)
        assert client.get_search_suggestions(Resource=resource)["PropertyNameSuggestions"]
