"""Multipart uploads through boto3 and s3transfer."""

import hashlib
import os
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

from tests.local_sagemaker.core_support import refused

MB = 1 << 20
PART = 5 * MB


def begin(s3: Any, bucket: str, **more: Any) -> dict[str, str]:
    answer = s3.create_multipart_upload(Bucket=bucket, Key="k", **more)
    return {"Bucket": bucket, "Key": "k", "UploadId": answer["UploadId"]}


def upload(s3: Any, where: dict[str, str], number: int, body: bytes, **more: Any) -> dict[str, Any]:
    answer = s3.upload_part(**where, PartNumber=number, Body=body, **more)
    checksums = {name: answer[name] for name in answer if name.startswith("Checksum")}
    return {"PartNumber": number, "ETag": answer["ETag"], **checksums}


def complete(s3: Any, where: dict[str, str], parts: list[dict[str, Any]], **more: Any) -> Any:
    return s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}, **more)


def contents(s3: Any, bucket: str, key: str = "k") -> bytes:
    body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return body


def test_s3transfer_takes_60_mb_there_and_back(s3: Any, bucket: str, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(60 * MB))
    said = {"ContentType": "application/x-model", "Metadata": {"m": "1"}}
    s3.upload_file(str(source), bucket, "model", ExtraArgs=said)
    head = s3.head_object(Bucket=bucket, Key="model")
    assert head["ContentLength"] == 60 * MB
    assert (head["ContentType"], head["Metadata"]) == ("application/x-model", {"m": "1"})
    digests = [
        hashlib.md5(source.read_bytes()[start : start + 8 * MB]).digest()
        for start in range(0, 60 * MB, 8 * MB)
    ]
    assert head["ETag"] == f'"{hashlib.md5(b"".join(digests)).hexdigest()}-8"'
    s3.download_file(bucket, "model", str(target))
    assert target.read_bytes() == source.read_bytes()
    part = s3.get_object(Bucket=bucket, Key="model", PartNumber=2)
    assert part["Body"].read() == source.read_bytes()[8 * MB : 16 * MB]
    assert part["PartsCount"] == 8
    across = s3.get_object(Bucket=bucket, Key="model", Range=f"bytes={8 * MB - 3}-{8 * MB + 3}")
    assert across["Body"].read() == source.read_bytes()[8 * MB - 3 : 8 * MB + 4]
    refused(s3.get_object, "InvalidPartNumber", 416, Bucket=bucket, Key="model", PartNumber=9)


def test_parts_in_any_order_and_twice(s3: Any, bucket: str) -> None:
    where = begin(s3, bucket)
    last = upload(s3, where, 9, b"last")
    upload(s3, where, 1, b"x" * PART)
    first = upload(s3, where, 1, b"a" * PART)
    upload(s3, where, 5, b"unused" * MB)
    refused(s3.get_object, "NoSuchKey", 404, Bucket=bucket, Key="k")
    complete(s3, where, [first, last])
    assert contents(s3, bucket) == b"a" * PART + b"last"


def test_completing_again_gives_the_same_answer(s3: Any, bucket: str) -> None:
    where = begin(s3, bucket)
    parts = [upload(s3, where, 1, b"x")]
    first = complete(s3, where, parts)
    again = complete(s3, where, parts)
    assert first["ETag"] == again["ETag"]
    s3.delete_object(Bucket=bucket, Key="k")
    refused(
        s3.complete_multipart_upload, "NoSuchUpload", 404, **where, MultipartUpload={"Parts": parts}
    )


def test_completion_is_checked(s3: Any, bucket: str) -> None:
    where = begin(s3, bucket)
    small, large = upload(s3, where, 1, b"x"), upload(s3, where, 2, b"y" * PART)

    def fails(code: str, parts: list[dict[str, Any]], **more: Any) -> None:
        listed = {"Parts": parts}
        refused(s3.complete_multipart_upload, code, 400, **where, MultipartUpload=listed, **more)

    fails("EntityTooSmall", [small, large])
    fails("InvalidPartOrder", [large, small])
    fails("InvalidPartOrder", [large, large])
    fails("InvalidPart", [{"PartNumber": 3, "ETag": large["ETag"]}])
    fails("InvalidPart", [{"PartNumber": 2, "ETag": small["ETag"]}])
    fails("MalformedXML", [])
    fails("InvalidRequest", [large], MpuObjectSize=7)
    complete(s3, where, [large], MpuObjectSize=PART)
    assert contents(s3, bucket) == b"y" * PART


def test_conditions_of_completion(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    where = begin(s3, bucket)
    parts = {"Parts": [upload(s3, where, 1, b"new")]}
    refused(
        s3.complete_multipart_upload,
        "PreconditionFailed",
        412,
        **where,
        MultipartUpload=parts,
        IfNoneMatch="*",
    )
    assert contents(s3, bucket) == b"old"


def test_aborting(s3: Any, bucket: str) -> None:
    where = begin(s3, bucket)
    upload(s3, where, 1, b"x")
    s3.abort_multipart_upload(**where)
    refused(s3.upload_part, "NoSuchUpload", 404, **where, PartNumber=1, Body=b"x")
    refused(s3.list_parts, "NoSuchUpload", 404, **where)
    refused(s3.abort_multipart_upload, "NoSuchUpload", 404, **where)
    s3.delete_bucket(Bucket=bucket)


def test_uploads_and_parts_are_listed(s3: Any, bucket: str) -> None:
    ids: dict[str, str] = {}
    for key in ("a/1", "a/2", "b", "ü ?"):
        ids[key] = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 1}
    )
    found = [upload for page in pages for upload in page["Uploads"]]
    assert {entry["Key"]: entry["UploadId"] for entry in found} == ids
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [entry["Key"] for entry in page["Uploads"]] == ["b", "ü ?"]
    assert page["CommonPrefixes"] == [{"Prefix": "a/"}]
    where = {"Bucket": bucket, "Key": "b", "UploadId": ids["b"]}
    for number in (3, 1, 10_000):
        s3.upload_part(**where, PartNumber=number, Body=b"x" * number)
    pages = s3.get_paginator("list_parts").paginate(**where, PaginationConfig={"PageSize": 2})
    sizes = [(part["PartNumber"], part["Size"]) for page in pages for part in page["Parts"]]
    assert sizes == [(1, 1), (3, 3), (10_000, 10_000)]
    for number in (0, 10_001):
        refused(s3.upload_part, "InvalidArgument", 400, **where, PartNumber=number, Body=b"x")


def test_parts_copied_from_objects(s3: Any, bucket: str) -> None:
    body = os.urandom(PART + 100)
    s3.put_object(Bucket=bucket, Key="source ✓", Body=body)
    source = {"Bucket": bucket, "Key": "source ✓"}
    where = begin(s3, bucket)

    def copied(number: int, **more: Any) -> dict[str, Any]:
        answer = s3.upload_part_copy(**where, PartNumber=number, CopySource=source, **more)
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    parts = [copied(1), copied(2, CopySourceRange=f"bytes={PART}-{PART + 99}")]
    for wrong in (f"bytes=0-{PART + 100}", "0-5", "bytes=5-"):
        refused(
            s3.upload_part_copy,
            "InvalidArgument",
            400,
            **where,
            PartNumber=3,
            CopySource=source,
            CopySourceRange=wrong,
        )
    complete(s3, where, parts)
    assert contents(s3, bucket) == body + body[PART:]


def test_the_copy_of_a_multipart_object_is_none(s3: Any, bucket: str) -> None:
    where = begin(s3, bucket, ChecksumAlgorithm="CRC32")
    body = os.urandom(PART) + b"end"
    complete(s3, where, [upload(s3, where, 1, body[:PART]), upload(s3, where, 2, body[PART:])])
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    s3.delete_object(Bucket=bucket, Key="k")
    head = s3.head_object(Bucket=bucket, Key="copy", ChecksumMode="ENABLED")
    assert head["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert head["ChecksumCRC32"] == b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    assert contents(s3, bucket, "copy") == body


def test_s3transfer_copies_by_parts(s3: Any, bucket: str) -> None:
    body = os.urandom(12 * MB)
    s3.put_object(Bucket=bucket, Key="k", Body=body)
    config = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    s3.copy({"Bucket": bucket, "Key": "k"}, bucket, "copy", Config=config)
    assert contents(s3, bucket, "copy") == body
    assert s3.head_object(Bucket=bucket, Key="copy")["ETag"].endswith('-3"')


@pytest.mark.parametrize(
    ("algorithm", "kind"),
    [
        ("CRC32", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("SHA1", "COMPOSITE"),
        ("SHA256", "COMPOSITE"),
    ],
)
def test_checksums_of_parts_make_that_of_the_object(
    s3: Any, bucket: str, algorithm: str, kind: str
) -> None:
    body = os.urandom(PART) + b"end"
    pieces = [body[:PART], body[PART:]]
    digest = {
        "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
        "SHA1": lambda data: hashlib.sha1(data).digest(),
        "SHA256": lambda data: hashlib.sha256(data).digest(),
    }[algorithm]
    where = begin(s3, bucket, ChecksumAlgorithm=algorithm, ChecksumType=kind)
    parts = [
        upload(s3, where, number, piece, ChecksumAlgorithm=algorithm)
        for number, piece in enumerate(pieces, 1)
    ]
    member = f"Checksum{algorithm}"
    assert [part[member] for part in parts] == [b64encode(digest(p)).decode() for p in pieces]
    if kind == "FULL_OBJECT":
        expected = b64encode(digest(body)).decode()
    else:
        expected = b64encode(digest(b"".join(map(digest, pieces)))).decode() + "-2"
    refused(
        s3.complete_multipart_upload,
        "BadDigest",
        400,
        **where,
        MultipartUpload={"Parts": parts},
        **{member: b64encode(digest(b"other")).decode()},
    )
    answer = complete(s3, where, parts, **{member: expected})
    assert (answer[member], answer["ChecksumType"]) == (expected, kind)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (head[member], head["ChecksumType"]) == (expected, kind)
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectParts"]
    )
    assert attributes["Checksum"][member] == expected.partition("-")[0]
    listed = [(part["Size"], part[member]) for part in attributes["ObjectParts"]["Parts"]]
    assert listed == [(len(p), b64encode(digest(p)).decode()) for p in pieces]


def test_a_checksum_of_another_kind_is_refused(s3: Any, bucket: str) -> None:
    where = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    refused(
        s3.upload_part,
        "InvalidRequest",
        400,
        **where,
        PartNumber=1,
        Body=b"x",
        ChecksumAlgorithm="SHA1",
    )
    refused(
        s3.create_multipart_upload,
        "InvalidRequest",
        400,
        Bucket=bucket,
        Key="k",
        ChecksumAlgorithm="SHA256",
        ChecksumType="FULL_OBJECT",
    )
