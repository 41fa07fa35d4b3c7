"""One human loop, as a value.

It must not know how loops change or where they are kept.
"""

import sqlite3
from dataclasses import dataclass

from local_sagemaker.human_review.answers import output_key
from local_sagemaker.human_review.flows import Flow
from local_sagemaker.human_review.tables import LOOP_COMPLETED, LOOP_FAILED, LOOP_STOPPED
from local_sagemaker.jobs.s3_locations import S3Location

# FailureCode, in botocore's model.
EXPIRED_CODE, VALIDATION_CODE, INTERNAL_CODE = "Expired", "ValidationError", "InternalError"


@dataclass(frozen=True)
class Loop:
    """One human loop; moments are in seconds since the epoch."""

    number: int
    account: str
    region: str
    name: str
    flow: Flow
    created: float
    status: str
    failure_code: str | None
    failure_reason: str | None

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:sagemaker:{self.region}:{self.account}:human-loop/{self.name}"

    @property
    def output(self) -> S3Location:
        """Where its answers lie once it is completed."""
        return self.flow.output.below(output_key(self.flow.name, self.name, self.created))

    @property
    def ended(self) -> bool:
        """Whether nothing happens to it any more."""
        return self.status in (LOOP_COMPLETED, LOOP_FAILED, LOOP_STOPPED)


@dataclass(frozen=True)
class Failure:
    """Why a loop has failed as soon as it was started."""

    code: str
    reason: str


def loop_of(row: sqlite3.Row, flow: Flow) -> Loop:
    """Return the loop that a row of ``review_loop_heads`` holds."""
    return Loop(
        row["number"],
        row["account"],
        row["region"],
        row["name"],
        flow,
        row["created"],
        row["status"],
        row["failure_code"],
        row["failure_reason"],
    )
