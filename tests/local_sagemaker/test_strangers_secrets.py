"""Presigned URLs, web pages and secrets: what they open, and what they never show."""

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
    refused,
    send,
    shift_signing,
    signed,
)

pytestmark = pytest.mark.usefixtures("local")


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
