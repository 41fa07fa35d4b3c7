"""How long serverless endpoints have computed, which is what they are billed by.

It asks CloudWatch for many endpoints in one request; it must not know prices.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from workshop_utils.session import Session

_NAMESPACE = "AWS/SageMaker"
_DAY = 24 * 3600
# As many queries as one GetMetricData takes.
_QUERIES = 500


def computed_seconds(
    session: Session, endpoints: Mapping[str, tuple[Sequence[str], datetime]], now: datetime
) -> dict[str, float]:
    """Return the sum of ``ModelLatency`` by endpoint, in seconds.

    What is billed is the time that requests are processed, to the millisecond; ``ModelLatency`` is
    the model's part of it, so the bill may be a little higher.

    Parameters
    ----------
    session
        Whose account and region.
    endpoints
        For each name, its variants and when it was made.
    now
        With a time zone.
    """
    if not endpoints:
        return {}
    names = [(name, variant) for name, (variants, _) in endpoints.items() for variant in variants]
    began = min(made for _, made in endpoints.values())
    totals = dict.fromkeys(endpoints, 0.0)
    pages = session.client("cloudwatch").get_paginator("get_metric_data")
    for start in range(0, len(names), _QUERIES):
        some = names[start : start + _QUERIES]
        queries = [_query(number, *pair, began, now) for number, pair in enumerate(some)]
        for page in pages.paginate(
            MetricDataQueries=queries,
            StartTime=began.replace(second=0, microsecond=0),
            EndTime=now + timedelta(minutes=1),
        ):
            for result in page["MetricDataResults"]:
                name, _ = some[int(result["Id"].removeprefix("q"))]
                totals[name] += math.fsum(result["Values"]) / 1_000_000
    return totals


def _query(
    number: int, endpoint: str, variant: str, began: datetime, now: datetime
) -> dict[str, Any]:
    # Minutes for a day; CloudWatch keeps them for 15, and so many points would fill pages.
    period = 60 if now - began < timedelta(seconds=_DAY) else 3600
    return {
        "Id": f"q{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": _NAMESPACE,
                "MetricName": "ModelLatency",
                "Dimensions": [
                    {"Name": "EndpointName", "Value": endpoint},
                    {"Name": "VariantName", "Value": variant},
                ],
            },
            "Period": period,
            "Stat": "Sum",
        },
        "ReturnData": True,
    }
