"""What ``status`` tells: as JSON with keys that stay, and as a card for people."""

import json
import subprocess
import sys
import time
import uuid
from typing import Any

import boto3
import psutil
import pytest

from local_sagemaker import LocalSageMaker, __version__
from local_sagemaker.commands.status import WIDTH, age, card, size
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.training_support import Jobs

KEYS = {
    "url",
    "home",
    "pid",
    "version",
    "account",
    "region",
    "started",
    "uptime",
    "memory",
    "queue",
    "jobs",
    "endpoints",
    "faults",
    "requests",
    "review",
}
ITEM = {"kind", "name", "status", "created", "account", "region"}


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = (item for item in items if item["name"] == name)
    return found


class TestJson:
    def test_of_the_server(self, local: LocalSageMaker) -> None:
        state = local.status()
        assert set(state) == KEYS
        assert state["url"] == local.url
        assert state["home"] == str(local.home)
        assert state["version"] == __version__
        assert psutil.Process(state["pid"]).create_time() <= state["started"] <= time.time()
        assert state["uptime"] > 0
        assert set(state["memory"]) == {"server", "containers"}
        assert state["memory"]["server"] > 10_000_000

    def test_of_jobs(self, local: LocalSageMaker) -> None:
        jobs = Jobs(local)
        slots = local.status()["queue"]["slots"]
        names = [jobs.command("sleep", "600") for _ in range(slots + 2)]
        try:
            state = local.status()
            assert state["queue"] == {"slots": slots, "running": slots, "waiting": 2}
            for name in names:
                job = named(state["jobs"], name)
                assert set(job) == ITEM
                assert (job["kind"], job["status"]) == ("TrainingJob", "InProgress")
        finally:
            for name in reversed(names):
                jobs.sagemaker.stop_training_job(TrainingJobName=name)
            for name in names:
                jobs.wait(name)
        assert named(local.status()["jobs"], names[0])["status"] == "Stopped"

    def test_of_endpoints(self, local: LocalSageMaker, deployer: Deployer) -> None:
        name = deployer.deploy()
        for _ in range(3):
            deployer.runtime.invoke_endpoint(EndpointName=name, Body=b"x")
        endpoint = named(local.status()["endpoints"], name)
        assert set(endpoint) == ITEM | {"config", "variants"}
        (variant,) = endpoint["variants"]
        assert variant["invocations"] == 3
        assert (variant["errors_4xx"], variant["errors_5xx"]) == (0, 0)
        assert variant["latency_ms"]["p50"] > 0
        assert variant["processes"] == variant["processes_wanted"] == 1
        assert local.status()["memory"]["containers"] > 1_000_000
        shown = card(local.status())
        assert name in shown
        assert "1/1 up, 3 requests, 0 4xx, 0 5xx, p50" in shown

    def test_of_requests_and_faults(self, local: LocalSageMaker) -> None:
        def count() -> dict[str, Any]:
            rows = local.status()["requests"]
            found = [row for row in rows if row["operation"] == "ListEdgeDeploymentPlans"]
            return found[0] if found else {"count": 0, "errors": 0}

        before = count()
        client = boto3.client("sagemaker")
        with local.faults.add("ListEdgeDeploymentPlans", "ServiceUnavailable", times=1) as fault:
            (shown,) = local.status()["faults"]
            assert (shown["id"], shown["struck"]) == (fault.id, 0)
            client.list_edge_deployment_plans()
        after = count()
        assert after["service"] == "sagemaker"
        assert after["count"] - before["count"] == 2
        assert after["errors"] - before["errors"] == 1
        assert 0 < after["p50_ms"] <= after["p95_ms"]
        assert local.status()["faults"] == []


def example() -> dict[str, Any]:
    now = 1_700_000_000.0
    item = {"status": "Completed", "account": "111122223333", "region": "us-east-1"}
    jobs = [
        {"kind": "TrainingJob", "name": f"job-{n}", "created": now - 3600 * n, **item}
        for n in range(14)
    ]
    variant = {
        "variant": "AllTraffic",
        "serverless": False,
        "processes": 1,
        "processes_wanted": 2,
        "invocations": 1234,
        "errors_4xx": 2,
        "errors_5xx": 1,
        "latency_ms": {"p50": 1.25, "p95": 4.5},
        "trouble": "the process ended with exit code 1 " + "x" * 200,
    }
    endpoint = item | {"kind": "Endpoint", "name": "e" * 63, "created": now, "variants": [variant]}
    fault = {
        "id": "f1",
        "service": "sagemaker",
        "operation": "CreateTrainingJob",
        "error": "ResourceLimitExceeded",
        "latency": 2.0,
        "after": True,
        "instance_type": "ml.g5.xlarge",
        "account": "444455556666",
        "probability": 0.5,
        "times": 2,
        "struck": 1,
    }
    requests = [
        {
            "service": "sagemaker",
            "operation": f"Operation{number}",
            "count": 100 - number,
            "errors": number,
            "p50_ms": 1.0,
            "p95_ms": 2.0,
        }
        for number in range(12)
    ]
    return {
        "url": "http://127.0.0.1:22222",
        "home": "/a/" + "very/" * 30 + "deep/home",
        "pid": 4711,
        "version": "1.2.3",
        "account": "111122223333",
        "region": "us-east-1",
        "uptime": 93_784.0,
        "memory": {"server": 77_000_000, "containers": 1_520_000_000},
        "queue": {"slots": 2, "running": 2, "waiting": 3},
        "jobs": jobs,
        "endpoints": [endpoint],
        "faults": [fault],
        "requests": requests,
        "review": {"url": "http://127.0.0.1:1/portal/#code=a-b", "available": 3, "held": 1},
    }


def test_the_card() -> None:
    state = example()
    lines = card(state, now=1_700_000_000.0).splitlines()
    assert lines[0] == "Local SageMaker 1.2.3 at http://127.0.0.1:22222 (process 4711)"
    # To be copied, and so whole.
    assert lines[1] == f"  home     {state['home']}"
    assert lines[2:6] == [
        "  account  111122223333, us-east-1",
        "  up       1 d 2 h",
        "  memory   77 MB, jobs and endpoints 1.5 GB",
        "Jobs: 14 (2 of 2 slots in use, 3 waiting)",
    ]
    assert lines[6].split() == ["Completed", "job-0", "0", "s", "ago"]
    assert lines[7].split() == ["Completed", "job-1", "1", "h", "ago"]
    text = "\n".join(lines)
    assert "and 4 older ones" in text
    assert "Review: 3 tasks wait, 1 in hand" in lines
    assert "  portal   http://127.0.0.1:1/portal/#code=a-b" in lines
    assert "1/2 up, 1234 requests, 2 4xx, 1 5xx, p50 1.2 ms, p95 4.5 ms" in text
    assert "Faults set on purpose: 1" in text
    assert "Requests: 1134, 66 failed" in text
    assert "and 4 more operations" in text
    assert max(len(line) for line in lines if not line.startswith("  home")) <= WIDTH


def test_the_card_of_one_that_has_done_nothing() -> None:
    state = example() | {"jobs": [], "endpoints": [], "faults": [], "requests": []}
    state["queue"] = {"slots": 2, "running": 0, "waiting": 0}
    assert card(state).splitlines()[5:] == [
        "Jobs: none (0 of 2 slots in use, 0 waiting)",
        "Endpoints: none",
        "Review: 3 tasks wait, 1 in hand",
        "  portal   http://127.0.0.1:1/portal/#code=a-b",
        "Requests: none",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (86_400 * 3 + 3600, "3 d 1 h"),
    ],
)
def test_ages(seconds: float, words: str) -> None:
    assert age(seconds) == words


def test_sizes() -> None:
    assert [size(1_400_000), size(999_000_000), size(2_340_000_000)] == ["1 MB", "999 MB", "2.3 GB"]


def test_on_the_command_line(local: LocalSageMaker) -> None:
    boto3.client("sagemaker").create_experiment(ExperimentName=f"e-{uuid.uuid4().hex}")
    command = [sys.executable, "-m", "local_sagemaker", "status", "--home", str(local.home)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    state = json.loads(done.stdout)
    assert set(state) == KEYS | {"running"}
    assert "CreateExperiment" in [row["operation"] for row in state["requests"]]
    # The card shows the most asked only, and the server is asked by other tests too.
    most = state["requests"][0]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Local SageMaker {__version__} at {local.url} (process ")
    assert f"{most['service']} {most['operation']}" in done.stdout
