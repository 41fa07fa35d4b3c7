"""One model under AWS's own Hugging Face toolkit and under the local process, to compare."""

import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.peers import aws_toolkits

# How long a request may take, in seconds: the first one loads the model, and torch with it.
_PATIENCE = 300
_REQUIREMENTS = Path(__file__).parent.parent / "scripts/few_shot/requirements-inference.txt"


@contextmanager
def aws_serving(model: Path, scratch: Path, **variables: str) -> Iterator[int]:
    """Serve a model by AWS's toolkit with one worker; yield the port, or skip the test."""
    if reason := aws_toolkits.missing():
        pytest.skip(reason)
    # One environment for all tests of the toolkit.
    lines = _REQUIREMENTS.read_text("utf-8").splitlines()
    wanted = [line for line in lines if line.startswith("onnxruntime")]
    assert wanted
    try:
        venv = aws_toolkits.hugging_face_environment(*wanted)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"AWS's toolkit cannot be installed here: {error}")
    port = aws_toolkits.free_port()
    variables["SAGEMAKER_MODEL_SERVER_WORKERS"] = "1"
    with aws_toolkits.toolkit(venv, model, scratch, port, variables) as process:
        _wait_for_ping(port, process, scratch / "output.txt")
        yield port


@contextmanager
def local_serving(model: Path, scratch: Path, **variables: str) -> Iterator[int]:
    """Serve a model by the local serving process; yield the port."""
    port, output = aws_toolkits.free_port(), scratch / "output.txt"
    command = [sys.executable, "-m", "local_sagemaker.serving", "--model-dir", str(model)]
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
        )
    try:
        _wait_for_ping(port, process, output)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for_ping(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
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
    """Send a request; return its status and its answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def rounded(answer: str, digits: int = 12) -> str:
    """Round the figures: the toolkit's libraries are older ones, and last bits may differ."""
    return re.sub(r"-?\d+\.\d+(e-?\d+)?", lambda found: f"{float(found[0]):.{digits}f}", answer)
