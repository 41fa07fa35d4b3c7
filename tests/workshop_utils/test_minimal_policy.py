"""The minimal policy allows what the labs were seen to ask for, and nothing beyond a short list."""

import json

import botocore.session
import pytest

from tests.labs import calls
from tests.workshop_utils.policy_support import allowed, whose
from workshop_utils.preflight import policy
from workshop_utils.session import Session

LARGEST = 6144  # characters of a managed policy, white space not counted

# What the request log of a local server cannot show, because AWS does it itself with the execution
# role, or because it only happens when something goes wrong.
UNSEEN = {
    "cloudwatch:PutMetricData": "a job's metrics and an endpoint's invocations",
    "ecr:BatchCheckLayerAvailability": "pulling a container image",
    "ecr:BatchGetImage": "pulling a container image",
    "ecr:GetAuthorizationToken": "pulling a container image",
    "ecr:GetDownloadUrlForLayer": "pulling a container image",
    "s3:AbortMultipartUpload": "an upload that was interrupted, which clean-up ends",
    "logs:CreateLogGroup": "what a container prints",
    "logs:DeleteLogGroup": "an endpoint's log group, which clean-up deletes",
    "logs:CreateLogStream": "what a container prints",
    "logs:PutLogEvents": "what a container prints",
    "sagemaker:CreateModelPackage": "a pipeline's step, which acts as the role",
    "sagemaker:CreateProcessingJob": "a pipeline's step, which acts as the role",
    "sagemaker:DescribeModelPackageGroup": "a pipeline's step, which acts as the role",
    "sagemaker:DescribeWorkteam": "Amazon A2I's own portal",
    "sagemaker:StopHumanLoop": "a review that is given up",
    "sagemaker:StopPipelineExecution": "an interrupted cell",
    "sagemaker:UpdatePipeline": "a lab whose pipeline was changed",
    "sagemaker:StopProcessingJob": "a pipeline that is stopped",
    "sagemaker:StopTrainingJob": "a pipeline that is stopped, an interrupted cell",
}


def rows() -> list[tuple[str, str, str, str, str]]:
    """Return lab, who, call, action and resource of everything that was recorded."""
    return [
        (lab, by, call, action, resource)
        for lab, whose in calls.recorded().items()
        for by, made in whose.items()
        for call, entry in made.items()
        for action in entry["actions"]
        for resource in entry["resources"]
        if calls.belongs(action, resource)
    ]


@pytest.fixture(scope="module")
def text() -> str:
    return policy.POLICY.read_text(encoding="utf-8")


def test_it_is_a_policy_that_iam_takes(ws: Session, text: str) -> None:
    assert len(json.dumps(json.loads(text), separators=(",", ":"))) <= LARGEST
    iam = ws.client("iam")
    made = iam.create_policy(PolicyName="minimal", PolicyDocument=text)["Policy"]
    iam.delete_policy(PolicyArn=made["Arn"])


def test_every_statement_says_whose_it_is() -> None:
    for statement in policy.statements():
        assert statement["Effect"] == "Allow"
        assert statement["Sid"].startswith(("People", "Jobs", "Both"))
        assert statement["Sid"].isalnum()


def test_actions_are_real_and_named_one_by_one() -> None:
    model = botocore.session.Session().get_service_model
    known = {
        f"sagemaker:{operation}"
        for service in ("sagemaker", "sagemaker-runtime", "sagemaker-a2i-runtime")
        for operation in model(service).operation_names
    } | {"sagemaker:BatchPutMetrics"}
    for action in allowed_actions():
        assert "*" not in action
        assert not action.startswith("sagemaker:") or action in known, action


def test_every_call_of_the_labs_is_allowed(ws: Session, text: str) -> None:
    refused = [
        f"{lab}, {by}: {call} needs {action} on {resource}"
        for lab, by, call, action, resource in rows()
        if not allowed(ws, whose(text, by), action, resource)
    ]
    assert refused == []


def test_nothing_is_allowed_beyond_what_was_seen_and_a_short_list() -> None:
    seen = {action for _, _, _, action, _ in rows()}
    assert allowed_actions() - seen - UNSEEN.keys() == set()
    assert UNSEEN.keys() & seen == set(), "these were seen: the list need not have them"
    assert UNSEEN.keys() <= allowed_actions(), "the policy does not have these any more"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:DeleteEndpoint", "arn:aws:sagemaker:us-east-1:111122223333:endpoint/shop"),
        ("sagemaker:CreateTrainingJob", "arn:aws:sagemaker:us-east-1:111122223333:training-job/x"),
        ("s3:GetObject", "arn:aws:s3:::sagemaker-us-east-1-111122223333/payroll/x"),
        ("s3:DeleteObject", "arn:aws:s3:::jumpstart-cache-prod-us-east-1/x"),
        ("s3:DeleteBucket", "arn:aws:s3:::sagemaker-us-east-1-111122223333"),
        ("iam:CreateRole", "arn:aws:iam::111122223333:role/x"),
        ("sagemaker:CreateNotebookInstance", "*"),
    ],
)
def test_what_others_have_is_out_of_reach(
    ws: Session, text: str, action: str, resource: str
) -> None:
    assert not allowed(ws, text, action, resource)


def test_a_role_is_passed_to_sagemaker_only(ws: Session, text: str) -> None:
    assert allowed(ws, text, "iam:PassRole", ws.role)
    assert not allowed(ws, text, "iam:PassRole", ws.role, passed_to="ec2.amazonaws.com")


def allowed_actions() -> set[str]:
    return {
        action for statement in policy.statements() for action in policy.listed(statement["Action"])
    }
