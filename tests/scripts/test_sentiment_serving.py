"""A trained sentiment model under AWS's own Hugging Face toolkit, and under the local process.

What the toolkit answers is compared with what the local serving process answers.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny_models
from tests.scripts.sentiment_support import LABELS, call
from tests.toolkit_support import aws_serving, local_serving, request, rounded

pytestmark = pytest.mark.slow

TEXTS = ["A joy, from start to end.", "Übel!", "dull " * 200]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on a few rows; return the model folder."""
    root = tmp_path_factory.mktemp("sentiment")
    rows = [f"{'fine' if i % 2 else 'dull'} {i},{LABELS[i % 2]}" for i in range(12)]
    (root / "train.csv").write_text("\n".join(["text,label", *rows, ""]), "utf-8")
    paths = ("--model", tiny_models.encoder(root / "encoder"), "--model-dir", root / "model")
    result = call("train", "--train", root, *paths, "--epochs", "1")
    assert result.returncode == 0, result.stderr
    return root / "model"


@pytest.fixture(scope="module")
def aws(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the folder by AWS's toolkit; return the port."""
    with aws_serving(model, tmp_path_factory.mktemp("mms")) as port:
        yield port


@pytest.fixture(scope="module")
def ours(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the folder by the local serving process; return the port."""
    with local_serving(model, tmp_path_factory.mktemp("ours")) as port:
        yield port


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status"),
    [
        (json.dumps(TEXTS), "application/json", "application/json", 200),
        (json.dumps({"inputs": TEXTS[0]}), "application/json", "*/*", 200),
        (
            json.dumps({"inputs": TEXTS, "parameters": {"top_k": None, "labels": "LABEL_n"}}),
            "application/json",
            "application/json",
            200,
        ),
        ('text\n"Übel, sehr"\n', "text/csv", "text/csv", 200),
        ('"fine"\n{"inputs": "dull"}\n', "application/jsonlines", "application/jsonlines", 200),
        ('{"text": "fine"}', "application/json", "application/json", 400),
        ('{"inputs": "a", "parameters": {"top_k": 9}}', "application/json", "*/*", 400),
    ],
)
def test_aws_toolkit_answers_as_the_local_process_does(
    aws: int, ours: int, body: str, content_type: str, accept: str, status: int
) -> None:
    headers = {"Content-Type": content_type, "Accept": accept}
    answers = [
        request(port, "POST", "/invocations", body.encode(), headers) for port in (aws, ours)
    ]
    assert rounded(answers[0][1], 5) == rounded(answers[1][1], 5)
    assert [code for code, _ in answers] == [status, status]


def test_the_endpoint_can_be_set_to_numbered_labels(model: Path, tmp_path: Path) -> None:
    with local_serving(model, tmp_path, SENTIMENT_LABELS="LABEL_n") as port:
        headers = {"Content-Type": "application/json"}
        _, answer = request(port, "POST", "/invocations", b'{"inputs": "fine"}', headers)
    [entry] = json.loads(answer)
    assert entry["label"] in {"LABEL_0", "LABEL_1"}
    assert 0.5 <= entry["score"] <= 1
