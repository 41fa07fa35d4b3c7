"""How much a prompt's wording and the order of its examples change what a model answers.

It runs trials and counts; it must not know where the model runs, and measures whatever it is
given: the stand-in is no model to measure.
"""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from workshop_utils.completions import LanguageModel, Parameters, complete
from workshop_utils.prompts import Example, Template, build, read_label

GREEDY = Parameters(max_new_tokens=12, temperature=0)
WORDINGS = {
    "message, intent": Template(),
    "question, topic": Template(
        task="Sort the questions of a bank's customers by topic.",
        text_name="Question",
        label_name="Topic",
    ),
    "no task": Template(task="", text_name="Text", label_name="Label"),
}
"""Three ways to say the same."""


@dataclass(frozen=True)
class Trial:
    """One wording with the examples in one order, over all test rows.

    Attributes
    ----------
    wording, order
        The name of the wording, and the number of the order.
    accuracy
        Share of the rows that got their label.
    unread
        Share of the rows whose completion named no label.
    p50_ms
        Median time of a completion in milliseconds.
    """

    wording: str
    order: int
    accuracy: float
    unread: float
    p50_ms: float


def run(
    model: LanguageModel,
    examples: Sequence[Example],
    test: Sequence[Example],
    *,
    orders: int = 10,
    wordings: dict[str, Template] | None = None,
    parameters: Parameters = GREEDY,
) -> pd.DataFrame:
    """Ask every test row with every wording and every order of the same examples.

    Parameters
    ----------
    model
        What is measured; it is asked ``len(test) * orders * len(wordings)`` times.
    examples
        They all stand in every prompt.
    test
        Texts with their true labels, which must be among those of the examples.
    orders
        How many different orders, the given one first. The same number gives the same orders.
    wordings
        Templates by name; `WORDINGS` if None.
    parameters
        How to generate. Each wording's own separator ends a completion.

    Returns
    -------
    pandas.DataFrame
        One row for each `Trial`.

    Raises
    ------
    ValueError
        When there is nothing to ask, a test label is in no example, or there are fewer orders
        than asked for.
    """
    labels = sorted({example.label for example in examples})
    if not test or not labels or orders < 1:
        raise ValueError("A trial needs examples, test rows and at least one order.")
    if unknown := sorted({row.label for row in test} - set(labels)):
        raise ValueError(f"No example has the label {unknown[0]!r}; it could never be answered.")
    trials = []
    arranged = _orders(examples, orders)
    for name, template in (wordings or WORDINGS).items():
        for number, shuffled in enumerate(arranged):
            trials.append(_trial(model, name, template, number, shuffled, test, labels, parameters))
            print(
                f"  {name!r}, order {number + 1}/{orders}: accuracy {trials[-1].accuracy:.2f}",
                flush=True,
            )
    return pd.DataFrame(trials)


def compare(
    classifier_accuracy: float,
    classifier_ms: float,
    trials: pd.DataFrame | None,
    dollars_per_hour: float,
    *,
    rented_by_the_hour: bool = True,
) -> pd.DataFrame:
    """Put a trained classifier and a prompted language model side by side on the same problem.

    Parameters
    ----------
    classifier_accuracy, classifier_ms
        Between 0 and 1; median time of a request in milliseconds.
    trials
        From `run`; None where no real model was asked, and then no figure stands in its row.
    dollars_per_hour
        What the machine costs that answers.
    rented_by_the_hour
        False where the language model is somebody else's, who charges by the token.

    Returns
    -------
    pandas.DataFrame
        ``few-shot by``, ``accuracy``, ``p50, ms`` and ``USD per 1,000 requests``, as text.
    """

    def cost(milliseconds: float) -> str:
        return f"{milliseconds * dollars_per_hour / 3600:.5f}"

    classifier = ("training", f"{classifier_accuracy:.2f}", f"{classifier_ms:.1f}")
    rows = [(*classifier, cost(classifier_ms))]
    if trials is None:
        rows.append(("prompting", "not measured", "not measured", "not measured"))
    else:
        values, p50 = trials["accuracy"], float(trials["p50_ms"].median())
        spread = f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"
        by_token = "what its host charges"
        rows.append(
            ("prompting", spread, f"{p50:.1f}", cost(p50) if rented_by_the_hour else by_token)
        )
    columns = ["few-shot by", "accuracy", "p50, ms", "USD per 1,000 requests"]
    return pd.DataFrame(rows, columns=columns)


def _orders(examples: Sequence[Example], count: int) -> list[list[Example]]:
    """Return different orders of the examples, the given one first."""
    if count > math.factorial(min(len(examples), 20)):
        raise ValueError(f"{len(examples)} examples do not have {count} orders.")
    draw = random.Random(0)
    found = [list(range(len(examples)))]
    while len(found) < count:
        order = draw.sample(found[0], len(examples))
        if order not in found:
            found.append(order)
    return [[examples[index] for index in order] for order in found]


def _trial(
    model: LanguageModel,
    name: str,
    template: Template,
    order: int,
    examples: Sequence[Example],
    test: Sequence[Example],
    labels: list[str],
    parameters: Parameters,
) -> Trial:
    right = unread = 0
    waited = []
    stopping = Parameters(
        max_new_tokens=parameters.max_new_tokens,
        temperature=parameters.temperature,
        top_p=parameters.top_p,
        end_sequence=template.separator,
        seed=parameters.seed,
    )
    for row in test:
        completion = complete(model, build(row.text, examples, template), stopping)
        said = read_label(completion.text, labels, template)
        right += said == row.label
        unread += said is None
        waited.append(completion.seconds * 1000)
    return Trial(name, order, right / len(test), unread / len(test), statistics.median(waited))
