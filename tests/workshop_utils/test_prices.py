import re
from pathlib import Path

import pytest

from workshop_utils import costs, instances
from workshop_utils.prices import _SAME_RATE


def test_every_price_says_where_and_when_it_was_read() -> None:
    table = costs.everything()
    assert len(table) > 20
    for price in table:
        assert price.usd is not None
        assert 0 < price.usd < 10, price
        assert price.source, price
        assert price.url.startswith("https://"), price
        assert re.fullmatch(r"20\d\d(-\d\d(-\d\d)?)?", price.as_of), price


def test_no_price_is_there_twice() -> None:
    keys = [(p.region, p.component, p.instance_type) for p in costs.everything()]
    # A second row would replace the first silently: the file has as many rows as the table.
    text = Path(costs.__file__).with_name("prices.json").read_text(encoding="utf-8")
    assert text.count('"component"') == len(keys)


@pytest.mark.parametrize("instance_type", [instances.CPU, instances.GPU, "ml.g5.2xlarge"])
@pytest.mark.parametrize("component", ["hosting", "training", "processing", "transform"])
def test_what_the_labs_start_has_a_price_in_the_home_region(
    component: str, instance_type: str
) -> None:
    price = costs.hourly(component, instance_type, "us-east-1")
    assert price.usd_per_hour is not None
    assert "as of 20" in str(price)
    assert costs.PAGE in str(price)


def test_a_price_of_another_use_says_so() -> None:
    assert "price for hosting" in costs.hourly("training", "ml.m5.xlarge", "us-east-1").note
    assert costs.hourly("training", "ml.m5.xlarge", "eu-west-1").note == ""


def test_an_unknown_region_has_no_price_but_an_order_of_magnitude() -> None:
    price = costs.hourly("hosting", "ml.m5.xlarge", "ap-southeast-7")
    assert price.usd_per_hour is None
    assert price.elsewhere == price.roughly == 0.23
    assert "not known" in str(price)
    assert "in us-east-1" in str(price)


def test_an_unknown_machine_has_no_price_at_all() -> None:
    price = costs.hourly("hosting", "ml.x99.huge", "us-east-1")
    assert price.usd_per_hour is None
    assert price.roughly is None
    assert "ml.x99.huge in us-east-1: price not known" in str(price)


def test_what_is_not_billed_by_the_hour_has_no_hourly_price() -> None:
    for component in ("serverless", "review", "logs"):
        price = costs.rate(component, "us-east-1")
        assert price.usd is not None
        assert price.usd_per_hour is None
    with pytest.raises(ValueError, match="is one of hosting"):
        costs.hourly("serverless", "", "us-east-1")
    with pytest.raises(ValueError, match="in the price table"):
        costs.rate("moon", "us-east-1")
    assert "serverless" not in _SAME_RATE
