"""Human review in tests: its rooms without HTTP, as a server has them, and workers over HTTP."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from local_sagemaker import LocalSageMaker
from local_sagemaker.database import Database, now
from local_sagemaker.human_review.outputs import Outputs
from local_sagemaker.human_review.presence import Presence
from local_sagemaker.human_review.service import HumanReview, Surroundings
from local_sagemaker.human_review.workers import Worker
from local_sagemaker.human_review.worklist import Assignment
from local_sagemaker.identity import Caller, Identity
from local_sagemaker.jobs.s3_locations import S3Location
from local_sagemaker.protocol import service_model
from local_sagemaker.resources import Resources
from local_sagemaker.s3.objects import Objects
from local_sagemaker.settings import Settings
from local_sagemaker.store import Records
from tests.local_sagemaker.core_support import ACCOUNT, REGION

ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/Reviews"
BUCKET = "answers"
TEMPLATE = """
<script src="https://assets.crowd.aws/crowd-html-elements.js"></script>
<crowd-form>
  <crowd-classifier-multi-select name="category" header="What is it?"
      categories="{{ task.input.labels | to_json | escape }}">
    <classification-target>{{ task.input.taskObject }}</classification-target>
    <full-instructions header="How to">Read it.</full-instructions>
  </crowd-classifier-multi-select>
</crowd-form>
"""
CONTENT = {"taskObject": "It's <b>fine</b>", "labels": ["Positive", "Not clear"]}
ANSWER = {"category": {"labels": ["Positive"]}}


class Review:
    """Human review in a folder.

    Parameters
    ----------
    home
        Where its state is.
    outputs
        Makes the place for answers from the server's own buckets; those themselves if None.
    presence
        How long a page that is not heard of keeps its task.
    """

    def __init__(
        self,
        home: Path,
        outputs: Callable[[Objects], Outputs] | None = None,
        presence: Presence | None = None,
    ) -> None:
        settings = Settings(home=home, port=4747, run_dir=home / "run")
        self.database = Database(home / "state.db")
        identity = Identity(self.database, ACCOUNT)
        resources = Resources(Records(self.database), service_model("sagemaker"))
        self.objects = Objects(self.database, home / "s3")
        self.objects.ensure_bucket(ACCOUNT, REGION, BUCKET)
        around = Surroundings(settings, resources, self.objects, identity)
        self._ahead = 0.0
        self.rooms = HumanReview(
            around, outputs and outputs(self.objects), presence, lambda: now() + self._ahead
        )
        self.rooms.recover()
        self.worklist = self.rooms.worklist
        self.caller = Caller(ACCOUNT, REGION, ROLE, "AROA:me", "ASIA")
        self._handlers = (
            resources.operations() | self.rooms.operations() | self.rooms.runtime_operations()
        )

    def close(self) -> None:
        self.rooms.close()
        self.objects.close()
        self.database.close()

    def clear(self) -> None:
        """Forget all loops and flow definitions, for the next test."""
        with self.database.transaction() as connection:
            connection.execute("DELETE FROM review_loops")
            connection.execute("DELETE FROM review_flows")
            connection.execute("DELETE FROM records WHERE kind = 'FlowDefinition'")

    def pass_time(self, seconds: float) -> None:
        """Set the clock of human review forward."""
        self._ahead += seconds
        self.rooms.look()

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        return self._handlers[operation](self.caller, params)

    def flow(self, task_count: int = 1, **config: Any) -> str:
        """Make an active flow definition with its task UI; return its ARN."""
        name = f"flow-{uuid.uuid4().hex[:8]}"
        content = config.pop("template", TEMPLATE)
        task_ui = self.call(
            "CreateHumanTaskUi", HumanTaskUiName=name, UiTemplate={"Content": content}
        )
        team = self.call("ListWorkteams")["Workteams"][0]
        arn = self.call(
            "CreateFlowDefinition",
            FlowDefinitionName=name,
            RoleArn=ROLE,
            OutputConfig={"S3OutputPath": f"s3://{BUCKET}/reviews/"},
            HumanLoopConfig={
                "WorkteamArn": team["WorkteamArn"],
                "HumanTaskUiArn": task_ui["HumanTaskUiArn"],
                "TaskTitle": "Film reviews",
                "TaskDescription": "Say whether a review is positive.",
                "TaskCount": task_count,
                **config,
            },
        )["FlowDefinitionArn"]
        self.pass_time(1)
        until(lambda: self.flow_status(arn) == "Active")
        return str(arn)

    def flow_status(self, arn: str) -> str:
        name = arn.rpartition("/")[2]
        return str(
            self.call("DescribeFlowDefinition", FlowDefinitionName=name)["FlowDefinitionStatus"]
        )

    def start(self, flow: str, content: Any = None, name: str | None = None) -> str:
        """Start a human loop; return its name."""
        name = name or str(uuid.uuid4())
        text = json.dumps(CONTENT if content is None else content)
        self.call(
            "StartHumanLoop",
            HumanLoopName=name,
            FlowDefinitionArn=flow,
            HumanLoopInput={"InputContent": text},
        )
        return name

    def loop(self, name: str) -> dict[str, Any]:
        return self.call("DescribeHumanLoop", HumanLoopName=name)

    def status(self, name: str) -> str:
        return str(self.loop(name)["HumanLoopStatus"])

    def ended(self, name: str) -> dict[str, Any]:
        """Wait until a loop has ended; return it."""
        until(lambda: self.status(name) not in ("InProgress", "Stopping"))
        return self.loop(name)

    def output(self, name: str) -> Any:
        """Return what ``output.json`` holds, or None where there is none."""
        location = S3Location.parse(self.loop(name)["HumanLoopOutput"]["OutputS3Uri"])
        if not self.objects.exists(ACCOUNT, location.bucket, location.key):
            return None
        with self.objects.open(ACCOUNT, location.bucket, location.key) as stream:
            return json.loads(stream.read())

    def worker(self, name: str = "Ada") -> Worker:
        return self.rooms.workers.join(name)

    def take(self, worker: Worker) -> Assignment:
        """Take a task of the first job, which must have one."""
        jobs = self.worklist.jobs(worker)
        assignment = self.worklist.take(worker, jobs[0].id)
        assert assignment is not None
        return assignment


class Reviewer:
    """A worker who answers over the portal's own pages.

    Parameters
    ----------
    local
        The server.
    name
        The worker's.
    """

    def __init__(self, local: LocalSageMaker, name: str) -> None:
        self._portal = httpx.Client(
            base_url=f"{local.url}/portal/",
            headers={"accept": "application/json"},
            trust_env=False,
            timeout=60,
        )
        code = parse_qs(urlsplit(local.portal_url).fragment)["code"][0]
        self._csrf = self._portal.get("./").json()["csrf"]
        self._csrf = self._post("sign-in", code=code, name=name)["csrf"]

    def __enter__(self) -> "Reviewer":
        return self

    def __exit__(self, *_: object) -> None:
        self._portal.close()

    def answered(self, answer: Callable[[dict[str, Any]], Any]) -> Iterator[str]:
        """Answer all tasks there are; yield each one's loop once that is acknowledged."""
        for job in self._portal.get("./").json()["jobs"]:
            task = self._post("take", job=job["id"])["task"]
            while task is not None:
                loop = task["loop"]
                task = self._post("submit", id=task["id"], answer=json.dumps(answer(task)))["task"]
                yield loop

    def _post(self, page: str, **fields: str) -> dict[str, Any]:
        answer = self._portal.post(page, data={"csrf": self._csrf, **fields})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens by itself."""
    while not condition():
        time.sleep(0.01)
