"""What a check says about an attendee's solution.

It knows how a verdict is shown; it must not know what is checked.
"""

import functools
import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec

_P = ParamSpec("_P")
_COLOURS = {True: "#2a7d4f", False: "#b5651d"}


@dataclass(frozen=True, repr=False)
class Verdict:
    """Whether an exercise is solved, how far it got, and what to try next.

    Attributes
    ----------
    passed
        Whether the bar is reached.
    figure
        What was reached, in the unit that ``reached`` names; None if nothing could be measured.
    reached
        The figure and the bar in words.
    hint
        One thing to try; empty only when passed.
    """

    passed: bool
    figure: float | None
    reached: str
    hint: str = ""

    def __post_init__(self) -> None:
        if not self.passed and not self.hint:
            raise ValueError("Who has not passed needs a hint.")

    def __str__(self) -> str:
        words = f"{self._word}. {self.reached}"
        return words if self.passed else f"{words}\nHint: {self.hint}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        hint = "" if self.passed else f"<br>Hint: {html.escape(self.hint)}"
        style = f"border-left:.4em solid {_COLOURS[self.passed]};padding:.3em .8em"
        return f"<div style='{style}'><b>{self._word}.</b> {html.escape(self.reached)}{hint}</div>"

    @property
    def _word(self) -> str:
        return "Passed" if self.passed else "Not yet"


class Unsolved(Exception):
    """What was made cannot be judged, or not yet; the two texts are those of the verdict."""

    def __init__(self, reached: str, hint: str, figure: float | None = None) -> None:
        super().__init__(f"{reached} {hint}")
        self.verdict = Verdict(False, figure, reached, hint)


def check(function: Callable[_P, Verdict]) -> Callable[_P, Verdict]:
    """Let a check raise `Unsolved` wherever it is, and return its verdict: Run All must go on."""

    @functools.wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> Verdict:
        try:
            return function(*args, **kwargs)
        except Unsolved as unsolved:
            return unsolved.verdict

    return checked
