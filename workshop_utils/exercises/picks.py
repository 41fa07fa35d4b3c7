"""Rows that an attendee picks from a table, and what a classifier learns from them.

The classifier is a logistic head on sentence vectors that are never trained, so a pick is judged in
milliseconds. It knows tables of ``text`` and ``label``; it must not know which exercise asks.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workshop_utils.exercises.verdict import Unsolved

Encode = Callable[[Sequence[str]], Any]
"""Turns texts into unit vectors, the rows of an array: `models.sentence_encoder()`."""


@dataclass(frozen=True)
class Encoded:
    """Labelled texts as vectors.

    Attributes
    ----------
    vectors
        Shape (n_texts, n_features).
    labels
        Shape (n_texts,).
    """

    vectors: NDArray[Any]
    labels: NDArray[Any]

    @classmethod
    def of(cls, frame: pd.DataFrame, encode: Encode) -> "Encoded":
        """Encode the column ``text`` of a table that has ``label`` as well."""
        return cls(np.asarray(encode(list(frame["text"]))), frame["label"].to_numpy(dtype=object))

    def take(self, places: Iterable[int]) -> "Encoded":
        """Return some of them, by place."""
        chosen = list(places)
        return Encoded(self.vectors[chosen], self.labels[chosen])


def answers(examples: Encoded, asked: Encoded) -> NDArray[Any]:
    """Return the labels that a logistic head gives to what is asked, trained on the examples."""
    from sklearn.linear_model import LogisticRegression

    # The head's weights lie in the span of its examples, so with few of them the same head has
    # eight weights of a label to find and not hundreds: a draw is judged in a millisecond.
    span = np.linalg.qr(examples.vectors.T)[0]
    head = LogisticRegression(C=10.0, max_iter=1000)
    head.fit(examples.vectors @ span, examples.labels.astype(str))
    found: NDArray[Any] = head.predict(asked.vectors @ span)
    return found


def accuracies(picks: Iterable[Encoded], asked: Encoded) -> NDArray[Any]:
    """Return the share of what is asked that is answered rightly, for each pick of examples."""
    from threadpoolctl import threadpool_limits

    # Two threads on matrices of this size wait for each other: ten times slower on a busy machine.
    with threadpool_limits(limits=1):
        return np.array([np.mean(answers(pick, asked) == asked.labels) for pick in picks])


def share_beaten(figure: float, drawn: NDArray[Any]) -> float:
    """Return the share of the drawn accuracies that a figure is above; an equal one is half."""
    return float((drawn < figure).mean() + (drawn == figure).mean() / 2)


def rows_of(picked: object, table: pd.DataFrame, number: int, name: str) -> list[int]:
    """Return the places in a table of the rows that were picked by their number.

    Parameters
    ----------
    picked
        What the attendee wrote: a list of row numbers of the table's index.
    table
        What there was to pick from.
    number
        How many rows it must be.
    name
        What the attendee's variable is called.

    Raises
    ------
    Unsolved
        When it is no list of row numbers, one is not in the table or there twice, or it is
        another number of them.
    """
    if isinstance(picked, str | bytes) or not isinstance(picked, Iterable):
        raise Unsolved(
            f"{name} is {picked!r}.", f"Make it a list of {number} row numbers: [12, 40, …]."
        )
    rows = list(picked)
    known = {row: place for place, row in enumerate(table.index)}
    for row in rows:
        number_like = isinstance(row, int | np.integer) and not isinstance(row, bool)
        if not number_like or row not in known:
            raise Unsolved(
                f"{name} has {row!r}, which is no row of the table.",
                "Take the numbers of the column `row`.",
            )
    twice = next((row for row in rows if rows.count(row) > 1), None)
    if twice is not None:
        raise Unsolved(f"{name} has row {twice} twice.", "An example teaches once: replace one.")
    if len(rows) != number:
        raise Unsolved(
            f"{name} has {len(rows)} rows, not {number}.",
            f"Take {number}: fewer teach too little, and more would be no contest.",
        )
    return [known[row] for row in rows]


def nearest_name(name: object, names: Iterable[str]) -> str:
    """Return "did you mean …" for a name that does not exist, or the names there are."""
    known = sorted(names)
    close = difflib.get_close_matches(str(name), known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(known)}."
