import dataclasses
from pathlib import Path

import pytest

from workshop_utils import cost_plots, costs
from workshop_utils.savings import spot_share
from workshop_utils.session import Session


def test_serverless_and_a_machine_cost_the_same_at_the_break_even(ws: Session) -> None:
    found = costs.savings(ws, requests=60, milliseconds=100, memory_mb=2048)
    # 2 GB for a tenth of a second at 0.00002 USD a GB-second, against 0.23 USD an hour.
    assert found.request == pytest.approx(0.1 * 2 * 0.00002)
    assert found.break_even == pytest.approx(0.23 / 0.000004)
    assert found.on_machine == pytest.approx(8 * 0.23)
    assert found.serverless < found.on_machine / 1000
    assert "57,500 requests an hour: more than one machine answers" in str(found)


def test_slow_answers_make_the_machine_cheaper_sooner(ws: Session) -> None:
    found = costs.savings(ws, requests=60, milliseconds=2000, memory_mb=6144)
    assert found.break_even < found.capacity
    assert "with fewer, serverless is cheaper" in found._repr_html_()


def test_a_spot_jobs_saving_is_what_the_service_billed(ws: Session) -> None:
    job = {
        "EnableManagedSpotTraining": True,
        "TrainingTimeInSeconds": 400,
        "BillableTimeInSeconds": 100,
    }
    assert spot_share(job) == pytest.approx(0.75)
    assert spot_share({**job, "EnableManagedSpotTraining": False}) is None
    found = costs.savings(ws, requests=1, milliseconds=1, spot_job=job)
    assert "saved 75% of this job's time" in str(found)


def test_what_was_not_measured_is_called_so(ws: Session) -> None:
    found = costs.savings(ws, requests=1, milliseconds=1, pool_minutes=60)
    assert "not measured here; AWS says up to 90%" in str(found)
    assert "waiting and not money; 60 idle minutes cost 0.23 USD" in str(found)


def test_nothing_is_compared_without_a_price(ws: Session) -> None:
    with pytest.raises(costs.NoPrice, match=r"ml\.x99\.huge in us-east-1: price not known"):
        costs.savings(ws, requests=1, milliseconds=1, instance_type="ml.x99.huge")
    with pytest.raises(ValueError, match="requests is 0"):
        costs.savings(ws, requests=0, milliseconds=1)
    far = costs.savings(dataclasses.replace(ws, region="sa-east-1"), requests=1, milliseconds=1)
    assert "us-east-1, as a rough guide" in str(far)


def test_the_break_even_is_drawn(ws: Session, tmp_path: Path) -> None:
    figure = cost_plots.break_even(costs.savings(ws, requests=60, milliseconds=100))
    figure.savefig(tmp_path / "picture.png")
    said = [text.get_text() for text in figure.axes[0].texts]
    assert any("cost the same" in text for text in said)
    assert any("60 requests" in text for text in said)
