"""Few-shot prompts: a task description, some examples, and the query, as one text.

A prompt is built from examples that fit a token budget, shows what it is made of, and reads a
completion back as a label. It must not know which model completes it.
"""

import html
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

_COLOURS = {"Task description": "#cfe3f7", "Examples": "#dff0d0", "Query": "#fbe3c8"}

CountTokens = Callable[[str], int]
Embed = Callable[[Sequence[str]], Any]


class PromptError(ValueError):
    """A prompt cannot be built; the message says what to change."""


def estimate_tokens(text: str) -> int:
    """Return an upper estimate of a text's tokens for a byte-level BPE of GPT-2's kind.

    English has about four bytes a token; counting one for every three leaves room. Text in other
    scripts can have a token for every byte, so those bytes count one each.
    """
    ascii_bytes = sum(character < "\x80" for character in text)
    return math.ceil(ascii_bytes / 3) + len(text.encode()) - ascii_bytes


@dataclass(frozen=True)
class Example:
    """One solved case: a text and its label."""

    text: str
    label: str


@dataclass(frozen=True)
class Template:
    """The wording of a prompt.

    Attributes
    ----------
    task
        Says what to do; may be empty.
    text_name, label_name
        What stands before each text and each label.
    separator
        Stands after each example, and is what the model should stop at.
    """

    task: str = "Say what each customer of a bank wants."
    text_name: str = "Message"
    label_name: str = "Intent"
    separator: str = "###"

    def __post_init__(self) -> None:
        for name in ("text_name", "label_name", "separator"):
            value = getattr(self, name)
            if not value.strip() or "\n" in value:
                raise PromptError(f"{name} is {value!r}: it must be some text on one line.")

    def example(self, example: Example) -> str:
        """Return one example, with the separator after it."""
        return f"{self.query(example.text)} {self.escaped(example.label)}\n{self.separator}\n"

    def query(self, text: str) -> str:
        """Return a text with the label still open."""
        return f"{self.text_name}: {self.escaped(text)}\n{self.label_name}:"

    def escaped(self, text: str) -> str:
        """Return a text on one line, without the separator.

        Otherwise a user's text could end its example and write further ones. Line breaks and
        separators become blanks.
        """
        line = " ".join(text.split())
        # What is left and right of a separator may make another one.
        while self.separator in line:
            line = " ".join(line.replace(self.separator, " ").split())
        return line


@dataclass(frozen=True)
class Prompt:
    """A finished prompt.

    Attributes
    ----------
    template
        Its wording.
    examples
        Those in it, in their order.
    query
        The text that is asked about.
    tokens
        How long it is, as `count_tokens` of `build` says.
    left_out
        How many examples did not fit the budget.
    """

    template: Template
    examples: tuple[Example, ...]
    query: str
    tokens: int
    left_out: int = 0

    @property
    def parts(self) -> dict[str, str]:
        """The three parts by name; `text` is one after the other."""
        task = self.template.task.strip()
        return {
            "Task description": f"{task}\n\n" if task else "",
            "Examples": "".join(map(self.template.example, self.examples)),
            "Query": self.template.query(self.query),
        }

    @property
    def text(self) -> str:
        """What is sent to the model."""
        return "".join(self.parts.values())

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        blocks = "".join(
            f"<div style='background:{_COLOURS[name]};color:#111;padding:4px 8px;margin:2px 0'>"
            f"<small>{name}</small><pre style='margin:0;white-space:pre-wrap;color:#111;"
            f"background:none'>{html.escape(part.strip())}</pre></div>"
            for name, part in self.parts.items()
            if part
        )
        left = f", {self.left_out} more did not fit" if self.left_out else ""
        return f"{blocks}<small>{len(self.examples)} examples, {self.tokens} tokens{left}</small>"


def build(
    query: str,
    examples: Iterable[Example],
    template: Template | None = None,
    *,
    budget: int = 2048 - 25,
    count_tokens: CountTokens = estimate_tokens,
) -> Prompt:
    """Put a prompt together from as many examples as fit.

    Parameters
    ----------
    query
        The text to ask about.
    examples
        The most useful one first (`nearest` orders them so). In the prompt the most useful one
        stands last, beside the query, where models heed it most.
    template
        The wording; the workshop's own if None.
    budget
        Tokens that the prompt may have: what the model reads, 2,048 for GPT-Neo, less those it
        is to generate.
    count_tokens
        Returns the tokens of a text; an estimate if there is no tokenizer at hand.

    Raises
    ------
    PromptError
        When the query is empty or does not fit even without an example.
    """
    template = template or Template()
    if not query.strip():
        raise PromptError("The query is empty: give a text to ask about.")
    bare = Prompt(template, (), query, 0)
    used = count_tokens(bare.text)
    if used > budget:
        raise PromptError(
            f"The task description and the query have {used} tokens, and the budget is {budget}: "
            "shorten the query, or ask for fewer new tokens."
        )
    chosen: list[Example] = []
    left_out = 0
    for example in examples:
        cost = count_tokens(template.example(example))
        if used + cost > budget:
            left_out += 1
            continue
        used += cost
        chosen.append(example)
    prompt = Prompt(template, tuple(reversed(chosen)), query, 0, left_out)
    return Prompt(template, prompt.examples, query, count_tokens(prompt.text), left_out)


def zero_shot(
    query: str,
    labels: Sequence[str],
    template: Template | None = None,
    *,
    budget: int = 2048 - 25,
    count_tokens: CountTokens = estimate_tokens,
) -> Prompt:
    """Put a prompt together that names the labels and shows no example.

    Parameters
    ----------
    query
        The text to ask about.
    labels
        What it may be, at least two.
    template
        The wording after the task, which is always "Classify the following text as either ...".
    budget, count_tokens
        As in `build`.

    Raises
    ------
    PromptError
        When there are fewer than two labels, or it does not fit.
    """
    wording = template or Template(text_name="Text", label_name="Class")
    if isinstance(labels, str) or len(labels) < 2:
        raise PromptError(f"The labels are {labels!r}: give a list of at least two.")
    said = [wording.escaped(label) for label in labels]
    choice = f"{', '.join(said[:-1])} or {said[-1]}"
    task = f"Classify the following text as either {choice}."
    return build(query, [], replace(wording, task=task), budget=budget, count_tokens=count_tokens)


@dataclass(frozen=True)
class ExamplePool:
    """Labelled texts to choose examples from.

    Attributes
    ----------
    examples
        All of them.
    embed
        Returns a unit vector for each of several texts, as rows; `models.sentence_encoder` does.
    """

    examples: tuple[Example, ...]
    embed: Embed
    _vectors: Any = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, frame: pd.DataFrame, embed: Embed) -> "ExamplePool":
        """Embed a table with the columns ``text`` and ``label``; labels are written as words."""
        examples = tuple(examples_of(frame))
        if not examples:
            raise PromptError("There is no example to choose from: the table is empty.")
        vectors = np.asarray(embed([example.text for example in examples]))
        return cls(examples, embed, vectors)

    @property
    def labels(self) -> list[str]:
        """The labels of the pool, as words, sorted."""
        return sorted({example.label for example in self.examples})

    def nearest(self, query: str, count: int, *, labels: int | None = None) -> list[Example]:
        """Return the examples that are most like a text, balanced over labels.

        Parameters
        ----------
        query
            What to be like.
        count
            How many examples, at least 1.
        labels
            How many labels to take them from, the nearest ones; as many as `count` if None. Each
            label gets its nearest example before any gets a second one.

        Returns
        -------
        list of Example
            The nearest first.
        """
        if count < 1 or (labels is not None and labels < 1):
            raise PromptError(f"count is {count} and labels is {labels}: ask for at least 1.")
        near = self._vectors @ np.asarray(self.embed([query]))[0]
        order = np.argsort(-near, kind="stable")
        by_label: dict[str, list[int]] = {}
        for index in order:
            by_label.setdefault(self.examples[index].label, []).append(int(index))
        kept = list(by_label.values())[: labels or count]
        rounds = range(max(map(len, kept)))
        dealt = [group[turn] for turn in rounds for group in kept if turn < len(group)][:count]
        return [self.examples[index] for index in sorted(dealt, key=lambda index: -near[index])]


def examples_of(frame: pd.DataFrame) -> list[Example]:
    """Return the rows of a table with the columns ``text`` and ``label``; labels as words."""
    return [Example(str(row.text), as_words(str(row.label))) for row in frame.itertuples()]


def as_words(label: str) -> str:
    """Return a label's name as words: ``card_arrival`` becomes ``card arrival``."""
    return " ".join(label.replace("_", " ").split())


def read_label(
    completion: str, labels: Iterable[str], template: Template | None = None
) -> str | None:
    """Return the label that a completion names, or None when it names none of them.

    Parameters
    ----------
    completion
        What the model wrote after the query. Only its first line, up to the separator, counts.
    labels
        The possible ones; case, underscores and punctuation around them do not matter.
    template
        The wording that the prompt had.
    """
    template = template or Template()
    head = completion.partition(template.separator)[0].strip()
    said = _plain(head.partition("\n")[0])
    known = {_plain(label): label for label in labels}
    if said in known:
        return known[said]
    # "card arrival, because ..." names a label; "card" alone, or one of two, does not.
    starts = [plain for plain in known if plain and said.startswith(f"{plain} ")]
    return known[max(starts, key=len)] if starts else None


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())
