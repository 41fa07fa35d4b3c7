import dataclasses
import json
from pathlib import Path

import pytest

from local_sagemaker import LocalSageMaker
from workshop_utils import costs, instances
from workshop_utils.__main__ import main
from workshop_utils.estimates import Item
from workshop_utils.session import Session
from workshop_utils.waits import WAITS


@pytest.fixture
def home(local: LocalSageMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command use the shared server."""
    monkeypatch.setenv("LOCAL_SAGEMAKER_HOME", str(local.home))


@pytest.mark.parametrize("lab", [1, 2, 3])
def test_every_lab_has_an_estimate_with_reasons(ws: Session, lab: int) -> None:
    found = costs.estimate(ws, lab)
    # A lab of an afternoon: more than a cent, less than a lunch, in any case.
    assert 0.01 < found.low < found.high < 40
    assert found.unknown == ()
    assert 5 < found.forgotten_per_day < 20
    words = str(found)
    assert "assumptions" in words
    assert costs.PAGE in words
    assert "0 USD on this machine; on AWS it would be" in words
    assert f"lab {found.lab}" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict()))["usd_low"] == pytest.approx(found.low, abs=1e-4)


def test_a_lab_goes_by_number_and_by_name(ws: Session) -> None:
    assert costs.estimate(ws, 3) == costs.estimate(ws, "sentiment")
    with pytest.raises(ValueError, match=r"no lab 4: the labs are few-shot, zero-shot"):
        costs.estimate(ws, 4)


def _lines(found: costs.Estimate, component: str) -> list[Item]:
    return [item for item in found.items if item.price.component == component]


def test_what_always_has_a_machine_is_not_called_serverless(ws: Session) -> None:
    classifier, model = _lines(costs.estimate(ws, 1), "hosting")
    assert "serverless at the least" in classifier.note
    assert "never serverless" in model.note
    hour = costs.hourly("hosting", instances.CPU, ws.region).usd
    assert hour is not None
    assert (model.low, model.high) == (pytest.approx(hour / 2), pytest.approx(hour * 3))
    assert classifier.low < model.low / 100


def test_a_job_is_given_the_time_that_the_lab_expects_of_it(ws: Session) -> None:
    found = costs.estimate(ws, 2)
    whole, own = _lines(found, "transform")
    hour = costs.hourly("transform", instances.CPU, ws.region).usd
    assert hour is not None
    minutes = WAITS["zero-shot batch"].on_aws / 60
    assert minutes > 10
    assert whole.high == pytest.approx(2 * hour * minutes / 60)
    assert own.high == pytest.approx(hour * 10 / 60)
    # What is said of all jobs must not be wrong of this one.
    assert f"3 to {minutes:.0f} minutes each" in whole.note
    assert "a job 3 to 10 minutes, its start included, unless its line says otherwise" in str(found)
    assert {one.wait for lab in costs.LABS.values() for one in lab if one.wait} <= WAITS.keys()


def test_the_page_about_costs_has_the_sums_of_the_estimates(ws: Session, repository: Path) -> None:
    page = (repository / "docs" / "costs.md").read_text(encoding="utf-8")
    first = " ".join(page.split("\n\n")[1].split())
    found = [costs.estimate(ws, lab) for lab in (1, 2, 3)]
    reviews = sum(item.high for one in found for item in _lines(one, "review"))
    assert f"up to {reviews:.0f} more where Amazon A2I asks people" in first
    assert "at most about four dollars for all three labs" in first
    assert sum(one.high for one in found) - reviews == pytest.approx(4, abs=0.25)
    assert "about five to eleven dollars **a day and lab**" in first
    forgotten = [one.forgotten_per_day for one in found]
    assert 5 <= min(forgotten) < max(forgotten) < 11.5


def test_on_aws_it_is_not_called_free(ws: Session) -> None:
    account = dataclasses.replace(ws, mode="aws", local=None)
    assert "on this machine" not in str(costs.estimate(account, 1))


def test_where_no_price_is_known_the_estimate_says_whose_it_took(ws: Session) -> None:
    far = dataclasses.replace(ws, region="sa-east-1")
    found = costs.estimate(far, 1)
    assert found.approximate
    assert "no prices of sa-east-1 are known here: those of us-east-1" in str(found)


@pytest.mark.usefixtures("home")
def test_the_command_estimates(ws: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["costs", "--estimate", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lab"] == "zero-shot"
    assert main(["costs", "--estimate", "zero-shot"]) == 0
    assert costs.estimate(ws, 2)._sum() in capsys.readouterr().out
    assert main(["costs", "--estimate", "9"]) == 1
    assert "no lab 9" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_the_command_shows_what_is_billing(ws: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["costs", "--json"]) == 0
    bill = json.loads(capsys.readouterr().out)
    assert bill["region"] == ws.region
    assert bill["billed"] is False
    assert main(["costs"]) == 0
    assert "What is billing now" in capsys.readouterr().out
    ws.break_on_purpose("ListTransformJobs", "AccessDeniedException", times=9)
    try:
        assert main(["costs"]) == 3
    finally:
        ws.break_on_purpose("ListTransformJobs", "AccessDeniedException", times=0)
    assert "Not asked: list_transform_jobs" in capsys.readouterr().out
