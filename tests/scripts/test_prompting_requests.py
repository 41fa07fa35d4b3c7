"""Requests of the prompting endpoint that are refused, each with what to send instead."""

import pytest

from tests.scripts.few_shot_support import ROOT, imported_from

PROMPTING = ROOT / "scripts" / "prompting"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", 'no "inputs"'),
        ('{"inputs": ""}', "not empty"),
        ('{"inputs": [1]}', "a text"),
        ('{"inputs": "a", "x": 1}', "Unknown keys"),
        ('{"inputs": "a", "parameters": {"tempreture": 1}}', "temperature, top_p"),
        ('{"inputs": "a", "parameters": {"max_new_tokens": 0}}', "from 1 to 1024"),
        ('{"inputs": "a", "parameters": {"max_new_tokens": true}}', "whole number"),
        ('{"inputs": "a", "parameters": {"temperature": -1}}', "from 0 to 100"),
        ('{"inputs": "a", "parameters": {"top_p": 0}}', "above 0"),
        ('{"inputs": "a", "parameters": {"end_sequence": ""}}', "a text"),
        ('{"inputs": "a", "parameters": {"seed": -1}}', "whole number from 0"),
        ('{"inputs": "a", "parameters": 3}', "an object"),
    ],
)
def test_a_bad_request_is_refused_with_what_to_send(body: str, message: str) -> None:
    with (
        imported_from(PROMPTING, "generation_request") as code,
        pytest.raises(ValueError, match=message),
    ):
        code.generation_request.read_request(body, "application/json")
