"""Human loops: questions put to people, one for each text, and waiting for their answers.

It speaks A2I's API to whichever service it is handed; it must not know what the answers are for.
"""

import hashlib
import json
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from workshop_utils import display
from workshop_utils.answers import NOT_CLEAR
from workshop_utils.review_service import ReviewService
from workshop_utils.session import Session

LABELS = ("Positive", "Negative", NOT_CLEAR)
# One that nobody had time for before it expired has failed, too.
_IN_VAIN = ("Failed", "Stopped")
_ENDED = ("Completed", *_IN_VAIN)
_NO_SUCH = ("ResourceNotFound", "ResourceNotFoundException")
_STILL_STOPPING = "ValidationException"


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
        """Start a human loop for each text that nobody is or was asked about.

        Parameters
        ----------
        texts
            What people read. A text that comes twice is asked about once, and so is one that an
            earlier call has asked about, unless that loop has failed, expired or was stopped.

        Returns
        -------
        list of str
            The names of the texts' loops, new or not, in order.
        """
        there = self.loops()
        wanted = {self.loop_name(text, there): text for text in texts}
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

    def loop_name(self, text: str, there: Mapping[str, str]) -> str:
        """Return the name of a text's loop, which follows from the text.

        Parameters
        ----------
        text
            What people read.
        there
            The status of every loop, by name. The name of one that ended without being completed
            is taken, so that the next one's is numbered.
        """
        same = unicodedata.normalize("NFC", " ".join(text.split()))
        first = name = f"{self.name}-{hashlib.sha256(same.encode()).hexdigest()[:16]}"
        attempts = 1
        while there.get(name) in _IN_VAIN:
            attempts += 1
            name = f"{first}-{attempts}"
        return name

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


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))


def _unless_gone(operation: Any, *fine: str, **arguments: str) -> None:
    try:
        operation(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in (*_NO_SUCH, *fine):
            raise
