"""What was promised of a body is checked; what fails leaves nothing behind, and loses nothing."""

import hashlib
import http.client
import sys
import zlib
from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from local_sagemaker.s3.checksums import FULL_OBJECT, Checksum, hasher, of_parts
from tests.local_sagemaker.core_support import Answer, refused, send, signed
from tests.local_sagemaker.s3_support import blobs, server_process, until

MB = 1 << 20


def put(
    local: LocalSageMaker, bucket: str, body: bytes, *, sent: bytes | None = None, **more: str
) -> Answer:
    """Put an object, signing one body and sending perhaps another."""
    path = f"/{bucket}/k"
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    headers = signed(local, "PUT", path, headers, body, service="s3")
    return send(local, "PUT", path, headers, body if sent is None else sent)


@pytest.mark.parametrize("size", [3, 3 * MB])
def test_a_body_that_is_not_the_signed_one_is_refused(
    local: LocalSageMaker, s3: Any, bucket: str, size: int
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    known = blobs(local.home / "s3")
    answer = put(local, bucket, b"a" * size, sent=b"b" * size)
    assert answer.status == 400
    assert b"<Code>XAmzContentSHA256Mismatch</Code>" in answer.body
    assert hashlib.sha256(b"b" * size).hexdigest().encode() in answer.body
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"
    assert blobs(local.home / "s3") == known


def test_an_unsigned_body_is_taken(local: LocalSageMaker, s3: Any, bucket: str) -> None:
    url = s3.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "k"})
    target = urlsplit(url)
    headers = {"Host": target.netloc, "Content-Length": "3"}
    answer = send(local, "PUT", f"{target.path}?{target.query}", headers, b"abc")
    assert answer.status == 200
    assert answer.headers["etag"] == f'"{hashlib.md5(b"abc").hexdigest()}"'


def test_content_md5(local: LocalSageMaker, s3: Any, bucket: str) -> None:
    right = b64encode(hashlib.md5(b"abc").digest()).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=b"abc", ContentMD5=right)
    refused(s3.put_object, "BadDigest", 400, Bucket=bucket, Key="k", Body=b"x", ContentMD5=right)
    answer = put(local, bucket, b"abc", Content_MD5="nonsense")
    assert b"<Code>InvalidDigest</Code>" in answer.body
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"abc"


DIGESTS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
    "SHA512": lambda data: hashlib.sha512(data).digest(),
    "MD5": lambda data: hashlib.md5(data).digest(),
}


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_checksums_are_verified_and_returned(s3: Any, bucket: str, algorithm: str) -> None:
    member = f"Checksum{algorithm}"
    right = {member: b64encode(DIGESTS[algorithm](b"abc")).decode()}
    wrong = {member: b64encode(DIGESTS[algorithm](b"abd")).decode()}
    where = {"Bucket": bucket, "Key": "k"}
    refused(s3.put_object, "BadDigest", 400, **where, Body=b"abc", **wrong)
    refused(s3.put_object, "InvalidRequest", 400, **where, Body=b"abc", **{member: "AAAA"})
    refused(s3.head_object, "404", **where)
    assert s3.put_object(**where, Body=b"abc", **right)[member] == right[member]
    head = s3.head_object(**where, ChecksumMode="ENABLED")
    assert (head[member], head["ChecksumType"]) == (right[member], "FULL_OBJECT")
    assert member not in s3.head_object(**where)
    # A part of the object is not what the checksum is of.
    assert member not in s3.get_object(**where, Range="bytes=0-1", ChecksumMode="ENABLED")
    (entry,) = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (entry["ChecksumAlgorithm"], entry["ChecksumType"]) == ([algorithm], "FULL_OBJECT")


def test_a_copy_may_have_another_checksum(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"abc", ChecksumAlgorithm="CRC32")
    answer = s3.copy_object(
        Bucket=bucket, Key="copy", CopySource=f"{bucket}/k", ChecksumAlgorithm="SHA256"
    )
    expected = b64encode(hashlib.sha256(b"abc").digest()).decode()
    assert answer["CopyObjectResult"]["ChecksumSHA256"] == expected
    head = s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == expected


def test_two_checksums_are_one_too_many(local: LocalSageMaker, bucket: str) -> None:
    answer = put(
        local, bucket, b"abc", x_amz_checksum_crc32="AAAAAA==", x_amz_checksum_crc32c="AAAAAA=="
    )
    assert (answer.status, b"single x-amz-checksum-" in answer.body) == (400, True)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
def test_crcs_of_parts_combine(algorithm: str) -> None:
    def crc(data: bytes) -> Checksum:
        one = hasher(algorithm)
        if one is None:
            pytest.skip(f"awscrt, which computes {algorithm}, is not installed")
        one.update(data)
        return Checksum(algorithm, b64encode(one.digest()).decode())

    parts = [b"", b"a", bytes(range(256)) * 77, b"tail"]
    joined = of_parts(algorithm, FULL_OBJECT, [(crc(part), len(part)) for part in parts])
    assert joined == crc(b"".join(parts))


def test_a_crc_that_is_written_down() -> None:
    # Check values of "123456789": RFC 3720 B.4 for CRC32C, the RevEng catalogue for both.
    for algorithm, value in {"CRC32C": 0xE3069283, "CRC64NVME": 0xAE8B14860A799888}.items():
        one = hasher(algorithm)
        if one is not None:
            one.update(b"123456789")
            assert int.from_bytes(one.digest(), "big") == value


@pytest.mark.parametrize(
    "kind", ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]
)
def test_chunks_with_signatures_are_refused_by_name(
    local: LocalSageMaker, s3: Any, bucket: str, kind: str
) -> None:
    from botocore.auth import S3SigV4Auth

    class Chunked(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
        def payload(self, request: Any) -> str:  # noqa: ARG002  (botocore's signature)
            return kind

    from botocore.awsrequest import AWSRequest

    from tests.local_sagemaker.core_support import credentials

    path = f"/{bucket}/k"
    headers = {"Host": urlsplit(local.url).netloc}
    request = AWSRequest("PUT", local.url + path, headers=headers, data=b"")
    Chunked(credentials(local), "s3", "us-east-1").add_auth(request)
    answer = send(local, "PUT", path, dict(request.headers.items()), b"3\r\nabc\r\n0\r\n\r\n")
    assert answer.status == 501
    assert b"<Code>NotImplemented</Code>" in answer.body
    assert kind.encode() in answer.body
    refused(s3.head_object, "404", Bucket=bucket, Key="k")


def test_a_length_is_needed(local: LocalSageMaker, bucket: str) -> None:
    path = f"/{bucket}/k"
    headers = signed(local, "PUT", path, {}, b"", service="s3")
    headers.pop("Content-Length", None)
    target = urlsplit(local.url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
    connection.request("PUT", path, iter([b"abc"]), headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, b"MissingContentLength" in answer.read()) == (411, True)
    connection.close()


@pytest.mark.parametrize("size", [100, 5 * MB])
def test_a_client_that_goes_away_leaves_nothing(
    local: LocalSageMaker, s3: Any, bucket: str, size: int
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    known = blobs(local.home / "s3")
    path = f"/{bucket}/k"
    body = b"x" * size
    headers = signed(local, "PUT", path, {}, body, service="s3")
    target = urlsplit(local.url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
    connection.putrequest("PUT", path, skip_host=True)
    for name, value in (headers | {"Content-Length": str(size)}).items():
        connection.putheader(name, value)
    connection.endheaders(body[: size // 2])
    if size > MB:
        until(lambda: blobs(local.home / "s3") != known, "the upload has begun")
    connection.close()
    until(lambda: blobs(local.home / "s3") == known, "the unfinished upload is removed")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"before"


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process by prlimit(2)")
def test_a_disk_that_takes_no_more_loses_nothing(fresh: LocalSageMaker) -> None:
    import psutil

    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="full")
    where = {"Bucket": "full", "Key": "k"}
    s3.put_object(**where, Body=b"before")
    known = blobs(fresh.home / "s3")
    server = server_process(fresh)
    limits = server.rlimit(psutil.RLIMIT_FSIZE)
    # Files may not grow beyond this: to the server it is a write that fails half way.
    server.rlimit(psutil.RLIMIT_FSIZE, (4 * MB, limits[1]))
    message = refused(s3.put_object, "InternalError", 507, **where, Body=b"x" * 8 * MB)
    assert "File too large" in message
    assert "disk" in message
    upload = s3.create_multipart_upload(**where)["UploadId"]
    part = {**where, "UploadId": upload, "PartNumber": 1}
    refused(s3.upload_part, "InternalError", 507, **part, Body=b"x" * 8 * MB)
    server.rlimit(psutil.RLIMIT_FSIZE, limits)
    assert s3.get_object(**where)["Body"].read() == b"before"
    assert blobs(fresh.home / "s3") == known
    s3.put_object(**where, Body=b"x" * 8 * MB)
    assert s3.get_object(**where)["Body"].read() == b"x" * 8 * MB


def test_errors_are_what_s3_clients_read(local: LocalSageMaker, bucket: str) -> None:
    path = f"/{bucket}/{quote('none & <such>')}"
    headers = signed(local, "GET", path, service="s3")
    answer = send(local, "GET", path, headers)
    assert answer.headers["content-type"].startswith("application/xml")
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<Error>')
    assert b"<Key>none &amp; &lt;such&gt;</Key>" in answer.body
    assert b"<Resource>/" in answer.body
    identifier = answer.headers["x-amz-request-id"].encode()
    assert b"<RequestId>" + identifier + b"</RequestId>" in answer.body
    headers = signed(local, "HEAD", path, service="s3")
    answer = send(local, "HEAD", path, headers)
    assert (answer.status, answer.body) == (404, b"")


def test_a_document_may_not_expand(local: LocalSageMaker, bucket: str) -> None:
    body = b'<!DOCTYPE a [<!ENTITY b "bbbb">]><Tagging><TagSet>&b;</TagSet></Tagging>'
    path = f"/{bucket}?tagging"
    headers = signed(local, "PUT", path, {}, body, service="s3")
    answer = send(local, "PUT", path, headers, body)
    assert (answer.status, b"<Code>MalformedXML</Code>" in answer.body) == (400, True)


@pytest.mark.parametrize("path", ["/%FF/k", "/b/%FF", "/b?prefix=%FF"])
def test_names_must_be_utf8(local: LocalSageMaker, path: str) -> None:
    headers = signed(local, "GET", path, service="s3")
    answer = send(local, "GET", path, headers)
    assert (answer.status, b"<Code>InvalidURI</Code>" in answer.body) == (400, True)


def test_an_error_during_retries_is_not_hidden(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as caught:
        s3.put_object(
            Bucket=bucket,
            Key="k",
            Body=b"x",
            SSECustomerKey=b"0" * 32,
            SSECustomerAlgorithm="AES256",
        )
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
