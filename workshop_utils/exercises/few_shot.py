"""Lab 1's checks: vague questions, eight examples, and questions that are none of a bank's.

They judge what an attendee made from tables and answers; they must not ask an endpoint anything.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from workshop_utils.exercises.picks import (
    Encode,
    Encoded,
    accuracies,
    answers,
    rows_of,
    share_beaten,
)
from workshop_utils.exercises.strangers import STRANGERS
from workshop_utils.exercises.verdict import Unsolved, Verdict, check

EIGHT = 8
_DRAWS = 200
_BEATEN = 0.75
_ALIKE = 0.85
_BALANCED = 0.7
_UNSURE = 0.5
_QUESTION_WORDS = 3


@check
def check_vague(questions: object, best: Sequence[Mapping[str, Any]]) -> Verdict:
    """Check questions of which one is to leave the classifier unsure.

    Parameters
    ----------
    questions
        The attendee's.
    best
        The endpoint's best answer to each, with ``label`` and ``score``.

    Returns
    -------
    Verdict
        The figure is the lowest score of a question, which has three words or more; of anything
        where there is none. Passed if it is below one half.
    """
    if isinstance(questions, str) or not isinstance(questions, Sequence) or not questions:
        raise Unsolved(f"QUESTIONS is {questions!r}.", "Make it a list of questions.")
    if len(questions) != len(best):
        raise Unsolved(
            f"There are {len(questions)} questions and {len(best)} answers.",
            "Run the cell with your questions again.",
        )
    asked = [
        (str(question), str(one["label"]), float(one["score"]))
        for question, one in zip(questions, best, strict=True)
    ]
    whole = [one for one in asked if len(one[0].split()) >= _QUESTION_WORDS]
    question, label, figure = min(whole or asked, key=lambda one: one[2])
    reached = f"“{question}” gets {label} with a score of {figure:.2f}"
    if not whole:
        raise Unsolved(f"{reached}, but it is no question.", "Write three words or more.", figure)
    if figure < _UNSURE:
        return Verdict(True, figure, f"{reached}: the classifier does not know either.")
    raise Unsolved(
        f"{reached}; the bar is below {_UNSURE}.",
        "It names its matter. Say that something is wrong, and neither what nor with what.",
        figure,
    )


@check
def check_eight_examples(
    picked: object,
    shelf: pd.DataFrame,
    held_out: pd.DataFrame,
    encode: Encode,
    draws: int = _DRAWS,
) -> Verdict:
    """Check whether eight picked examples teach more than random ones.

    Both are judged alike: a logistic head on a frozen encoder, trained on eight examples, answers
    the held-out rows. A random draw has as many examples of each label as of any other.

    Parameters
    ----------
    picked
        The attendee's row numbers, of the index of ``shelf``.
    shelf, held_out
        What there is to pick from, and what judges: ``text`` and ``label``, of the same labels.
    encode
        The encoder.
    draws
        How many random draws to compare with.

    Returns
    -------
    Verdict
        Passed if better than three in four random draws, or without an error: where most draws
        have none, nothing is better than they are. The figure is the accuracy.
    """
    places = rows_of(picked, shelf, EIGHT, "PICKED")
    offered, asked = Encoded.of(shelf, encode), Encoded.of(held_out, encode)
    mine = offered.take(places)
    missing = sorted(set(offered.labels) - set(mine.labels))
    if missing:
        raise Unsolved(
            f"None of the eight is an example of {missing[0]}.",
            f"A classifier never answers what it was not shown: two of each intent, so that "
            f"{missing[0]} has its own.",
        )
    figure, *others = accuracies([mine, *_random_draws(offered, draws)], asked).tolist()
    drawn = np.array(others)
    beaten = share_beaten(figure, drawn)
    reached = (
        f"{figure:.1%} of {len(held_out)} held-out questions are right. The median of {draws} "
        f"random draws gets {np.median(drawn):.1%}; yours is better than {beaten:.0%} of them"
    )
    if beaten > _BEATEN or figure == 1:
        return Verdict(True, figure, f"{reached}.")
    hint = _better_pick(mine, asked, shelf, places)
    raise Unsolved(f"{reached}, and {_BEATEN:.0%} is the bar.", hint, figure)


@check
def check_none_of_ours(ours: object, asked: pd.DataFrame) -> Verdict:
    """Check a rule that tells the bank's questions from others.

    Parameters
    ----------
    ours
        The attendee's: True for what may be answered, in the order of ``asked``.
    asked
        As `mixed_questions` returns it.

    Returns
    -------
    Verdict
        The figure is the mean of two shares: of the bank's questions that are let through, and of
        the others that are turned away. A rule that lets all through has one half.
    """
    given = _flags(ours, len(asked))
    truth = asked["ours"].to_numpy(dtype=bool)
    through, away = float(given[truth].mean()), float((~given[~truth]).mean())
    figure = (through + away) / 2
    reached = (
        f"{through:.0%} of the bank's questions are let through, {away:.0%} of the others turned "
        f"away: {figure:.2f} on the mean"
    )
    if figure >= _BALANCED:
        return Verdict(True, figure, f"{reached}. Can you get more?")
    if away < through:
        hint = "Too much is let through: ask for a higher score, or a larger lead on the second."
    else:
        hint = "Too much of the bank's own is turned away: ask for less."
    raise Unsolved(f"{reached}; the bar is {_BALANCED:.2f}.", hint, figure)


def mixed_questions(test: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return as many of the bank's questions as there are others, shuffled.

    Parameters
    ----------
    test
        The bank's, with the column ``text``.
    seed
        Draws and shuffles.

    Returns
    -------
    pandas.DataFrame
        ``text``, and ``ours``: whether it is the bank's.
    """
    some = test.sample(len(STRANGERS), random_state=seed)
    texts = [*some["text"], *STRANGERS]
    frame = pd.DataFrame({"text": texts, "ours": [True] * len(some) + [False] * len(STRANGERS)})
    return frame.sample(frac=1, random_state=seed).reset_index(drop=True)


def _random_draws(offered: Encoded, draws: int) -> list[Encoded]:
    random = np.random.default_rng(0)
    by_label = [np.flatnonzero(offered.labels == label) for label in sorted(set(offered.labels))]
    each = EIGHT // len(by_label)
    return [
        offered.take(np.concatenate([random.choice(of, each, replace=False) for of in by_label]))
        for _ in range(draws)
    ]


def _better_pick(mine: Encoded, asked: Encoded, shelf: pd.DataFrame, places: list[int]) -> str:
    numbers = [shelf.index[place] for place in places]
    similar = np.triu(mine.vectors @ mine.vectors.T, k=1)
    similar[mine.labels[:, None] != mine.labels[None, :]] = 0
    first, second = np.unravel_index(similar.argmax(), similar.shape)
    if similar[first, second] > _ALIKE:
        return (
            f"Rows {numbers[first]} and {numbers[second]} say nearly the same, so the second "
            "teaches nothing: replace one of them."
        )
    given = answers(mine, asked)
    wrong = Counter(
        (str(true), str(answer))
        for true, answer in zip(asked.labels, given, strict=True)
        if true != answer
    )
    (true, answer), count = wrong.most_common(1)[0]
    return (
        f"Most errors ({count}) are questions of {true} that are taken for {answer}. Is each of "
        f"your examples of {answer} a plain one, which nobody could mean by {true}? Prefer the "
        "typical to the odd, and short ones that say one thing."
    )


def _flags(ours: object, number: int) -> Any:
    if not isinstance(ours, pd.Series | np.ndarray | list):
        raise Unsolved(f"OURS is {ours!r}.", "Make it a column of True and False: score > …")
    needed = f"It needs {number} of True and False, one for each row of `mixed`."
    try:
        given = np.asarray(ours)
    except ValueError as error:
        raise Unsolved("OURS has values that are lists, of several lengths.", needed) from error
    if given.shape != (number,) or given.dtype != bool:
        raise Unsolved(f"OURS has {given.size} values of type {given.dtype}.", needed)
    return given
