"""From AWS-shaped descriptions to lines and sums, with a clock that stands still."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workshop_utils import charges
from workshop_utils.bill import Bill, Charge

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
REGION = "us-east-1"


def _endpoint(hours: float, status: str = "InService", **variant: Any) -> dict[str, Any]:
    return {
        "EndpointName": "nlp-workshop-x",
        "EndpointStatus": status,
        "CreationTime": NOW - timedelta(hours=hours),
        "ProductionVariants": [{"VariantName": "AllTraffic", **variant}],
    }


def _config(**variant: Any) -> dict[str, Any]:
    return {"ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "m", **variant}]}


def _bill(*lines: Charge, **more: Any) -> Bill:
    return Bill("What is billing now", REGION, NOW, tuple(lines), **more)


def test_an_endpoint_costs_its_present_machines_since_it_was_made() -> None:
    config = _config(InstanceType="ml.m5.xlarge", InitialInstanceCount=1)
    [line] = charges.of_endpoint(_endpoint(10, CurrentInstanceCount=3), config, REGION)
    assert line.usd_per_hour == pytest.approx(3 * 0.23)
    assert line.usd_so_far(NOW) == pytest.approx(10 * 3 * 0.23)
    shown = str(_bill(line))
    assert "3 x ml.m5.xlarge" in shown
    assert "0.69 USD an hour" in shown
    assert "6.90 USD so far" in shown
    assert "since 2026-11-29 02:00 UTC (10 h)" in shown


def test_shadow_variants_cost_as_much_as_others() -> None:
    variant = {"VariantName": "s", "InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 2}
    config = _config(InstanceType="ml.m5.xlarge", InitialInstanceCount=1)
    config["ShadowProductionVariants"] = [variant]
    lines = list(charges.of_endpoint(_endpoint(1, "Creating"), config, REGION))
    assert sum(line.usd_per_hour or 0 for line in lines) == pytest.approx(3 * 0.23)
    assert lines[0].note == "coming up"


@pytest.mark.parametrize("status", ["Failed", "Deleting"])
def test_an_endpoint_without_machines_costs_nothing(status: str) -> None:
    config = _config(InstanceType="ml.m5.xlarge", InitialInstanceCount=1)
    assert list(charges.of_endpoint(_endpoint(1, status), config, REGION)) == []


def test_a_serverless_endpoint_costs_what_it_computed() -> None:
    config = _config(ServerlessConfig={"MemorySizeInMB": 3072, "MaxConcurrency": 1})
    [unknown] = charges.of_endpoint(_endpoint(100), config, REGION)
    assert unknown.usd_per_hour == 0
    assert unknown.usd_so_far(NOW) is None
    assert "not known" in str(_bill(unknown))
    [line] = charges.of_endpoint(_endpoint(100), config, REGION, seconds=1000.0)
    # The price list: 0.00006 USD for a second of 3 GB.
    assert line.usd_so_far(NOW) == pytest.approx(1000 * 0.00006)
    assert "nothing while nobody asks" in str(_bill(line))


def _training(**more: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": "job",
        "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 2},
        "TrainingStartTime": NOW - timedelta(minutes=30),
        **more,
    }


def test_a_running_job_costs_until_now_and_an_ended_one_what_is_billed() -> None:
    [line] = charges.of_training_job(_training(), REGION)
    assert line.usd_so_far(NOW) == pytest.approx(0.5 * 2 * 0.7364)
    ended = _training(
        TrainingEndTime=NOW, BillableTimeInSeconds=360, EnableManagedSpotTraining=True
    )
    [line] = charges.of_training_job(ended, REGION)
    assert line.usd_per_hour == 0
    assert line.usd_so_far(NOW) == pytest.approx(0.1 * 2 * 0.7364)


def test_a_job_that_waits_for_machines_has_cost_nothing_yet() -> None:
    waiting = _training()
    del waiting["TrainingStartTime"]
    [line] = charges.of_training_job(waiting, REGION)
    assert line.usd_so_far(NOW) == 0
    assert line.note == "waiting for machines"


def test_a_job_that_never_got_machines_has_cost_nothing() -> None:
    failed = _training(TrainingEndTime=NOW)
    del failed["TrainingStartTime"]
    [line] = charges.of_training_job(failed, REGION)
    assert line.usd_so_far(NOW) == 0
    assert line.usd_per_hour == 0


def test_a_warm_pool_bills_after_the_job() -> None:
    kept = _training(
        TrainingEndTime=NOW - timedelta(minutes=6),
        BillableTimeInSeconds=60,
        WarmPoolStatus={"Status": "Available"},
    )
    kept["ResourceConfig"]["KeepAlivePeriodInSeconds"] = 1800
    job, pool = charges.of_training_job(kept, REGION)
    assert job.usd_per_hour == 0
    assert pool.kind == "warm pool"
    assert pool.usd_so_far(NOW) == pytest.approx(0.1 * 2 * 0.7364)
    assert "30 min" in pool.note


def test_groups_of_machines_have_a_line_each() -> None:
    group = {"InstanceGroupName": "g", "InstanceType": "ml.m5.xlarge", "InstanceCount": 1}
    job = _training(ResourceConfig={"InstanceGroups": [group, {**group, "InstanceCount": 3}]})
    lines = list(charges.of_training_job(job, REGION))
    assert [line.units_per_hour for line in lines] == [1, 3]


def test_a_studio_app_is_on_the_bill_but_not_the_workshops() -> None:
    app = {
        "AppType": "JupyterLab",
        "SpaceName": "ada",
        "CreationTime": NOW - timedelta(hours=2),
        "ResourceSpec": {"InstanceType": "ml.t3.medium"},
    }
    [line] = charges.of_studio_app(app, REGION)
    assert line.usd_so_far(NOW) == pytest.approx(0.1)
    assert "not the workshop's" in str(_bill(line))
    assert list(charges.of_studio_app({**app, "ResourceSpec": {}}, REGION)) == []


def test_sums_say_what_they_lack() -> None:
    config = _config(InstanceType="ml.x99.huge", InitialInstanceCount=1)
    [unknown] = charges.of_endpoint(_endpoint(1), config, REGION)
    bill = _bill(unknown)
    assert bill.unknown == (unknown,)
    assert "1 lines are not known" in bill.sums
    assert bill.to_dict()["charges"][0]["usd_per_hour"] is None


def test_another_regions_price_is_called_an_order_of_magnitude() -> None:
    config = _config(InstanceType="ml.m5.xlarge", InitialInstanceCount=1)
    [line] = charges.of_endpoint(_endpoint(1), config, "sa-east-1")
    assert line.approximate
    assert "~0.23 USD an hour" in str(_bill(line))
    assert "those of us-east-1" in str(_bill(line))


def test_a_machine_of_ones_own_bills_nothing() -> None:
    config = _config(InstanceType="ml.m5.xlarge", InitialInstanceCount=1)
    [line] = charges.of_endpoint(_endpoint(1), config, REGION)
    here = _bill(line, billed=False)
    assert "nothing is billed on this machine; on AWS it would be 0.23 USD" in str(here)
    assert "on AWS it would be" in here._repr_html_()
    assert str(_bill()) == "What is billing now: nothing"


def test_names_cannot_break_the_card() -> None:
    endpoint = _endpoint(1) | {"EndpointName": "<script>alert(1)</script>"}
    config = _config(InstanceType="ml.m5.xlarge", InitialInstanceCount=1)
    page = _bill(*charges.of_endpoint(endpoint, config, REGION))._repr_html_()
    assert "<script>" not in page
