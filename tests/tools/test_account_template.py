"""The CloudFormation template of a workshop account: valid, current, and enough for its roles.

Not yet run on AWS. What stands in for it: AWS's schemas (cfn-lint), and the local SageMaker's IAM,
which gets the roles as the template has them.
"""

import json
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from local_sagemaker import LocalSageMaker
from workshop_utils.accounts import Account, Door
from workshop_utils.accounts.doors import EXECUTION_ROLE, ROLE
from workshop_utils.session import SignedIn

INSTRUCTOR = "111122223333"


@pytest.fixture(scope="module")
def path(repository: Path) -> Path:
    return repository / "aws" / "workshop-account.yaml"


def test_the_linter_finds_nothing(path: Path) -> None:
    api = pytest.importorskip("cfnlint.api", reason="the linter is no part of Studio's set")
    found = api.lint_file(path)
    assert [f"{match.linenumber}: {match.rule.id} {match.message}" for match in found] == []


def tool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "tools" / "account_template.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_policy_in_it_is_the_minimal_policy(repository: Path) -> None:
    result = tool(repository, "--check")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_policy_that_has_changed_is_noticed_and_written(repository: Path, tmp_path: Path) -> None:
    for folder in ("aws", "tools"):
        shutil.copytree(repository / folder, tmp_path / folder)
    policy = tmp_path / "aws" / "minimal-policy.json"
    changed = json.loads(policy.read_text("utf-8"))
    changed["Statement"][0]["Sid"] = "Changed"
    policy.write_text(json.dumps(changed))
    checked = tool(tmp_path, "--check")
    assert checked.returncode == 1
    assert "run python tools/account_template.py" in checked.stdout
    assert tool(tmp_path).returncode == 0
    resources = resolved(tmp_path / "aws" / "workshop-account.yaml", "0" * 12)
    assert resources["WorkshopPolicy"]["PolicyDocument"] == changed


class _Template(yaml.SafeLoader):
    """Reads CloudFormation's short forms as the long ones."""


def _function(loader: _Template, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {name: loader.construct_sequence(node, deep=True)}


_Template.add_multi_constructor("!", _function)


def resolved(path: Path, account: str, **parameters: str) -> dict[str, Any]:
    """Return the properties of the template's resources, as CloudFormation would fill them in."""
    template = yaml.load(path.read_text("utf-8"), _Template)  # noqa: S506  (a SafeLoader's child)
    names = {name: one.get("Default", "") for name, one in template["Parameters"].items()}
    names |= parameters
    names |= {"AWS::Partition": "aws", "AWS::AccountId": account}
    names |= {"WorkshopPolicy": f"arn:aws:iam::{account}:policy/nlp-workshop"}

    def true(condition: Any) -> bool:
        if isinstance(condition, str):
            return true(template["Conditions"][condition])
        ((kind, parts),) = condition.items()
        if kind == "Not":
            return not true(parts[0])
        assert kind == "Equals"
        return bool(filled(parts[0]) == filled(parts[1]))

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "Ref" in value:
            return names.get(value["Ref"], value)
        if "Sub" in value:
            text = value["Sub"]
            for name, one in names.items():
                text = text.replace(f"${{{name}}}", str(one))
            return text
        if "If" in value:
            condition, yes, no = value["If"]
            return filled(yes if true(condition) else no)
        every = {name: filled(one) for name, one in value.items()}
        return {name: one for name, one in every.items() if one != {"Ref": "AWS::NoValue"}}

    return {name: filled(one["Properties"]) for name, one in template["Resources"].items()}


def deploy(path: Path, account: str, **parameters: str) -> dict[str, Any]:
    """Make the template's policy and roles in an account of the local SageMaker."""
    given = boto3.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/Administrator", RoleSessionName="deploys"
    )["Credentials"]
    iam = boto3.client(
        "iam",
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )
    made = resolved(path, account, **parameters)
    policy = made["WorkshopPolicy"]
    iam.create_policy(
        PolicyName=policy["ManagedPolicyName"], PolicyDocument=json.dumps(policy["PolicyDocument"])
    )
    for role in (made["ExecutionRole"], made["InstructorRole"]):
        trust = json.dumps(role["AssumeRolePolicyDocument"])
        iam.create_role(
            RoleName=role["RoleName"], AssumeRolePolicyDocument=trust, Tags=role["Tags"]
        )
        for arn in role["ManagedPolicyArns"]:
            iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn=arn)
    return made


@pytest.fixture
def account() -> str:
    return f"{uuid.uuid4().int % 10**12:012d}"


@pytest.fixture(scope="module")
def signed_in(local: LocalSageMaker) -> SignedIn:
    boto = boto3.Session()
    who = boto.client("sts").get_caller_identity()
    return SignedIn("local", "us-east-1", who["Account"], who["Arn"], boto, local)


def test_its_roles_are_those_that_the_command_asks_for(path: Path) -> None:
    made = resolved(path, "0" * 12)
    assert made["InstructorRole"]["RoleName"] == ROLE
    assert made["ExecutionRole"]["RoleName"] == EXECUTION_ROLE


def test_the_instructor_role_trusts_one_account_and_asks_for_the_id_if_there_is_one(
    path: Path,
) -> None:
    def trust(**parameters: str) -> dict[str, Any]:
        made = resolved(path, "0" * 12, InstructorAccount=INSTRUCTOR, **parameters)
        (statement,) = made["InstructorRole"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"AWS": f"arn:aws:iam::{INSTRUCTOR}:root"}
        return dict(statement)

    assert "Condition" not in trust()
    asked = trust(ExternalId="spring-2027")["Condition"]
    assert asked == {"StringEquals": {"sts:ExternalId": "spring-2027"}}


def test_the_instructor_comes_in_and_may_clean_up_there(
    path: Path, account: str, signed_in: SignedIn
) -> None:
    deploy(path, account, InstructorAccount=INSTRUCTOR, AlarmEmail="i@example.com")
    with Door(signed_in).open(Account(account)) as session:
        assert session.role == f"arn:aws:iam::{account}:role/{EXECUTION_ROLE}"
        answer = session.client("iam").simulate_principal_policy(
            PolicySourceArn=f"arn:aws:iam::{account}:role/{ROLE}",
            ActionNames=["sagemaker:DeleteModel", "iam:CreateUser", "sagemaker:DeleteDomain"],
            ResourceArns=[f"arn:aws:sagemaker:us-east-1:{account}:model/nlp-workshop-one"],
            ContextEntries=[
                {
                    "ContextKeyName": "aws:ResourceTag/workshop",
                    "ContextKeyType": "string",
                    "ContextKeyValues": ["nlp-workshop"],
                }
            ],
        )
    decided = {one["EvalActionName"]: one["EvalDecision"] for one in answer["EvaluationResults"]}
    assert decided["sagemaker:DeleteModel"] == "allowed"
    assert decided["iam:CreateUser"] == "implicitDeny"
    assert decided["sagemaker:DeleteDomain"] == "implicitDeny"
