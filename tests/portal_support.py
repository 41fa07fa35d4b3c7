"""What the portal's tests share: work for people, and a worker who does it over plain HTTP."""

import json
import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx

from local_sagemaker import LocalSageMaker

ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
SENTIMENT = """
<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <crowd-classifier name="sentiment" categories="['Positive', 'Negative', 'Not clear']"
      header="What does the reviewer think of the film?">
    <classification-target>{{ task.input.taskObject }}</classification-target>
    <full-instructions header="How to decide"><p>Would they see it again?</p></full-instructions>
    <short-instructions>Judge what is meant, not single words.</short-instructions>
  </crowd-classifier>
</crowd-form>
"""
JSON = {"accept": "application/json"}


def client(service: str) -> Any:
    """Return a client of the server that the environment points at."""
    return _client(service, os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_ACCESS_KEY_ID"])


@cache
def _client(service: str, *_: str) -> Any:
    return boto3.client(service)


@dataclass
class Work:
    """A flow definition and its loops."""

    name: str
    title: str
    arn: str
    loops: list[str] = field(default_factory=list)

    def add(self, content: Any) -> str:
        """Start one more loop; return its name."""
        loop = f"{self.name}-{len(self.loops)}"
        client("sagemaker-a2i-runtime").start_human_loop(
            HumanLoopName=loop,
            FlowDefinitionArn=self.arn,
            HumanLoopInput={"InputContent": json.dumps(content)},
        )
        self.loops.append(loop)
        return loop

    def described(self, number: int = 0) -> dict[str, Any]:
        """Return a loop's description."""
        found: dict[str, Any] = client("sagemaker-a2i-runtime").describe_human_loop(
            HumanLoopName=self.loops[number]
        )
        return found

    def output(self, number: int = 0) -> dict[str, Any]:
        """Return the output of a loop, waiting until it is there."""
        while (described := self.described(number))["HumanLoopStatus"] == "InProgress":
            time.sleep(0.02)
        place = urlsplit(described["HumanLoopOutput"]["OutputS3Uri"])
        body = client("s3").get_object(Bucket=place.netloc, Key=place.path[1:])["Body"]
        content: dict[str, Any] = json.loads(body.read())
        return content

    def answers(self, number: int = 0) -> list[dict[str, Any]]:
        """Return the answers of a loop."""
        return [answer["answerContent"] for answer in self.output(number)["humanAnswers"]]


def work(
    template: str = SENTIMENT,
    contents: Sequence[Any] = ({"taskObject": "A film."},),
    *,
    count: int = 1,
    limit: int = 3600,
    title: str = "",
    description: str = "Read a film review.",
) -> Work:
    """Make work for people on the running server."""
    name = f"w{uuid.uuid4().hex[:12]}"
    sagemaker, s3 = client("sagemaker"), client("s3")
    s3.create_bucket(Bucket=f"out-{name}")
    task_ui = sagemaker.create_human_task_ui(
        HumanTaskUiName=name, UiTemplate={"Content": template}
    )["HumanTaskUiArn"]
    team = sagemaker.list_workteams(SortOrder="Descending")["Workteams"][0]["WorkteamArn"]
    title = title or f"Film reviews {name}"
    arn = sagemaker.create_flow_definition(
        FlowDefinitionName=name,
        RoleArn=ROLE,
        HumanLoopConfig={
            "WorkteamArn": team,
            "HumanTaskUiArn": task_ui,
            "TaskTitle": title,
            "TaskDescription": description,
            "TaskCount": count,
            "TaskTimeLimitInSeconds": limit,
        },
        OutputConfig={"S3OutputPath": f"s3://out-{name}/reviews"},
    )["FlowDefinitionArn"]
    while (
        sagemaker.describe_flow_definition(FlowDefinitionName=name)["FlowDefinitionStatus"]
        != "Active"
    ):
        time.sleep(0.02)
    made = Work(name, title, arn)
    for content in contents:
        made.add(content)
    return made


def code_of(local: LocalSageMaker) -> str:
    """Return the portal's access code, out of the link that the server gives."""
    return parse_qs(urlsplit(local.portal_url).fragment)["code"][0]


class Reviewer:
    """A worker in a browser without a screen: the portal's pages over HTTP."""

    def __init__(self, local: LocalSageMaker | None, name: str = "", base: str = "") -> None:
        if local is not None:
            base = f"{local.url}/portal/"
        self.http = httpx.Client(base_url=base, headers=JSON, trust_env=False, timeout=60)
        self.csrf = self.http.get("./").json()["csrf"]
        if name and local is not None:
            answer = self.post("sign-in", code=code_of(local), name=name)
            assert answer.status_code == 200, answer.text
            self.csrf = answer.json()["csrf"]

    def close(self) -> None:
        """Let go of the connection; the worker stays signed in."""
        self.http.close()

    def post(self, page: str, headers: dict[str, str] | None = None, **fields: str) -> Any:
        """Post a form, with the token unless the fields hold another one."""
        return self.http.post(page, data={"csrf": self.csrf} | fields, headers=headers)

    def job(self, of: Work) -> dict[str, Any] | None:
        """Return a job of the list, or None."""
        jobs = self.http.get("./").json()["jobs"]
        return next((job for job in jobs if job["title"] == of.title), None)

    def take(self, of: Work) -> Any:
        """Take a task of a job; None when nothing is left."""
        job = self.job(of)
        return None if job is None else self.post("take", job=job["id"]).json()["task"]

    def submit(self, task: dict[str, Any], answer: Any) -> Any:
        """Answer a task; return the next one, or None."""
        done = self.post("submit", id=task["id"], answer=json.dumps(answer))
        assert done.status_code == 200, done.text
        return done.json()["task"]


class Join(Protocol):
    """Signs workers in, until the test ends."""

    def __call__(self, local: LocalSageMaker | None, name: str = "", base: str = "") -> Reviewer:
        """Return a worker of this name, or a visitor if there is none."""
