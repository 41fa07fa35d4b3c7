"""Endpoints outlive the server: stopped or killed, it brings them back and leaves no process."""

import os
import signal
import threading
import time

import psutil
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.home import Home, ServerInfo
from tests.local_sagemaker.endpoint_support import Deployer, answering

pytestmark = pytest.mark.slow


def _info(local: LocalSageMaker) -> ServerInfo:
    info = Home(local.home).server()
    assert info is not None
    return info


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_endpoints_come_back_after_the_server(fresh: LocalSageMaker, *, killed: bool) -> None:
    deployer = Deployer(fresh)
    name = deployer.deploy(answering("back"))
    failed = deployer.create(deployer.config({"ModelName": deployer.model("raise OSError")}))
    assert deployer.settled(failed)["EndpointStatus"] == "Failed"
    before = deployer.processes()
    assert len(before) == 1
    if killed:
        server = psutil.Process(_info(fresh).pid)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        _, alive = psutil.wait_procs(before, timeout=30)
        assert not alive
    fresh.close()
    assert deployer.processes() == []
    fresh.start()
    # A request that comes while the endpoint is being started waits for it.
    assert deployer.invoke(name)["Body"] == "back"
    assert deployer.settled(name)["EndpointStatus"] == "InService"
    assert deployer.describe(failed)["EndpointStatus"] == "Failed"
    assert len(deployer.processes()) == 1


def test_a_deletion_that_was_under_way_is_finished(fresh: LocalSageMaker) -> None:
    deployer = Deployer(fresh)
    name = deployer.deploy(
        """
        import time
        def model_fn(d): pass
        def transform_fn(m, d, c, a): time.sleep(600)
        """
    )
    lost: list[BaseException] = []

    def ask() -> None:
        try:
            deployer.invoke(name)
        except Exception as error:  # noqa: BLE001  (of whatever kind: the server goes away)
            lost.append(error)

    # The process may answer the request it has before it ends, so the deletion takes a while.
    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.5)
    deployer.sagemaker.delete_endpoint(EndpointName=name)
    assert deployer.describe(name)["EndpointStatus"] == "Deleting"
    fresh.close()
    thread.join()
    assert len(lost) == 1
    assert deployer.processes() == []
    fresh.start()
    while deployer.sagemaker.list_endpoints()["Endpoints"]:
        time.sleep(0.05)


@pytest.mark.parametrize("works", [True, False], ids=["good", "bad"])
def test_an_update_that_was_acknowledged_is_finished(fresh: LocalSageMaker, *, works: bool) -> None:
    deployer = Deployer(fresh)
    name = deployer.deploy(answering("old"))
    slow = "import time; time.sleep(3)\n"
    code = answering("new") if works else "def model_fn(d): raise OSError('no such weights')"
    config = deployer.config({"ModelName": deployer.model(slow + code)})
    before = deployer.describe(name)["EndpointConfigName"]
    deployer.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
    server = psutil.Process(_info(fresh).pid)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    fresh.start()
    settled = deployer.settled(name)
    assert settled["EndpointStatus"] == "InService"
    assert deployer.invoke(name)["Body"] == ("new" if works else "old")
    assert settled["EndpointConfigName"] == (config if works else before)
    assert ("no such weights" in settled.get("FailureReason", "")) is not works
    assert len(deployer.processes()) == 1
