"""Batch transform jobs: start one, follow it to its end.

It knows jobs and where their files lie; it must not know what is in the files.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from botocore.exceptions import ClientError

from workshop_utils import display, instances
from workshop_utils.job_log import TRANSFORM_LOG_GROUP, JobLog
from workshop_utils.session import Session

Records = Literal["one", "many"]
"""What the container gets in a request: ``one`` line as JSON, which every container understands, or
``many`` lines as JSON Lines, which costs less where the container reads them."""

_CONTENT_TYPES = {"one": "application/json", "many": "application/jsonlines"}
_STRATEGIES = {"one": "SingleRecord", "many": "MultiRecord"}
PAYLOAD_MB = {"one": 6, "many": 1}
"""The largest request, in MB: six is what the service takes unless told otherwise; one is some
hundred rows, which a model answers long before the ten minutes that the service waits."""
# "ClientError: ..." is what the service says of a request that the container answered with 4xx.
_REFUSAL = re.compile(r"ClientError|client error|\b4\d\d\b")
# A line of the data log, as the service writes it: "bucket/key: Message: what the container said".
_MESSAGE = re.compile(r"/(?P<file>[^/\s:]+): Message: (?P<message>.+)", re.DOTALL)
_SLOWEST_POLL = 10.0
_LINE_EVERY = 2.0


class BatchFailed(Exception):
    """A transform job ended without all of its output; the message has the reason it gave."""


@dataclass(frozen=True)
class Job:
    """What a transform job is to do.

    Attributes
    ----------
    name, key
        Parts of its name: what it is for, and by what a running one is found again.
    model
        The name of a SageMaker model.
    source, target
        S3 prefixes: every object below the one becomes an object ``.out`` below the other.
    records
        What the container gets at a time.
    instance_type, instance_count, concurrency
        What it runs on, and how many requests each instance gets at once (None: one, or what the
        container asks for).
    kms_key
        Encrypts the output and the instances' disks; None: S3's own key.
    """

    name: str
    key: str
    model: str
    source: str
    target: str
    records: Records
    instance_type: str
    instance_count: int
    concurrency: int | None
    kms_key: str | None

    def request(self, name: str, tags: list[dict[str, str]]) -> dict[str, Any]:
        """Return the request of CreateTransformJob."""
        content_type = _CONTENT_TYPES[self.records]
        output = {"S3OutputPath": self.target, "Accept": content_type, "AssembleWith": "Line"}
        machines: dict[str, Any] = {
            "InstanceType": self.instance_type,
            "InstanceCount": self.instance_count,
        }
        if self.kms_key:
            output["KmsKeyId"] = self.kms_key
            machines["VolumeKmsKeyId"] = self.kms_key
        source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": self.source}}
        wanted = {"MaxConcurrentTransforms": self.concurrency} if self.concurrency else {}
        return {
            "TransformJobName": name,
            "ModelName": self.model,
            "BatchStrategy": _STRATEGIES[self.records],
            "MaxPayloadInMB": PAYLOAD_MB[self.records],
            "TransformInput": {
                "DataSource": source,
                "ContentType": content_type,
                "SplitType": "Line",
            },
            "TransformOutput": output,
            "TransformResources": machines,
            "Tags": tags,
            **wanted,
        }


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes
    ----------
    name, status
        Its name, and ``Completed``, ``Failed`` or ``Stopped``.
    reason
        Why it did not complete; empty if it did.
    """

    name: str
    status: str
    reason: str

    @property
    def refused(self) -> bool:
        """Whether the model was there and refused a request, so that others may be answered."""
        return self.status == "Failed" and bool(_REFUSAL.search(self.reason))


def start(session: Session, job: Job) -> str:
    """Start a job, or find the one of this key that runs already; return its name at once.

    Parameters
    ----------
    session
        Where it runs.
    job
        What to do.

    Raises
    ------
    BatchFailed
        When the job is refused, with the reason and what to do.
    QuotaTooLow
        When the account may not start the machines.
    """
    client = session.client("sagemaker")
    name = latest(session, job.key, "InProgress")
    if name is not None:
        print(f"Transform job {name} runs already")
        return name
    instances.require(session, job.instance_type, "transform job", job.instance_count)
    name = session.name(f"{job.key}-{job.name}")
    try:
        client.create_transform_job(**job.request(name, session.tags))
    except ClientError as error:
        raise BatchFailed(f"The transform job was refused: {error}") from error
    print(f"Transform job {name}")
    return name


def follow(
    session: Session, name: str, progress: Callable[[], str], expected: float | None = None
) -> Ended:
    """Show how far a job is until it has ended; interrupting this does not stop the job.

    Parameters
    ----------
    session
        Where it runs.
    name
        From `start`.
    progress
        Says how far the output is; asked again and again.
    expected
        About how many seconds it takes, to be shown beside those that have passed.
    """
    client = session.client("sagemaker")
    live = display.Live()
    told, pause, shown = 0.0, 0.25, ""
    while True:
        state: dict[str, Any] = client.describe_transform_job(TransformJobName=name)
        status = str(state["TransformJobStatus"])
        over = status not in ("InProgress", "Stopping")
        # Since it was started, which may be long before anybody waits.
        end = state.get("TransformEndTime", datetime.now(UTC)) if over else datetime.now(UTC)
        waited = (end - state["CreationTime"]).total_seconds()
        live.show(display.elapsed("Since the start", waited, expected, over=over), ())
        now = time.monotonic()
        if over or now - told > _LINE_EVERY or not shown:
            line = f"  [{status}] {progress()}"
            if line != shown:
                print(f"{line} after {waited:.0f} s")
                shown, told = line, now
        if over:
            return Ended(name, status, str(state.get("FailureReason", "")))
        # Quick at first for jobs of seconds, then as slow as AWS likes to be asked.
        time.sleep(pause)
        pause = min(pause * 1.2, _SLOWEST_POLL)


def messages(session: Session, name: str) -> dict[str, str]:
    """Return why the model refused a file, by the file's name, as the job's data log has it."""
    said = {}
    for line in JobLog(session, name, TRANSFORM_LOG_GROUP).new():
        found = _MESSAGE.search(line)
        if found is not None:
            said[found["file"]] = found["message"].strip()
    return said


def latest(session: Session, key: str, status: str) -> str | None:
    """Return the name of the newest job of a key that has a status, or None."""
    found = session.client("sagemaker").list_transform_jobs(
        NameContains=key, StatusEquals=status, SortBy="CreationTime", SortOrder="Descending"
    )
    names = [str(item["TransformJobName"]) for item in found["TransformJobSummaries"]]
    return names[0] if names else None
