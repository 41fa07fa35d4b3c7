"""An endpoint that is made and updated from the registry, on a real local server."""

import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from workshop_utils import deployments, model_registry
from workshop_utils.endpoints import Endpoint, EndpointFailed
from workshop_utils.hosting import inference_image
from workshop_utils.model_registry import ModelVersion
from workshop_utils.session import Session
from workshop_utils.traffic import Traffic

pytestmark = pytest.mark.slow

GROUP = "test-deployments"
SCRIPT = """
import json

def model_fn(folder):
    {start}

def predict_fn(data, model):
    return [{{"label": "version {number}", "score": {score}}} for _ in data["inputs"]]
"""
WAITING = """
    import os, time
    while not os.path.exists({gate!r}):
        time.sleep(0.01)
    return 1
"""


def _register(ws: Session, number: int, start: str = "return 1") -> ModelVersion:
    script = SCRIPT.format(number=number, score=number / 10, start=start).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("code/inference.py")
        member.size = len(script)
        archive.addfile(member, io.BytesIO(script))
    container = {
        "Image": inference_image(ws.region, "ml.m5.xlarge"),
        "ModelDataUrl": ws.upload(packed.getvalue(), "deploy", str(number), "model.tar.gz"),
        "Environment": {"SAGEMAKER_PROGRAM": "inference.py"},
    }
    made = ws.client("sagemaker").create_model_package(
        ModelPackageGroupName=GROUP,
        ModelApprovalStatus="PendingManualApproval",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )
    return model_registry.version(ws, made["ModelPackageArn"])


@pytest.fixture
def group(ws: Session) -> Iterator[str]:
    ws.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    yield GROUP
    deployments.withdraw(Endpoint(ws, "nlp-workshop-deployed"))
    model_registry.delete(ws, GROUP)


def test_only_what_is_approved_is_deployed(ws: Session, group: str) -> None:
    assert group == GROUP
    with pytest.raises(EndpointFailed, match="only what somebody has approved"):
        deployments.start(_register(ws, 1), "deployed").wait()


def test_an_update_drops_no_request_and_leaves_nothing_old(ws: Session, group: str) -> None:
    first = _register(ws, 1).decide("Approved", "first")
    endpoint = deployments.start(first, "deployed").wait()
    assert deployments.served_version(endpoint) == first.arn
    assert endpoint.predict(["x"]) == [{"label": "version 1", "score": 0.1}]
    second = _register(ws, 2).decide("Approved", "second")
    assert model_registry.latest_approved(ws, group).number == 2
    with Traffic(endpoint, ["x", "y"], pause=0.01) as traffic:
        traffic.go_on(0.5)
        deployment = deployments.start(second, "deployed")
        assert "Updating" in deployment._repr_html_()
        assert deployments.start(second, "deployed") == deployment
        deployment.wait(1.0)
        traffic.go_on(0.5)
    report = traffic.report
    assert list(report.failed["error"]) == []
    assert set(report.frame["label"]) == {"version 1", "version 2"}
    assert report.frame["label"].iloc[-1] == "version 2"
    assert report.frame["at"].is_monotonic_increasing
    client = ws.client("sagemaker")
    names = {"NameContains": "nlp-workshop-deployed"}
    assert len(client.list_endpoint_configs(**names)["EndpointConfigs"]) == 1
    assert len(client.list_models(**names)["Models"]) == 1


def test_the_same_version_again_changes_nothing(
    ws: Session, group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert group == GROUP
    version = _register(ws, 1).decide("Approved", "")
    endpoint = deployments.start(version, "deployed").wait()
    made = ws.client("sagemaker").describe_endpoint(EndpointName=endpoint.name)
    deployments.start(version, "deployed").wait()
    assert "has version 1 already" in capsys.readouterr().out
    again = ws.client("sagemaker").describe_endpoint(EndpointName=endpoint.name)
    assert made["LastModifiedTime"] == again["LastModifiedTime"]


def test_a_version_that_does_not_come_up_leaves_the_old_one_serving(
    ws: Session, group: str
) -> None:
    assert group == GROUP
    good = _register(ws, 1).decide("Approved", "")
    endpoint = deployments.start(good, "deployed").wait()
    bad = _register(ws, 2, "raise RuntimeError('no such weights')").decide("Approved", "")
    with pytest.raises(EndpointFailed, match="The old one serves"):
        deployments.start(bad, "deployed").wait()
    assert endpoint.predict(["x"])[0]["label"] == "version 1"
    assert deployments.served_version(endpoint) == good.arn


def test_an_endpoint_that_was_deleted_meanwhile_is_told_and_leaves_nothing(
    ws: Session, group: str
) -> None:
    assert group == GROUP
    version = _register(ws, 1).decide("Approved", "")
    deployment = deployments.start(version, "deployed")
    deployment.wait()
    deployment.endpoint.withdraw()
    with pytest.raises(EndpointFailed, match="no endpoint nlp-workshop-deployed any more"):
        deployment.wait()
    client = ws.client("sagemaker")
    names = {"NameContains": "nlp-workshop-deployed"}
    assert not client.list_endpoint_configs(**names)["EndpointConfigs"]
    assert not client.list_models(**names)["Models"]


def test_a_first_version_comes_up_while_nobody_waits(
    ws: Session, group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert group == GROUP
    slow = _register(ws, 1, "import time; time.sleep(2); return 1").decide("Approved", "")
    deployment = deployments.start(slow, "deployed")
    assert deployment.endpoint.status() == "Creating"
    assert deployments.start(slow, "deployed") == deployment
    assert "is coming up already" in capsys.readouterr().out
    assert deployment.wait().predict(["x"])[0]["label"] == "version 1"


def test_an_update_goes_on_while_nobody_waits(
    ws: Session, group: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert group == GROUP
    first = _register(ws, 1).decide("Approved", "")
    endpoint = deployments.start(first, "deployed").wait()
    gate = tmp_path / "gate"
    slow = _register(ws, 2, WAITING.format(gate=str(gate))).decide("Approved", "")
    deployment = deployments.start(slow, "deployed")
    capsys.readouterr()
    assert deployments.start(slow, "deployed") == deployment
    assert endpoint.status() == "Updating"
    said = f"Version 2 is coming up already on endpoint {endpoint.name}\n"
    assert capsys.readouterr().out == said
    gate.touch()
    assert deployment.wait().predict(["x"])[0]["label"] == "version 2"


def test_traffic_ends_by_itself(ws: Session) -> None:
    traffic = Traffic(Endpoint(ws, "nobody"), ["x"], callers=1, at_most=0.3).start()
    traffic.join()
    asked = len(traffic.report.frame)
    assert asked > 0
    assert len(traffic.stop().report.frame) == asked


def test_traffic_that_nobody_holds_ends(ws: Session) -> None:
    names = {"traffic-0", "traffic-1"}
    traffic = Traffic(Endpoint(ws, "nobody"), ["x"]).start()
    callers = [thread for thread in threading.enumerate() if thread.name in names]
    assert len(callers) == 2
    traffic.go_on(0.1)
    del traffic
    for caller in callers:
        caller.join(60)
        assert not caller.is_alive()


def test_failed_requests_are_reported_and_not_raised(ws: Session) -> None:
    with Traffic(Endpoint(ws, "nobody"), ["x"], callers=1) as traffic:
        traffic.go_on(0.2)
    assert "nobody" in traffic.report.failed["error"].iloc[0]
    assert "Failed" in traffic.report._repr_html_()
