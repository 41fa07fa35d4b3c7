"""Scripted reviewers: they answer through the portal's own pages, as people in a browser do.

For unattended runs and as an attendee's colleagues. They know the portal's forms (the manual of the
local SageMaker, "Answering by script"); they must not know where tasks are kept.
"""

import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from workshop_utils import display
from workshop_utils.answers import NOT_CLEAR
from workshop_utils.human_loops import LABELS, Review, ReviewFailed

Judge = Callable[[str], str]
"""From a text to one of the task's choices."""
_SECONDS = 60
_POLL = 0.5
_PATIENCE = 3.0


class PortalRefused(Exception):
    """The portal did not do what it was asked for; the message is what it said."""


class TaskGone(PortalRefused):
    """The task is not this worker's any more: stopped, expired, or given to others."""


class PortalClient:
    """One worker at the portal, signed in.

    Parameters
    ----------
    link
        Opens the portal: its address, with the access code behind ``#code=``.
    name
        The worker's.

    Raises
    ------
    PortalRefused
        When the code is wrong or the name is none.
    """

    def __init__(self, link: str, name: str) -> None:
        place = urlsplit(link)
        code = parse_qs(place.fragment).get("code", [""])[0]
        self._client = httpx.Client(
            base_url=place._replace(fragment="").geturl(),
            headers={"accept": "application/json"},
            timeout=_SECONDS,
            # The portal is on this machine, whatever proxy leads out of it.
            trust_env=False,
        )
        try:
            self._csrf = str(self._ask("")["csrf"])
            self._csrf = str(self._ask("sign-in", name=name, code=code)["csrf"])
        except PortalRefused:
            self.close()
            raise

    def jobs(self) -> list[dict[str, Any]]:
        """Return the jobs that this worker may work on."""
        found: list[dict[str, Any]] = self._ask("")["jobs"]
        return found

    def take(self, job: str) -> dict[str, Any] | None:
        """Take a task of a job; None if there is none."""
        task: dict[str, Any] | None = self._ask("take", job=job)["task"]
        return task

    def submit(self, task: Mapping[str, Any], answer: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer a task; return the next one of its job, or None."""
        following: dict[str, Any] | None = self._ask(
            "submit", id=str(task["id"]), job=str(task["job"]), answer=json.dumps(answer)
        )["task"]
        return following

    def release(self, task: Mapping[str, Any]) -> None:
        """Give a task back to the team."""
        self._ask("release", id=str(task["id"]))

    def close(self) -> None:
        """Close the connection; the worker stays known."""
        self._client.close()

    def _ask(self, page: str, **form: str) -> dict[str, Any]:
        try:
            if form:
                response = self._client.post(page, data=form | {"csrf": self._csrf})
            else:
                response = self._client.get(page)
        except httpx.HTTPError as error:
            raise PortalRefused(f"The portal does not answer: {error}") from error
        if not response.is_success:
            kind = TaskGone if response.status_code == httpx.codes.GONE else PortalRefused
            raise kind(_message(response))
        found: dict[str, Any] = response.json()
        return found


@dataclass(frozen=True)
class Colleague:
    """A scripted reviewer, who is right most of the time.

    Attributes
    ----------
    name
        Under which they sign in.
    slips, unclear
        The shares of texts that they get wrong, and that they find not clear.
    """

    name: str
    slips: float = 0.05
    unclear: float = 0.03

    def judge(self, truth: Mapping[str, str]) -> Judge:
        """Return how they judge texts whose labels are known.

        Parameters
        ----------
        truth
            ``positive`` or ``negative`` by text. They find a text that is not in it not clear.
        """

        def choose(text: str) -> str:
            # Drawn from name and text: the same person says the same again.
            draw = random.Random(f"{self.name} {text}").random()
            label = truth.get(text, "").capitalize()
            if label not in LABELS or draw < self.unclear:
                return NOT_CLEAR
            if draw < self.unclear + self.slips:
                return LABELS[1 - LABELS.index(label)]
            return label

        return choose


COLLEAGUES = (Colleague("Ada"), Colleague("Ben", slips=0.1), Colleague("Chidi", unclear=0.08))


def work(
    review: Review,
    names: Sequence[str],
    truth: Mapping[str, str],
    colleagues: Sequence[Colleague] = COLLEAGUES,
) -> None:
    """Let colleagues answer all that is left of some loops, all at the same time.

    Parameters
    ----------
    review
        Whose tasks.
    names
        The loops, from `Review.ask`; they go on until these have ended, or nothing is left that
        they may answer.
    truth
        Labels by text.
    colleagues
        Who works. A task for three people needs three of them, you included.

    Raises
    ------
    ReviewFailed
        When the tasks are not in a portal that scripts can sign in to, or it refuses one.
    """
    link = review.service.script_link
    if link is None:
        raise ReviewFailed(
            f"Scripts cannot sign in to the portal of {review.service.name}: open "
            f"{review.service.portal} and answer there."
        )
    shift = _Shift(review, link)
    threads = [
        threading.Thread(target=shift.one, args=(who, who.judge(truth)), daemon=True)
        for who in colleagues
    ]
    for thread in threads:
        thread.start()
    live = display.Live()
    people = ", ".join(who.name for who in colleagues)
    try:
        while True:
            states = review.loops()
            ended = sum(states.get(name) != "InProgress" for name in names)
            live.show(display.progress(f"{people} answer", ended, len(names)), ())
            if ended == len(names) or shift.problems or shift.idle(len(threads)):
                break
            time.sleep(_POLL)
    finally:
        shift.over.set()
        for thread in threads:
            thread.join()
    if shift.problems:
        raise ReviewFailed(f"A colleague had to stop: {shift.problems[0]}") from shift.problems[0]
    print(f"{ended} of {len(names)} tasks have ended")
    if ended < len(names):
        print("The others are in somebody's hands (yours?), or want more people than there are.")


class _Shift:
    """Colleagues at work at the same time, and what they leave for whoever waits for them."""

    def __init__(self, review: Review, link: str) -> None:
        self.over = threading.Event()
        self.problems: list[PortalRefused] = []
        self._review = review
        self._link = link
        self._idle_since: dict[str, float] = {}

    def idle(self, people: int) -> bool:
        """Tell whether all of them have found nothing to do for some time."""
        since = list(self._idle_since.values())
        return len(since) == people and time.monotonic() - max(since) > _PATIENCE

    def one(self, colleague: Colleague, judge: Judge) -> None:
        """Work as one of them until the shift is over."""
        try:
            client = PortalClient(self._link, colleague.name)
            try:
                while not self.over.is_set():
                    if self._answer_all(client, judge):
                        self._idle_since.pop(colleague.name, None)
                    else:
                        self._idle_since.setdefault(colleague.name, time.monotonic())
                        self.over.wait(_POLL)
            finally:
                client.close()
        except PortalRefused as error:
            self.problems.append(error)

    def _answer_all(self, client: PortalClient, judge: Judge) -> int:
        """Answer the review's tasks until none is left; return how many that were."""
        count = 0
        try:
            task = self._first(client)
            while task is not None:
                if self.over.is_set():
                    client.release(task)
                    break
                answer = {"category": {"label": judge(str(task["input"]["taskObject"]))}}
                count += 1
                task = client.submit(task, answer)
        except TaskGone:
            # It was stopped or took too long; there may be others.
            pass
        return count

    def _first(self, client: PortalClient) -> dict[str, Any] | None:
        for job in client.jobs():
            task = client.take(str(job["id"]))
            if task is not None and str(task["loop"]).startswith(self._review.name):
                return task
            if task is not None:
                client.release(task)
        return None


def _message(response: httpx.Response) -> str:
    try:
        found = response.json()
    except ValueError:
        return f"{response.status_code}: {response.text[:200]}"
    return str(found.get("message") or found.get("error") or found)
