"""Processing jobs and the server's own end: nothing pretends to run on, and no process is left."""

import os
import signal

import psutil
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home
from tests.local_sagemaker.processing_support import Processing

pytestmark = pytest.mark.slow

WAITS = """
    import os, time
    print(os.getpid(), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_a_job_that_ran_has_failed_and_left_nothing(fresh: LocalSageMaker, *, killed: bool) -> None:
    jobs = Processing(fresh)
    name = jobs.python(WAITS)
    jobs.wait_for_line(name, "")
    (line,) = jobs.lines(name)
    process = psutil.Process(int(line))
    if killed:
        info = Home(fresh.home).server()
        assert info is not None
        server = psutil.Process(info.pid)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
    else:
        fresh.close()
    _, alive = psutil.wait_procs([process], timeout=30)
    assert not alive
    fresh.start()
    job = jobs.describe(name)
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        "InternalServerError: the local SageMaker was stopped while this job ran"
    )
    assert "ProcessingEndTime" in job
