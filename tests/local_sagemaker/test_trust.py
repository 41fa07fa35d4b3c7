"""AssumeRole: the trust policy of a role that somebody made decides, its conditions included."""

import json
from typing import Any

import pytest
from botocore.credentials import Credentials

from tests.local_sagemaker.account_support import TestAccount, new_account
from tests.local_sagemaker.core_support import ACCOUNT, client_of, refused

pytestmark = pytest.mark.usefixtures("local")
HERE = f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture(scope="module")
def there(local: Any) -> TestAccount:  # noqa: ARG001  (an account needs the server)
    return new_account()


def trusting(principal: Any, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def made(there: TestAccount, name: str, trust: str) -> str:
    role = there.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]
    return str(role["Arn"])


def assume(arn: str, by: Credentials | None = None, **more: Any) -> str:
    sts = client_of("sts", by)
    key = sts.assume_role(RoleArn=arn, RoleSessionName="test", **more)["Credentials"]
    given = Credentials(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])
    return str(client_of("sts", given).get_caller_identity()["Account"])


def denied(arn: str, **more: Any) -> None:
    sts = client_of("sts")
    message = refused(
        sts.assume_role, "AccessDenied", 403, RoleArn=arn, RoleSessionName="test", **more
    )
    assert f"is not authorized to perform: sts:AssumeRole on resource: {arn}" in message


@pytest.mark.parametrize(
    ("name", "principal"),
    [
        ("root", {"AWS": HERE}),
        ("number", {"AWS": [ACCOUNT]}),
        ("everybody", "*"),
        ("role", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/LocalSageMakerExecutionRole"}),
        ("path", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/a/path/LocalSageMakerExecutionRole"}),
    ],
)
def test_whom_a_role_trusts(there: TestAccount, name: str, principal: Any) -> None:
    assert assume(made(there, name, trusting(principal))) == there.number


@pytest.mark.parametrize(
    ("name", "principal"),
    [
        ("service", {"Service": "sagemaker.amazonaws.com"}),
        ("other-account", {"AWS": "arn:aws:iam::999999999999:root"}),
        ("other-role", {"AWS": f"arn:aws:iam::{ACCOUNT}:role/Somebody"}),
    ],
)
def test_whom_it_does_not(there: TestAccount, name: str, principal: Any) -> None:
    denied(made(there, name, trusting(principal)))


def test_an_external_id(there: TestAccount) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "the-workshop"}}
    arn = made(there, "external", trusting({"AWS": HERE}, Condition=condition))
    denied(arn)
    denied(arn, ExternalId="another")
    assert assume(arn, ExternalId="the-workshop") == there.number


def test_a_changed_and_a_deleted_role(there: TestAccount) -> None:
    iam = there.client("iam")
    arn = made(there, "changing", trusting({"AWS": HERE}))
    assert assume(arn) == there.number
    iam.update_assume_role_policy(RoleName="changing", PolicyDocument=trusting({"Service": "x.y"}))
    denied(arn)
    both = json.loads(trusting({"AWS": HERE}))
    both["Statement"].append(both["Statement"][0] | {"Effect": "Deny", "Principal": "*"})
    iam.update_assume_role_policy(RoleName="changing", PolicyDocument=json.dumps(both))
    denied(arn)
    iam.delete_role(RoleName="changing")
    # Nobody made it, so it is one of those by which accounts come to be.
    assert assume(arn) == there.number
    assert assume(f"arn:aws:iam::{there.number}:role/LocalSageMakerExecutionRole") == there.number
