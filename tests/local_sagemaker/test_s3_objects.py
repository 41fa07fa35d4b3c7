"""Objects through boto3: any key, whole or in part, described, copied, deleted."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import Answer, refused, send

KEYS = [
    "a",
    "a/b",
    "a//b",
    "/leading",
    "trailing/",
    "q?x=1&y",
    "%41",
    "%2541",
    "../../etc/p",
    "./.",
    "with space",
    "pl+us=equals;semi",
    "line\nbreak\r",
    "control\x01",
    "<&>'\"",
    "ünïcödé/✓/😀",
    "k" * 1024,
]


def read(s3: Any, bucket: str, key: str, **more: Any) -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()
    return body


def test_a_refused_upload_leaves_the_connection_usable(s3: Any, bucket: str) -> None:
    # botocore sends no body after a refusal, so the server must not wait for one.
    for _ in range(3):
        refused(
            s3.put_object,
            "AccessControlListNotSupported",
            Bucket=bucket,
            Key="k",
            Body=b"xyz",
            ACL="public-read",
        )
        assert s3.head_bucket(Bucket=bucket)["BucketRegion"] == "us-east-1"


def test_any_key_is_its_own_object(s3: Any, bucket: str) -> None:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    for key in KEYS:
        assert read(s3, bucket, key) == key.encode()
        assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(key.encode())
    listed = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == sorted(KEYS, key=str.encode)
    s3.delete_object(Bucket=bucket, Key="a")
    assert read(s3, bucket, "a/b") == b"a/b"


def test_a_key_may_have_1024_bytes(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="é" * 512, Body=b"x")
    refused(s3.put_object, "KeyTooLongError", 400, Bucket=bucket, Key="é" * 512 + "a", Body=b"x")


def test_an_empty_object(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="empty")
    assert read(s3, bucket, "empty") == b""
    refused(s3.get_object, "InvalidRange", 416, Bucket=bucket, Key="empty", Range="bytes=0-")


def test_what_was_said_of_an_object_comes_back(s3: Any, bucket: str) -> None:
    said = {
        "ContentType": "text/csv",
        "ContentEncoding": "gzip, deflate",
        "ContentLanguage": "en, fr",
        "ContentDisposition": 'attachment; filename="a.csv"',
        "CacheControl": "no-cache",
        "Metadata": {"one": "1", "two-words": "a b"},
        "StorageClass": "STANDARD_IA",
        "WebsiteRedirectLocation": "/elsewhere",
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=b+c&d=%2B", **said)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert {name: head[name] for name in said} == said
    assert head["TagCount"] == 2
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [
        {"Key": "a", "Value": "b c"},
        {"Key": "d", "Value": "+"},
    ]
    s3.put_object(Bucket=bucket, Key="k", Body=b"y")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentType"] == "binary/octet-stream"
    assert head["Metadata"] == {}
    assert "ContentEncoding" not in head


def test_too_much_metadata_is_refused(s3: Any, bucket: str) -> None:
    refused(
        s3.put_object,
        "MetadataTooLarge",
        400,
        Bucket=bucket,
        Key="k",
        Metadata={"m": "x" * 2048},
    )


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-5", 2, 6),
        ("bytes=7-", 7, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-30", 0, 10),
        ("bytes=8-1000", 8, 10),
    ],
)
def test_ranges(s3: Any, bucket: str, asked: str, start: int, stop: int) -> None:
    body = b"0123456789"
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    answer = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert answer["Body"].read() == body[start:stop]
    assert answer["ContentRange"] == f"bytes {start}-{stop - 1}/10"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5"])
def test_a_range_that_s3_ignores(s3: Any, bucket: str, asked: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    answer = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert answer["Body"].read() == b"0123456789"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_range_behind_the_end_is_refused(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    for asked in ("bytes=10-", "bytes=-0"):
        refused(s3.get_object, "InvalidRange", 416, Bucket=bucket, Key="k", Range=asked)


def test_conditions_of_reading(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    where = {"Bucket": bucket, "Key": "k"}
    now = datetime.now(UTC)
    before, after = now - timedelta(hours=1), now + timedelta(hours=1)
    assert read(s3, bucket, "k", IfMatch=etag) == b"x"
    assert read(s3, bucket, "k", IfNoneMatch='"other"') == b"x"
    assert read(s3, bucket, "k", IfModifiedSince=before) == b"x"
    assert read(s3, bucket, "k", IfUnmodifiedSince=after) == b"x"
    # An ETag that matches outweighs a date that does not (RFC 9110, 13.2.2).
    assert read(s3, bucket, "k", IfMatch=etag, IfUnmodifiedSince=before) == b"x"
    assert read(s3, bucket, "k", IfNoneMatch='"other"', IfModifiedSince=after) == b"x"
    refused(s3.get_object, "PreconditionFailed", 412, **where, IfMatch='"other"')
    refused(s3.get_object, "PreconditionFailed", 412, **where, IfUnmodifiedSince=before)
    for condition in ({"IfNoneMatch": etag}, {"IfModifiedSince": after}):
        with pytest.raises(ClientError) as caught:
            s3.get_object(**where, **condition)
        metadata = caught.value.response["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == 304
        assert metadata["HTTPHeaders"]["etag"] == etag


def test_conditions_of_writing(s3: Any, bucket: str) -> None:
    where = {"Bucket": bucket, "Key": "k"}
    refused(s3.put_object, "NoSuchKey", 404, **where, Body=b"0", IfMatch='"x"')
    etag = s3.put_object(**where, Body=b"1", IfNoneMatch="*")["ETag"]
    refused(s3.put_object, "PreconditionFailed", 412, **where, Body=b"2", IfNoneMatch="*")
    refused(s3.put_object, "PreconditionFailed", 412, **where, Body=b"2", IfMatch='"other"')
    assert read(s3, bucket, "k") == b"1"
    s3.put_object(**where, Body=b"3", IfMatch=etag)
    assert read(s3, bucket, "k") == b"3"
    refused(s3.delete_object, "PreconditionFailed", 412, **where, IfMatch=etag)
    assert read(s3, bucket, "k") == b"3"


def test_a_missing_object(s3: Any, bucket: str) -> None:
    message = refused(s3.get_object, "NoSuchKey", 404, Bucket=bucket, Key="none")
    assert message == "The specified key does not exist."
    refused(s3.head_object, "404", 404, Bucket=bucket, Key="none")
    refused(s3.get_object, "NoSuchBucket", 404, Bucket="no-such-bucket", Key="none")
    refused(s3.put_object, "NoSuchBucket", 404, Bucket="no-such-bucket", Key="k", Body=b"x")
    refused(s3.get_object_tagging, "NoSuchKey", 404, Bucket=bucket, Key="none")
    s3.delete_object(Bucket=bucket, Key="none")


def test_a_large_upload_to_no_bucket_is_refused_before_it_comes(s3: Any) -> None:
    refused(s3.put_object, "NoSuchBucket", 404, Bucket="no-such-bucket", Key="k", Body=b"x" * 10**8)


def test_response_headers_may_be_overridden(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/csv")
    answer = s3.get_object(
        Bucket=bucket,
        Key="k",
        ResponseContentType="text/plain",
        ResponseContentDisposition='attachment; filename="b"',
    )
    assert answer["ContentType"] == "text/plain"
    assert answer["ContentDisposition"] == 'attachment; filename="b"'
    message = refused(
        s3.get_object, "InvalidRequest", Bucket=bucket, Key="k", ResponseContentType="a\r\nb: c"
    )
    assert "characters" in message


@pytest.mark.parametrize("key", ["plain", "q?x=1&y=%20 +✓", "a/../b"])
def test_copies(s3: Any, bucket: str, key: str) -> None:
    s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=b"x",
        ContentType="text/csv",
        Metadata={"m": "1"},
        Tagging="a=b",
    )
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    head = s3.head_object(Bucket=bucket, Key="copy")
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/csv", {"m": "1"}, 1)
    s3.copy_object(
        Bucket=bucket,
        Key="copy",
        CopySource={"Bucket": bucket, "Key": key},
        MetadataDirective="REPLACE",
        Metadata={"n": "2"},
        TaggingDirective="REPLACE",
        Tagging="c=d",
    )
    head = s3.head_object(Bucket=bucket, Key="copy")
    assert (head["ContentType"], head["Metadata"]) == ("binary/octet-stream", {"n": "2"})
    tags = s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"]
    assert tags == [{"Key": "c", "Value": "d"}]
    s3.delete_object(Bucket=bucket, Key=key)
    assert read(s3, bucket, "copy") == b"x"


def test_a_copy_onto_itself_must_change_something(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    where = {"Bucket": bucket, "Key": "k", "CopySource": f"{bucket}/k"}
    assert "to itself" in refused(s3.copy_object, "InvalidRequest", 400, **where)
    s3.copy_object(**where, MetadataDirective="REPLACE", Metadata={"m": "1"})
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"m": "1"}
    assert read(s3, bucket, "k") == b"x"


def test_conditions_of_copying(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    where = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/k"}
    refused(s3.copy_object, "PreconditionFailed", 412, **where, CopySourceIfMatch='"other"')
    refused(s3.copy_object, "PreconditionFailed", 412, **where, CopySourceIfNoneMatch=etag)
    refused(s3.head_object, "404", Bucket=bucket, Key="copy")
    s3.copy_object(**where, CopySourceIfMatch=etag)
    missing = where | {"CopySource": f"{bucket}/none"}
    refused(s3.copy_object, "NoSuchKey", 404, **missing)


def test_many_deletions_at_once(s3: Any, bucket: str) -> None:
    for key in KEYS[:10]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    wanted = [{"Key": key} for key in [*KEYS[:9], "never there"]]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": wanted})
    assert {entry["Key"] for entry in answer["Deleted"]} == {*KEYS[:9], "never there"}
    assert "Errors" not in answer
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [KEYS[9]]
    mixed = [{"Key": KEYS[9]}, {"Key": "x", "VersionId": "v1"}]
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": mixed, "Quiet": True})
    assert "Deleted" not in answer
    assert [error["Code"] for error in answer["Errors"]] == ["NoSuchVersion"]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_tags_of_objects(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    tags = [{"Key": "team", "Value": "nlp"}, {"Key": "empty", "Value": ""}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    many = [{"Key": str(number), "Value": ""} for number in range(11)]
    where = {"Bucket": bucket, "Key": "k"}
    refused(s3.put_object_tagging, "BadRequest", 400, **where, Tagging={"TagSet": many})
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    refused(s3.put_object_tagging, "InvalidTag", 400, **where, Tagging={"TagSet": twice})
    reserved = [{"Key": "aws:x", "Value": "1"}]
    refused(s3.put_object_tagging, "InvalidTag", 400, **where, Tagging={"TagSet": reserved})
    s3.delete_object_tagging(**where)
    assert s3.get_object_tagging(**where)["TagSet"] == []


def fetch(local: LocalSageMaker, method: str, url: str, body: bytes = b"", **more: str) -> Answer:
    target = urlsplit(url)
    return send(
        local, method, f"{target.path}?{target.query}", {"Host": target.netloc, **more}, body
    )


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls(local: LocalSageMaker, bucket: str, version: str) -> None:
    client = boto3.client("s3", config=Config(signature_version=version))
    where = {"Bucket": bucket, "Key": "a b/ü?%41"}
    url = client.generate_presigned_url("put_object", where)
    assert fetch(local, "PUT", url, b"data").status == 200
    url = client.generate_presigned_url("get_object", where | {"ResponseContentType": "text/x-t"})
    answer = fetch(local, "GET", url, Range="bytes=1-2")
    assert (answer.status, answer.body) == (206, b"at")
    assert answer.headers["content-type"] == "text/x-t"
    assert fetch(local, "GET", url.replace("text%2Fx-t", "text%2Fx-u")).status == 403
    assert fetch(local, "PUT", url, b"other").status == 403


def test_headers_in_a_presigned_query_count_and_are_signed(
    local: LocalSageMaker, s3: Any, bucket: str
) -> None:
    # botocore puts x-amz- headers into the query of a Version 2 URL.
    client = boto3.client("s3", config=Config(signature_version="s3"))
    where = {"Bucket": bucket, "Key": "k"}
    url = client.generate_presigned_url("put_object", where | {"Metadata": {"m": "1"}})
    assert "x-amz-meta-m=1" in url
    assert fetch(local, "PUT", url, b"data").status == 200
    assert s3.head_object(**where)["Metadata"] == {"m": "1"}
    changed = url.replace("x-amz-meta-m=1", "x-amz-meta-m=2")
    assert fetch(local, "PUT", changed, b"data").status == 403
    # Else a URL for putting one object would read any other.
    assert fetch(local, "PUT", f"{url}&x-amz-copy-source={bucket}/other", b"").status == 403


def test_attributes(s3: Any, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"abc", ChecksumAlgorithm="SHA256")
    answer = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["ETag", "Checksum", "StorageClass", "ObjectSize"]
    )
    assert answer["ETag"] == put["ETag"].strip('"')
    assert answer["Checksum"]["ChecksumSHA256"] == put["ChecksumSHA256"]
    assert (answer["StorageClass"], answer["ObjectSize"]) == ("STANDARD", 3)
