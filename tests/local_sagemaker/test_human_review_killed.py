"""Servers that are killed in the middle of a review: what was acknowledged is there, once."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import psutil
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.control import StartError
from local_sagemaker.home import Home
from tests.local_sagemaker.human_review_support import (
    ANSWER,
    CONTENT,
    ROLE,
    TEMPLATE,
    Review,
    Reviewer,
    until,
)

pytestmark = pytest.mark.slow

# Another distribution's package `tests` would win over ours, which has no `__init__`.
OURS = """
import sys, types
tests = sys.modules["tests"] = types.ModuleType("tests")
tests.__path__ = [sys.argv[2]]
"""
# Ends between the commit of the last answer and the writing of the output.
HANGING = """
import sys, time
from pathlib import Path
from tests.local_sagemaker.human_review_support import ANSWER, Review

class Hanging:
    def check(self, owner, location): pass
    def read_access(self, owner, location, seconds): raise NotImplementedError
    def put(self, owner, location, data, kms_key):
        print(name, flush=True)
        time.sleep(600)

review = Review(Path(sys.argv[1]), lambda _: Hanging())
name = review.start(review.flow())
ada = review.worker()
review.worklist.submit(ada, review.take(ada).id, ANSWER)
"""
# Four workers, each of whom says which loop's answer was acknowledged.
BUSY = """
import os, sys, threading
from pathlib import Path
from tests.local_sagemaker.human_review_support import ANSWER, Review

def say(*words):
    # At once: lines of several threads must not mix.
    os.write(1, (" ".join(words) + "\\n").encode())

review = Review(Path(sys.argv[1]))
flow = review.flow(2)
for number in range(60):
    say("started", review.start(flow, {"taskObject": number}))

def work(name):
    worker = review.worker(name)
    while jobs := review.worklist.jobs(worker):
        assignment = review.worklist.take(worker, jobs[0].id)
        if assignment is not None:
            review.worklist.submit(worker, assignment.id, {"by": name})
            say("answered", assignment.loop_name, name)

for name in "Ada Bob Eve Dan".split():
    threading.Thread(target=work, args=(name,)).start()
"""


@pytest.fixture
def killed(tmp_path: Path, repository: Path) -> Iterator["Killed"]:
    killed = Killed(tmp_path, repository)
    yield killed
    killed.end()


class Killed:
    """A process that is killed, and what it said before."""

    def __init__(self, home: Path, repository: Path) -> None:
        self.home = home
        self._repository = repository
        self._process: subprocess.Popen[str] | None = None

    def run(self, code: str, lines: int) -> list[str]:
        """Run code until it has said so many lines; return all that it said."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", OURS + code, str(self.home), str(self._repository / "tests")],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(self._repository)},
        )
        assert self._process.stdout is not None
        said = [self._process.stdout.readline().strip() for _ in range(lines)]
        self._process.send_signal(signal.SIGKILL)
        said += [line.strip() for line in self._process.stdout if line.endswith("\n")]
        return said

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def test_an_output_that_was_not_written_yet_is_written_at_the_next_start(killed: Killed) -> None:
    (name,) = killed.run(HANGING, 1)
    review = Review(killed.home)
    try:
        until(lambda: review.status(name) == "Completed")
        (answer,) = review.output(name)["humanAnswers"]
        assert answer["answerContent"] == ANSWER
    finally:
        review.close()


@pytest.mark.parametrize("answers", [1, 37, 90])
def test_no_task_is_lost_or_doubled(killed: Killed, answers: int) -> None:
    said = [line.split() for line in killed.run(BUSY, 60 + answers)]
    names = [words[1] for words in said if words[0] == "started"]
    acknowledged = Counter((words[1], words[2]) for words in said if words[0] == "answered")
    assert len(names) == 60
    review = Review(killed.home)
    try:
        for worker in map(review.worker, ("Ada", "Bob", "Eve", "Dan")):
            while jobs := review.worklist.jobs(worker):
                assignment = review.worklist.take(worker, jobs[0].id)
                if assignment is None:
                    break
                review.worklist.submit(worker, assignment.id, {"by": worker.name})
        until(lambda: all(review.status(name) == "Completed" for name in names))
        given = Counter(
            (name, answer["answerContent"]["by"])
            for name in names
            for answer in review.output(name)["humanAnswers"]
        )
        assert Counter(name for name, _ in given.elements()) == dict.fromkeys(names, 2)
        assert set(given.values()) == {1}
        assert acknowledged - given == Counter()
    finally:
        review.close()


@pytest.mark.parametrize("answers", [5, 50])
def test_a_whole_server_may_be_killed_under_four_workers(
    fresh: LocalSageMaker, answers: int
) -> None:
    """Each of whom signs in again and goes on; what was acknowledged is not asked again."""
    names = _started(40)
    acknowledged: Counter[tuple[str, str]] = Counter()

    def work(worker: str, *ends: type[Exception]) -> None:
        with contextlib.suppress(*ends), Reviewer(fresh, worker) as reviewer:
            for loop in reviewer.answered(lambda _: {"by": worker}):
                acknowledged[loop, worker] += 1

    def all_work(*ends: type[Exception]) -> list[threading.Thread]:
        workers = ["Ada", "Bob", "Eve", "Dan"]
        threads = [threading.Thread(target=work, args=(name, *ends)) for name in workers]
        for thread in threads:
            thread.start()
        return threads

    # The server ends under them, of the slowest before they are signed in.
    threads = all_work(httpx.TransportError, StartError)
    until(lambda: acknowledged.total() >= answers)
    info = Home(fresh.home).server()
    assert info is not None
    server = psutil.Process(info.pid)
    children = server.children(recursive=True)
    assert children
    server.kill()
    assert psutil.wait_procs(children)[1] == []
    for thread in threads:
        thread.join()
    server.wait()
    before = acknowledged.total()
    assert answers <= before < 80
    fresh.start()
    for thread in all_work():
        thread.join()
    a2i, s3 = boto3.client("sagemaker-a2i-runtime"), boto3.client("s3")
    given: Counter[tuple[str, str]] = Counter()
    for name in names:
        loop = a2i.describe_human_loop(HumanLoopName=name)
        assert loop["HumanLoopStatus"] == "Completed"
        bucket, _, key = loop["HumanLoopOutput"]["OutputS3Uri"][5:].partition("/")
        output = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        given.update((name, answer["answerContent"]["by"]) for answer in output["humanAnswers"])
    assert Counter(name for name, _ in given.elements()) == dict.fromkeys(names, 2)
    assert set(given.values()) == {1}
    assert acknowledged - given == Counter()


def _started(count: int) -> list[str]:
    """Start human loops that two workers answer each; return their names."""
    sagemaker, a2i = boto3.client("sagemaker"), boto3.client("sagemaker-a2i-runtime")
    boto3.client("s3").create_bucket(Bucket="answers")
    task_ui = sagemaker.create_human_task_ui(
        HumanTaskUiName="films", UiTemplate={"Content": TEMPLATE}
    )
    flow = sagemaker.create_flow_definition(
        FlowDefinitionName="films",
        RoleArn=ROLE,
        HumanLoopConfig={
            "WorkteamArn": sagemaker.list_workteams()["Workteams"][0]["WorkteamArn"],
            "HumanTaskUiArn": task_ui["HumanTaskUiArn"],
            "TaskTitle": "Film reviews",
            "TaskDescription": "Say whether a review is positive.",
            "TaskCount": 2,
        },
        OutputConfig={"S3OutputPath": "s3://answers"},
    )["FlowDefinitionArn"]
    until(
        lambda: (
            sagemaker.describe_flow_definition(FlowDefinitionName="films")["FlowDefinitionStatus"]
            == "Active"
        )
    )
    names = [f"review-{number}" for number in range(count)]
    for name in names:
        a2i.start_human_loop(
            HumanLoopName=name,
            FlowDefinitionArn=flow,
            HumanLoopInput={"InputContent": json.dumps(CONTENT)},
        )
    return names
