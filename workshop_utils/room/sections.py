"""Which section of a lab somebody is in, told from what the lab has made so far.

A small table for each lab, in which the numbers are those of its notebook's headings. It is a
guess: sections that make nothing in the account, reading and clean-up among them, leave no sign.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from workshop_utils.notebooks import NOTEBOOKS
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
    after
        What the lab must have made before, if anything: it tells the second time as well, where
        somebody may do the first one twice.
    """

    kind: Kind
    section: int
    states: tuple[State, ...] = ()
    name: str = ""
    runs: int = 0
    after: Kind | None = None

    def fits(self, event: Event, made: Mapping[Kind, int], run: Kind) -> bool:
        """Tell whether this is the event's sign.

        Parameters
        ----------
        event
            What was seen.
        made
            How many of each kind the lab had made by then.
        run
            What counts as a run of the lab.
        """
        return (
            event.kind == self.kind
            and (not self.states or event.state in self.states)
            and self.name in event.name
            and made.get(run, 0) >= self.runs
            and (self.after is None or self.after in made)
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
        NOTEBOOKS[1],
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
        NOTEBOOKS[2],
        "transform job",
        (
            Sign("endpoint", 8, name="gpt-neo"),
            # Section 6 asks by bare labels, once or more often; section 7 by what they mean.
            Sign("transform job", 7, name="-meaning-"),
            Sign("transform job", 6),
            Sign("endpoint", 5, ("done",)),
            Sign("endpoint", 4),
            Sign("model", 4),
        ),
    ),
    Lab(
        3,
        "sentiment",
        NOTEBOOKS[3],
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
            # The exercise at the end of section 8 sets up a review that asks one person only.
            Sign("flow definition", 8, after="human loop"),
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
        made = _made(event, ours)
        for sign in lab.signs:
            if sign.fits(event, made, lab.run):
                return Place(lab.number, sign.section, _words(event), event.at)
    if not ours:
        return None
    newest = ours[-1]
    return Place(_BY_NAME[newest.lab].number, None, _words(newest), newest.at)


def _made(event: Event, events: Iterable[Event]) -> Counter[Kind]:
    """Return how many of each kind the same lab had made when something happened."""
    return Counter(one.kind for one in events if one.lab == event.lab and one.began <= event.at)


def _words(event: Event) -> str:
    return f"{event.kind} {event.status or 'made'}"
