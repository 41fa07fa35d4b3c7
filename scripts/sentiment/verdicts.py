"""From people's answers to one verdict for each text.

Each person has one vote for a text, the last one given; most votes win. A tie, and a majority for
"Not clear", give no verdict: a guess at a label would teach the model something nobody said. This
module must not know of files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from answers import NOT_CLEAR, Answer
from rows import normalised


@dataclass(frozen=True)
class Verdict:
    """What people said of a text, taken together.

    Attributes
    ----------
    text : str
        As it was shown first.
    label : str or None
        None when there was a tie.
    votes : dict
        How many people chose which label.
    """

    text: str
    label: str | None
    votes: dict[str, int]

    @property
    def tied(self) -> bool:
        """Whether no label had most votes."""
        return self.label is None

    @property
    def not_clear(self) -> bool:
        """Whether most people could not tell."""
        return self.label == NOT_CLEAR

    @property
    def disputed(self) -> bool:
        """Whether people said different things."""
        return len(self.votes) > 1


def verdicts(answers: Iterable[Answer]) -> tuple[list[Verdict], int]:
    """Return a verdict for each text, and how many answers were replaced by a later one.

    Texts that differ in Unicode form, case or white space only are one text.
    """
    votes: dict[str, dict[str, Answer]] = {}
    shown: dict[str, str] = {}
    repeated = 0
    # The sort is stable: answers without a time keep their order, before those with one.
    for answer in sorted(answers, key=lambda answer: answer.submitted):
        key = normalised(answer.text)
        shown.setdefault(key, answer.text)
        of_text = votes.setdefault(key, {})
        repeated += answer.worker in of_text
        of_text[answer.worker] = answer
    found = []
    for key, of_text in votes.items():
        counts = Counter(answer.label for answer in of_text.values())
        found.append(Verdict(shown[key], _winner(counts), dict(sorted(counts.items()))))
    return sorted(found, key=lambda verdict: verdict.text), repeated


def _winner(counts: Counter[str]) -> str | None:
    [(label, most), *rest] = counts.most_common(2)
    return None if rest and rest[0][1] == most else label
