from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workshop_utils import step_table

NOW = datetime.now(UTC)
JOB = "arn:aws:sagemaker:us-east-1:111122223333:training-job/pipelines-abc-Train-xyz"


def _step(**changes: Any) -> dict[str, Any]:
    return {
        "StepName": "Train",
        "StepStatus": "Succeeded",
        "StartTime": NOW - timedelta(seconds=30),
        "EndTime": NOW - timedelta(seconds=10),
        "AttemptCount": 3,
        "Metadata": {"TrainingJob": {"Arn": JOB}},
        **changes,
    }


def test_a_step_is_read() -> None:
    step = step_table.read(_step())
    assert (step.name, step.kind, step.status) == ("Train", "TrainingJob", "Succeeded")
    assert (step.attempts, step.seconds) == (3, 20)
    assert step.job == step.note == "pipelines-abc-Train-xyz"


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"StepStatus": "Failed", "FailureReason": "out of luck"}, "out of luck"),
        ({"CacheHitResult": {"SourcePipelineExecutionArn": "x"}}, "taken from an earlier"),
        ({"Metadata": {"Condition": {"Outcome": "False"}}}, "the condition is false"),
        ({"Metadata": {"RegisterModel": {"Arn": "arn:x:model-package/g/7"}}}, "version 7"),
        (
            {"Metadata": {}, "StepStatus": "Executing", "EndTime": None},
            "was refused, waits for its next",
        ),
        ({"Metadata": None, "StepStatus": "Starting", "AttemptCount": 0}, ""),
    ],
)
def test_its_note_says_what_matters(changes: dict[str, Any], note: str) -> None:
    assert step_table.read(_step(**changes)).note.startswith(note)


def test_what_a_step_says_cannot_become_html() -> None:
    bad = step_table.read(_step(StepStatus="Failed", FailureReason="<script>alert(1)</script>"))
    page = step_table.html_card("<b>title", [bad])
    assert "<script>" not in page
    assert "<b>title" not in page
    assert "&lt;script&gt;" in page


def test_lines_and_table_have_every_step() -> None:
    steps = [step_table.read(_step()), step_table.read(_step(StepName="Next", AttemptCount=1))]
    first, second = step_table.lines(steps)
    assert "[Succeeded] Train (attempt 3)" in first
    assert "attempt" not in second
    assert list(step_table.frame(steps)["step"]) == ["Train", "Next"]
