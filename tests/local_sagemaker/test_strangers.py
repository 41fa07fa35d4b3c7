"""Nobody gets in without a valid signature, and everybody who is refused reads why.

Each service's client must understand the refusal: its own code, HTTP 403, no retry.
"""

import hashlib
import json
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home
from local_sagemaker.request_log.reader import last_lines
from tests.local_sagemaker.core_support import (
    Answer,
    client_of,
    code_of,
    credentials,
    identity,
    json_request,
    keys,
    refused,
    send,
    signed,
)

pytestmark = pytest.mark.usefixtures("local")

# One read of each service, and which family of codes it answers in.
READS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "sagemaker": ("json", "list_models", {}),
    "logs": ("json", "describe_log_groups", {}),
    "service-quotas": ("json", "list_service_quotas", {"ServiceCode": "sagemaker"}),
    "sagemaker-runtime": ("json", "invoke_endpoint", {"EndpointName": "e", "Body": b"x"}),
    "sagemaker-metrics": (
        "json",
        "batch_get_metrics",
        {
            "MetricQueries": [
                {
                    "MetricName": "m",
                    "ResourceArn": "arn:aws:sagemaker:us-east-1:111122223333:experiment/e",
                    "MetricStat": "Last",
                    "Period": "OneMinute",
                    "XAxisType": "Timestamp",
                }
            ]
        },
    ),
    "sts": ("query", "get_caller_identity", {}),
    "iam": ("query", "list_roles", {}),
    "s3": ("s3", "list_buckets", {}),
}


def read(service: str, **more: Any) -> tuple[str, Callable[[], Any]]:
    """Return the family of a service and a call of it."""
    family, name, params = READS[service]
    client = client_of(service, **more)
    return family, lambda: getattr(client, name)(**params)


@pytest.fixture(params=READS)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_unsigned_request(service: str) -> None:
    family, call = read(service, config=Config(signature_version=UNSIGNED))
    code = {
        "json": "MissingAuthenticationTokenException",
        "query": "MissingAuthenticationToken",
        "s3": "AccessDenied",
    }[family]
    assert refused(call, code, 403) == "Missing Authentication Token"


def test_a_key_that_was_never_issued(service: str) -> None:
    stranger = Credentials("AKIAIOSFODNN7EXAMPLE", "a" * 40)
    family, call = read(service, **keys(stranger))
    code = {
        "json": "UnrecognizedClientException",
        "query": "InvalidClientTokenId",
        "s3": "InvalidAccessKeyId",
    }[family]
    assert "invalid" in refused(call, code, 403)


def test_a_wrong_secret(local: LocalSageMaker, service: str) -> None:
    known = credentials(local)
    guess = Credentials(known.access_key, known.secret_key[::-1], known.token)
    family, call = read(service, **keys(guess))
    code = "InvalidSignatureException" if family == "json" else "SignatureDoesNotMatch"
    assert "does not match the signature you provided" in refused(call, code, 403)


@pytest.mark.parametrize("token", [None, "another"])
def test_a_missing_or_wrong_session_token(
    local: LocalSageMaker, service: str, token: str | None
) -> None:
    known = credentials(local)
    family, call = read(service, **keys(Credentials(known.access_key, known.secret_key, token)))
    code = {
        "json": "UnrecognizedClientException",
        "query": "InvalidClientTokenId",
        "s3": "InvalidToken",
    }[family]
    refused(call, code, 403)


def test_a_key_whose_time_is_over(local: LocalSageMaker, service: str) -> None:
    arn = "arn:aws:sts::111122223333:assumed-role/Old/session"
    with identity(local) as store:
        issued = store.issue("111122223333", arn, "AROAX:session", lifetime=-1.0)
    expired = Credentials(issued.access_key_id, issued.secret_access_key, issued.session_token)
    family, call = read(service, **keys(expired))
    code = "ExpiredTokenException" if family == "json" else "ExpiredToken"
    assert "expired" in refused(call, code, 403)


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_date_that_is_off(service: str, minutes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shift_signing(monkeypatch, timedelta(minutes=minutes))
    family, call = read(service)
    code = {
        "json": "InvalidSignatureException",
        "query": "SignatureDoesNotMatch",
        "s3": "RequestTimeTooSkewed",
    }[family]
    assert "Check the clock" in refused(call, code, 403)


def test_a_date_that_is_off_by_less_than_a_quarter_of_an_hour(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift_signing(monkeypatch, timedelta(minutes=-14))
    _, call = read(service)
    if service == "sagemaker-runtime":
        assert "not found" in refused(call, "ValidationError", 400)
    else:
        call()


def shift_signing(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    def now(**_: Any) -> datetime:
        return datetime.now(UTC) + by

    # Signers of the AWS Common Runtime, where it is installed, take the place of botocore's own.
    monkeypatch.setattr("botocore.auth.get_current_datetime", now)
    monkeypatch.setattr("botocore.crt.auth.get_current_datetime", now)


def test_a_foreign_host_header(local: LocalSageMaker, service: str) -> None:
    """A web page whose name was pointed at 127.0.0.1 comes with its own name."""
    port = urlsplit(local.url).port
    family, name, params = READS[service]
    client = client_of(service)

    def rebind(request: Any, **_: Any) -> None:
        request.headers["Host"] = f"attacker.example:{port}"

    client.meta.events.register_first(f"before-sign.{client.meta.service_model.service_id}", rebind)
    client.meta.events.register("before-sign", rebind)
    code = "AccessDeniedException" if family == "json" else "AccessDenied"
    message = refused(getattr(client, name), code, 403, **params)
    assert "127.0.0.1 and localhost only" in message


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_this_machine_s_own_names(local: LocalSageMaker, host: str) -> None:
    netloc = f"{host}:{urlsplit(local.url).port}"
    headers = signed(local, "POST", "/", json_request("ListModels") | {"Host": netloc}, b"{}")
    assert send(local, "POST", "/", headers, b"{}").status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:1", "evil.example", ""])
def test_a_host_header_without_this_port(local: LocalSageMaker, host: str) -> None:
    headers = signed(local, "POST", "/", json_request("ListModels") | {"Host": host}, b"{}")
    answer = send(local, "POST", "/", headers, b"{}")
    assert (answer.status, code_of(answer)) == (403, "AccessDeniedException")


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


@pytest.mark.parametrize("region", ["../../etc", "us east", "", "u" * 33, "US-EAST-1"])
def test_a_region_that_is_none(local: LocalSageMaker, region: str) -> None:
    """A region becomes part of ARNs and of names of folders."""
    headers = signed(local, "POST", "/", json_request("ListModels"), b"{}", region=region)
    answer = send(local, "POST", "/", headers, b"{}")
    assert (answer.status, code_of(answer)) == (403, "IncompleteSignatureException")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer abc",
        "Basic dXNlcjpwYXNz",
        "AWS AKIA:signature",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=A/20250101/us-east-1/sagemaker/aws4_request, Signature=0",
        "AWS4-HMAC-SHA256 Credential=\xe9/\xe9, SignedHeaders=host, Signature=\xe9",
        "AWS4-HMAC-SHA256 " + "," * 5000,
    ],
)
def test_a_garbled_authorization(local: LocalSageMaker, authorization: str) -> None:
    headers = {
        "Host": urlsplit(local.url).netloc,
        **json_request("ListModels"),
        "X-Amz-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
        "Authorization": authorization,
    }
    answer = send(local, "POST", "/", headers, b"{}")
    assert (answer.status, code_of(answer)) == (403, "IncompleteSignatureException")


@pytest.mark.parametrize(
    ("part", "value"),
    [("Signature", "\xe9\xff"), ("Signature", "0" * 64), ("SignedHeaders", "host;\xe9")],
)
def test_bytes_that_are_no_signature(local: LocalSageMaker, part: str, value: str) -> None:
    headers = signed(local, "POST", "/", json_request("ListModels"), b"{}")
    headers["Authorization"] = re.sub(rf"{part}=[^,]*", f"{part}={value}", headers["Authorization"])
    answer = send(local, "POST", "/", headers, b"{}")
    assert (answer.status, code_of(answer)) == (403, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("method", "headers", "body"),
    [
        ("OPTIONS", {"Access-Control-Request-Method": "POST"}, b""),
        ("POST", {"Content-Type": "text/plain"}, b'{"ExperimentName":"by-a-page"}'),
        (
            "POST",
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"Action=CreateRole&RoleName=by-a-page",
        ),
        (
            "POST",
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nby-a-page\r\n--x--\r\n',
        ),
        ("POST", json_request("CreateExperiment"), b'{"ExperimentName":"by-a-page"}'),
        ("GET", {}, b""),
        ("DELETE", {}, b""),
    ],
)
@pytest.mark.parametrize("path", ["/", "/some-bucket", "/endpoints/e/invocations"])
def test_a_web_page(
    local: LocalSageMaker, path: str, method: str, headers: dict[str, str], body: bytes
) -> None:
    """A page in the user's browser cannot sign, and no answer invites it to read or to go on."""
    sent = {
        "Host": urlsplit(local.url).netloc,
        "Origin": "https://attacker.example",
        "Referer": "https://attacker.example/page",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "cross-site",
        **headers,
    }
    answer = send(local, method, path, sent, body)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "text/html" not in answer.headers["content-type"]


def test_a_page_that_knows_a_key_but_not_its_secret(local: LocalSageMaker) -> None:
    headers = {
        "Host": urlsplit(local.url).netloc,
        "Origin": "null",
        **json_request("CreateExperiment"),
        "X-Amz-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={credentials(local).access_key}/"
        f"{datetime.now(UTC):%Y%m%d}/us-east-1/sagemaker/aws4_request, "
        "SignedHeaders=host;x-amz-date;x-amz-target, Signature=" + "0" * 64,
    }
    answer = send(local, "POST", "/", headers, b'{"ExperimentName":"by-a-page"}')
    assert (answer.status, code_of(answer)) == (403, "UnrecognizedClientException")


def test_a_large_upload_of_a_stranger_is_refused_unread(local: LocalSageMaker) -> None:
    stranger = client_of("s3", config=Config(signature_version=UNSIGNED))
    refused(
        stranger.put_object,
        "AccessDenied",
        403,
        Bucket="some-bucket",
        Key="large",
        Body=bytes(48 * 1024 * 1024),
    )
    # Whoever does not wait for permission to send is answered all the same.
    headers = {"Host": urlsplit(local.url).netloc, **json_request("ListModels")}
    answer = send(local, "POST", "/", headers, bytes(48 * 1024 * 1024))
    assert (answer.status, code_of(answer)) == (403, "MissingAuthenticationTokenException")


def signing(version: str) -> Config:
    return Config(signature_version="s3v4") if version == "v4" else Config()


class TestPresignedUrls:
    @pytest.fixture(params=["v4", "v2"])
    def version(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def s3(self, version: str) -> Any:
        # Left alone, boto3 presigns with Version 2 in us-east-1 and us-west-2.
        return client_of("s3", config=signing(version))

    @pytest.fixture
    def bucket(self, s3: Any) -> str:
        name = f"presigned-{uuid.uuid4().hex}"
        s3.create_bucket(Bucket=name)
        return name

    KEY = "a folder/ünïcode+plus&amp=1?%41"

    def test_it_reads_and_writes_what_it_names(self, s3: Any, bucket: str, version: str) -> None:
        where = {"Bucket": bucket, "Key": self.KEY}
        put = s3.generate_presigned_url("put_object", where)
        assert ("X-Amz-Signature=" in put) == (version == "v4")
        assert fetch(put, "PUT", b"content").status == 200
        get = s3.generate_presigned_url("get_object", where)
        assert fetch(get).body == b"content"
        named = s3.generate_presigned_url(
            "get_object", where | {"ResponseContentType": "text/x-greek"}
        )
        answer = fetch(named)
        assert (answer.body, answer.headers["content-type"]) == (b"content", "text/x-greek")

    def test_not_for_long(
        self, s3: Any, bucket: str, version: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        s3.put_object(Bucket=bucket, Key="key", Body=b"content")
        where = {"Bucket": bucket, "Key": "key"}
        if version == "v4":
            shift_signing(monkeypatch, timedelta(seconds=-100))
            url = s3.generate_presigned_url("get_object", where, ExpiresIn=99)
        else:
            url = s3.generate_presigned_url("get_object", where, ExpiresIn=-1)
        answer = fetch(url)
        assert (answer.status, code_of(answer)) == (403, "AccessDenied")
        assert b"Request has expired" in answer.body

    def test_not_for_another_object_method_or_time(self, s3: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="mine", Body=b"content")
        s3.put_object(Bucket=bucket, Key="yours", Body=b"content")
        url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "mine"})
        assert fetch(url).status == 200
        for changed in (
            url.replace("/mine?", "/yours?"),
            re.sub(r"(Expires=\d+)", r"\g<1>0", url),
            re.sub(r"Signature=[^&]+", "Signature=%C3%A9%FF", url),
            re.sub(r"Signature=[^&]+", "Signature=", url),
        ):
            assert changed != url
            answer = fetch(changed)
            assert answer.status == 403, changed
        assert fetch(url, "DELETE").status == 403
        assert fetch(url, "PUT", b"other").status == 403
        assert fetch(url).body == b"content"

    def test_not_with_a_key_that_is_over_or_unknown(
        self, local: LocalSageMaker, version: str, bucket: str
    ) -> None:
        arn = "arn:aws:sts::111122223333:assumed-role/Old/session"
        with identity(local) as store:
            issued = store.issue("111122223333", arn, "AROAX:session", lifetime=-1.0)
        expired = Credentials(issued.access_key_id, issued.secret_access_key, issued.session_token)
        for given, code in (
            (expired, "ExpiredToken"),
            (Credentials("AKIAIOSFODNN7EXAMPLE", "a" * 40), "InvalidAccessKeyId"),
        ):
            s3 = client_of("s3", given, config=signing(version))
            url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
            answer = fetch(url)
            assert (answer.status, code_of(answer)) == (403, code)

    def test_not_under_a_foreign_name(self, local: LocalSageMaker, s3: Any, bucket: str) -> None:
        url = s3.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "k"})
        path = url.removeprefix(local.url)
        answer = send(local, "GET", path, {"Host": "attacker.example"})
        assert (answer.status, code_of(answer)) == (403, "AccessDenied")

    def test_only_s3_s_urls_can_be_presigned(self) -> None:
        url = client_of("sts").generate_presigned_url("get_caller_identity")
        answer = fetch(url)
        assert answer.status == 403
        assert b"Only URLs of S3" in answer.body


def test_the_status_page_needs_the_home_s_token(local: LocalSageMaker) -> None:
    info = Home(local.home).server()
    assert info is not None
    host = {"Host": urlsplit(local.url).netloc}
    for authorization in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer \xe9"}):
        assert send(local, "GET", "/_local/status", host | authorization).status == 403
    assert (
        send(local, "GET", "/_local/status", signed(local, "GET", "/_local/status")).status == 403
    )
    right = host | {"Authorization": f"Bearer {info.token}"}
    assert json.loads(send(local, "GET", "/_local/status", right).body)["account"] == "111122223333"
    assert send(local, "POST", "/_local/status", right).status == 404
    foreign = right | {"Host": "attacker.example"}
    assert send(local, "GET", "/_local/status", foreign).status == 403


def test_files_with_secrets_are_their_owner_s(local: LocalSageMaker) -> None:
    assert local.home.stat().st_mode & 0o777 == 0o700
    for path in ("server.json", "state.db", "client/credentials.json"):
        assert (local.home / path).stat().st_mode & 0o777 == 0o600


def test_the_logs_name_requests_and_never_a_secret(local: LocalSageMaker) -> None:
    role = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
    session = f"logged-{uuid.uuid4().hex[:8]}"
    issued = client_of("sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
    given = Credentials(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
    client_of("sagemaker", given).list_models()
    for version in ("v4", "v2"):
        s3 = client_of("s3", given, config=signing(version))
        url = s3.generate_presigned_url("get_object", {"Bucket": "no-such", "Key": "line\nbreak"})
        assert fetch(url).status == 404
    wrong = Credentials(given.access_key, "guessed-secret", given.token)
    refused(client_of("sts", wrong).get_caller_identity, "SignatureDoesNotMatch", 403)

    principal = f"arn:aws:sts::111122223333:assumed-role/LocalSageMakerExecutionRole/{session}"
    mine = requests_of(local, lambda line: line["principal"] == principal, 3)
    assert [(line["service"], line["operation"], line["status"]) for line in mine] == [
        ("sagemaker", "ListModels", 200),
        ("s3", "GetObject", 404),
        ("s3", "GetObject", 404),
    ]
    assert {line["account"] for line in mine} == {"111122223333"}
    assert mine[1]["resource"] == "/no-such/line%0Abreak"
    assert mine[1]["error"] == "NoSuchBucket"
    assert requests_of(local, lambda line: line["error"] == "SignatureDoesNotMatch", 1)

    own, info = credentials(local), Home(local.home).server()
    assert info is not None
    secrets = [own.secret_key, own.token, given.secret_key, given.token, info.token]
    for name in ("server.log", "requests.jsonl"):
        log = (local.home / name).read_text()
        assert not [secret for secret in secrets if secret in log]
        assert "Signature=" not in log


def requests_of(
    local: LocalSageMaker, wanted: Callable[[dict[str, Any]], bool], count: int
) -> list[dict[str, Any]]:
    """Wait until the request log holds so many entries of a kind, and return them."""
    while len(found := last_lines(local.home, None, wanted)) < count:
        time.sleep(0.02)
    return found


def fetch(url: str, method: str = "GET", body: bytes | None = None) -> Answer:
    """Open a URL as any HTTP client would."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=body, method=method)
    # urllib adds a type of its own, which Version 2 signatures cover.
    request.add_unredirected_header("Content-Type", "")
    try:
        with opener.open(request) as response:
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
    except urllib.error.HTTPError as error:
        with error:
            received = {name.lower(): value for name, value in error.headers.items()}
            return Answer(error.code, received, error.read())


@pytest.mark.usefixtures("local")
def test_a_header_beyond_ascii_is_signed_as_it_is_sent() -> None:
    runtime = client_of("sagemaker-runtime")
    message = refused(
        runtime.invoke_endpoint,
        "ValidationError",
        EndpointName="not-there",
        Body=b"x",
        ContentType="text/größe",
    )
    assert "not-there" in message
