"""Zero-shot questions: texts, and labels that no model was trained on.

It builds and checks requests in the dialects of the containers, and reads their answers as tables.
It must not know what answers, nor how that was deployed, and it keeps nothing.
"""

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd
from botocore.exceptions import ClientError
from pandas.api.types import is_bool

from workshop_utils.display import card
from workshop_utils.endpoints import Endpoint

Dialect = Literal["jumpstart", "huggingface"]
"""``jumpstart``: ``sequences``, ``candidate_labels``, ``multi_class``, as the zstc models of
JumpStart read it. ``huggingface``: ``inputs`` and ``parameters``, as the Hugging Face inference
toolkit reads it."""

LARGEST_REQUEST = 6 * 1024 * 1024
"""Bytes of a real-time request; the ``Body`` of InvokeEndpoint is modelled with this limit."""
_SHOWN = 60


class QuestionError(ValueError):
    """A text or a set of labels cannot be asked about; the message says what to change."""


class AnswerError(ValueError):
    """The model refused a question, or what came back is no answer to it."""


@dataclass(frozen=True)
class Task:
    """What to find out about a text.

    Attributes
    ----------
    labels
        The possible answers: words or short phrases, each once.
    multi_label
        Whether each label is judged on its own, so that several may fit or none. Otherwise the
        labels compete, and their scores sum to 1.
    hypothesis_template
        A sentence with ``{}`` where the label goes, such as ``"This text is about {}."``; the
        model's own one if None.
    descriptions
        What labels mean, in words that are sent to the model in the label's place. Answers
        speak of the labels again.

    Raises
    ------
    QuestionError
        When there is no label, a label (or description) is empty or there twice, the template
        has no place for it, something is described that is no label, or multi_label is neither
        True nor False.
    """

    labels: Sequence[str]
    multi_label: bool = False
    hypothesis_template: str | None = None
    descriptions: Mapping[str, str] | None = None
    phrases: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """What is sent for each label: its description, or the label itself."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _checked_labels(self.labels))
        # A missing value or the text "false" of a table's column would count as True.
        if not is_bool(self.multi_label):
            raise QuestionError(f"multi_label is {self.multi_label!r}: it must be True or False.")
        object.__setattr__(self, "multi_label", bool(self.multi_label))
        template = self.hypothesis_template
        if template is not None and template.count("{}") != 1:
            raise QuestionError(
                f"hypothesis_template is {template!r}: it must be a sentence that has {{}} once, "
                "where the label goes, such as 'This text is about {}.'"
            )
        strangers = sorted((self.descriptions or {}).keys() - set(self.labels))
        if strangers:
            raise QuestionError(f"descriptions has {strangers}, which are no labels.")
        object.__setattr__(self, "phrases", _checked_labels(self._described()))

    def request(self, text: str, dialect: Dialect = "jumpstart") -> dict[str, Any]:
        """Return the request that asks this of one text.

        Raises
        ------
        QuestionError
            When the text is empty or cannot be written as UTF-8, or there is no such dialect.
        """
        text = _checked_text(text)
        extra: dict[str, Any] = {}
        if self.hypothesis_template is not None:
            extra["hypothesis_template"] = self.hypothesis_template
        labels = list(self.phrases)
        if dialect == "jumpstart":
            several = {"multi_class": True} if self.multi_label else {}
            return {"sequences": text, "candidate_labels": labels, **several, **extra}
        if dialect == "huggingface":
            parameters = {"candidate_labels": labels, "multi_label": self.multi_label, **extra}
            return {"inputs": text, "parameters": parameters}
        raise QuestionError(f"There is no dialect {dialect!r}: say 'jumpstart' or 'huggingface'.")

    def hypotheses(self) -> list[str]:
        """Return the sentences that the model compares a text with.

        Without a template of one's own these are those of transformers' zero-shot pipeline.
        """
        template = self.hypothesis_template or "This example is {}."
        return [template.replace("{}", phrase) for phrase in self.phrases]

    def _described(self) -> list[str]:
        described = self.descriptions or {}
        return [described.get(label, label) for label in self.labels]


@dataclass(frozen=True)
class Answer:
    """What a model thinks of the labels for one text.

    Attributes
    ----------
    text
        What was asked about.
    labels
        All labels, the best one first.
    scores
        Between 0 and 1, in the order of ``labels``. They sum to 1 unless each label was judged
        on its own.
    truncated
        Whether the model says that it read the beginning of the text only.
    """

    text: str
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    truncated: bool = False

    @property
    def label(self) -> str:
        """The best label."""
        return self.labels[0]

    @property
    def score(self) -> float:
        """The score of the best label."""
        return self.scores[0]

    def above(self, threshold: float = 0.5) -> list[str]:
        """Return the labels with at least a score, the best one first."""
        pairs = zip(self.labels, self.scores, strict=True)
        return [label for label, score in pairs if score >= threshold]

    def __str__(self) -> str:
        return f"{self.label} ({self.score:.2f})"

    def _repr_html_(self) -> str:
        pairs = zip(self.labels, self.scores, strict=True)
        shown = {label: f"{score:.3f}" for label, score in pairs}
        note = " (the model read its beginning only)" if self.truncated else ""
        return card(f"{self.text}{note}", shown)


def read(answer: Any, task: Task, text: str) -> Answer:
    """Return what a container answered about one text.

    Parameters
    ----------
    answer
        The parsed JSON: an object with the parallel lists ``labels`` and ``scores``, or a list
        of one. Its order does not matter.
    task, text
        What was asked.

    Raises
    ------
    AnswerError
        With the container's own words if it is an error, or with what is wrong with it.
    """
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, dict):
        raise AnswerError(f"The model answered no object but {shortened(answer)}.")
    if "labels" not in answer and (said := answer.get("error") or answer.get("message")):
        raise AnswerError(str(said))
    labels, scores = answer.get("labels"), answer.get("scores")
    if not isinstance(labels, list) or not isinstance(scores, list) or len(labels) != len(scores):
        raise AnswerError(
            f"The answer has no parallel lists 'labels' and 'scores': {shortened(answer)}. Is it "
            "a zero-shot model?"
        )
    if sorted(map(str, labels)) != sorted(task.phrases):
        raise AnswerError(f"The answer is about other labels: {shortened(labels)}.")
    if not all(map(_finite, scores)):
        raise AnswerError(f"A score is no finite number: {shortened(scores)}.")
    names = dict(zip(task.phrases, task.labels, strict=True))
    order = sorted(range(len(labels)), key=lambda place: -scores[place])
    return Answer(
        text,
        tuple(names[str(labels[place])] for place in order),
        tuple(float(scores[place]) for place in order),
        bool(answer.get("truncated", False)),
    )


def ask(endpoint: Endpoint, text: str, task: Task, dialect: Dialect = "jumpstart") -> Answer:
    """Ask an endpoint about one text.

    Raises
    ------
    QuestionError
        Before anything is sent, when the question is not sound or its request is larger than an
        endpoint takes.
    AnswerError
        When the model refuses it or answers something else.
    """
    body = json.dumps(task.request(text, dialect)).encode()
    if len(body) > LARGEST_REQUEST:
        raise QuestionError(
            f"The request has {len(body) / 1e6:.1f} MB with its {len(task.labels):,} labels; an "
            f"endpoint takes {LARGEST_REQUEST / 1e6:.1f} MB. Use fewer labels or a shorter text."
        )
    try:
        answer = json.loads(endpoint.invoke(body))
    except ClientError as error:
        if error.response["Error"].get("Code") != "ModelError":
            raise
        said = _said(str(error.response.get("OriginalMessage") or error))
        raise AnswerError(
            f"The model behind {endpoint.name} refused the request: {said}"
        ) from error
    except ValueError as error:
        raise AnswerError(f"{endpoint.name} answered no JSON: {error}") from error
    return read(answer, task, text)


def ask_each(
    endpoint: Endpoint, texts: Sequence[str], task: Task, dialect: Dialect = "jumpstart"
) -> pd.DataFrame:
    """Ask an endpoint about several texts, one after the other.

    For a whole file `batch.start` is the way: it needs no endpoint that waits.

    Returns
    -------
    pandas.DataFrame
        One row for each text: ``text``, ``label`` (the best one), ``score``, and then a column
        with the score of each label, in the task's order.
    """
    if isinstance(texts, str):
        raise QuestionError("texts is one text: pass a list of texts, or use ask().")
    started = shown = time.monotonic()
    rows = []
    for number, text in enumerate(texts):
        if time.monotonic() - shown > 2:
            shown = time.monotonic()
            print(f"  {number} of {len(texts)} texts after {shown - started:.0f} s")
        answer = ask(endpoint, text, task, dialect)
        by_label = dict(zip(answer.labels, answer.scores, strict=True))
        scores = [by_label[label] for label in task.labels]
        rows.append([text, answer.label, answer.score, *scores])
    return pd.DataFrame(rows, columns=["text", "label", "score", *task.labels])


def _checked_labels(labels: Any) -> tuple[str, ...]:
    if isinstance(labels, str):
        raise QuestionError(f"labels is the text {labels!r}: pass a list of labels.")
    found = tuple(labels)
    if not found:
        raise QuestionError("There is no label to choose from: pass at least one.")
    seen = set()
    for number, label in enumerate(found):
        if not isinstance(label, str) or not label.strip():
            raise QuestionError(
                f"Label {number} is {label!r}: a label is a text that says something."
            )
        if label.strip() in seen:
            raise QuestionError(f"The label {label.strip()!r} is there twice: leave one out.")
        seen.add(label.strip())
        _encodable(label, f"Label {number}")
    return tuple(label.strip() for label in found)


def _checked_text(text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise QuestionError(f"The text is {text!r}: there is nothing to classify.")
    _encodable(text, "The text")
    return text


def _encodable(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise QuestionError(f"{what} has half a character at {error.start}: {text!r}.") from error


def _finite(score: Any) -> bool:
    try:
        return isinstance(score, int | float) and math.isfinite(score)
    except OverflowError:
        # JSON's whole numbers know no bounds.
        return False


def _said(message: str) -> str:
    """Return the message inside a container's JSON error, or the error as it is."""
    try:
        content = json.loads(message)
    except ValueError:
        return message.strip()
    if isinstance(content, Mapping):
        return str(content.get("message") or content.get("error") or message).strip()
    return message.strip()


def shortened(value: Any) -> str:
    """Return a value's notation, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
