"""The Resource Groups Tagging API finds what carries tags, in one's own account and region."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.account_support import TestAccount, fill, new_account
from tests.local_sagemaker.core_support import fits, refused
from tests.local_sagemaker.daemon_support import killed_and_started_again

pytestmark = pytest.mark.usefixtures("local")
MARK = {"workshop": "nlp-workshop"}
INVALID = "InvalidParameterException"


@pytest.fixture
def account() -> TestAccount:
    return new_account()


@pytest.fixture
def tagging(account: TestAccount) -> Any:
    return account.client("resourcegroupstaggingapi")


def found(tagging: Any, **asked: Any) -> dict[str, dict[str, str]]:
    """Return tags by ARN, over all pages, in the order they came."""
    pages = tagging.get_paginator("get_resources").paginate(**asked)
    model = tagging.meta.service_model.operation_model("GetResources")
    return {
        one["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        for page in checked(pages, model.output_shape)
        for one in page["ResourceTagMappingList"]
    }


def checked(pages: Any, shape: Any) -> Iterator[dict[str, Any]]:
    for page in pages:
        fits(page, shape)
        yield page


def experiment(account: TestAccount, name: str, **tags: str) -> str:
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    made = account.client("sagemaker").create_experiment(ExperimentName=name, Tags=listed)
    return str(made["ExperimentArn"])


def test_every_kind_is_found_by_its_tag_over_pages(account: TestAccount, tagging: Any) -> None:
    made = fill(account, 30, tags=MARK)
    fill(account, 10, prefix="unmarked")
    fill(account, 10, prefix="somebody-else-s", tags={"workshop": "other"})
    marked = [{"Key": "workshop", "Values": ["nlp-workshop"]}]
    all_of_them = found(tagging, TagFilters=marked)
    # Objects carry no tags here, and a bucket that holds one was not tagged; a config has a model.
    assert len(all_of_them) == len(made) - 3 + 3
    assert all(name in "".join(all_of_them) for name in made if int(name[-3:]) % 10 != 8)
    services = {arn.split(":")[2] for arn in all_of_them}
    assert services == {"logs", "s3", "sagemaker"}
    assert list(all_of_them) == sorted(all_of_them)
    for size in (1, 7, 100):
        assert found(tagging, TagFilters=marked, ResourcesPerPage=size) == all_of_them


def test_filters_are_joined_as_aws_documents_it(account: TestAccount, tagging: Any) -> None:
    a = experiment(account, "a", colour="red", size="1")
    b = experiment(account, "b", colour="blue", size="")
    c = experiment(account, "c", colour="green")

    def by(**filters: list[str]) -> set[str]:
        asked = [{"Key": key, "Values": values} for key, values in filters.items()]
        return set(found(tagging, TagFilters=asked))

    assert by(colour=["red", "blue"]) == {a, b}
    assert by(colour=[]) == {a, b, c}
    assert by(colour=["red", "blue"], size=[""]) == {b}
    assert by(colour=["red"], size=["2"]) == set()
    assert set(found(tagging)) == {a, b, c}


def test_types(account: TestAccount, tagging: Any) -> None:
    fill(account, 10, tags=MARK)

    def kinds(*types: str) -> set[str]:
        return {
            ":".join(arn.split(":")[2::3][:2]).split("/")[0]
            for arn in found(tagging, ResourceTypeFilters=list(types))
        }

    assert kinds("sagemaker:endpoint-config") == {"sagemaker:endpoint-config"}
    assert kinds("sagemaker:endpoint") == set()
    assert kinds("sagemaker:model", "logs") == {"sagemaker:model", "logs:log-group"}
    assert len(found(tagging, ResourceTypeFilters=["s3:bucket"])) == 1
    assert found(tagging, ResourceTypeFilters=["s3"]) == found(
        tagging, ResourceTypeFilters=["s3:bucket", "s3:bucket"]
    )
    assert kinds("ec2") == set()


def test_arns_are_looked_up(account: TestAccount, tagging: Any) -> None:
    arn = experiment(account, "one", k="v")
    gone = arn.replace("one", "gone")
    assert found(tagging, ResourceARNList=[arn, gone]) == {arn: {"k": "v"}}
    for other in ({"TagFilters": [{"Key": "k"}]}, {"ResourceTypeFilters": ["sagemaker"]}):
        refused(tagging.get_resources, INVALID, 400, ResourceARNList=[arn], **other)


def test_nobody_sees_another_account_or_region(account: TestAccount, tagging: Any) -> None:
    arn = experiment(account, "mine", k="v")
    other = new_account()
    experiment(other, "mine", k="v")
    theirs = other.client("resourcegroupstaggingapi")
    assert set(found(tagging)) == {arn}
    assert set(found(theirs)) == {arn.replace(account.number, other.number)}
    elsewhere = account.session.client("resourcegroupstaggingapi", region_name="eu-west-1")
    assert found(elsewhere) == {}
    failed = theirs.tag_resources(ResourceARNList=[arn], Tags={"stolen": "yes"})
    assert set(failed["FailedResourcesMap"]) == {arn}
    assert elsewhere.untag_resources(ResourceARNList=[arn], TagKeys=["k"])["FailedResourcesMap"]
    assert found(tagging) == {arn: {"k": "v"}}


def test_tags_change_wherever_they_are_kept(account: TestAccount, tagging: Any) -> None:
    fill(account, 10, tags=MARK)
    arns = list(found(tagging))
    for service in ("sagemaker", "logs", "s3"):
        chosen = [arn for arn in arns if arn.split(":")[2] == service]
        missing = f"arn:aws:{service}:us-east-1:{account.number}:experiment/gone"
        answer = tagging.tag_resources(
            ResourceARNList=[*chosen, missing], Tags={"new": "ü", "workshop": "changed"}
        )
        failure = answer["FailedResourcesMap"].pop(missing)
        assert (failure["ErrorCode"], failure["StatusCode"]) == (INVALID, 400)
        assert not answer["FailedResourcesMap"]
        tagging.untag_resources(ResourceARNList=chosen, TagKeys=["workshop", "never"])
        assert found(tagging, ResourceARNList=chosen) == {arn: {"new": "ü"} for arn in chosen}
    bucket = next(arn for arn in arns if ":s3:" in arn).rpartition(":")[2]
    assert account.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"] == [
        {"Key": "new", "Value": "ü"}
    ]
    (group,) = account.client("logs").describe_log_groups()["logGroups"]
    shown = account.client("logs").list_tags_for_resource(resourceArn=group["logGroupArn"])
    assert shown["tags"] == {"new": "ü"}
    refused(tagging.tag_resources, INVALID, 400, ResourceARNList=arns, Tags={"aws:x": "y"})


def test_what_is_deleted_is_found_no_more(account: TestAccount, tagging: Any) -> None:
    logs, s3 = account.client("logs"), account.client("s3")
    fill(account, 10, tags=MARK)
    for group in logs.describe_log_groups()["logGroups"]:
        logs.delete_log_group(logGroupName=group["logGroupName"])
        logs.create_log_group(logGroupName=group["logGroupName"])
    for bucket in s3.list_buckets()["Buckets"]:
        if "Contents" not in s3.list_objects_v2(Bucket=bucket["Name"]):
            s3.delete_bucket(Bucket=bucket["Name"])
    sagemaker = account.client("sagemaker")
    for model in sagemaker.list_models()["Models"]:
        sagemaker.delete_model(ModelName=model["ModelName"])
    kinds = {arn.split(":")[5].split("/")[0] for arn in found(tagging)}
    assert not kinds & {"model", "log-group"}
    assert not found(tagging, ResourceTypeFilters=["s3", "logs"])


def test_keys_and_values(account: TestAccount, tagging: Any) -> None:
    for number in range(120):
        experiment(account, f"e{number}", **{f"k{number:03d}": "v", "shared": f"v{number:03d}"})
    keys = tagging.get_paginator("get_tag_keys").paginate()
    assert [key for page in keys for key in page["TagKeys"]] == [
        *(f"k{number:03d}" for number in range(120)),
        "shared",
    ]
    values = tagging.get_paginator("get_tag_values").paginate(Key="shared")
    assert [value for page in values for value in page["TagValues"]] == [
        f"v{number:03d}" for number in range(120)
    ]
    assert tagging.get_tag_values(Key="never")["TagValues"] == []


def test_bad_requests(account: TestAccount, tagging: Any) -> None:
    experiment(account, "a", k="v")
    experiment(account, "b", k="v")
    first = tagging.get_resources(ResourcesPerPage=1)["PaginationToken"]
    refused(tagging.get_resources, INVALID, PaginationToken=first, TagFilters=[{"Key": "k"}])
    refused(tagging.get_resources, INVALID, PaginationToken="nonsense")
    for size in (0, 101):
        refused(tagging.get_resources, INVALID, ResourcesPerPage=size)
    refused(tagging.get_resources, INVALID, TagFilters=[{"Values": ["v"]}])
    assert "ResourcesPerPage" in refused(tagging.get_resources, INVALID, TagsPerPage=100)
    refused(tagging.start_report_creation, "NotImplemented", S3Bucket="bucket")


def test_log_groups_have_tags_by_both_generations_of_operations(account: TestAccount) -> None:
    logs = account.client("logs")
    logs.create_log_group(logGroupName="/g", tags={"a": "1"})
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/g")["logGroups"]
    logs.tag_log_group(logGroupName="/g", tags={"b": "2"})
    logs.tag_resource(resourceArn=group["logGroupArn"], tags={"c": "3"})
    assert logs.list_tags_log_group(logGroupName="/g")["tags"] == {"a": "1", "b": "2", "c": "3"}
    logs.untag_log_group(logGroupName="/g", tags=["a"])
    logs.untag_resource(resourceArn=group["logGroupArn"], tagKeys=["b"])
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"c": "3"}
    many = {str(number): "" for number in range(50)}
    refused(logs.tag_log_group, "TooManyTagsException", 400, logGroupName="/g", tags=many)
    refused(logs.list_tags_log_group, "ResourceNotFoundException", 400, logGroupName="/none")
    theirs = new_account().client("logs")
    refused(
        theirs.list_tags_for_resource, "ResourceNotFoundException", resourceArn=group["logGroupArn"]
    )


@pytest.mark.slow
def test_tags_of_groups_outlive_the_server(fresh: LocalSageMaker) -> None:
    boto3.client("logs").create_log_group(logGroupName="/g", tags={"a": "1"})
    killed_and_started_again(fresh)
    assert found(boto3.client("resourcegroupstaggingapi")) == {
        "arn:aws:logs:us-east-1:111122223333:log-group:/g": {"a": "1"}
    }
