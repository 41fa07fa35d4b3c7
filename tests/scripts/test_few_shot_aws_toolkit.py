"""The model archive under AWS's own Hugging Face toolkit, unmodified, on multi-model-server.

What the toolkit answers is compared with what the local serving process answers.
"""

import json
from collections.abc import Iterator

import pytest

from tests.scripts.few_shot_support import TEST_ROWS, Trained
from tests.toolkit_support import aws_serving, local_serving, request, rounded

pytestmark = pytest.mark.slow

TEXTS = [text for text, _ in TEST_ROWS]


@pytest.fixture(scope="module")
def aws(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the archive by AWS's toolkit; return the port."""
    with aws_serving(trained.model, tmp_path_factory.mktemp("mms")) as port:
        yield port


@pytest.fixture(scope="module")
def ours(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the archive by the local serving process; return the port."""
    with local_serving(trained.model, tmp_path_factory.mktemp("ours")) as port:
        yield port


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status"),
    [
        (json.dumps(TEXTS), "application/json", "application/json", 200),
        (json.dumps({"inputs": TEXTS[0]}), "application/json", "*/*", 200),
        (
            json.dumps({"inputs": TEXTS, "parameters": {"top_k": 4, "threshold": 0.2}}),
            "application/json",
            "application/json",
            200,
        ),
        ('text\n"Überweisung, wo?"\n', "text/csv", "text/csv", 200),
        ('"lost"\n"refund"\n', "application/jsonlines", "application/jsonlines", 200),
        ('{"text": "lost"}', "application/json", "application/json", 400),
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
    assert rounded(answers[0][1]) == rounded(answers[1][1])
    assert [code for code, _ in answers] == [status, status]
    if accept == "application/json" and status == 200 and body.startswith("["):
        labels = [entry["label"] for entry in json.loads(answers[0][1])]
        assert sum(a == b for a, (_, b) in zip(labels, TEST_ROWS, strict=True)) >= 4
