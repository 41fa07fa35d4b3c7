"""Buckets: names, owners, regions, settings; and that nothing is pretended."""

import json
import uuid
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.model import ServiceModel

from local_sagemaker.database import Database
from local_sagemaker.s3.objects import Objects
from local_sagemaker.s3.routes import operation_name
from local_sagemaker.s3.service import S3
from tests.local_sagemaker.core_support import ACCOUNT, refused
from tests.local_sagemaker.s3_support import OTHER_ACCOUNT, other_client


def fresh_name() -> str:
    return f"test-{uuid.uuid4()}"


def test_a_bucket_lives(s3: Any) -> None:
    name = fresh_name()
    assert s3.create_bucket(Bucket=name)["Location"] == f"/{name}"
    assert s3.head_bucket(Bucket=name)["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    listed = s3.list_buckets()
    assert name in {bucket["Name"] for bucket in listed["Buckets"]}
    assert listed["Owner"]["ID"]
    s3.put_object(Bucket=name, Key="k", Body=b"x")
    refused(s3.delete_bucket, "BucketNotEmpty", 409, Bucket=name)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    refused(s3.head_bucket, "404", 404, Bucket=name)
    refused(s3.delete_bucket, "NoSuchBucket", 404, Bucket=name)


def test_buckets_are_listed_in_pages(s3: Any) -> None:
    prefix = uuid.uuid4().hex
    names = [f"{prefix}-{number}" for number in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    pages = s3.get_paginator("list_buckets").paginate(
        Prefix=prefix, PaginationConfig={"PageSize": 2}
    )
    found = [[bucket["Name"] for bucket in page["Buckets"]] for page in pages]
    assert found == [names[:2], names[2:4], names[4:]]


@pytest.mark.parametrize(
    "name", ["ab", "a..b", "UPPER", "under_score", "192.168.0.1", "-a-b", "a" * 64, "xn--abc"]
)
def test_bad_names_are_refused(s3: Any, name: str) -> None:
    # boto3 checks some of them itself.
    s3 = boto3.client("s3")
    s3.meta.events.unregister("before-parameter-build.s3", botocore.handlers.validate_bucket_name)
    refused(s3.create_bucket, "InvalidBucketName", 400, Bucket=name)


def test_creating_again(s3: Any) -> None:
    name = fresh_name()
    s3.create_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)  # us-east-1 says yes twice
    west = boto3.client("s3", region_name="us-west-2")
    other = fresh_name()
    configuration = {"LocationConstraint": "us-west-2"}
    west.create_bucket(Bucket=other, CreateBucketConfiguration=configuration)
    refused(
        west.create_bucket,
        "BucketAlreadyOwnedByYou",
        409,
        Bucket=other,
        CreateBucketConfiguration=configuration,
    )
    assert s3.get_bucket_location(Bucket=other)["LocationConstraint"] == "us-west-2"
    assert s3.head_bucket(Bucket=other)["BucketRegion"] == "us-west-2"


def test_a_bucket_is_made_where_its_endpoint_is(s3: Any) -> None:
    west = boto3.client("s3", region_name="us-west-2")
    code = "IllegalLocationConstraintException"
    assert "unspecified" in refused(west.create_bucket, code, 400, Bucket=fresh_name())
    elsewhere = {"LocationConstraint": "eu-west-1"}
    refused(west.create_bucket, code, Bucket=fresh_name(), CreateBucketConfiguration=elsewhere)
    here = {"LocationConstraint": "us-east-1"}
    refused(
        s3.create_bucket,
        "InvalidLocationConstraint",
        Bucket=fresh_name(),
        CreateBucketConfiguration=here,
    )


def test_accounts_share_names_and_nothing_else(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"secret")
    guest = other_client()
    refused(guest.create_bucket, "BucketAlreadyExists", 409, Bucket=bucket)
    assert bucket not in {entry["Name"] for entry in guest.list_buckets()["Buckets"]}
    refused(guest.head_bucket, "403", 403, Bucket=bucket)
    own = fresh_name()
    guest.create_bucket(Bucket=own)
    where = {"Bucket": bucket, "Key": "k"}
    refused(guest.get_object, "AccessDenied", 403, **where)
    refused(guest.put_object, "AccessDenied", 403, **where, Body=b"x")
    refused(guest.delete_object, "AccessDenied", 403, **where)
    refused(guest.list_objects_v2, "AccessDenied", 403, Bucket=bucket)
    refused(guest.create_multipart_upload, "AccessDenied", 403, **where)
    refused(guest.delete_bucket, "AccessDenied", 403, Bucket=bucket)
    refused(guest.get_bucket_location, "AccessDenied", 403, Bucket=bucket)
    copied = {"Bucket": own, "Key": "stolen", "CopySource": where}
    refused(guest.copy_object, "AccessDenied", 403, **copied)
    doomed = {"Objects": [{"Key": "k"}]}
    refused(guest.delete_objects, "AccessDenied", 403, Bucket=bucket, Delete=doomed)
    assert s3.get_object(**where)["Body"].read() == b"secret"
    guest.put_object(Bucket=own, Key="k", Body=b"theirs")
    refused(s3.get_object, "AccessDenied", 403, Bucket=own, Key="k")


def test_the_expected_owner_is_checked(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner=ACCOUNT)
    where = {"Bucket": bucket, "Key": "k", "ExpectedBucketOwner": OTHER_ACCOUNT}
    refused(s3.get_object, "AccessDenied", 403, **where)
    refused(s3.head_bucket, "403", 403, Bucket=bucket, ExpectedBucketOwner=OTHER_ACCOUNT)


def test_bucket_tags(s3: Any, bucket: str) -> None:
    refused(s3.get_bucket_tagging, "NoSuchTagSet", 404, Bucket=bucket)
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    refused(s3.get_bucket_tagging, "NoSuchTagSet", 404, Bucket=bucket)


def test_encryption_is_recorded(s3: Any, bucket: str) -> None:
    missing = "ServerSideEncryptionConfigurationNotFoundError"
    refused(s3.get_bucket_encryption, missing, 404, Bucket=bucket)
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "key"},
        "BucketKeyEnabled": True,
    }
    configuration = {"Rules": [rule]}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=configuration)
    answer = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    assert answer == configuration
    s3.delete_bucket_encryption(Bucket=bucket)
    refused(s3.get_bucket_encryption, missing, 404, Bucket=bucket)
    put = s3.put_object(
        Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="key"
    )
    head = s3.head_object(Bucket=bucket, Key="k")
    for answer in (put, head):
        assert (answer["ServerSideEncryption"], answer["SSEKMSKeyId"]) == ("aws:kms", "key")


def test_public_access(s3: Any, bucket: str) -> None:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    block = dict.fromkeys(names, True)
    answer = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert answer == block
    block["BlockPublicPolicy"] = False
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=block)
    answer = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert answer == block
    s3.delete_public_access_block(Bucket=bucket)
    missing = "NoSuchPublicAccessBlockConfiguration"
    refused(s3.get_public_access_block, missing, 404, Bucket=bucket)


def test_versioning_is_not_pretended(s3: Any, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    message = refused(
        s3.put_bucket_versioning,
        "NotImplemented",
        501,
        Bucket=bucket,
        VersioningConfiguration={"Status": "Enabled"},
    )
    assert "versioning" in message
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    refused(s3.get_object, "NoSuchVersion", 404, Bucket=bucket, Key="k", VersionId="v1")
    assert s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read() == b"x"


def test_access_lists_are_the_owners(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="bucket-owner-full-control")
    for grants in (
        s3.get_bucket_acl(Bucket=bucket)["Grants"],
        s3.get_object_acl(Bucket=bucket, Key="k")["Grants"],
    ):
        assert [grant["Permission"] for grant in grants] == ["FULL_CONTROL"]
    code = "AccessControlListNotSupported"
    refused(s3.put_object, code, 400, Bucket=bucket, Key="k", Body=b"x", ACL="public-read")
    refused(s3.put_bucket_acl, code, 400, Bucket=bucket, ACL="public-read")


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("put_bucket_policy", {"Policy": json.dumps({"Statement": []})}),
        ("put_bucket_cors", {"CORSConfiguration": {"CORSRules": []}}),
        ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": []}}),
        ("put_object_lock_configuration", {}),
        ("put_object_retention", {"Key": "k"}),
        ("put_object", {"Key": "k", "StorageClass": "GLACIER"}),
        ("put_object", {"Key": "k", "ObjectLockLegalHoldStatus": "ON"}),
        ("list_bucket_inventory_configurations", {}),
        ("get_object_torrent", {"Key": "k"}),
    ],
)
def test_what_is_not_there_says_so(
    s3: Any, bucket: str, operation: str, params: dict[str, Any]
) -> None:
    message = refused(getattr(s3, operation), "NotImplemented", 501, Bucket=bucket, **params)
    assert "local SageMaker" in message


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("get_bucket_policy", "NoSuchBucketPolicy"),
        ("get_bucket_cors", "NoSuchCORSConfiguration"),
        ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
        ("get_bucket_website", "NoSuchWebsiteConfiguration"),
        ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
        ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
    ],
)
def test_settings_that_no_bucket_has(s3: Any, bucket: str, operation: str, code: str) -> None:
    refused(getattr(s3, operation), code, 404, Bucket=bucket)
    missing = f"no-such-{uuid.uuid4()}"
    refused(getattr(s3, operation), "NoSuchBucket", 404, Bucket=missing)


# Another address than S3's own, or an older name of an operation that has the same address.
_ELSEWHERE = {
    "GetBucketLifecycle",
    "GetBucketNotification",
    "ListDirectoryBuckets",
    "PutBucketLifecycle",
    "PutBucketNotification",
    "WriteGetObjectResponse",
}


def _route(service: ServiceModel, name: str) -> str:
    model = service.operation_model(name)
    uri, _, query_text = model.http["requestUri"].partition("?")
    query = dict(item.partition("=")[::2] for item in query_text.split("&") if item)
    headers = {}
    for member_name in model.input_shape.required_members if model.input_shape else ():
        member = model.input_shape.members[member_name].serialization
        if member.get("location") == "querystring":
            query[member["name"]] = "1"
        elif member.get("location") == "header":
            headers[member["name"].lower()] = "x"
    bucket = "b" if "{Bucket}" in uri else ""
    key = "k" if "{Key+}" in uri else ""
    return operation_name(model.http["method"], bucket, key, query, headers)


def test_every_operation_of_the_service_model_has_a_name_here() -> None:
    model = botocore.session.get_session().get_service_model("s3")
    for name in set(model.operation_names) - _ELSEWHERE:
        assert _route(model, name) == name


def test_only_operations_of_the_service_model_are_answered(tmp_path: Any) -> None:
    database = Database(tmp_path / "state.db")
    objects = Objects(database, tmp_path / "s3")
    answering = S3(objects)
    known = set(botocore.session.get_session().get_service_model("s3").operation_names)
    assert answering.operations <= known
    answering.close()
    objects.close()
    database.close()
