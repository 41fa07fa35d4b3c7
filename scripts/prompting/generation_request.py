"""The requests and answers of a text generation endpoint, as JSON on the wire.

Request: ``{"inputs": "prompt" or ["prompt", ...], "parameters": {...}}`` with any of

``max_new_tokens``
    How many tokens to generate at most, from 1; 25 if not given.
``temperature``
    0 takes the most probable token each time. Above, tokens are drawn: the higher, the wilder.
``top_p``
    Draw only from the most probable tokens that have this probability together, above 0 to 1.
``end_sequence``
    Stop where this text would come; it is not part of the answer.
``seed``
    The same seed draws the same tokens.
``return_full_text``
    Whether the answer repeats the prompt; false if not given.
``details``
    Whether the answer has ``details``; false if not given.

Answer: ``[{"generated_text": "...", "details": {"finish_reason", "prompt_tokens",
"generated_tokens"}}]``; for a list of prompts a list of these. ``finish_reason`` is one of
``stop_sequence``, ``eos_token`` and ``length``, as Hugging Face's Text Generation Inference names
them. This module must not know of models or of how requests arrive.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

JSON = "application/json"
MAX_NEW_TOKENS = 1024
MAX_TEMPERATURE = 100.0
MAX_SEED = 2**63 - 1
EXAMPLE = '{"inputs": "Translate: cat =>", "parameters": {"max_new_tokens": 5}}'


@dataclass(frozen=True)
class Parameters:
    """How to generate; the module's text describes each."""

    max_new_tokens: int = 25
    temperature: float = 0.0
    top_p: float = 1.0
    end_sequence: str | None = None
    seed: int | None = None
    return_full_text: bool = False
    details: bool = False


@dataclass(frozen=True)
class Request:
    """The prompts of one request; `single` when a text was sent rather than a list."""

    prompts: list[str]
    parameters: Parameters
    single: bool


@dataclass(frozen=True)
class Completion:
    """What was generated for one prompt."""

    prompt: str
    text: str
    finish_reason: str
    prompt_tokens: int
    generated_tokens: int


@dataclass(frozen=True)
class Answer:
    """The completions of one request."""

    request: Request
    completions: list[Completion]


def read_request(body: str | bytes | bytearray, content_type: str | None) -> Request:
    """Read a request body.

    Raises
    ------
    ValueError
        If it is not of the form above; the message says what to send instead.
    """
    kind = (content_type or JSON).split(";")[0].strip().lower()
    if kind != JSON:
        raise ValueError(f"Content type {content_type!r} is not supported; send {JSON}.")
    try:
        content = json.loads(body)
    except ValueError as error:
        raise ValueError(f"The body is not valid JSON: {error}. Send for example {EXAMPLE}.") from (
            error
        )
    if not isinstance(content, dict) or "inputs" not in content:
        raise ValueError(f'The request has no "inputs"; send for example {EXAMPLE}.')
    if unknown := sorted(content.keys() - {"inputs", "parameters"}):
        raise ValueError(f'Unknown keys {unknown}; "inputs" and "parameters" exist.')
    inputs = content["inputs"]
    prompts = inputs if isinstance(inputs, list) else [inputs]
    for prompt in prompts:
        if not isinstance(prompt, str) or not prompt:
            raise ValueError(f"inputs has {prompt!r}; send a text that is not empty, or a list.")
    return Request(prompts, _parameters(content.get("parameters")), not isinstance(inputs, list))


def write_answer(answer: Answer, accept: str | None) -> str:
    """Write the answer.

    Raises
    ------
    ValueError
        If the caller does not accept JSON.
    """
    wanted = {part.split(";")[0].strip().lower() for part in (accept or JSON).split(",")}
    if not wanted & {"", JSON, "*/*", "application/*"}:
        raise ValueError(f"Accept {accept!r} is not supported; accept {JSON}.")
    parameters = answer.request.parameters
    entries: list[Any] = []
    for completion in answer.completions:
        head = completion.prompt if parameters.return_full_text else ""
        entry: dict[str, Any] = {"generated_text": head + completion.text}
        if parameters.details:
            entry["details"] = {
                "finish_reason": completion.finish_reason,
                "prompt_tokens": completion.prompt_tokens,
                "generated_tokens": completion.generated_tokens,
            }
        entries.append([entry])
    return json.dumps(entries[0] if answer.request.single else entries, ensure_ascii=False)


def _parameters(given: Any) -> Parameters:
    if given is None:
        return Parameters()
    if not isinstance(given, dict):
        raise ValueError(f'"parameters" is {given!r}; send an object such as {{"temperature": 1}}.')
    known = [field.name for field in fields(Parameters)]
    if unknown := sorted(given.keys() - set(known)):
        raise ValueError(f"Unknown parameters {unknown}; these exist: {', '.join(known)}.")
    values = {name: value for name, value in given.items() if value is not None}
    for name, value in values.items():
        right, wanted = _RULES[name]
        if not right(value):
            raise ValueError(f"{name} is {value!r}; send {wanted}.")
    return Parameters(**values)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "max_new_tokens": (
        lambda value: _whole(value) and 1 <= value <= MAX_NEW_TOKENS,
        f"a whole number from 1 to {MAX_NEW_TOKENS}",
    ),
    "temperature": (
        lambda value: _number(value) and 0 <= value <= MAX_TEMPERATURE,
        f"a number from 0 to {MAX_TEMPERATURE:g}",
    ),
    "top_p": (lambda value: _number(value) and 0 < value <= 1, "a number above 0 and up to 1"),
    "end_sequence": (lambda value: isinstance(value, str) and value != "", "a text"),
    "seed": (
        lambda value: _whole(value) and 0 <= value <= MAX_SEED,
        f"a whole number from 0 to {MAX_SEED}",
    ),
    "return_full_text": (lambda value: isinstance(value, bool), "true or false"),
    "details": (lambda value: isinstance(value, bool), "true or false"),
}
