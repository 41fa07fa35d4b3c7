"""Transform jobs and the server's own end: nothing pretends to run on, and no process is left."""

import os
import signal
import time

import psutil
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home
from tests.local_sagemaker.endpoint_support import Deployer
from tests.local_sagemaker.transform_support import LINES, Transformer

pytestmark = pytest.mark.slow

SLOW_AFTER_FIRST = """
    import time

    def model_fn(model_dir): return None

    def transform_fn(model, data, content_type, accept):
        time.sleep(0.0 if data == "first" else 600)
        return data, accept
"""


def under_way(transformer: Transformer) -> str:
    """Start a job that is done with its first object, and not with its second."""
    model = transformer.deployer.model(SLOW_AFTER_FIRST)
    uri = transformer.prefix({"a": b"first", "b": b"first\nsecond"})
    name = transformer.create(model, uri, BatchStrategy="SingleRecord", **LINES)
    while not transformer.outputs(name):
        time.sleep(0.02)
    return name


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_a_job_that_ran_has_failed_and_left_nothing(fresh: LocalSageMaker, *, killed: bool) -> None:
    transformer = Transformer(Deployer(fresh))
    name = under_way(transformer)
    processes = transformer.deployer.processes()
    assert processes
    if killed:
        info = Home(fresh.home).server()
        assert info is not None
        server = psutil.Process(info.pid)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
    else:
        fresh.close()
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive
    fresh.start()
    again = Transformer(transformer.deployer)
    job = again.describe(name)
    assert job["TransformJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "InternalServerError: the local SageMaker was stopped while this job ran"
    )
    assert again.outputs(name) == {"a.out": b"first\n"}
    assert transformer.deployer.processes() == []


def test_jobs_wait_for_a_slot_and_can_be_stopped_there(fresh: LocalSageMaker) -> None:
    transformer = Transformer(Deployer(fresh))
    model = transformer.deployer.model(SLOW_AFTER_FIRST)
    uri = transformer.prefix({"a": b"second"})
    source = {"source": {"ContentType": "text/csv"}}
    running = []
    # More than there are slots, however many that is.
    while not fresh.status()["queue"]["waiting"]:
        running.append(transformer.create(model, uri, **source))
    last = running.pop()
    transformer.sagemaker.stop_transform_job(TransformJobName=last)
    job = transformer.describe(last)
    assert job["TransformJobStatus"] == "Stopped"
    assert "TransformStartTime" not in job
    for name in running:
        transformer.sagemaker.stop_transform_job(TransformJobName=name)
        assert transformer.ended(name)["TransformJobStatus"] == "Stopped"
