"""Lab 2's checks: three labels, descriptions that rescue a label, and thirty labelled examples.

They judge what an attendee made from tables and answers; they must not ask an endpoint anything.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from workshop_utils.exercises.picks import nearest_name, rows_of
from workshop_utils.exercises.verdict import Unsolved, Verdict, check
from workshop_utils.zero_shot import Answer

THIRTY = 30
_LONGEST_LABEL = 4
_RESCUED = 0.15
_LOSS = 0.05
_BETTER = 0.01


@check
def check_three_labels(labels: object, answers: Sequence[Answer]) -> Verdict:
    """Check three labels that three texts are to be told apart by.

    Parameters
    ----------
    labels
        The attendee's, the first for the first text and so on.
    answers
        The model's answer for each text.

    Returns
    -------
    Verdict
        The figure is the number of texts that get their label.
    """
    if isinstance(labels, str) or not isinstance(labels, Sequence) or len(labels) != len(answers):
        raise Unsolved(f"LABELS is {labels!r}.", f"Write {len(answers)} labels, one for each text.")
    # A task sends its labels without the blanks around them, and so they come back.
    names = [str(label).strip() for label in labels]
    for label, answer in zip(names, answers, strict=True):
        if len(label.split()) > _LONGEST_LABEL or label in answer.text:
            raise Unsolved(
                f"The label {label!r} is a sentence, or taken from the text.",
                f"At most {_LONGEST_LABEL} words of your own, which fit other such texts as well.",
            )
    right = [answer.label == label for label, answer in zip(names, answers, strict=True)]
    figure = sum(right)
    reached = f"{figure} of {len(answers)} texts get the label that was written for them"
    if all(right):
        lowest = min(answer.score for answer in answers)
        return Verdict(True, figure, f"{reached}, the least sure with a score of {lowest:.2f}.")
    place = right.index(False)
    raise Unsolved(
        f"{reached}.",
        f"“{answers[place].text}” gets {answers[place].label!r} rather than {names[place]!r}. "
        "Which words would a colleague write on the folder for it? Say those.",
        figure,
    )


@check
def check_descriptions(
    descriptions: object, rescued: str, before: pd.DataFrame, after: pd.DataFrame
) -> Verdict:
    """Check descriptions that are to rescue a label which its name does not explain.

    Parameters
    ----------
    descriptions
        The attendee's, by label.
    rescued
        The label.
    before, after
        The same rows, ``text`` and ``label``, with the answers to bare names and to descriptions
        in ``predicted``.

    Returns
    -------
    Verdict
        The figure is the F1 of the rescued label: a description that draws everything to it helps
        its recall and costs its precision. Passed with 0.15 more than the bare name has, if the
        accuracy of the other rows loses no more than 0.05; of fewer than twenty, none at all.
    """
    if not isinstance(descriptions, Mapping):
        raise Unsolved(f"MINE is {descriptions!r}.", "Make it {label: description}.")
    names = sorted(before["label"].unique())
    for label, words in descriptions.items():
        if label not in names:
            raise Unsolved(f"There is no label {label!r}.", nearest_name(label, names))
        copied = after["text"].str.casefold().eq(str(words).casefold())
        if copied.any():
            raise Unsolved(
                f"The description of {label} is one of the resolutions.",
                "Say what all of its texts have in common.",
            )
    bare, figure = _f1(before, rescued), _f1(after, rescued)
    bar = min(bare + _RESCUED, 1.0)
    others = before["label"] != rescued
    was = int((before["predicted"] == before["label"])[others].sum())
    now = int((after["predicted"] == after["label"])[others].sum())
    number = int(others.sum())
    reached = (
        f"{rescued} has an F1 of {figure:.2f}; its bare name had {bare:.2f}. Of the {number} other "
        f"rows {now} are right, {was} with bare names"
    )
    if figure >= bar and was - now <= _LOSS * number:
        return Verdict(True, figure, f"{reached}.")
    loss = (
        "no other row may be lost"
        if _LOSS * number < 1
        else f"no more than {_LOSS:g} of the others may be lost"
    )
    raise Unsolved(
        f"{reached}; the bar is {bar:.2f}, and {loss}.",
        _better_words(after, rescued, descriptions),
        figure,
    )


@check
def check_thirty_labels(
    labelled: object, predicted: object, resolutions: pd.DataFrame, zero_shot: pd.Series
) -> Verdict:
    """Check a classifier that had thirty labelled examples, against one that had none.

    Parameters
    ----------
    labelled
        The row numbers of the examples that it was trained on.
    predicted
        Its answers for every row, in the order of ``resolutions``.
    resolutions
        ``text`` and ``label``.
    zero_shot
        The answers of zero-shot for every row.

    Returns
    -------
    Verdict
        The figure is the accuracy on the rows that are not labelled. Passed if it is a point above
        that of zero-shot on the same rows.
    """
    places = rows_of(labelled, resolutions, THIRTY, "LABELLED")
    if not isinstance(predicted, pd.Series | np.ndarray | list) or len(predicted) != len(
        resolutions
    ):
        raise Unsolved(
            "PREDICTED does not answer every row.",
            f"It needs one label for each of the {len(resolutions)} rows, in their order.",
        )
    truth = resolutions["label"].to_numpy(dtype=object)
    given = np.asarray(predicted, dtype=object)
    strange = sorted(set(map(str, given)) - set(truth))
    if strange:
        raise Unsolved(
            f"PREDICTED has {strange[0]!r}, which is no category.", nearest_name(strange[0], truth)
        )
    judged = np.ones(len(truth), dtype=bool)
    judged[places] = False
    figure = float((given == truth)[judged].mean())
    bar = float((zero_shot.to_numpy(dtype=object) == truth)[judged].mean())
    reached = (
        f"{figure:.1%} of the {judged.sum()} other rows are right; zero-shot with descriptions "
        f"has {bar:.1%} of them"
    )
    if figure >= bar + _BETTER:
        return Verdict(True, figure, f"{reached}. Can you get more out of the thirty?")
    unseen = sorted(set(truth) - set(truth[places]))
    if unseen:
        hint = f"{unseen[0]} has no example among the thirty: three of each category are better."
    else:
        hint = (
            "Thirty examples know less than the model does. Use both: a description is one more "
            "example of its category."
        )
    raise Unsolved(f"{reached}, and the bar is a point above that.", hint, figure)


def _f1(frame: pd.DataFrame, label: str) -> float:
    found, true = frame["predicted"] == label, frame["label"] == label
    both = int((found & true).sum())
    return 2 * both / max(int(found.sum() + true.sum()), 1)


def _better_words(after: pd.DataFrame, rescued: str, descriptions: Mapping[str, str]) -> str:
    if rescued not in descriptions:
        return f"MINE says nothing about {rescued} yet: describe how its texts sound."
    missed = after[(after["label"] == rescued) & (after["predicted"] != rescued)]
    drawn = after[(after["label"] != rescued) & (after["predicted"] == rescued)]
    if missed.empty and drawn.empty:
        lost = after[(after["label"] != rescued) & (after["predicted"] != after["label"])]
        pairs = Counter(zip(lost["label"], lost["predicted"], strict=True))
        [((label, taken), count)] = pairs.most_common(1)
        return (
            f"All of its texts are found, and the others are mixed up among themselves: {count} "
            f"of {label} are taken for {taken}. Leave out what you say of those two, or say it "
            "more narrowly."
        )
    if len(missed) >= len(drawn):
        rival = missed["predicted"].mode().iloc[0]
        return (
            f"{len(missed)} of its texts are missed, most of them taken for {rival}. Describe what "
            f"makes them {rescued}, or describe {rival} more narrowly."
        )
    rival = drawn["label"].mode().iloc[0]
    return (
        f"It now draws {len(drawn)} texts of others, most of them of {rival}. Say it more "
        f"narrowly, or describe {rival} as well."
    )
