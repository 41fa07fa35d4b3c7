"""Human review beside an AWS account: its answers go to that account's S3.

A second local server plays AWS.
"""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from local_sagemaker import LocalSageMaker, daemon
from local_sagemaker.account_review import AccountReview, jupyter_base
from local_sagemaker.home import Home
from tests.local_sagemaker.core_support import send
from tests.portal_support import ROLE, SENTIMENT, Join

ACCOUNT = "111122223333"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def review(
    local: LocalSageMaker,  # noqa: ARG001  (it plays AWS, and the environment points at it)
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AccountReview]:
    """Return a running review service of the account that the session's server plays."""
    home = tmp_path_factory.mktemp("review") / "home"
    service = AccountReview(ACCOUNT, "us-east-1", home, (".studio.example", "proxy.example"))
    service.start()
    yield service
    service.stop()


def flow(review: AccountReview, bucket: str) -> tuple[str, str]:
    """Make a flow definition of the review service; return its name and ARN."""
    sagemaker, name = review.client("sagemaker"), f"r{uuid.uuid4().hex[:10]}"
    task_ui = sagemaker.create_human_task_ui(
        HumanTaskUiName=name, UiTemplate={"Content": SENTIMENT}
    )
    arn = sagemaker.create_flow_definition(
        FlowDefinitionName=name,
        RoleArn=ROLE,
        HumanLoopConfig={
            "WorkteamArn": sagemaker.list_workteams()["Workteams"][0]["WorkteamArn"],
            "HumanTaskUiArn": task_ui["HumanTaskUiArn"],
            "TaskTitle": name,
            "TaskDescription": "Read it.",
            "TaskCount": 1,
        },
        OutputConfig={"S3OutputPath": f"s3://{bucket}/reviews"},
    )["FlowDefinitionArn"]
    while (
        sagemaker.describe_flow_definition(FlowDefinitionName=name)["FlowDefinitionStatus"]
        == "Initializing"
    ):
        time.sleep(0.05)
    return name, arn


def test_answers_go_to_the_accounts_bucket(
    review: AccountReview, bucket: str, s3: Any, join: Join
) -> None:
    name, arn = flow(review, bucket)
    assert f":{ACCOUNT}:" in arn
    loops = review.client("sagemaker-a2i-runtime")
    loops.start_human_loop(
        HumanLoopName=name,
        FlowDefinitionArn=arn,
        HumanLoopInput={"InputContent": json.dumps({"taskObject": "A film."})},
    )
    link = urlsplit(review.script_link)
    worker = join(None, base=f"{link.scheme}://{link.netloc}/portal/")
    code = link.fragment.removeprefix("code=")
    worker.csrf = worker.post("sign-in", code=code, name="Ada").json()["csrf"]
    job = next(job for job in worker.http.get("./").json()["jobs"] if job["title"] == name)
    task = worker.post("take", job=job["id"]).json()["task"]
    worker.submit(task, {"sentiment": {"label": "Positive"}})
    while (found := loops.describe_human_loop(HumanLoopName=name))[
        "HumanLoopStatus"
    ] == "InProgress":
        time.sleep(0.05)
    assert found["HumanLoopStatus"] == "Completed"
    place = urlsplit(found["HumanLoopOutput"]["OutputS3Uri"])
    assert place.netloc == bucket
    # It is in the account, which knows nothing of the review service's loops.
    output = json.loads(s3.get_object(Bucket=bucket, Key=place.path[1:])["Body"].read())
    assert output["humanAnswers"][0]["answerContent"] == {"sentiment": {"label": "Positive"}}
    assert boto3.client("sagemaker").list_flow_definitions()["FlowDefinitionSummaries"] == [] or (
        name
        not in {
            each["FlowDefinitionName"]
            for each in boto3.client("sagemaker").list_flow_definitions()["FlowDefinitionSummaries"]
        }
    )


def test_everything_else_stays_with_aws(review: AccountReview) -> None:
    before = dict(os.environ)
    review.client("sagemaker")
    assert dict(os.environ) == before
    with pytest.raises(ValueError, match="AWS's own"):
        review.client("s3")


def test_starting_again_finds_the_one_that_runs(review: AccountReview) -> None:
    again = AccountReview(ACCOUNT, "us-east-1", review.home, (".studio.example",)).start()
    assert again.url == review.url
    with pytest.raises(daemon.StartError, match="other settings"):
        AccountReview("999999999999", "us-east-1", review.home).start()
    with pytest.raises(daemon.StartError, match="other settings"):
        AccountReview(ACCOUNT, "us-east-1", review.home, ("else.example",)).start()


def test_only_the_proxys_names_lead_to_the_portal(review: AccountReview) -> None:
    class Place:
        url = review.url

    place: Any = Place()
    for host in ("a.studio.example", "proxy.example", "proxy.example:8443", "localhost:8888"):
        assert (host, send(place, "GET", "/portal/", {"Host": host}).status) == (host, 200)
    for host in ("studio.example", "proxy.example.evil", "evilstudio.example", "x.example"):
        answer = send(place, "GET", "/portal/", {"Host": host, "Accept": "application/json"})
        assert (host, answer.status) == (host, 403)
        assert b"--allow-host" in answer.body
    assert send(place, "GET", "/_local/status", {"Host": "proxy.example"}).status == 403


def test_the_link_goes_through_the_spaces_proxy(review: AccountReview) -> None:
    port = urlsplit(review.url).port
    assert review.portal.startswith(f"{jupyter_base()}proxy/{port}/portal/#code=")


def test_the_command_starts_and_stops_it(local: LocalSageMaker, tmp_path: Path) -> None:
    def command(*arguments: str) -> str:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "local_sagemaker",
                "review",
                "--home",
                str(tmp_path / "r"),
                *arguments,
            ],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | local.environment,
        )
        return done.stdout

    try:
        told = command("--allow-host", "other.example")
        assert f"Human review for account {ACCOUNT} in us-east-1 runs at http://127.0.0.1:" in told
        assert "/portal/#code=" in told
    finally:
        assert "is stopped" in command("--stop")
    assert not Home(tmp_path / "r").running()
