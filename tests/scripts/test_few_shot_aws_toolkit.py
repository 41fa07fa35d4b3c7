"""The model archive under AWS's own Hugging Face toolkit, unmodified, on multi-model-server.

What the toolkit answers is compared with what the local serving process answers.
"""

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.peers import aws_toolkits
from tests.scripts.few_shot_support import TEST_ROWS, Trained

pytestmark = pytest.mark.slow

# How long a request may take, in seconds: the first one loads the model, and torch with it.
PATIENCE = 300
TEXTS = [text for text, _ in TEST_ROWS]


@pytest.fixture(scope="module")
def aws(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the archive by AWS's toolkit; return the port."""
    if reason := aws_toolkits.missing():
        pytest.skip(reason)
    requirements = (trained.model / "code" / "requirements.txt").read_text().splitlines()
    wanted = [line for line in requirements if line.startswith("onnxruntime")]
    assert wanted
    try:
        venv = aws_toolkits.hugging_face_environment(*wanted)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"AWS's toolkit cannot be installed here: {error}")
    port, scratch = aws_toolkits.free_port(), tmp_path_factory.mktemp("mms")
    workers = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    with aws_toolkits.toolkit(venv, trained.model, scratch, port, workers) as process:
        wait_for_ping(port, process, scratch / "output.txt")
        yield port


@pytest.fixture(scope="module")
def ours(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Serve the archive by the local serving process; return the port."""
    port, output = aws_toolkits.free_port(), tmp_path_factory.mktemp("ours") / "output.txt"
    with serving(trained.model, port, output) as process:
        wait_for_ping(port, process, output)
        yield port


@contextmanager
def serving(model: Path, port: int, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "local_sagemaker.serving", "--model-dir", str(model)]
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port)], stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def wait_for_ping(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    while True:
        assert process.poll() is None, output.read_text(errors="replace")
        try:
            if request(port, "GET", "/ping", b"", {})[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)


def request(
    port: int, method: str, path: str, body: bytes, headers: dict[str, str]
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def rounded(answer: str) -> str:
    """Round the scores: the toolkit's NumPy is an older one, and the last bit may differ."""
    return re.sub(r"0\.\d+", lambda score: f"{float(score[0]):.12f}", answer)


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
