"""STS and IAM: who one is, acting as another, other accounts, roles, and the SDK's ways to ask."""

import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore.handlers
import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError
from sagemaker.core.helper.session_helper import Session, get_execution_role

from local_sagemaker import LocalSageMaker
from local_sagemaker.botocore_plugin import redirect_without_plugins
from tests.local_sagemaker.core_support import ACCOUNT, client_of, refused

pytestmark = pytest.mark.usefixtures("local")

NAME = "LocalSageMakerExecutionRole"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
OTHER = "999988887777"
# What SDK v3 names instead of leaving the endpoint to the environment.
PINNED = "https://sts.us-east-1.amazonaws.com"
PLUGIN_BROKEN = (
    "botocore did not load local_sagemaker.botocore_plugin into an STS client. This is botocore's "
    "private API (BOTOCORE_EXPERIMENTAL__PLUGINS): look what became of it in botocore/plugin.py."
)


def assume(role: str, **more: Any) -> Credentials:
    issued = client_of("sts").assume_role(RoleArn=role, RoleSessionName="test", **more)
    given = issued["Credentials"]
    return Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


def test_the_local_user_acts_as_the_execution_role() -> None:
    answer = client_of("sts").get_caller_identity()
    assert answer["Account"] == ACCOUNT
    assert answer["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{NAME}/local"
    assert answer["UserId"].startswith("AROA")
    assert answer["UserId"].endswith(":local")
    # A wrong content type or a body in another format would not get this far.
    assert answer["ResponseMetadata"]["RequestId"]


def test_assuming_a_role_of_this_account() -> None:
    name = unique("shared")
    client_of("sagemaker").create_experiment(ExperimentName=name)
    before = datetime.now(UTC)
    answer = client_of("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/teams/nlp/Trainer",
        RoleSessionName="somebody",
        DurationSeconds=900,
        Tags=[{"Key": "team", "Value": "nlp"}],
    )
    user = answer["AssumedRoleUser"]
    assert user["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Trainer/somebody"
    expiration = answer["Credentials"]["Expiration"]
    assert timedelta(seconds=895) < expiration - before < timedelta(seconds=905)
    given = answer["Credentials"]
    as_trainer = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    whoami = client_of("sts", as_trainer).get_caller_identity()
    assert (whoami["Arn"], whoami["UserId"]) == (user["Arn"], user["AssumedRoleId"])
    shown = client_of("sagemaker", as_trainer).describe_experiment(ExperimentName=name)
    assert shown["ExperimentName"] == name


def test_another_account_is_a_world_of_its_own() -> None:
    there = assume(f"arn:aws:iam::{OTHER}:role/Anybody")
    assert client_of("sts", there).get_caller_identity()["Account"] == OTHER
    here, elsewhere = client_of("sagemaker"), client_of("sagemaker", there)
    name = unique("isolated")
    here.create_experiment(ExperimentName=name, Tags=[{"Key": "k", "Value": "here"}])
    refused(elsewhere.describe_experiment, "ResourceNotFound", ExperimentName=name)
    made = elsewhere.create_experiment(ExperimentName=name, Description="there")
    assert made["ExperimentArn"] == f"arn:aws:sagemaker:us-east-1:{OTHER}:experiment/{name}"
    assert "Description" not in here.describe_experiment(ExperimentName=name)
    arn = here.describe_experiment(ExperimentName=name)["ExperimentArn"]
    refused(elsewhere.list_tags, "ValidationException", ResourceArn=arn)
    refused(
        elsewhere.add_tags,
        "ValidationException",
        ResourceArn=arn,
        Tags=[{"Key": "k", "Value": "there"}],
    )
    elsewhere.delete_experiment(ExperimentName=name)
    assert here.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "k", "Value": "here"}]

    bucket = unique("isolated")
    client_of("s3").create_bucket(Bucket=bucket)
    client_of("s3").put_object(Bucket=bucket, Key="key", Body=b"here")
    buckets = client_of("s3", there).list_buckets()["Buckets"]
    assert bucket not in [found["Name"] for found in buckets]
    with pytest.raises(Exception, match=r"AccessDenied|NoSuchBucket|Forbidden"):
        client_of("s3", there).get_object(Bucket=bucket, Key="key")


def test_another_region_is_a_world_of_its_own() -> None:
    name = unique("regional")
    client_of("sagemaker").create_experiment(ExperimentName=name)
    ireland = client_of("sagemaker", region_name="eu-west-1")
    refused(ireland.describe_experiment, "ResourceNotFound", ExperimentName=name)
    made = ireland.create_experiment(ExperimentName=name)
    assert made["ExperimentArn"] == f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:experiment/{name}"


NOT_ALLOWED = (
    "1 validation error detected: Value '{}' at 'roleSessionName' failed to satisfy constraint: "
    "Member must satisfy regular expression pattern: [\\w+=,.@-]*"
)
TOO_SHORT = (
    "1 validation error detected: Value '60' at 'durationSeconds' failed to satisfy constraint: "
    "Member must have value greater than or equal to 900"
)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"RoleArn": "arn:aws:iam::1:role/too-short"}, "arn:aws:iam::1:role/too-short is invalid"),
        ({"RoleSessionName": "not/allowed"}, NOT_ALLOWED.format("not/allowed")),
        ({"DurationSeconds": 60}, TOO_SHORT),
        # What XML cannot hold would make the answer unreadable.
        ({"RoleSessionName": "\x00\x08 and \ufffe"}, NOT_ALLOWED.format("\ufffd\ufffd and \ufffd")),
    ],
)
def test_what_cannot_be_assumed(changes: dict[str, Any], says: str) -> None:
    sts = client_of("sts", config=Config(parameter_validation=False))
    params = {"RoleArn": ROLE, "RoleSessionName": "session"} | changes
    assert refused(sts.assume_role, "ValidationError", 400, **params) == says


def test_session_tokens() -> None:
    given = client_of("sts").get_session_token(DurationSeconds=1000)["Credentials"]
    key = Credentials(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert client_of("sts", key).get_caller_identity()["Arn"].endswith(f"{NAME}/local")


class TestSdk:
    """SDK v3 names STS's endpoint itself; only botocore's plugin brings it here."""

    def test_a_pinned_endpoint_is_redirected(self) -> None:
        pinned = boto3.client("sts", endpoint_url=PINNED)
        # Anywhere but here, the call would leave this machine, which tests do not.
        try:
            account = pinned.get_caller_identity()["Account"]
        except (BotoCoreError, RuntimeError) as error:
            pytest.fail(f"{PLUGIN_BROKEN} The call failed with: {error!r}")
        assert account == ACCOUNT

    def test_session_and_role(self) -> None:
        session = Session()
        assert session.account_id() == ACCOUNT
        assert session.default_bucket() == f"sagemaker-us-east-1-{ACCOUNT}"
        assert get_execution_role(session) == ROLE
        assert session.get_caller_identity_arn() == ROLE

    @pytest.mark.slow
    def test_in_a_bare_process_with_nothing_but_the_exports(
        self, local: LocalSageMaker, repository: Path, tmp_path: Path
    ) -> None:
        exported = exports(local, tmp_path)
        script = (
            "from sagemaker.core.helper.session_helper import Session, get_execution_role\n"
            "session = Session()\n"
            "print(session.account_id(), get_execution_role(session))\n"
        )
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            # Where `make` installs the package this is not needed.
            "PYTHONPATH": str(repository),
            **exported,
        }
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{PLUGIN_BROKEN}\n{done.stderr}"
        assert done.stdout.splitlines()[-1] == f"{ACCOUNT} {ROLE}"

    def test_another_plugin_stays(
        self, local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = "BOTOCORE_EXPERIMENTAL__PLUGINS"
        ours = local.environment[name]
        monkeypatch.setenv(name, f"theirs=some.module,{ours}")
        assert local.environment[name] == f"theirs=some.module,{ours}"
        monkeypatch.setenv(name, "DISABLED")
        assert local.environment[name] == ours

    @pytest.mark.usefixtures("without_plugins")
    def test_in_this_process_also_without_plugins(self) -> None:
        known = len(botocore.handlers.BUILTIN_HANDLERS)
        redirect_without_plugins()
        redirect_without_plugins()
        assert len(botocore.handlers.BUILTIN_HANDLERS) == known + 2
        pinned = boto3.Session().client("sts", endpoint_url=PINNED)
        assert pinned.get_caller_identity()["Account"] == ACCOUNT

    @pytest.mark.usefixtures("without_plugins")
    def test_a_botocore_with_neither_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.delattr(botocore.handlers, "BUILTIN_HANDLERS")
            with pytest.warns(RuntimeWarning, match="will not reach the local SageMaker"):
                redirect_without_plugins()

    def test_aws_is_left_alone_when_no_local_server_is_meant(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []
        for endpoint in ("https://sagemaker.example", None):
            if endpoint is None:
                monkeypatch.delenv("AWS_ENDPOINT_URL")
            else:
                monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
            sts = boto3.Session().client("sts", endpoint_url=PINNED)

            def note(request: Any, **_: Any) -> None:
                asked.append(request.url)
                raise InterruptedError

            sts.meta.events.register("before-send.sts", note)
            with pytest.raises(InterruptedError):
                sts.get_caller_identity()
        assert asked == [f"{PINNED}/"] * 2


def exports(local: LocalSageMaker, folder: Path) -> dict[str, str]:
    """Return the variables that a shell has after it evaluated what ``start`` prints."""
    start = [sys.executable, "-m", "local_sagemaker", "start", "--home", str(local.home)]
    script = 'printed=$("$@") && eval "$printed" && env -0'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *start],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (item.partition("=") for item in done.stdout.split("\0") if item)
    kept = {name: value for name, _, value in pairs}
    return {
        name: value
        for name, value in kept.items()
        if name.startswith(("AWS_", "BOTOCORE_", "SAGEMAKER_")) or name.lower() == "no_proxy"
    }


class TestRoles:
    TRUST = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    )

    def test_the_execution_role_is_there(self) -> None:
        role = client_of("iam").get_role(RoleName=NAME)["Role"]
        assert role["Arn"] == ROLE
        assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {
            "Service": "sagemaker.amazonaws.com"
        }

    def test_create_get_list_delete(self) -> None:
        iam, name = client_of("iam"), unique("Role")
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=self.TRUST)["Role"]
        assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/{name}"
        iam.attach_role_policy(
            RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
        )
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        assert [policy["PolicyName"] for policy in attached] == ["AmazonSageMakerFullAccess"]
        roles = [role["RoleName"] for role in iam.list_roles()["Roles"]]
        assert {name, NAME} <= set(roles)
        assert "already exists" in refused(
            iam.create_role,
            "EntityAlreadyExists",
            409,
            RoleName=name,
            AssumeRolePolicyDocument=self.TRUST,
        )
        iam.detach_role_policy(
            RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
        )
        iam.delete_role(RoleName=name)
        refused(iam.get_role, "NoSuchEntity", 404, RoleName=name)

    def test_accounts_have_roles_of_their_own(self) -> None:
        there = client_of("iam", assume(f"arn:aws:iam::{OTHER}:role/Anybody"))
        name = unique("Role")
        client_of("iam").create_role(RoleName=name, AssumeRolePolicyDocument=self.TRUST)
        refused(there.get_role, "NoSuchEntity", 404, RoleName=name)
        arn = there.get_role(RoleName=NAME)["Role"]["Arn"]
        assert arn == f"arn:aws:iam::{OTHER}:role/{NAME}"

    def test_simulation_allows_what_the_local_sagemaker_allows(self) -> None:
        answer = client_of("iam").simulate_principal_policy(
            PolicySourceArn=ROLE,
            ActionNames=["s3:GetObject", "sagemaker:CreateTrainingJob"],
            ResourceArns=["arn:aws:s3:::a", "arn:aws:s3:::b"],
        )
        assert len(answer["EvaluationResults"]) == 4
        assert {result["EvalDecision"] for result in answer["EvaluationResults"]} == {"allowed"}
        assert answer["IsTruncated"] is False

    def test_what_moto_lacks_is_said_and_not_tried_again(self) -> None:
        message = refused(
            client_of("iam").generate_service_last_accessed_details,
            "NotImplemented",
            400,
            Arn=ROLE,
        )
        assert "moto" in message
