"""The labels that a text may get, and how they are put to the model: read and checked.

A request names them in the same way whatever its dialect. This module must not know of texts, of
bytes or of models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PLACE = "{}"
PARAMETERS = (
    "candidate_labels",
    "multi_label",
    "multi_class",
    "hypothesis_template",
    "label_descriptions",
)


@dataclass(frozen=True)
class Choice:
    """The labels to choose from, and how.

    Attributes
    ----------
    labels : tuple of str
        At least one, no two alike.
    multi_label : bool
        Whether each label is judged alone.
    templates : tuple of str
        Each with one ``{}``; empty: the model's own.
    phrases : tuple of str
        What the templates take in place of each label: its description, or the label itself.
    """

    labels: tuple[str, ...]
    multi_label: bool
    templates: tuple[str, ...]
    phrases: tuple[str, ...]


def read_choice(parameters: dict[str, Any], where: str) -> Choice:
    """Read the parameters of a request.

    Parameters
    ----------
    parameters : dict
        What `PARAMETERS` names; other keys are somebody else's.
    where : str
        The place in the request, for messages.

    Raises
    ------
    ValueError
        With what is wrong and what to send instead.
    """
    labels = _labels(parameters.get("candidate_labels"), where)
    given = {n: parameters[n] for n in ("multi_label", "multi_class") if n in parameters}
    for name, value in given.items():
        if not isinstance(value, bool):
            raise ValueError(f"{where}: {name} is {value!r}; send true or false.")
    if len(set(given.values())) > 1:
        raise ValueError(
            f"{where}: multi_label and multi_class are two names of one thing and disagree; "
            "send one of them."
        )
    descriptions = _descriptions(parameters.get("label_descriptions"), labels, where)
    return Choice(
        labels,
        any(given.values()) or len(labels) == 1,
        _templates(parameters.get("hypothesis_template"), where),
        tuple(descriptions.get(label, label) for label in labels),
    )


def _labels(value: Any, where: str) -> tuple[str, ...]:
    where = f"{where}: candidate_labels"
    if isinstance(value, str):
        value = [label.strip() for label in value.split(",") if label.strip()]
    if not isinstance(value, list) or not value:
        found = "missing" if value is None else json_name(value) if value else "empty"
        raise ValueError(f'{where} is {found}; send at least one label: ["travel", "cooking"].')
    labels = tuple(read_text(label, f"{where}[{i}]") for i, label in enumerate(value))
    seen: set[str] = set()
    for label in labels:
        if label in seen:
            raise ValueError(f"{where} has {label!r} twice; send each label once.")
        seen.add(label)
    return labels


def _templates(value: Any, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    where = f"{where}: hypothesis_template"
    templates = value if isinstance(value, list) else [value]
    if not templates:
        raise ValueError(f"{where} is an empty list; leave it out for the model's own template.")
    for template in templates:
        text = read_text(template, where)
        if text.count(PLACE) != 1 or text.count("{") != 1 or text.count("}") != 1:
            raise ValueError(
                f"{where} is {text!r}; write {PLACE} once, where the label goes, and no other "
                'curly brackets: "This example is {}."'
            )
    return tuple(templates)


def _descriptions(value: Any, labels: tuple[str, ...], where: str) -> dict[str, str]:
    if value is None:
        return {}
    where = f"{where}: label_descriptions"
    if not isinstance(value, dict):
        raise ValueError(f'{where} is {json_name(value)}; send {{"label": "what it means"}}.')
    if strangers := sorted(value.keys() - set(labels)):
        raise ValueError(f"{where} describes {strangers}, which candidate_labels does not have.")
    return {label: read_text(text, f"{where}[{label!r}]") for label, text in value.items()}


def read_text(value: Any, where: str) -> str:
    """Return a text of at least one word.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{where} is {json_name(value)}; send a text.")
    if not value.strip():
        raise ValueError(f"{where} is empty; send a text with at least one word.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(
            f"{where} holds half of a surrogate pair (\\uD800); send whole characters."
        )
    return value


def json_name(value: Any) -> str:
    """Return what a value of JSON is called in a message."""
    names = {dict: "an object", list: "a list", bool: "a truth value", type(None): "null"}
    if isinstance(value, str):
        return "a text"
    return names.get(type(value), f"a number ({value!r})")
