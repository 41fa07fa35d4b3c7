"""Trials over orders and wordings, with a model that copies the label of the last example."""

import pytest

from workshop_utils import prompt_trials
from workshop_utils.completions import CompletionError, Parameters
from workshop_utils.playground import Playground
from workshop_utils.prompts import Example, ExamplePool, Template

EXAMPLES = [Example("a card", "lost"), Example("a pin", "pin"), Example("a fee", "fee")]


class Copycat:
    """A small model's best-known weakness: it repeats the label it saw last."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Parameters]] = []

    def generate(self, prompt: str, parameters: Parameters) -> str:
        self.asked.append((prompt, parameters))
        [*_, last, _query] = prompt.split(f"{parameters.end_sequence}\n")
        return f"{last.strip().rpartition(':')[2]}\n###\nMessage: and on it goes"


def test_every_order_and_wording_is_tried_with_the_same_examples() -> None:
    model = Copycat()
    test = [Example("one", "lost"), Example("two", "pin"), Example("three", "fee")]
    frame = prompt_trials.run(model, EXAMPLES, test, orders=4)
    assert len(frame) == 4 * 3
    # Whatever stands last is answered each time, so each trial gets one of three right.
    assert frame["accuracy"].tolist() == pytest.approx([1 / 3] * 12)
    assert frame["unread"].eq(0).all()
    assert len(model.asked) == 36
    for prompt, parameters in model.asked:
        assert all(example.text in prompt for example in EXAMPLES)
        assert parameters.temperature == 0
    assert len({prompt for prompt, _ in model.asked}) == 36


def test_a_test_label_without_an_example_is_refused() -> None:
    with pytest.raises(ValueError, match="'none'"):
        prompt_trials.run(Copycat(), EXAMPLES, [Example("x", "none")])
    with pytest.raises(ValueError, match="test rows"):
        prompt_trials.run(Copycat(), EXAMPLES, [])
    with pytest.raises(ValueError, match="3 examples do not have 7 orders"):
        prompt_trials.run(Copycat(), EXAMPLES, EXAMPLES, orders=7)


def test_an_answer_that_is_no_label_counts_as_unread() -> None:
    class Mute:
        def generate(self, _prompt: str, _parameters: Parameters) -> str:
            return ""

    frame = prompt_trials.run(Mute(), EXAMPLES, [Example("x", "fee")], orders=1)
    assert frame["unread"].tolist() == [1, 1, 1]
    assert frame["accuracy"].tolist() == [0, 0, 0]


def pool() -> ExamplePool:
    import pandas as pd

    rows = pd.DataFrame([(e.text, e.label) for e in EXAMPLES], columns=["text", "label"])
    return ExamplePool.of(rows, lambda texts: [[1.0, float("pin" in text)] for text in texts])


def test_the_playground_sends_what_its_form_says_and_shows_it() -> None:
    model = Copycat()
    form = Playground(model, pool(), "my <b>pin</b>", Template(task="Sort."))
    form.examples.value = 2
    form.temperature.value = 0.0
    form.button.click()
    [(prompt, parameters)] = model.asked
    assert prompt.startswith("Sort.\n\nMessage: ")
    assert prompt.count("###") == 2
    assert parameters.temperature == 0
    assert "pin" in form.answer.value
    assert "&lt;b&gt;" in form.sent.value
    assert not form.button.disabled


def test_the_playground_shows_an_error_as_a_sentence() -> None:
    class Away:
        def generate(self, _prompt: str, _parameters: Parameters) -> str:
            raise CompletionError("There is <nothing> here.")

    form = Playground(Away(), pool(), "a")
    form.run()
    assert "There is &lt;nothing&gt; here." in form.answer.value
    form.query.value = " "
    form.run()
    assert "query is empty" in form.answer.value
    assert not form.button.disabled


def test_without_a_real_model_prompting_has_no_figure_beside_the_classifier() -> None:
    table = prompt_trials.compare(0.75, 3.6, None, dollars_per_hour=1.0)
    assert table.to_dict("records") == [
        {
            "few-shot by": "training",
            "accuracy": "0.75",
            "p50, ms": "3.6",
            "USD per 1,000 requests": "0.00100",
        },
        {
            "few-shot by": "prompting",
            "accuracy": "not measured",
            "p50, ms": "not measured",
            "USD per 1,000 requests": "not measured",
        },
    ]


def test_a_measured_model_has_its_spread_and_what_its_machine_costs() -> None:
    test = [Example("one", "lost"), Example("two", "pin"), Example("three", "fee")]
    frame = prompt_trials.run(Copycat(), EXAMPLES, test, orders=4)
    frame["p50_ms"] = 360.0
    [_, row] = prompt_trials.compare(0.75, 3.6, frame, 1.0).to_dict("records")
    assert row["accuracy"] == "0.33 (0.33 to 0.33)"
    assert row["USD per 1,000 requests"] == "0.10000"
    hosted = prompt_trials.compare(0.75, 3.6, frame, 1.0, rented_by_the_hour=False)
    assert hosted["USD per 1,000 requests"].tolist() == ["0.00100", "what its host charges"]
