"""What is billing, read from a real local server."""

import textwrap
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import Deployer
from workshop_utils import costs, estimators
from workshop_utils.session import Session

pytestmark = pytest.mark.slow

SLEEP = "import time; time.sleep(600)"


@pytest.fixture(scope="module")
def deployer(local: LocalSageMaker) -> Iterator[Deployer]:
    deployer = Deployer(local)
    yield deployer
    deployer.clear()


@pytest.fixture(scope="module")
def endpoints(ws: Session, deployer: Deployer) -> dict[str, str]:
    """Return the names of a marked endpoint of two machines, and of somebody else's of one."""
    two = {"ModelName": deployer.model(), "InitialInstanceCount": 2, "InstanceType": "ml.m5.xlarge"}
    names = {"ours": deployer.create(deployer.config(two)), "theirs": deployer.deploy()}
    ours = deployer.settled(names["ours"])
    assert ours["EndpointStatus"] == "InService"
    deployer.sagemaker.add_tags(ResourceArn=ours["EndpointArn"], Tags=ws.tags)
    return names


def _job(ws: Session, script: str, tags: list[dict[str, str]]) -> str:
    name = f"nlp-workshop-cost-{uuid.uuid4().hex[:8]}"
    ws.client("sagemaker").create_processing_job(
        ProcessingJobName=name,
        AppSpecification={
            "ImageUri": estimators.training_image(ws.region, "ml.m5.xlarge"),
            "ContainerEntrypoint": ["python3", "-c", textwrap.dedent(script)],
        },
        ProcessingResources={
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.xlarge",
                "VolumeSizeInGB": 1,
            }
        },
        RoleArn=ws.role,
        Tags=tags,
    )
    return name


def _line(bill: costs.Bill, name: str) -> costs.Charge:
    [found] = [charge for charge in bill.charges if charge.name == name]
    return found


def test_marked_endpoints_are_on_the_bill_and_others_only_on_request(
    ws: Session, endpoints: dict[str, str]
) -> None:
    later = datetime.now(UTC) + timedelta(hours=2)
    bill = costs.running(ws, clock=lambda: later)
    ours = _line(bill, endpoints["ours"])
    assert ours.usd_per_hour == pytest.approx(2 * 0.23)
    assert ours.usd_so_far(later) == pytest.approx(2 * 2 * 0.23, rel=0.1)
    assert endpoints["theirs"] not in str(bill)
    everyone = costs.running(ws, everyone=True)
    assert not _line(everyone, endpoints["theirs"]).ours
    assert everyone.usd_per_hour > bill.usd_per_hour
    assert "on AWS it would be" in str(ws.cost())
    assert bill.problems == ()


def test_a_job_in_progress_is_on_the_bill_until_it_ends(ws: Session) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    name = _job(ws, SLEEP, ws.tags)
    stranger = _job(ws, SLEEP, [])
    sagemaker = ws.client("sagemaker")
    try:
        bill = costs.running(ws)
        assert _line(bill, name).usd_per_hour == pytest.approx(0.23)
        assert stranger not in str(bill)
    finally:
        for one in (name, stranger):
            sagemaker.stop_processing_job(ProcessingJobName=one)
            sagemaker.get_waiter("processing_job_completed_or_stopped").wait(
                ProcessingJobName=one, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )
    assert name not in str(costs.running(ws))
    ended = costs.spent(ws, before)
    line = _line(ended, name)
    assert line.usd_per_hour == 0
    assert line.usd_so_far(ended.now) is not None
    assert stranger not in str(ended)


def test_who_may_not_search_tags_gets_the_same_bill(ws: Session, endpoints: dict[str, str]) -> None:
    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetResources")

    expected = {charge.name for charge in costs.running(ws).charges}
    events = ws.client("resourcegroupstaggingapi").meta.events
    events.register("before-call.*.GetResources", refuse)
    try:
        bill = costs.running(ws)
    finally:
        events.unregister("before-call.*.GetResources", refuse)
    assert {charge.name for charge in bill.charges} == expected
    assert endpoints["ours"] in expected
    assert bill.problems == ()


def test_what_cannot_be_listed_is_a_problem_not_a_failure(
    ws: Session, endpoints: dict[str, str]
) -> None:
    ws.break_on_purpose("ListProcessingJobs", "AccessDeniedException", times=9)
    try:
        bill = costs.running(ws)
    finally:
        ws.break_on_purpose("ListProcessingJobs", "AccessDeniedException", times=0)
    assert any("list_processing_jobs" in problem for problem in bill.problems)
    assert endpoints["ours"] in str(bill)
    assert "Not asked" in bill._repr_html_()
