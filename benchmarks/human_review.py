"""How long an answer takes to be in S3, and whether four people at once lose or double one.

Through the portal's own pages, over HTTP, as a browser uses them. The peer, in the same run, is a
bare `put_object` of the same document: the least that it can cost::

    python benchmarks/human_review.py

First one worker answers loop after loop, and after each answer `output.json` is fetched and the
loop is described until it is Completed. Then several workers answer all loops, each of which
wants two answers, and every output is read.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx

from benchmarks.peers.machine import machine_and_python
from local_sagemaker import LocalSageMaker

BUCKET = "answers"
ROLE = "arn:aws:iam::111122223333:role/LocalSageMakerExecutionRole"
TEMPLATE = """<crowd-form><crowd-classifier name="mood" categories="['Positive', 'Negative']"
header="How is it meant?"><classification-target>{{ task.input.text }}</classification-target>
</crowd-classifier></crowd-form>"""
TASK_COUNT = 2
# Issue bar: seconds from Submit to output.json in S3 and the loop Completed.
BAR = 0.5


class Loops:
    """Human loops of the local user."""

    def __init__(self) -> None:
        self._sagemaker = boto3.client("sagemaker")
        self._loops = boto3.client("sagemaker-a2i-runtime")
        self._s3 = boto3.client("s3")
        self._s3.create_bucket(Bucket=BUCKET)

    def flow(self, task_count: int) -> str:
        """Make an active flow definition; return its ARN."""
        name = f"flow-{task_count}"
        task_ui = self._sagemaker.create_human_task_ui(
            HumanTaskUiName=name, UiTemplate={"Content": TEMPLATE}
        )
        arn = self._sagemaker.create_flow_definition(
            FlowDefinitionName=name,
            RoleArn=ROLE,
            HumanLoopConfig={
                "WorkteamArn": self._sagemaker.list_workteams()["Workteams"][0]["WorkteamArn"],
                "HumanTaskUiArn": task_ui["HumanTaskUiArn"],
                "TaskTitle": name,
                "TaskDescription": "Say how a sentence is meant.",
                "TaskCount": task_count,
            },
            OutputConfig={"S3OutputPath": f"s3://{BUCKET}/{name}"},
        )["FlowDefinitionArn"]
        while self._status(name) != "Active":
            time.sleep(0.05)
        return str(arn)

    def _status(self, name: str) -> str:
        answer = self._sagemaker.describe_flow_definition(FlowDefinitionName=name)
        return str(answer["FlowDefinitionStatus"])

    def start(self, flow: str, text: str) -> str:
        """Start a loop; return its name."""
        name = str(uuid.uuid4())
        self._loops.start_human_loop(
            HumanLoopName=name,
            FlowDefinitionArn=flow,
            HumanLoopInput={"InputContent": json.dumps({"text": text})},
        )
        return name

    def output(self, name: str) -> dict[str, Any]:
        """Return a loop's output once it is Completed."""
        while True:
            loop = self._loops.describe_human_loop(HumanLoopName=name)
            if loop["HumanLoopStatus"] == "Completed":
                break
        bucket, _, key = loop["HumanLoopOutput"]["OutputS3Uri"][5:].partition("/")
        output: dict[str, Any] = json.loads(
            self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        )
        return output

    def put(self, document: bytes) -> None:
        """Write an output as nobody's."""
        self._s3.put_object(Bucket=BUCKET, Key=f"bare/{uuid.uuid4()}", Body=document)


class Reviewer:
    """A worker in the portal."""

    def __init__(self, local: LocalSageMaker, name: str) -> None:
        self._client = httpx.Client(
            base_url=f"{local.url}/portal/",
            headers={"accept": "application/json"},
            trust_env=False,
            timeout=60,
        )
        code = parse_qs(urlsplit(local.portal_url).fragment)["code"][0]
        self._csrf = self._client.get("./").json()["csrf"]
        self._csrf = self._post("sign-in", code=code, name=name)["csrf"]

    def tasks(self, job: str, answer: Callable[[dict[str, Any]], Any]) -> Iterator[str]:
        """Answer all tasks of a job; yield the name of each one's loop when it is answered."""
        jobs = self._client.get("./").json()["jobs"]
        found = [each["id"] for each in jobs if each["title"] == job]
        task = self._post("take", job=found[0])["task"] if found else None
        while task is not None:
            # A person sees the task first.
            self._client.get("frame", params={"id": task["id"]}).raise_for_status()
            given = json.dumps(answer(task))
            loop = task["loop"]
            task = self._post("submit", id=task["id"], answer=given)["task"]
            yield loop

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _post(self, page: str, **fields: str) -> dict[str, Any]:
        answer = self._client.post(page, data={"csrf": self._csrf, **fields})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found


def latencies(local: LocalSageMaker, loops: Loops, count: int) -> tuple[list[float], list[float]]:
    """Return the seconds from Submit to the end of each loop, and of as many bare writes."""
    flow = loops.flow(1)
    for number in range(count):
        loops.start(flow, f"Sentence {number}")
    begun = 0.0

    def answer(task: dict[str, Any]) -> Any:
        nonlocal begun
        begun = time.perf_counter()
        return {"mood": {"label": "Positive"}, "text": task["input"]["text"]}

    seconds, bare = [], []
    reviewer = Reviewer(local, "Ada")
    for loop in reviewer.tasks("flow-1", answer):
        output = loops.output(loop)
        seconds.append(time.perf_counter() - begun)
        document = json.dumps(output).encode()
        before = time.perf_counter()
        loops.put(document)
        bare.append(time.perf_counter() - before)
    reviewer.close()
    if len(seconds) != count:
        raise SystemExit(f"{len(seconds)} of {count} loops were answered")
    return seconds, bare


def crowd(local: LocalSageMaker, loops: Loops, count: int, workers: int) -> float:
    """Have several workers answer all loops; return how many answers a second they gave.

    Raises
    ------
    SystemExit
        When a task was lost, doubled or mixed up.
    """
    flow = loops.flow(TASK_COUNT)
    texts = {
        loops.start(flow, f"Sentence {number}"): f"Sentence {number}" for number in range(count)
    }
    given: Counter[tuple[str, str]] = Counter()
    failures: list[BaseException] = []

    def work(name: str) -> None:
        reviewer = Reviewer(local, name)
        try:
            for loop in reviewer.tasks(
                f"flow-{TASK_COUNT}", lambda task: {"text": task["input"]["text"], "by": name}
            ):
                given[loop, name] += 1
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)
        finally:
            reviewer.close()

    threads = [threading.Thread(target=work, args=(f"Worker {n}",)) for n in range(workers)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    if failures:
        raise SystemExit(f"a worker failed: {failures[0]!r}")
    for loop, text in texts.items():
        answers = [answer["answerContent"] for answer in loops.output(loop)["humanAnswers"]]
        by = sorted(answer["by"] for answer in answers)
        expected = sorted(
            name for (answered, name), n in given.items() if answered == loop if n == 1
        )
        if len(set(by)) != TASK_COUNT or by != expected or {a["text"] for a in answers} != {text}:
            raise SystemExit(f"loop {loop} of {text!r} has the answers {answers}")
    return given.total() / seconds


def row(name: str, seconds: list[float]) -> str:
    """Return a table's row, in milliseconds."""
    ordered = sorted(seconds)
    values = (median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1])
    return f"| {name} | " + " | ".join(f"{1000 * value:.0f}" for value in values) + " |"


def main() -> None:
    """Measure, print a table, and fail when a bar is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--loops", type=int, default=200, help="of several workers; default 200")
    parser.add_argument("--workers", type=int, default=4, help="default 4")
    parser.add_argument("--single", type=int, default=50, help="loops of one worker; default 50")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, LocalSageMaker(Path(home) / "home") as local:
        loops = Loops()
        seconds, bare = latencies(local, loops, asked.single)
        rate = crowd(local, loops, asked.loops, asked.workers)
    print(f"{machine_and_python()}\n")
    print("| milliseconds | median | 95 % | most |\n| --- | ---: | ---: | ---: |")
    print(row("Submit to output.json in S3 and Completed", seconds))
    print(row("peer: put_object of the same document", bare))
    print(
        f"\n{asked.workers} workers at once gave {asked.loops * TASK_COUNT} answers to "
        f"{asked.loops} loops, {rate:.0f} a second: {TASK_COUNT} each, none lost or doubled."
    )
    met = max(seconds) < BAR
    print(f"Bar: under {BAR} s at most: {'met' if met else 'MISSED'} ({max(seconds):.3f} s)")
    if not met:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
