"""Models without a script under AWS's own Hugging Face toolkit and under the local process.

The toolkit runs unmodified on multi-model-server. Both must answer every request alike; errors
that the local process words more clearly must have the same status and type.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import tiny_models
from tests.toolkit_support import aws_serving, local_serving, request, rounded

pytestmark = pytest.mark.slow

JSON, CSV = "application/json", "text/csv"
# Body, content type, accepted type.
Request = tuple[str, str, str]


def asked(inputs: object, accept: str = JSON, **parameters: object) -> Request:
    """Return a request in the toolkit's form."""
    more = {"parameters": parameters} if parameters else {}
    return json.dumps({"inputs": inputs, **more}), JSON, accept


BAD: list[Request] = [
    ("{", JSON, JSON),
    ("[1]", JSON, JSON),
    ('{"inputs": "a"}', "text/plain", JSON),
    ('{"inputs": "a"}', JSON, "text/plain"),
    ("text\na\n", CSV, JSON),
    ("", CSV, JSON),
]
LABELS = ["travel", "cooking", "dancing"]
LONG = "a " * 300
# For each task: who makes the model, what is answered, and what is refused.
TASKS: dict[str, tuple[Callable[[Path], Path], list[Request], list[Request]]] = {
    "zero-shot-classification": (
        tiny_models.nli,
        [
            asked("I will see the world", candidate_labels=LABELS),
            asked("I will see the world", accept="*/*", candidate_labels="travel,cooking"),
            asked(["one", "two, \u00fc"], candidate_labels=LABELS, multi_label=True),
            asked("one", candidate_labels=["travel"], hypothesis_template="About {}"),
            asked(LONG, candidate_labels=LABELS),
        ],
        [
            asked("one"),
            asked("one", candidate_labels=[]),
            asked("one", candidate_labels=LABELS, hypothesis_template="none"),
            asked("", candidate_labels=LABELS),
            asked("one", candidate_labels=LABELS, accept=CSV),
            ("inputs\none\n", CSV, JSON),
        ],
    ),
    "text-classification": (
        tiny_models.classifier,
        [
            asked("good"),
            asked(["good", "bad"]),
            asked("good", top_k=None),
            asked("good", top_k=1),
            asked(["good", "bad"], accept=CSV),
            asked("good", function_to_apply="none"),
            asked({"text": "good", "text_pair": "bad"}),
            asked(LONG, truncation=True),
            asked(""),
            ('inputs\ngood\n"bad, really"\n', CSV, JSON),
            ("inputs,other\ngood,1\n", CSV, CSV),
        ],
        [asked(LONG), asked(7), asked("good", function_to_apply="no")],
    ),
    "feature-extraction": (
        tiny_models.encoder,
        [
            asked("abc"),
            asked(["abc", "de"]),
            asked(LONG, truncation=True),
            ("inputs\na\n", CSV, JSON),
        ],
        [asked(LONG), asked("abc", accept=CSV), asked(7)],
    ),
    "text-generation": (
        tiny_models.gpt_neo,
        [
            asked("hello", max_new_tokens=5, do_sample=False),
            asked(["hello", "bye"], max_new_tokens=5, do_sample=False),
            asked("hello", max_new_tokens=5, do_sample=False, return_full_text=False),
            asked("hello", max_new_tokens=5, do_sample=False, repetition_penalty=1.5),
        ],
        [
            asked("a" * 120, max_new_tokens=20, do_sample=False),
            asked("hello", max_new_tokens=2, do_sample=True, temperature=-1.0),
            asked("hello", no_such=1),
        ],
    ),
}


@pytest.fixture(scope="module", params=TASKS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int, int]]:
    """Serve a model of the task by both; return the task and the ports."""
    task = request.param
    model = TASKS[task][0](tmp_path_factory.mktemp("model"))
    with (
        aws_serving(model, tmp_path_factory.mktemp("mms"), HF_TASK=task) as theirs,
        local_serving(model, tmp_path_factory.mktemp("ours"), HF_TASK=task) as ours,
    ):
        yield task, theirs, ours


def test_every_request_is_answered_as_the_toolkit_does(both: tuple[str, int, int]) -> None:
    task, *ports = both
    for wanted in TASKS[task][1]:
        theirs, ours = (sent(port, wanted) for port in ports)
        assert theirs[0] == ours[0] == 200, (wanted, theirs, ours)
        assert rounded(theirs[1], 4) == rounded(ours[1], 4), wanted


def test_what_the_toolkit_refuses_is_refused_alike(both: tuple[str, int, int]) -> None:
    task, *ports = both
    for wanted in [*TASKS[task][2], *BAD]:
        theirs, ours = (sent(port, wanted) for port in ports)
        assert theirs[0] == ours[0] == 400, (wanted, theirs, ours)
        errors = json.loads(theirs[1]), json.loads(ours[1])
        assert list(errors[0]) == list(errors[1]) == ["code", "type", "message"]
        assert errors[0]["type"] == errors[1]["type"]


def sent(port: int, wanted: Request) -> tuple[int, str]:
    body, content_type, accept = wanted
    headers = {"Content-Type": content_type, "Accept": accept}
    return request(port, "POST", "/invocations", body.encode(), headers)
