"""Lab 3's checks: reviews that are hard to read, a budget of reading, and whom to ask about.

They judge what an attendee made from tables and answers; they must not ask an endpoint anything.
"""

import numpy as np
import pandas as pd

from workshop_utils.exercises.picks import rows_of, share_beaten
from workshop_utils.exercises.verdict import Unsolved, Verdict, check

BUDGET = 50
_USED = 0.9
_DRAWS = 2000
_BEATEN = 0.95


@check
def check_hard_to_read(judged: pd.DataFrame) -> Verdict:
    """Check whether one of the attendee's own reviews makes the model unsure.

    Parameters
    ----------
    judged
        ``text``, ``score``, and ``unsure``: whether the rule sends it to people.
    """
    texts = [str(text).strip() for text in judged["text"]]
    if not texts or min(len(text.split()) for text in texts) < 4:
        raise Unsolved("A review is empty or very short.", "Write whole sentences, as people do.")
    figure = int(judged["unsure"].sum())
    reached = f"The model is unsure of {figure} of {len(texts)} reviews"
    if figure:
        return Verdict(True, figure, f"{reached}, the least sure with {judged['score'].min():.2f}.")
    least = judged.loc[judged["score"].idxmin()]
    raise Unsolved(
        f"{reached}; it is least sure of “{least['text']}” ({least['score']:.2f}).",
        "Praise a film in words of blame, or blame it in words of praise: “Not a film I would warn "
        "anybody about.”",
        figure,
    )


@check
def check_budget(threshold: object, answered: pd.DataFrame, budget: int = BUDGET) -> Verdict:
    """Check a threshold that is to send as many reviews to people as they can read.

    Parameters
    ----------
    threshold
        The attendee's: what the model is less sure of goes to people.
    answered
        The traffic, with ``score`` and ``right``.
    budget
        How many reviews people can read.

    Returns
    -------
    Verdict
        The figure is the number of reviews sent. Passed with at most the budget, if nine in ten
        of it are used, or all that a threshold can use where many scores are equal.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, int | float | np.number):
        raise Unsolved(f"CHOSEN is {threshold!r}.", "A threshold is a number, such as 0.8.")
    if not 0.5 < float(threshold) <= 1:
        raise Unsolved(
            f"CHOSEN is {threshold}.",
            "Of two labels the better one has at least one half: choose between 0.5 and 1.",
        )
    scores = answered["score"].to_numpy(dtype=float)
    sent = scores < float(threshold)
    wrong = ~answered["right"].to_numpy(dtype=bool)
    figure = int(sent.sum())
    reached = (
        f"{figure} of {len(scores)} reviews go to people, {int((sent & wrong).sum())} of the "
        f"{int(wrong.sum())} that the model reads wrongly among them"
    )
    if figure > budget:
        raise Unsolved(
            f"{reached}; they can read {budget}.",
            f"{figure - budget} are too many: ask only about what it is less sure of. Sort the "
            "scores and look at the one after the fiftieth.",
            figure,
        )
    possible = np.sort(scores)
    most = int((scores < possible[min(budget, len(possible) - 1)]).sum())
    if figure >= min(_USED * budget, most):
        return Verdict(True, figure, f"{reached}. {budget} is the budget.")
    raise Unsolved(
        f"{reached}; they can read {budget}.",
        f"People have time for {budget - figure} more, and errors are left to be found: raise it.",
        figure,
    )


@check
def check_whom_to_ask(picked: object, answered: pd.DataFrame) -> Verdict:
    """Check which fifty reviews people should read, by how many errors of the model they find.

    Parameters
    ----------
    picked
        The attendee's row numbers, of the index of ``answered``.
    answered
        What there is to read, with ``score`` and ``right``.

    Returns
    -------
    Verdict
        The figure is the number of errors among the fifty. Passed with more than 19 in 20 random
        fifties have.
    """
    places = rows_of(picked, answered, BUDGET, "PICKED")
    wrong = ~answered["right"].to_numpy(dtype=bool)
    figure = int(wrong[places].sum())
    found = np.random.default_rng(0).hypergeometric(
        wrong.sum(), (~wrong).sum(), BUDGET, size=_DRAWS
    )
    beaten = share_beaten(figure, found)
    unsure = answered["score"].to_numpy(dtype=float).argsort(kind="stable")[:BUDGET]
    reached = (
        f"{figure} of the {int(wrong.sum())} errors are among your fifty. A random fifty has "
        f"{np.median(found):.0f}, the fifty that the model is least sure of "
        f"{int(wrong[unsure].sum())}; yours is better than {beaten:.0%} of the random ones"
    )
    if beaten > _BEATEN:
        return Verdict(True, figure, f"{reached}. Can you find more?")
    sure = answered["score"].iloc[places].mean() > answered["score"].mean()
    if sure:
        hint = "The model is sure of most of these, and mostly right: where does it doubt?"
    else:
        hint = (
            "A doubt is one sign. Is a change of mind another, and does it err more often with "
            "one of its answers than with the other?"
        )
    raise Unsolved(f"{reached}; {_BEATEN:.0%} is the bar.", hint, figure)
