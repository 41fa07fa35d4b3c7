"""Which section of a lab somebody is in, told from what the lab has made so far.

A small table for each lab, in which the numbers are those of its notebook's headings. It is a
guess: sections that make nothing in the account, reading and clean-up among them, leave no sign.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from workshop_utils.room.events import Event, Kind, State


@dataclass(frozen=True)
class Sign:
    """What an event says about the section.

    Attributes
    ----------
    kind
        Of the event.
    section
        The section's number in the notebook.
    states
        In which states; all if empty.
    name
        What its name must hold.
    runs
        How many of the lab's runs must have been begun by then: it tells the second time that a
        lab does something from the first.
    """

    kind: Kind
    section: int
    states: tuple[State, ...] = ()
    name: str = ""
    runs: int = 0

    def fits(self, event: Event, runs: int) -> bool:
        """Tell whether this is the event's sign."""
        return (
            event.kind == self.kind
            and (not self.states or event.state in self.states)
            and self.name in event.name
            and runs >= self.runs
        )


@dataclass(frozen=True)
class Lab:
    """A lab, and its signs: the first that fits an event counts.

    Attributes
    ----------
    number, name
        ``1`` and ``few-shot``, as the tag has it.
    notebook
        Whose headings have the sections' numbers.
    run
        What counts as a run.
    signs
        The more special ones first.
    """

    number: int
    name: str
    notebook: str
    run: Kind
    signs: tuple[Sign, ...]


@dataclass(frozen=True)
class Place:
    """Where somebody is.

    Attributes
    ----------
    lab, section
        Their numbers; the section is None where the lab's events say nothing about it.
    doing
        The event that says so, in words.
    since
        When that was.
    """

    lab: int
    section: int | None
    doing: str
    since: datetime


LABS = (
    Lab(
        1,
        "few-shot",
        "lab1_few_shot_learning.ipynb",
        "training job",
        (
            Sign("endpoint", 8, name="gpt-neo"),
            Sign("training job", 8, name="four-intents"),
            Sign("endpoint", 7),
            Sign("training job", 5, ("done",)),
            Sign("training job", 5, runs=2),
            Sign("training job", 4),
        ),
    ),
    Lab(
        2,
        "zero-shot",
        "lab2_zero_shot_jumpstart.ipynb",
        "transform job",
        (
            Sign("endpoint", 8, name="gpt-neo"),
            # Two are asked for in section 6: the file, and rows with labels of their own.
            Sign("transform job", 7, runs=3),
            Sign("transform job", 6),
            Sign("endpoint", 5, ("done",)),
            Sign("endpoint", 4),
            Sign("model", 4),
        ),
    ),
    Lab(
        3,
        "sentiment",
        "lab3_human_in_the_loop.ipynb",
        "pipeline execution",
        (
            Sign("endpoint", 10, ("done",), runs=2),
            Sign("endpoint", 9, runs=2),
            Sign("pipeline execution", 9, runs=2),
            Sign("human loop", 8),
            Sign("endpoint", 7, ("done",)),
            Sign("endpoint", 6),
            Sign("pipeline execution", 3, ("busy",)),
            Sign("pipeline execution", 5),
            Sign("flow definition", 4),
            Sign("pipeline", 3),
        ),
    ),
)
_BY_NAME = {lab.name: lab for lab in LABS}


def place(events: Iterable[Event]) -> Place | None:
    """Return where somebody is, by the newest event that says something; None without one.

    Parameters
    ----------
    events
        What was seen in an account; those of other than the workshop's labs are passed over.
    """
    ours = sorted((one for one in events if one.lab in _BY_NAME), key=lambda one: one.at)
    for event in reversed(ours):
        lab = _BY_NAME[event.lab]
        runs = _runs(lab, event, ours)
        for sign in lab.signs:
            if sign.fits(event, runs):
                return Place(lab.number, sign.section, _words(event), event.at)
    if not ours:
        return None
    newest = ours[-1]
    return Place(_BY_NAME[newest.lab].number, None, _words(newest), newest.at)


def _runs(lab: Lab, event: Event, events: Iterable[Event]) -> int:
    """Return how many runs of a lab there were when something happened."""
    return sum(
        one.kind == lab.run and one.lab == lab.name and one.began <= event.at for one in events
    )


def _words(event: Event) -> str:
    return f"{event.kind} {event.status or 'made'}"
