"""The credential store and the arithmetic of signatures, where a clock must be set to see them."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from local_sagemaker.canonical import Scope, Signed, parse_query, signature_v4
from local_sagemaker.database import Database
from local_sagemaker.errors import AWSError
from local_sagemaker.identity import Identity, Principal, UserKey
from local_sagemaker.signatures import Refused, authenticate

ACCOUNT = "111122223333"
DAY = 86_400.0
ROLE = "arn:aws:iam::111122223333:role/some/path/Trainer"


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "state.db")
    yield opened
    opened.close()


@pytest.fixture
def identity(database: Database, clock: Clock) -> Identity:
    return Identity(database, ACCOUNT, clock)


def test_the_local_user_keeps_its_key_over_restarts(database: Database, clock: Clock) -> None:
    first = Identity(database, ACCOUNT, clock).root()
    clock.now += 400 * DAY
    again = Identity(database, ACCOUNT, clock)
    again.issue(ACCOUNT, "arn:aws:sts::111122223333:assumed-role/a/b", "x", lifetime=1.0)
    assert again.root() == first
    principal = again.principal(first.access_key_id)
    assert principal is not None
    assert principal.arn.endswith(":assumed-role/LocalSageMakerExecutionRole/local")
    assert not principal.expired(clock.now)


def test_a_key_expires_at_its_end_and_is_forgotten_a_day_later(
    identity: Identity, clock: Clock
) -> None:
    issued, principal = identity.assume_role(ROLE, "session", 900.0)
    assert issued.expiration == clock.now + 900.0
    assert not principal.expired(clock.now + 899.0)
    assert principal.expired(clock.now + 900.0)
    clock.now += 900.0 + DAY - 1
    identity.assume_role(ROLE, "other", 900.0)
    assert identity.principal(issued.access_key_id) == principal
    clock.now += 2
    identity.assume_role(ROLE, "another", 900.0)
    assert identity.principal(issued.access_key_id) is None


def test_who_an_assumed_role_is(identity: Identity) -> None:
    role = "arn:aws-us-gov:iam::999988887777:role/some/path/Trainer"
    _, principal = identity.assume_role(role, "me@example.com", 900.0)
    assert principal.account == "999988887777"
    assert principal.arn == "arn:aws:sts::999988887777:assumed-role/Trainer/me@example.com"
    assert principal.user_id.endswith(":me@example.com")
    caller = principal.caller("eu-west-1")
    assert (caller.account, caller.region, caller.arn) == (
        "999988887777",
        "eu-west-1",
        principal.arn,
    )


@pytest.mark.parametrize(
    ("role", "session"),
    [
        ("Trainer", "session"),
        ("arn:aws:iam::11112222333:role/Trainer", "session"),
        ("arn:aws:iam::111122223333:user/Trainer", "session"),
        ("arn:aws:iam::111122223333:role/", "session"),
        (ROLE, "a"),
        (ROLE, "a" * 65),
        (ROLE, "a/b"),
        (ROLE, "a\n"),
    ],
)
def test_what_is_no_role_or_no_session_name(identity: Identity, role: str, session: str) -> None:
    with pytest.raises(AWSError) as caught:
        identity.assume_role(role, session, 900.0)
    assert (caught.value.code, caught.value.status) == ("ValidationError", 400)


def test_a_key_that_is_taken_away_while_another_is_issued_stays_away(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/ada"
    identity.set_user_keys(ACCOUNT, [UserKey("AKIAADA", "secret", arn, "AIDAADA")])
    assert identity.principal("AKIAADA") is not None
    expired = Principal.expired

    def meanwhile(principal: Principal, now: float) -> bool:
        # As another thread would, while old keys are forgotten.
        identity.set_user_keys(ACCOUNT, [])
        return expired(principal, now)

    with monkeypatch.context() as patch:
        patch.setattr(Principal, "expired", meanwhile)
        identity.issue(ACCOUNT, ROLE, "x", lifetime=900.0)
    assert identity.principal("AKIAADA") is None


def test_keys_issued_at_the_same_time_are_all_kept(identity: Identity) -> None:
    issued = []

    def issue() -> None:
        for _ in range(20):
            credentials, _ = identity.assume_role(ROLE, "session", 900.0)
            assert identity.principal(credentials.access_key_id) is not None
            issued.append(credentials)

    threads = [threading.Thread(target=issue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({credentials.access_key_id for credentials in issued}) == 160
    for credentials in issued:
        principal = identity.principal(credentials.access_key_id)
        assert principal is not None
        assert principal.credentials == credentials


def test_a_secret_is_in_no_representation(identity: Identity) -> None:
    credentials, principal = identity.assume_role(ROLE, "session", 900.0)
    for text in (repr(credentials), repr(principal), str(credentials)):
        assert credentials.access_key_id in text
        assert credentials.secret_access_key not in text
        assert credentials.session_token not in text


# The examples of "Authenticating Requests" in the S3 API reference, with AWS's example key.
EXAMPLE = {
    "scope": Scope("AKIAIOSFODNN7EXAMPLE", "20130524", "us-east-1", "s3"),
    "stamp": "20130524T000000Z",
    "secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
HOST = "examplebucket.s3.amazonaws.com"
EMPTY = hashlib.sha256(b"").hexdigest()


def test_the_header_signature_of_s3_s_reference() -> None:
    headers = {
        "host": HOST,
        "range": "bytes=0-9",
        "x-amz-content-sha256": EMPTY,
        "x-amz-date": "20130524T000000Z",
    }
    request = Signed("GET", b"/test.txt", (), headers)
    assert (
        signature_v4(request, (), ";".join(headers), EMPTY, **EXAMPLE)
        == b"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_the_signature_of_a_query_in_s3_s_reference() -> None:
    headers = {"host": HOST, "x-amz-content-sha256": EMPTY, "x-amz-date": "20130524T000000Z"}
    query = parse_query(b"prefix=J&max-keys=2")
    request = Signed("GET", b"/", query, headers)
    assert (
        signature_v4(request, query, ";".join(headers), EMPTY, **EXAMPLE)
        == b"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    )


def test_the_presigned_url_of_s3_s_reference() -> None:
    query = parse_query(
        b"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2F"
        b"us-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400"
        b"&X-Amz-SignedHeaders=host"
    )
    request = Signed("GET", b"/test.txt", query, {"host": HOST})
    assert (
        signature_v4(request, query, "host", "UNSIGNED-PAYLOAD", **EXAMPLE)
        == b"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"X-Amz-Expires": "0"}, "incomplete"),
        ({"X-Amz-Expires": "604801"}, "incomplete"),
        ({"X-Amz-Expires": "a while"}, "incomplete"),
        ({"X-Amz-Date": "yesterday"}, "incomplete"),
        ({"X-Amz-Credential": "nobody"}, "incomplete"),
        ({"X-Amz-SignedHeaders": "x-custom"}, "unsigned-header"),
        ({"X-Amz-Security-Token": "another"}, "token"),
    ],
)
def test_what_a_presigned_url_must_say(
    identity: Identity, clock: Clock, changes: dict[str, str], reason: str | None
) -> None:
    key = identity.root()
    # 2023-11-14 22:13:20, the clock's first moment.
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{key.access_key_id}/20231114/us-east-1/s3/aws4_request",
        "X-Amz-Date": "20231114T221320Z",
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": "host",
        "X-Amz-Security-Token": key.session_token,
        "X-Amz-Signature": "0",
    } | changes
    request = Signed("GET", b"/b/k", tuple(query.items()), {"host": "127.0.0.1:1"})
    if reason is None:
        claim = authenticate(request, identity, clock.now + 60)
        assert (claim.service, claim.caller.account) == ("s3", ACCOUNT)
        with pytest.raises(Refused) as caught:
            claim.verify(lambda: EMPTY)
        assert caught.value.reason == "mismatch"
        for moment, why in ((clock.now + 61, "expired-url"), (clock.now - 901, "skewed")):
            with pytest.raises(Refused) as caught:
                authenticate(request, identity, moment)
            assert caught.value.reason == why
    else:
        with pytest.raises(Refused) as caught:
            authenticate(request, identity, clock.now)
        assert caught.value.reason == reason
