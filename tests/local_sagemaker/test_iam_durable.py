"""What IAM acknowledged outlives the server, and keys that it made really sign."""

import gc
import json
import uuid
import weakref
from dataclasses import replace
from typing import Any

import pytest
from botocore.credentials import Credentials

from local_sagemaker import LocalSageMaker
from local_sagemaker.database import Database
from local_sagemaker.iam import service
from local_sagemaker.iam.backend import MotoIam
from local_sagemaker.iam.journal import Entry
from local_sagemaker.iam.service import Iam
from local_sagemaker.iam.trust import Trust
from local_sagemaker.identity import Caller, Identity
from local_sagemaker.protocol import Reply
from local_sagemaker.settings import ACCOUNT
from tests.local_sagemaker.core_support import client_of, refused
from tests.local_sagemaker.daemon_support import killed_and_started_again

pytestmark = pytest.mark.slow

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
ALLOW = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
)


def without_metadata(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def seen(iam: Any) -> list[dict[str, Any]]:
    """Return all that IAM shows of what the test below made."""
    answers = [
        iam.list_roles(),
        iam.list_users(),
        iam.list_policies(Scope="Local"),
        iam.list_groups(),
        iam.list_instance_profiles(),
        iam.get_role_policy(RoleName="Reader", PolicyName="inline"),
        iam.list_attached_role_policies(RoleName="Reader"),
        iam.list_role_tags(RoleName="Reader"),
        iam.list_access_keys(UserName="ada"),
        iam.get_group(GroupName="team"),
        iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"),
    ]
    return [without_metadata(answer) for answer in answers]


def test_a_killed_server_shows_the_same_iam(fresh: LocalSageMaker) -> None:
    iam = client_of("iam")
    iam.create_role(RoleName="Reader", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="Reader", PolicyName="inline", PolicyDocument=ALLOW)
    made = iam.create_policy(PolicyName="own", PolicyDocument=ALLOW)["Policy"]
    iam.attach_role_policy(RoleName="Reader", PolicyArn=made["Arn"])
    iam.tag_role(RoleName="Reader", Tags=[{"Key": "k", "Value": "é & <"}])
    iam.create_user(UserName="ada")
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    iam.create_group(GroupName="team")
    iam.add_user_to_group(GroupName="team", UserName="ada")
    iam.create_instance_profile(InstanceProfileName="profile")
    iam.create_role(RoleName="Gone", AssumeRolePolicyDocument=TRUST)
    iam.delete_role(RoleName="Gone")
    refused(iam.create_user, "EntityAlreadyExists", UserName="ada")
    before = seen(iam)

    killed_and_started_again(fresh)
    assert seen(client_of("iam")) == before
    refused(client_of("iam").get_role, "NoSuchEntity", RoleName="Gone")
    as_ada = Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    assert client_of("sts", as_ada).get_caller_identity()["Arn"].endswith(":user/ada")
    client_of("iam").create_user(UserName="grace")

    killed_and_started_again(fresh)
    users = [user["UserName"] for user in client_of("iam").list_users()["Users"]]
    assert users == ["ada", "grace"]


@pytest.mark.usefixtures("local")
def test_a_user_s_key_signs_until_it_is_deactivated_or_deleted() -> None:
    iam, name = client_of("iam"), f"user-{uuid.uuid4().hex[:8]}"
    user = iam.create_user(UserName=name)["User"]
    made = iam.create_access_key(UserName=name)["AccessKey"]
    key = Credentials(made["AccessKeyId"], made["SecretAccessKey"])
    who = client_of("sts", key).get_caller_identity()
    assert (who["Account"], who["Arn"], who["UserId"]) == (ACCOUNT, user["Arn"], user["UserId"])
    assert client_of("iam", key).get_user()["User"]["UserName"] == name
    client_of("s3", key).list_buckets()

    status = {"UserName": name, "AccessKeyId": key.access_key}
    iam.update_access_key(**status, Status="Inactive")
    refused(client_of("sts", key).get_caller_identity, "InvalidClientTokenId", 403)
    iam.update_access_key(**status, Status="Active")
    client_of("sts", key).get_caller_identity()
    iam.delete_access_key(**status)
    refused(client_of("sts", key).get_caller_identity, "InvalidClientTokenId", 403)
    iam.delete_user(UserName=name)


class TestRoom:
    """The room alone, where a commit can be made to fail."""

    @pytest.fixture
    def room(self, tmp_path: Any) -> Any:
        database = Database(tmp_path / "state.db")
        identity = Identity(database, ACCOUNT)
        yield database, Iam(database, identity, Trust(database))
        database.close()

    @pytest.fixture
    def caller(self) -> Caller:
        # moto's memory is this process's; an account of its own keeps tests apart.
        account = f"{uuid.uuid4().int % 10**12:012d}"
        return Caller(account, "us-east-1", "arn", "id", "ASIAKEY")

    def test_a_write_that_was_not_kept_is_not_seen(
        self, room: Any, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database, iam = room
        iam.forward(caller, b"Action=CreateUser&Version=2010-05-08&UserName=kept")
        with monkeypatch.context() as patch:
            patch.setattr(iam._journal, "append", _fails)
            with pytest.raises(OSError, match="no room"):
                iam.forward(caller, b"Action=CreateUser&Version=2010-05-08&UserName=lost")
        listed = iam.forward(caller, b"Action=ListUsers&Version=2010-05-08").body
        assert b"kept" in listed
        assert b"lost" not in listed
        assert len(database.query("SELECT * FROM iam_journal")) == 2

    def test_reads_and_refusals_are_not_kept(self, room: Any, caller: Caller) -> None:
        database, iam = room
        for _ in range(3):
            iam.forward(caller, b"Action=ListUsers&Version=2010-05-08")
            reply = iam.forward(caller, b"Action=DeleteUser&Version=2010-05-08&UserName=nobody")
            assert reply.status == 404
        # The one that opens the account.
        assert len(database.query("SELECT * FROM iam_journal")) == 1

    def test_a_write_that_moto_cannot_answer_again_costs_no_other(
        self, room: Any, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        database, iam = room
        for name in (b"kept", b"lost", b"new"):
            iam.forward(caller, b"Action=CreateUser&Version=2010-05-08&UserName=" + name)
        answer = MotoIam.answer

        def fails(moto: MotoIam, entry: Entry) -> Reply:
            if entry.body.endswith(b"lost"):
                raise NotImplementedError("not any more")
            return answer(moto, entry)

        with monkeypatch.context() as patch:
            patch.setattr(MotoIam, "answer", fails)
            again = Iam(database, Identity(database, ACCOUNT), Trust(database))
            listed = again.forward(caller, b"Action=ListUsers&Version=2010-05-08").body
        assert b"kept" in listed
        assert b"new" in listed
        assert b"lost" not in listed

    def test_memory_is_given_back_after_a_refusal(self, room: Any, caller: Caller) -> None:
        _, iam = room
        iam.forward(caller, b"Action=CreateUser&Version=2010-05-08&UserName=kept")
        first = weakref.ref(iam._moto._backends[caller.account]["aws"])
        reply = iam.forward(caller, b"Action=DeleteUser&Version=2010-05-08&UserName=nobody")
        assert reply.status == 404
        assert b"kept" in iam.forward(caller, b"Action=ListUsers&Version=2010-05-08").body
        gc.collect()
        assert first() is None

    def test_few_accounts_are_in_memory_and_all_are_there(
        self, room: Any, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(service, "_MOST_ACCOUNTS", 2)
        _, iam = room
        callers = [replace(caller, account=f"{uuid.uuid4().int % 10**12:012d}") for _ in range(3)]
        seen = []
        for one in callers:
            name = f"of-{one.account}".encode()
            iam.forward(one, b"Action=CreateUser&Version=2010-05-08&UserName=" + name)
            seen.append(weakref.ref(iam._moto._backends[one.account]["aws"]))
        gc.collect()
        assert [backend() is None for backend in seen] == [True, False, False]
        for one in callers:
            listed = iam.forward(one, b"Action=ListUsers&Version=2010-05-08").body
            assert f"of-{one.account}".encode() in listed


def _fails(*_: Any) -> None:
    raise OSError("no room")
