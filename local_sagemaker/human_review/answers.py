"""``output.json``: what people answered to one human loop, and where it lies.

Source: "Amazon A2I Output Data" in the SageMaker developer guide, and outputs that AWS wrote. It
must not know where the answers are kept nor how they get to S3.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One worker's answer; ``accepted`` and ``submitted`` are in seconds since the epoch."""

    content: Any
    accepted: float
    submitted: float
    spent: float
    worker_id: str
    sub: str


def output_key(flow: str, loop: str, created: float) -> str:
    """Return the key of a loop's output below the flow definition's output path.

    Parameters
    ----------
    flow, loop
        Their names.
    created
        When the loop was started, in seconds since the epoch.
    """
    return f"{flow}/{datetime.fromtimestamp(created, UTC):%Y/%m/%d/%H/%M/%S}/{loop}/output.json"


def output_document(
    flow_arn: str, loop: str, content: Any, answers: Sequence[Answer], issuer: str
) -> bytes:
    """Return the bytes of ``output.json``, the same for the same answers.

    Parameters
    ----------
    flow_arn, loop
        The ARN of the flow definition and the name of the loop.
    content
        The loop's input.
    answers
        In the order in which they were given.
    issuer
        Who vouches for the workers: the URL of the portal.
    """
    document = {
        "flowDefinitionArn": flow_arn,
        "humanAnswers": [_human_answer(answer, issuer) for answer in answers],
        "humanLoopName": loop,
        "inputContent": content,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _human_answer(answer: Answer, issuer: str) -> dict[str, Any]:
    return {
        "acceptanceTime": _moment(answer.accepted),
        "answerContent": answer.content,
        "submissionTime": _moment(answer.submitted),
        "timeSpentInSeconds": round(answer.spent, 3),
        "workerId": answer.worker_id,
        "workerMetadata": {
            # Not Cognito, and it says so: the portal itself has signed the worker in.
            "identityData": {
                "identityProviderType": "Oidc",
                "issuer": issuer,
                "sub": answer.sub,
            }
        },
    }


def _moment(seconds: float) -> str:
    moment = datetime.fromtimestamp(round(seconds, 3), UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
