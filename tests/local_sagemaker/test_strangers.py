"""Nobody gets in without a valid signature, and everybody who is refused reads why.

Each service's client must understand the refusal: its own code, HTTP 403, no retry.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.credentials import Credentials

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.core_support import (
    client_of,
    code_of,
    credentials,
    identity,
    json_request,
    keys,
    refused,
    send,
    shift_signing,
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
