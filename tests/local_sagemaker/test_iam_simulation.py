"""Simulations judge policies really: actions, resources, conditions, denials, boundaries."""

import json
import uuid
from typing import Any

import pytest

from tests.local_sagemaker.core_support import ACCOUNT, client_of, refused

pytestmark = pytest.mark.usefixtures("local")

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
FULL_ACCESS = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
BUCKET = "arn:aws:s3:::sagemaker-us-east-1-111122223333"


def document(*statements: dict[str, Any]) -> str:
    filled = [{"Effect": "Allow", "Resource": "*", **statement} for statement in statements]
    return json.dumps({"Version": "2012-10-17", "Statement": filled})


def custom(policy: str, action: str, resource: str | None = None, **context: Any) -> dict[str, Any]:
    """Return the one result of a simulation of one policy."""
    entries = [
        {
            "ContextKeyName": key.replace("__", ":").replace("_", "-"),
            "ContextKeyValues": value if isinstance(value, list) else [value],
            "ContextKeyType": "stringList" if isinstance(value, list) else "string",
        }
        for key, value in context.items()
    ]
    (result,) = client_of("iam").simulate_custom_policy(
        PolicyInputList=[policy],
        ActionNames=[action],
        ContextEntries=entries,
        **({"ResourceArns": [resource]} if resource else {}),
    )["EvaluationResults"]
    return dict(result)


@pytest.mark.parametrize(
    ("statement", "action", "resource", "verdict"),
    [
        ({"Action": "s3:GetObject"}, "s3:GetObject", f"{BUCKET}/a", "allowed"),
        ({"Action": "S3:getobject"}, "s3:GetObject", f"{BUCKET}/a", "allowed"),
        ({"Action": "s3:Get*"}, "s3:GetObject", f"{BUCKET}/a", "allowed"),
        ({"Action": "s3:Get?bject"}, "s3:GetObject", None, "allowed"),
        ({"Action": ["s3:PutObject", "s3:List*"]}, "s3:GetObject", None, "implicitDeny"),
        ({"NotAction": "s3:*"}, "sagemaker:CreateModel", None, "allowed"),
        ({"NotAction": "s3:*"}, "s3:GetObject", None, "implicitDeny"),
        ({"Action": "s3:*", "Resource": f"{BUCKET}/*"}, "s3:GetObject", f"{BUCKET}/a/b", "allowed"),
        ({"Action": "s3:*", "Resource": f"{BUCKET}/*"}, "s3:GetObject", BUCKET, "implicitDeny"),
        ({"Action": "s3:*", "Resource": f"{BUCKET}/*"}, "s3:GetObject", None, "implicitDeny"),
        (
            {"Action": "s3:*", "Resource": "arn:aws:s3:::a.b"},
            "s3:ListBucket",
            "arn:aws:s3:::axb",
            "implicitDeny",
        ),
        (
            {"Action": "s3:*", "NotResource": f"{BUCKET}*"},
            "s3:GetObject",
            f"{BUCKET}/a",
            "implicitDeny",
        ),
        ({"Action": "s3:*", "Effect": "Deny"}, "s3:GetObject", None, "explicitDeny"),
    ],
)
def test_a_statement(
    statement: dict[str, Any], action: str, resource: str | None, verdict: str
) -> None:
    result = custom(document(statement), action, resource)
    assert result["EvalDecision"] == verdict
    assert (result["EvalActionName"], result["EvalResourceName"]) == (action, resource or "*")
    assert bool(result["MatchedStatements"]) is (verdict != "implicitDeny")


@pytest.mark.parametrize(
    ("condition", "context", "verdict", "missing"),
    [
        (
            {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            {"iam__PassedToService": "sagemaker.amazonaws.com"},
            "allowed",
            [],
        ),
        (
            {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            {},
            "implicitDeny",
            ["iam:PassedToService"],
        ),
        ({"StringLike": {"s3:prefix": ["a/*", "b/*"]}}, {"s3__prefix": "b/c"}, "allowed", []),
        ({"StringNotEquals": {"s3:prefix": "a"}}, {"s3__prefix": "a"}, "implicitDeny", []),
        ({"StringNotLike": {"s3:prefix": "a*"}}, {"s3__prefix": "b"}, "allowed", []),
        ({"StringEqualsIfExists": {"s3:prefix": "a"}}, {}, "allowed", []),
        ({"Null": {"s3:prefix": "true"}}, {}, "allowed", []),
        ({"Null": {"s3:prefix": "true"}}, {"s3__prefix": "a"}, "implicitDeny", []),
        ({"Bool": {"aws:SecureTransport": True}}, {"aws__SecureTransport": "true"}, "allowed", []),
        ({"NumericLessThan": {"s3:max_keys": 10}}, {"s3__max_keys": "9"}, "implicitDeny", None),
        ({"NumericLessThan": {"s3:max-keys": 10}}, {"s3__max_keys": "9"}, "allowed", []),
        (
            {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
            {"aws__SourceIp": "10.1.2.3"},
            "allowed",
            [],
        ),
        (
            {"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
            {"aws__CurrentTime": "2026-06-01T00:00:00Z"},
            "allowed",
            [],
        ),
        (
            {"ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:*:111122223333:*"}},
            {"aws__SourceArn": "arn:aws:sagemaker:us-east-1:111122223333:model/m"},
            "allowed",
            [],
        ),
        (
            {"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}},
            {"aws__TagKeys": ["b", "a"]},
            "allowed",
            [],
        ),
        (
            {"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}},
            {"aws__TagKeys": ["b", "a"]},
            "implicitDeny",
            [],
        ),
    ],
)
def test_a_condition(
    condition: dict[str, Any], context: dict[str, Any], verdict: str, missing: list[str] | None
) -> None:
    policy = document({"Action": "*", "Condition": condition})
    result = custom(policy, "s3:ListBucket", **context)
    assert result["EvalDecision"] == verdict
    if missing is not None:
        assert result["MissingContextValues"] == missing


class TestPrincipal:
    @pytest.fixture
    def role(self) -> dict[str, Any]:
        iam = client_of("iam")
        name = f"judged-{uuid.uuid4().hex[:8]}"
        made: dict[str, Any] = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        return dict(made["Role"])

    def verdicts(self, arn: str, *actions: str, **more: Any) -> list[str]:
        answer = client_of("iam").simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=list(actions), **more
        )
        return [result["EvalDecision"] for result in answer["EvaluationResults"]]

    def test_a_role_may_what_its_policies_say(self, role: dict[str, Any]) -> None:
        iam, name, arn = client_of("iam"), role["RoleName"], role["Arn"]
        asked = ("sagemaker:CreateTrainingJob", "iam:CreateUser")
        assert self.verdicts(arn, *asked) == ["implicitDeny", "implicitDeny"]
        iam.attach_role_policy(RoleName=name, PolicyArn=FULL_ACCESS)
        job = [f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/j"]
        assert self.verdicts(arn, *asked, ResourceArns=job) == ["allowed", "implicitDeny"]
        iam.put_role_policy(
            RoleName=name,
            PolicyName="no-jobs",
            PolicyDocument=document({"Effect": "Deny", "Action": "sagemaker:Create*Job"}),
        )
        answer = iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=[asked[0]], ResourceArns=job
        )
        (result,) = answer["EvaluationResults"]
        assert result["EvalDecision"] == "explicitDeny"
        assert result["MatchedStatements"][0]["SourcePolicyId"] == f"role_{name}_no-jobs"

    def test_passing_a_role_depends_on_to_whom(self, role: dict[str, Any]) -> None:
        client_of("iam").attach_role_policy(RoleName=role["RoleName"], PolicyArn=FULL_ACCESS)

        def passed_to(service: str) -> list[str]:
            entry = {
                "ContextKeyName": "iam:PassedToService",
                "ContextKeyValues": [service],
                "ContextKeyType": "string",
            }
            return self.verdicts(
                role["Arn"], "iam:PassRole", ResourceArns=[role["Arn"]], ContextEntries=[entry]
            )

        assert passed_to("sagemaker.amazonaws.com") == ["allowed"]
        assert passed_to("ec2.amazonaws.com") == ["implicitDeny"]

    def test_a_boundary_limits(self, role: dict[str, Any]) -> None:
        iam, name = client_of("iam"), role["RoleName"]
        iam.put_role_policy(
            RoleName=name, PolicyName="all", PolicyDocument=document({"Action": "*"})
        )
        boundary = iam.create_policy(
            PolicyName=f"bound-{name}", PolicyDocument=document({"Action": "s3:*"})
        )["Policy"]
        iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=boundary["Arn"])
        asked = ("s3:GetObject", "sagemaker:CreateModel")
        assert self.verdicts(role["Arn"], *asked) == ["allowed", "implicitDeny"]

    def test_a_user_has_the_policies_of_its_groups(self) -> None:
        iam, name = client_of("iam"), f"user-{uuid.uuid4().hex[:8]}"
        arn = iam.create_user(UserName=name)["User"]["Arn"]
        iam.create_group(GroupName=name)
        home = "arn:aws:s3:::homes/${aws:username}/*"
        policy = document({"Action": "s3:*", "Resource": home})
        iam.put_group_policy(GroupName=name, PolicyName="home", PolicyDocument=policy)
        own = f"arn:aws:s3:::homes/{name}/file"
        assert self.verdicts(arn, "s3:GetObject", ResourceArns=[own]) == ["implicitDeny"]
        iam.add_user_to_group(GroupName=name, UserName=name)
        both = [own, "arn:aws:s3:::homes/somebody/file"]
        found = self.verdicts(arn, "s3:GetObject", ResourceArns=both)
        assert found == ["allowed", "implicitDeny"]

    def test_who_is_not_there(self) -> None:
        refused(
            client_of("iam").simulate_principal_policy,
            "NoSuchEntity",
            404,
            PolicySourceArn=f"arn:aws:iam::{ACCOUNT}:role/nobody",
            ActionNames=["s3:GetObject"],
        )


@pytest.mark.parametrize(
    ("policy", "action", "says"),
    [
        ("{}", "s3:GetObject", "is not a policy"),
        ("nonsense", "s3:GetObject", "is not a policy"),
        (document({"Action": "*", "Effect": "Maybe"}), "s3:GetObject", "Allow or Deny"),
        (document({}), "s3:GetObject", "neither Action nor NotAction"),
        (
            document({"Action": "*", "Condition": {"Resembles": {"k": "v"}}}),
            "s3:GetObject",
            "no condition operator Resembles",
        ),
        (document({"Action": "*"}), "GetObject", "is not an action"),
        (document({"Action": [1]}), "s3:GetObject", "Action must be a text"),
        (document({"Action": "*", "Resource": {}}), "s3:GetObject", "Resource must be a text"),
        (document({"Action": "*", "Condition": ["k"]}), "s3:GetObject", "is not a policy"),
        (document({"Action": "*", "Condition": {"Null": "k"}}), "s3:GetObject", "Null of"),
        (document({"Action": "*", "Condition": {"Null": {"k": []}}}), "s3:GetObject", "Null of"),
        ("[" * 100_000, "s3:GetObject", "is not a policy"),
    ],
)
def test_what_cannot_be_judged(policy: str, action: str, says: str) -> None:
    message = refused(
        client_of("iam").simulate_custom_policy,
        "InvalidInput",
        400,
        PolicyInputList=[policy],
        ActionNames=[action],
    )
    assert says in message


def test_a_pattern_of_many_stars_is_judged_at_once() -> None:
    # Trying all places for each star would take longer than anybody waits.
    policy = document({"Action": "*", "Resource": f"arn:aws:s3:::{'*a' * 40}b"})
    resource = f"arn:aws:s3:::{'a' * 900}"
    assert custom(policy, "s3:GetObject", resource)["EvalDecision"] == "implicitDeny"
    assert custom(policy, "s3:GetObject", f"{resource}b")["EvalDecision"] == "allowed"
