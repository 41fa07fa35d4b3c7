"""The steps of a pipeline execution: read from the API, and as a card, a table or lines.

It must not ask for them.
"""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pandas as pd

_COLOURS = {
    "Succeeded": "#2a7d4f",
    "Failed": "#b3261e",
    "Executing": "#1f5fbf",
    "Starting": "#1f5fbf",
    "Stopping": "#8a6100",
    "Stopped": "#8a6100",
}
_CELL = "text-align:left;vertical-align:top;padding:4px 12px 4px 0"
_COLUMNS = ("Step", "What", "Status", "Attempts", "Time", "Note")


@dataclass(frozen=True)
class StepState:
    """A step of an execution.

    Attributes
    ----------
    name, kind
        Its name, and which key its metadata has: ``TrainingJob``, ``Condition``...; empty as long
        as there is none.
    arn, outcome
        Of what it made, or of what it came to: ``True`` for a condition; both empty otherwise.
    status, attempts
        As the service says.
    seconds
        From its start to its end, or until now.
    reason
        Why it failed; empty if it did not.
    cached
        Whether its result is that of an earlier execution.
    """

    name: str
    kind: str
    arn: str
    outcome: str
    status: str
    attempts: int
    seconds: float
    reason: str
    cached: bool

    @property
    def job(self) -> str | None:
        """The name of its job, if it has one."""
        return self.arn.rsplit("/", 1)[-1] if self.kind.endswith("Job") else None

    @property
    def note(self) -> str:
        """What a reader wants to know beside the status."""
        if self.reason:
            return self.reason
        if self.cached:
            return "taken from an earlier execution"
        if self.kind == "Condition":
            return f"the condition is {self.outcome.lower()}"
        if self.kind == "RegisterModel":
            return f"version {self.arn.rsplit('/', 1)[-1]}"
        if self.status == "Executing" and not self.arn and self.attempts:
            return "was refused, waits for its next attempt"
        return self.job or ""


def read(step: Mapping[str, Any]) -> StepState:
    """Return a step of ListPipelineExecutionSteps."""
    metadata = step.get("Metadata") or {}
    kind = next(iter(metadata), "")
    about = metadata.get(kind) or {}
    started: datetime | None = step.get("StartTime")
    ended: datetime = step.get("EndTime") or datetime.now(UTC)
    return StepState(
        name=str(step["StepName"]),
        kind=kind,
        arn=str(about.get("Arn", "")),
        outcome=str(about.get("Outcome", "")),
        status=str(step["StepStatus"]),
        attempts=int(step.get("AttemptCount", 0)),
        seconds=max((ended - started).total_seconds(), 0.0) if started else 0.0,
        reason=str(step.get("FailureReason") or ""),
        cached="CacheHitResult" in step,
    )


def frame(steps: Sequence[StepState]) -> pd.DataFrame:
    """Return a table: ``step, what, status, attempts, seconds, note``."""
    rows = [(s.name, s.kind, s.status, s.attempts, round(s.seconds, 1), s.note) for s in steps]
    columns = ["step", "what", "status", "attempts", "seconds", "note"]
    return pd.DataFrame(rows, columns=columns)


def lines(steps: Sequence[StepState]) -> list[str]:
    """Return a line for each step, without what changes all the time."""
    return [f"  [{s.status}] {s.name}{_attempt(s)} {s.note}".rstrip() for s in steps]


def html_card(title: str, steps: Sequence[StepState]) -> str:
    """Return the steps as an HTML table."""
    head = "".join(f"<th style='{_CELL}'>{name}</th>" for name in _COLUMNS)
    body = "".join(_row(step) for step in steps)
    caption = (
        f"<caption style='text-align:left;caption-side:top'><b>{html.escape(title)}</b></caption>"
    )
    return f"<table style='border-collapse:collapse'>{caption}<tr>{head}</tr>{body}</table>"


def _row(step: StepState) -> str:
    colour = _COLOURS.get(step.status, "inherit")
    status = f"<span style='color:{colour};font-weight:600'>{html.escape(step.status)}</span>"
    cells = (
        f"<b>{html.escape(step.name)}</b>",
        html.escape(step.kind),
        status,
        str(step.attempts) if step.attempts else "",
        f"{step.seconds:.0f} s",
        f"<span style='overflow-wrap:anywhere'>{html.escape(step.note)}</span>",
    )
    return "<tr>" + "".join(f"<td style='{_CELL}'>{cell}</td>" for cell in cells) + "</tr>"


def _attempt(step: StepState) -> str:
    return f" (attempt {step.attempts})" if step.attempts > 1 else ""
