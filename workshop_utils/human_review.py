"""Human review: set it up, ask people about texts, wait for their answers.

It speaks A2I's API, to whichever service `review_service` has chosen; it must not know what the
answers are for.
"""

import hashlib
import json
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from workshop_utils import display, review_service
from workshop_utils.answers import NOT_CLEAR
from workshop_utils.review_service import ReviewService
from workshop_utils.session import PREFIX, Session

TEMPLATE = Path(__file__).with_name("review_template.html")
LABELS = ("Positive", "Negative", NOT_CLEAR)
_TITLE = "Film reviews: did the writer like it?"
_DESCRIPTION = "Read a short film review and say whether its writer liked the film, all in all."
_ENDED = ("Completed", "Failed", "Stopped")
# Somebody else may have the name already; what is ours is found by it.
_TAKEN = ("ResourceInUse", "ValidationException")
_NO_SUCH = ("ResourceNotFound", "ResourceNotFoundException")
_STILL_STOPPING = "ValidationException"
_DAYS = 24 * 60 * 60


class ReviewFailed(Exception):
    """People cannot be asked, or their answers not be had; the message says why."""


@dataclass(frozen=True)
class Review:
    """A kind of task that people get: its page, its team and where its answers go.

    Attributes
    ----------
    service
        Who offers the tasks.
    name, arn
        Of the flow definition.
    people
        How many people answer each task.
    output
        The S3 prefix that answers come to lie below.
    """

    session: Session
    service: ReviewService
    name: str
    arn: str
    people: int
    output: str

    def ask(self, texts: Iterable[str]) -> list[str]:
        """Start a human loop for each text that nobody has been asked about yet.

        Parameters
        ----------
        texts
            What people read. A text that comes twice is asked about once, and so is one that an
            earlier call has asked about.

        Returns
        -------
        list of str
            The names of the texts' loops, new or not, in order.
        """
        wanted = {self.loop_name(text): text for text in texts}
        there = self.loops()
        new = [name for name in wanted if name not in there]
        live = display.Live()
        started = time.monotonic()
        for done, name in enumerate(new):
            if time.monotonic() - started > 2:
                live.show(display.progress("Asking", done, len(new)), ())
            self._start(name, wanted[name])
        known = len(wanted) - len(new)
        print(f"{len(new)} tasks given to people" + (f", {known} were known" if known else ""))
        return list(wanted)

    def loops(self) -> dict[str, str]:
        """Return the status of every loop, by name, the newest first."""
        found: dict[str, str] = {}
        token: dict[str, str] = {}
        while True:
            page = self.service.runtime.list_human_loops(
                FlowDefinitionArn=self.arn, SortOrder="Descending", MaxResults=100, **token
            )
            for item in page["HumanLoopSummaries"]:
                found[str(item["HumanLoopName"])] = str(item["HumanLoopStatus"])
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def wait(self, names: Sequence[str], seconds: float | None = None) -> Counter[str]:
        """Show how far people are with some loops until all have ended; return their statuses.

        Interrupt it (the stop button) to go on with the answers that are there.

        Parameters
        ----------
        names
            From `ask`.
        seconds
            Wait no longer than that; as long as it takes if None.
        """
        live = display.Live()
        started = time.monotonic()
        pause = 0.25
        counts: Counter[str] = Counter()
        try:
            while True:
                there = self.loops()
                counts = Counter(there.get(name, "Deleted") for name in names)
                open_ones = sum(counts[s] for s in counts if s not in (*_ENDED, "Deleted"))
                live.show(self._progress(counts, len(names)), [f"  {_told(counts)}"])
                waited = time.monotonic() - started
                if not open_ones or (seconds is not None and waited >= seconds):
                    return counts
                time.sleep(pause)
                pause = min(pause * 1.2, 5.0)
        except KeyboardInterrupt:
            print("Not waiting any longer; who has not answered still can.")
            return counts

    def loop_name(self, text: str) -> str:
        """Return the name of a text's loop, which follows from the text."""
        same = unicodedata.normalize("NFC", " ".join(text.split()))
        return f"{self.name}-{hashlib.sha256(same.encode()).hexdigest()[:16]}"

    def describe(self, name: str) -> dict[str, Any]:
        """Return what DescribeHumanLoop says of a loop."""
        found: dict[str, Any] = self.service.runtime.describe_human_loop(HumanLoopName=name)
        found.pop("ResponseMetadata", None)
        return found

    def delete(self) -> None:
        """Delete the loops, the flow definition and the task's page; the answers in S3 stay."""
        try:
            there = self.loops()
        except ClientError as error:
            if error.response["Error"]["Code"] not in _NO_SUCH:
                raise
            there = {}
        for name, status in there.items():
            if status not in _ENDED:
                _unless_gone(self.service.runtime.stop_human_loop, HumanLoopName=name)
            # One that somebody is in can be stopped, not deleted; it ends without its flow.
            _unless_gone(
                self.service.runtime.delete_human_loop, _STILL_STOPPING, HumanLoopName=name
            )
        client = self.service.sagemaker
        # In use: it is being deleted already, as soon as the last person has left its tasks.
        _unless_gone(client.delete_flow_definition, "ResourceInUse", FlowDefinitionName=self.name)
        _unless_gone(client.delete_human_task_ui, HumanTaskUiName=self.name)

    def _start(self, name: str, text: str) -> None:
        content = json.dumps({"taskObject": text, "labels": LABELS}, ensure_ascii=False)
        try:
            self.service.runtime.start_human_loop(
                HumanLoopName=name,
                FlowDefinitionArn=self.arn,
                HumanLoopInput={"InputContent": content},
            )
        except ClientError as error:
            raise ReviewFailed(f"The loop for {text[:60]!r} was refused: {error}") from error

    def _progress(self, counts: Mapping[str, int], total: int) -> str:
        return display.progress("Answered", counts["Completed"], total, _told(counts))

    def _repr_html_(self) -> str:
        asked = "1 person" if self.people == 1 else f"{self.people} people"
        card = display.card(
            f"Human review {self.name}",
            {
                "Service": f"{self.service.name}: {self.service.why}",
                "Asked": f"{asked} for each task",
                "Choices": ", ".join(LABELS),
                "Answers go to": self.output,
                "Flow definition": self.arn,
            },
        )
        return card + self.service.link_html("Open the portal and label")


def set_up(
    session: Session, *, people: int = 1, name: str = "sentiment", service: str = "auto"
) -> Review:
    """Get everything ready for asking people: the task's page, the team, the flow definition.

    A second call with the same arguments finds what the first one made.

    Parameters
    ----------
    session
        Where and as whom.
    people
        How many different people answer each task, 1 to 3.
    name
        Part of the names.
    service
        As in `review_service.choose`.

    Raises
    ------
    ReviewFailed
        When something is refused, with the reason.
    """
    chosen = review_service.choose(session, service)
    try:
        return _made(session, chosen, people, name)
    except ReviewFailed as failed:
        refused = str(failed.__cause__)
        if service != "auto" or chosen.name != review_service.A2I or "AccessDenied" not in refused:
            raise
        # Lists are given to accounts that may not make anything any more.
        chosen = review_service.own(session, "Amazon A2I lets this account make nothing new")
        return _made(session, chosen, people, name)


def preview(review: Review, text: str) -> str:
    """Return the task's page for a text as HTML, as the service renders the template.

    Raises
    ------
    ReviewFailed
        With what is wrong with the template.
    """
    task = json.dumps({"taskObject": text, "labels": LABELS}, ensure_ascii=False)
    found = review.service.sagemaker.render_ui_template(
        UiTemplate={"Content": TEMPLATE.read_text(encoding="utf-8")},
        Task={"Input": task},
        RoleArn=review.session.role,
    )
    if found["Errors"]:
        said = "; ".join(error["Message"] for error in found["Errors"])
        raise ReviewFailed(f"The template cannot be rendered: {said}")
    return str(found["RenderedContent"])


def _made(session: Session, chosen: ReviewService, people: int, name: str) -> Review:
    output = session.uri("reviews")
    template = TEMPLATE.read_text(encoding="utf-8")
    digest = hashlib.sha256(f"{template} {people} {output}".encode()).hexdigest()[:8]
    full_name = f"{PREFIX}-{name}-{digest}"
    # A job's input prefix must not be empty, and before the first answer this one would be.
    session.upload(b"People's answers lie below this prefix.\n", "reviews", "README.txt")
    task_ui = _task_ui(session, chosen, full_name, template)
    arn = _flow(session, chosen, full_name, task_ui, people, output)
    return Review(session, chosen, full_name, arn, people, f"{output}/")


def _task_ui(session: Session, service: ReviewService, name: str, template: str) -> str:
    client = service.sagemaker
    try:
        made = client.create_human_task_ui(
            HumanTaskUiName=name, UiTemplate={"Content": template}, Tags=session.tags
        )
        return str(made["HumanTaskUiArn"])
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TAKEN:
            raise ReviewFailed(f"The task's page was refused: {error}") from error
    return str(client.describe_human_task_ui(HumanTaskUiName=name)["HumanTaskUiArn"])


def _flow(
    session: Session, service: ReviewService, name: str, task_ui: str, people: int, output: str
) -> str:
    client = service.sagemaker
    try:
        client.create_flow_definition(
            FlowDefinitionName=name,
            HumanLoopConfig={
                "WorkteamArn": service.team,
                "HumanTaskUiArn": task_ui,
                "TaskTitle": _TITLE,
                "TaskDescription": _DESCRIPTION,
                "TaskCount": people,
                "TaskAvailabilityLifetimeInSeconds": 10 * _DAYS,
                "TaskTimeLimitInSeconds": 60 * 60,
                "TaskKeywords": ["film", "review", "sentiment"],
            },
            OutputConfig={"S3OutputPath": output},
            RoleArn=session.role,
            Tags=session.tags,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TAKEN:
            raise ReviewFailed(f"The flow definition was refused: {error}") from error
    while True:
        state = client.describe_flow_definition(FlowDefinitionName=name)
        status = state["FlowDefinitionStatus"]
        if status == "Active":
            return str(state["FlowDefinitionArn"])
        if status == "Failed":
            raise ReviewFailed(f"{name} failed: {state.get('FailureReason', 'no reason given')}")
        if status == "Deleting":
            raise ReviewFailed(
                f"{name} is being deleted, and somebody is still in one of its tasks. It is gone "
                "when they have submitted or released it; then try again."
            )
        time.sleep(0.2)


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))


def _unless_gone(operation: Any, *fine: str, **arguments: str) -> None:
    try:
        operation(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in (*_NO_SUCH, *fine):
            raise
