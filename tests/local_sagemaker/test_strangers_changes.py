"""A signature covers what it should: whatever was changed after signing is refused."""

import hashlib
import json
import uuid
from urllib.parse import urlsplit

import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import (
    client_of,
    code_of,
    json_request,
    send,
    signed,
)

pytestmark = pytest.mark.usefixtures("local")


def test_a_body_that_was_changed(local: LocalSageMaker) -> None:
    body = b'{"ExperimentName":"mine"}'
    headers = signed(local, "POST", "/", json_request("CreateExperiment"), body)
    answer = send(local, "POST", "/", headers, body.replace(b"mine", b"evil"))
    assert (answer.status, code_of(answer)) == (403, "InvalidSignatureException")
    names = [
        e["ExperimentName"]
        for e in client_of("sagemaker").list_experiments()["ExperimentSummaries"]
    ]
    assert "evil" not in names


@pytest.mark.parametrize(
    ("service", "path", "content_type", "body", "forged"),
    [
        (
            "iam",
            "/",
            "application/x-www-form-urlencoded",
            b"Action=GetRole&Version=2010-05-08&RoleName=LocalSageMakerExecutionRole",
            b"Action=CreateUser&Version=2010-05-08&UserName=by-a-stranger",
        ),
        (
            "sts",
            "/",
            "application/x-www-form-urlencoded",
            b"Action=GetCallerIdentity&Version=2011-06-15",
            b"Action=GetSessionToken&Version=2011-06-15",
        ),
        (
            "sagemaker",
            "/endpoints/some-endpoint/invocations",
            "application/json",
            b'{"inputs":"mine"}',
            b'{"inputs":"evil"}',
        ),
    ],
)
def test_a_body_of_another_protocol_that_was_changed(
    local: LocalSageMaker,
    service: str,
    path: str,
    content_type: str,
    body: bytes,
    forged: bytes,
) -> None:
    given = {"Content-Type": content_type}
    headers = signed(local, "POST", path, given, body, service=service)
    answer = send(local, "POST", path, headers, forged)
    assert answer.status == 403
    assert code_of(answer) in ("SignatureDoesNotMatch", "InvalidSignatureException")
    users = client_of("iam").list_users()["Users"]
    assert "by-a-stranger" not in [user["UserName"] for user in users]


def test_a_body_whose_hash_was_signed_and_that_was_changed(local: LocalSageMaker) -> None:
    """Some clients name the hash in a header, where it is signed with the rest."""
    body = b'{"ExperimentName":"mine"}'
    named = json_request("CreateExperiment") | {
        "X-Amz-Content-SHA256": hashlib.sha256(body).hexdigest()
    }
    headers = signed(local, "POST", "/", named, body)
    answer = send(local, "POST", "/", headers, body.replace(b"mine", b"evil"))
    assert (answer.status, code_of(answer)) == (403, "InvalidSignatureException")
    assert b"not the one that was signed" in answer.body


def test_a_body_that_is_signed_as_unsigned(local: LocalSageMaker) -> None:
    named = json_request("ListModels") | {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    answer = send(local, "POST", "/", signed(local, "POST", "/", named, b"{}"), b"{}")
    assert (answer.status, code_of(answer)) == (403, "InvalidSignatureException")
    assert b"must be signed" in answer.body


def test_an_object_s_body_that_was_changed(local: LocalSageMaker) -> None:
    bucket = f"strangers-{uuid.uuid4().hex}"
    s3 = client_of("s3")
    s3.create_bucket(Bucket=bucket)
    body = b"what was signed"
    headers = signed(local, "PUT", f"/{bucket}/key", {}, body, service="s3")
    answer = send(local, "PUT", f"/{bucket}/key", headers, b"what was sent!!")
    assert answer.status in (400, 403)
    assert code_of(answer) in ("XAmzContentSHA256Mismatch", "SignatureDoesNotMatch")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Amz-Target", "SageMaker.DeleteModel"),
        ("X-Amz-Date", "20200101T000000Z"),
        ("X-Amz-Security-Token", "another"),
        ("Host", "localhost:{port}"),
    ],
)
def test_a_signed_header_that_was_changed(local: LocalSageMaker, name: str, value: str) -> None:
    headers = signed(local, "POST", "/", json_request("ListModels"), b"{}")
    assert send(local, "POST", "/", headers, b"{}").status == 200
    headers[name] = value.format(port=urlsplit(local.url).port)
    answer = send(local, "POST", "/", headers, b"{}")
    assert answer.status == 403
    assert code_of(answer) in ("InvalidSignatureException", "UnrecognizedClientException")


def test_a_steering_header_that_was_not_signed(local: LocalSageMaker) -> None:
    headers = signed(local, "POST", "/", {"Content-Type": "application/x-amz-json-1.1"}, b"{}")
    headers["X-Amz-Target"] = "SageMaker.ListModels"
    answer = send(local, "POST", "/", headers, b"{}")
    assert (answer.status, code_of(answer)) == (403, "InvalidSignatureException")
    assert "x-amz-target" in json.loads(answer.body)["message"]


@pytest.mark.parametrize(
    ("signed_path", "sent_path"),
    [
        ("/endpoints/mine/invocations", "/endpoints/yours/invocations"),
        ("/endpoints/mine/invocations", "/endpoints/mine/invocations?x=1"),
        ("/endpoints/mine/invocations", "/endpoints//mine/invocations"),
    ],
)
def test_a_path_or_query_that_was_changed(
    local: LocalSageMaker, signed_path: str, sent_path: str
) -> None:
    answer = send(local, "POST", sent_path, signed(local, "POST", signed_path))
    assert (answer.status, code_of(answer)) == (403, "InvalidSignatureException")
    untouched = send(local, "POST", signed_path, signed(local, "POST", signed_path))
    assert (untouched.status, code_of(untouched)) == (400, "ValidationError")


def test_a_listing_s_query_that_was_changed(local: LocalSageMaker) -> None:
    headers = signed(local, "GET", "/a-bucket?prefix=mine", service="s3")
    answer = send(local, "GET", "/a-bucket?prefix=yours", headers)
    assert (answer.status, code_of(answer)) == (403, "SignatureDoesNotMatch")


@pytest.mark.parametrize(
    ("scope", "path", "headers", "service"),
    [
        ("sts", "/", json_request("ListModels"), "sagemaker"),
        ("iam", "/", json_request("ListModels"), "sagemaker"),
        ("logs", "/", json_request("ListModels"), "sagemaker"),
        ("sagemaker", "/", {"X-Amz-Target": "Logs_20140328.DescribeLogGroups"}, "logs"),
        ("logs", "/endpoints/e/invocations", {}, "sagemaker"),
        ("logs", "/BatchGetMetrics", {}, "sagemaker"),
    ],
)
def test_a_signature_for_another_service(
    local: LocalSageMaker, scope: str, path: str, headers: dict[str, str], service: str
) -> None:
    request = signed(local, "POST", path, headers, b"{}", service=scope)
    answer = send(local, "POST", path, request, b"{}")
    assert (answer.status, code_of(answer)) == (403, "InvalidSignatureException")
    text = json.loads(answer.body)
    assert (text.get("message") or text["Message"]) == (
        f"Credential should be scoped to correct service: '{service}'."
    )
