"""What a lab has started on its local SageMaker, to compare with what its estimate declares."""

from collections import Counter
from pathlib import Path

import boto3

from local_sagemaker import LocalSageMaker
from local_sagemaker.request_log.reader import last_lines
from workshop_utils import costs


def started(home: Path) -> dict[str, int]:
    """Return how many jobs there are of each kind, and how many endpoints were made."""
    with LocalSageMaker(home=home) as local:
        environment = local.environment
        client = boto3.client(
            "sagemaker",
            endpoint_url=local.url,
            region_name=environment["AWS_DEFAULT_REGION"],
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environment["AWS_SESSION_TOKEN"],
        )
        counts = {
            kind: sum(
                len(page[f"{kind.capitalize()}JobSummaries"])
                for page in client.get_paginator(f"list_{kind}_jobs").paginate()
            )
            for kind in ("training", "processing", "transform")
        }
    # Endpoints are deleted at a lab's end, but not the log of requests.
    made = last_lines(
        home,
        None,
        lambda line: line.get("operation") == "CreateEndpoint" and line.get("status") == 200,
    )
    return {**counts, "hosting": len(made)}


def check_estimate(lab: str, counts: dict[str, int]) -> None:
    """Check that a lab's estimate names what was started, when every cell ran twice.

    A cell that is run again may start its job again, or find what it started before.
    """
    declared: Counter[str] = Counter()
    for one in costs.LABS[lab]:
        declared[one.component] += one.count[1]
    declared.pop("review", None)
    assert {kind for kind, count in counts.items() if count} == declared.keys()
    for kind, count in declared.items():
        assert count <= counts[kind] <= 2 * count, (kind, counts)
