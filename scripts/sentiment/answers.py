"""People's answers, as Amazon A2I leaves them: one ``output.json`` for each human loop.

Both kinds of question are understood: one choice (``crowd-classifier``) and several
(``crowd-classifier-multi-select``). A file that cannot be read is named with the reason and passed
over, because one broken file must not cost all the others. This module must not know what is done
with the answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE_NAME = "output.json"
CATEGORY = "category"
TEXT = "taskObject"
NOT_CLEAR = "not clear"
# A2I takes inputs of 3 MB; an answer adds little to it. What is larger is no answer.
MAX_BYTES = 16_000_000


@dataclass(frozen=True)
class Answer:
    """What one person said of one text.

    Attributes
    ----------
    text : str
        As it was shown.
    label : str
        A label of the training data, or `NOT_CLEAR`.
    worker : str
        Who answered: A2I's ``workerId``, or the loop's name where there is none.
    submitted : str
        When, as ISO 8601 in UTC, so that the order of texts is the order of time; may be empty.
    """

    text: str
    label: str
    worker: str
    submitted: str


@dataclass(frozen=True)
class Broken:
    """Something that could not be read: which file, and why."""

    file: str
    reason: str


@dataclass
class Answers:
    """Everything that was found below a folder.

    Attributes
    ----------
    files : int
        How many ``output.json`` there were, broken ones included.
    answers : list of Answer
        In the order of the files' paths.
    broken_files : list of Broken
        Files none of whose answers could be read.
    broken_answers : list of Broken
        Single answers of files that are otherwise fine.
    """

    files: int = 0
    answers: list[Answer] = field(default_factory=list)
    broken_files: list[Broken] = field(default_factory=list)
    broken_answers: list[Broken] = field(default_factory=list)


def read_answers(folder: Path, labels: list[str]) -> Answers:
    """Read every ``output.json`` below a folder, however deep; it may be empty or absent.

    Parameters
    ----------
    folder : Path
        What lies under a flow definition's S3OutputPath.
    labels : list of str
        The labels of the training data; answers name them in any case ("Positive").
    """
    known = {name.casefold(): name for name in labels} | {NOT_CLEAR: NOT_CLEAR}
    found = Answers()
    for path in sorted(folder.rglob(FILE_NAME)):
        name = path.relative_to(folder).as_posix()
        found.files += 1
        try:
            text, humans = _content(path)
        except ValueError as error:
            found.broken_files.append(Broken(name, str(error)))
            continue
        for number, human in enumerate(humans):
            try:
                answer = _answer(text, human, known, name)
            except ValueError as error:
                where = f"{name}, humanAnswers[{number}]"
                found.broken_answers.append(Broken(where, str(error)))
            else:
                found.answers.append(answer)
    return found


def _content(path: Path) -> tuple[str, list[Any]]:
    """Return the text that was asked about, and the answers as they were written."""
    try:
        size = path.stat().st_size
        written = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    if size > MAX_BYTES:
        raise ValueError(f"larger than {MAX_BYTES:,} bytes")
    try:
        content = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    text = _member(_member(content, "inputContent"), TEXT)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"inputContent.{TEXT} is not a text")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"inputContent.{TEXT} holds half of a surrogate pair")
    humans = _member(content, "humanAnswers")
    if not isinstance(humans, list) or not humans:
        raise ValueError("humanAnswers is not a list with an answer")
    return text.strip(), humans


def _answer(text: str, human: Any, known: dict[str, str], loop: str) -> Answer:
    category = _member(_member(human, "answerContent"), CATEGORY)
    chosen = list(_chosen(category))
    if not all(isinstance(name, str) for name in chosen):
        raise ValueError(f"the label of {CATEGORY} is not a text")
    labels = {known.get(" ".join(name.split()).casefold()) for name in chosen}
    if None in labels:
        wanted = ", ".join(repr(name) for name in known.values())
        raise ValueError(f"the label {chosen[0]!r} is unknown; known are {wanted}")
    # Nothing chosen, or contrary things: that person could not tell.
    label = next(iter(labels)) if len(labels) == 1 else NOT_CLEAR
    worker, submitted = human.get("workerId"), human.get("submissionTime")
    return Answer(
        text,
        label or NOT_CLEAR,
        worker if isinstance(worker, str) and worker else loop,
        submitted if isinstance(submitted, str) else "",
    )


def _chosen(category: Any) -> Iterator[Any]:
    if isinstance(category, dict) and "label" in category:
        yield category["label"]
    elif isinstance(category, dict) and isinstance(category.get("labels"), list):
        yield from category["labels"]
    else:
        raise ValueError(f'{CATEGORY} has neither "label" nor "labels"')


def _member(content: Any, name: str) -> Any:
    if not isinstance(content, dict) or name not in content:
        raise ValueError(f"{name} is missing")
    return content[name]
