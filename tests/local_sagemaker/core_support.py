"""What the tests of the core share: being refused, raw signed requests, and checked answers."""

import http.client
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_sagemaker import LocalSageMaker
from local_sagemaker.database import Database
from local_sagemaker.identity import Identity

ACCOUNT = "111122223333"
REGION = "us-east-1"


def refused(call: Callable[..., Any], code: str, status: int | None = None, **params: Any) -> str:
    """Return the message with which a call is refused: by this code, at once, not after retries."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    response = caught.value.response
    assert response["Error"]["Code"] == code, response
    metadata = response["ResponseMetadata"]
    # boto3 before 1.44 takes a bad digest for an accident on the way and sends once more.
    if code != "BadDigest":
        assert metadata["RetryAttempts"] == 0
    if status is not None:
        assert metadata["HTTPStatusCode"] == status
    return str(response["Error"].get("Message", ""))


def credentials(local: LocalSageMaker) -> Credentials:
    """Return the local user's key."""
    environment = local.environment
    return Credentials(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        environment["AWS_SESSION_TOKEN"],
    )


def keys(given: Credentials) -> dict[str, str]:
    """Return a key as the arguments of a boto3 client."""
    return {
        "aws_access_key_id": given.access_key,
        "aws_secret_access_key": given.secret_key,
        "aws_session_token": given.token,
    }


@contextmanager
def identity(local: LocalSageMaker) -> Iterator[Identity]:
    """Give the running server's credential store, to issue keys that its API does not."""
    database = Database(local.home / "state.db")
    try:
        yield Identity(database, ACCOUNT)
    finally:
        database.close()


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(
    local: LocalSageMaker,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
) -> Answer:
    """Send a request as it is, with no header but those given and the length."""
    target = urlsplit(local.url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if "Content-Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, received, response.read())
    finally:
        connection.close()


def code_of(answer: Answer) -> str:
    """Return the code of an error in whatever format it came."""
    if answer.body.startswith(b"<?xml"):
        found = re.search(rb"<Code>(\w+)</Code>", answer.body)
        assert found is not None
        return found[1].decode()
    return str(answer.headers.get("x-amzn-errortype") or json.loads(answer.body)["__type"])


def signed(
    local: LocalSageMaker,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    service: str = "sagemaker",
    region: str = REGION,
    by: Credentials | None = None,
) -> dict[str, str]:
    """Return the headers of a validly signed request."""
    all_headers = {"Host": urlsplit(local.url).netloc, **(headers or {})}
    request = AWSRequest(method, local.url + path, headers=all_headers, data=body)
    auth = S3SigV4Auth if service == "s3" else SigV4Auth
    auth(by or credentials(local), service, region).add_auth(request)
    return dict(request.headers.items())


def json_request(operation: str) -> dict[str, str]:
    """Return the headers of an operation of the control plane."""
    return {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"SageMaker.{operation}",
    }


def client_of(service: str, given: Credentials | None = None, **more: Any) -> Any:
    """Return a client of the running server, as somebody."""
    return boto3.client(service, **(keys(given) if given else {}), **more)


def fits(answer: Any, shape: Shape, path: str = "") -> None:
    """Assert that a parsed answer is what the service model says, member by member.

    Required members are there, nothing is null, types, enums, lengths and ranges hold.
    """
    where = path or shape.name
    if isinstance(shape, StructureShape):
        assert isinstance(answer, dict), where
        known = set(shape.members)
        assert set(answer) <= known | {"ResponseMetadata"}, (where, set(answer) - known)
        missing = set(shape.required_members) - set(answer)
        assert not missing, f"{where} lacks {missing}"
        for name, member in shape.members.items():
            if name in answer:
                fits(answer[name], member, f"{path}.{name}" if path else name)
    elif isinstance(shape, ListShape):
        assert isinstance(answer, list), where
        _sized(len(answer), shape, where)
        for number, item in enumerate(answer):
            fits(item, shape.member, f"{where}[{number}]")
    elif isinstance(shape, MapShape):
        assert isinstance(answer, dict), where
        _sized(len(answer), shape, where)
        for key, item in answer.items():
            fits(key, shape.key, f"{where} key {key}")
            fits(item, shape.value, f"{where}[{key!r}]")
    else:
        _scalar_fits(answer, shape, where)


def _scalar_fits(answer: Any, shape: Shape, where: str) -> None:
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "boolean": bool,
        "integer": int,
        "long": int,
        "float": (int, float),
        "double": (int, float),
        "timestamp": datetime,
        "blob": bytes,
    }
    assert isinstance(answer, kinds[shape.type_name]), (where, answer)
    if shape.type_name == "string":
        enum = shape.metadata.get("enum")
        assert not enum or answer in enum, (where, answer)
        _sized(len(answer), shape, where)
    elif shape.type_name == "timestamp":
        assert answer.tzinfo is not None, where
    elif shape.type_name != "blob" and not isinstance(answer, bool) and math.isfinite(answer):
        _sized(answer, shape, where)


def _sized(size: float, shape: Shape, where: str) -> None:
    assert size >= shape.metadata.get("min", -math.inf), (where, size)
    assert size <= shape.metadata.get("max", math.inf), (where, size)


def minimal(shape: Shape, *, above: tuple[str, ...] = ()) -> Any:
    """Return the least that a shape accepts, patterns aside."""
    least = int(shape.metadata.get("min", 0))
    if isinstance(shape, StructureShape):
        if shape.name in above:
            return {}
        names = list(shape.required_members)
        if shape.is_tagged_union and not names:
            names = list(shape.members)[:1]
        return {name: minimal(shape.members[name], above=(*above, shape.name)) for name in names}
    if isinstance(shape, ListShape):
        return [minimal(shape.member, above=above) for _ in range(least)]
    if isinstance(shape, MapShape):
        return {}
    enum = shape.metadata.get("enum")
    return {
        "string": enum[0] if enum else "a" * max(least, 1),
        "integer": max(least, 1),
        "long": max(least, 1),
        "float": 1.0,
        "double": 1.0,
        "boolean": True,
        "timestamp": 1_700_000_000,
        "blob": b"x",
    }[shape.type_name]


def shift_signing(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Let signers believe in another time than it is."""

    def now(**_: Any) -> datetime:
        return datetime.now(UTC) + by

    # Signers of the AWS Common Runtime, where it is installed, take the place of botocore's own.
    monkeypatch.setattr("botocore.auth.get_current_datetime", now)
    monkeypatch.setattr("botocore.crt.auth.get_current_datetime", now)
