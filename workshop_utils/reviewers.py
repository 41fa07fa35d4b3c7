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
from workshop_utils.human_review import LABELS, Review, ReviewFailed

Judge = Callable[[str], str]
"""From a text to one of the task's choices."""
_SECONDS = 60
_POLL = 0.5


class PortalRefused(Exception):
    """The portal did not do what it was asked for; the message is what it said."""


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
            raise PortalRefused(_message(response))
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
        The loops, from `Review.ask`; they go on until these have ended.
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
    done = threading.Event()
    problems: list[PortalRefused] = []

    def one(colleague: Colleague) -> None:
        try:
            client = PortalClient(link, colleague.name)
            try:
                _work(client, colleague.judge(truth), review, done)
            finally:
                client.close()
        except PortalRefused as error:
            problems.append(error)
            done.set()

    threads = [threading.Thread(target=one, args=(who,), daemon=True) for who in colleagues]
    for thread in threads:
        thread.start()
    live = display.Live()
    ended = 0
    try:
        while any(thread.is_alive() for thread in threads):
            states = review.loops()
            ended = sum(states.get(name) != "InProgress" for name in names)
            people = ", ".join(who.name for who in colleagues)
            live.show(display.progress(f"{people} answer", ended, len(names)), ())
            if ended == len(names):
                done.set()
            for thread in threads:
                thread.join(_POLL / len(threads))
    finally:
        done.set()
    if problems:
        raise ReviewFailed(f"A colleague had to stop: {problems[0]}") from problems[0]
    print(f"{ended} of {len(names)} tasks have ended")


def _work(client: PortalClient, judge: Judge, review: Review, done: threading.Event) -> None:
    task = None
    while not done.is_set():
        task = _first(client, review)
        if task is None:
            time.sleep(_POLL)
        while task is not None and not done.is_set():
            answer = {"category": {"label": judge(str(task["input"]["taskObject"]))}}
            task = client.submit(task, answer)
    if task is not None:
        client.release(task)


def _first(client: PortalClient, review: Review) -> dict[str, Any] | None:
    for job in client.jobs():
        task = client.take(str(job["id"]))
        if task is not None and str(task["loop"]).startswith(review.name):
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
