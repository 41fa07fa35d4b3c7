"""Starts serving processes and speaks to them over their Unix sockets, for the tests of serving."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

from local_sagemaker.hosting.unix_http import ping

ECHO = """
    def model_fn(model_dir):
        return "a model"

    def transform_fn(model, data, content_type, accept):
        return f"{type(data).__name__}:{data if isinstance(data, str) else bytes(data).decode()}"
"""


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


class Served:
    """A serving process under test."""

    def __init__(self, process: subprocess.Popen[str], path: Path) -> None:
        self.process = process
        self.path = path

    def request(
        self, method: str, target: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = UnixHTTP(self.path)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, target, body, named)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, fields, answer.read()
        finally:
            connection.close()

    def invoke(
        self, body: str | bytes, content_type: str | None = "application/json", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        data = body.encode() if isinstance(body, str) else body
        if content_type is not None:
            headers["Content_Type"] = content_type
        return self.request("POST", "/invocations", data, **headers)

    def wait_healthy(self) -> None:
        while not ping(self.path, 5):
            assert self.process.poll() is None, self.output()
            time.sleep(0.01)

    def output(self) -> str:
        """End the process and return all it wrote."""
        self.process.terminate()
        return self.process.communicate(timeout=30)[0]


def start_serving(
    root: Path, code: str | None, files: dict[str, str], environment: dict[str, str]
) -> Served:
    """Start a process on a model folder made of an inference script and further files."""
    model = root / "model"
    model.mkdir(parents=True, exist_ok=True)
    for name, text in (({"code/inference.py": code} if code is not None else {}) | files).items():
        path = model / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    path = root / "s"
    command = [sys.executable, "-m", "local_sagemaker.serving"]
    process = subprocess.Popen(
        [*command, "--model-dir", str(model), "--socket", str(path)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Served(process, path)


Serve = Callable[..., Served]
"""Takes an inference script, ``healthy=False`` not to wait, ``files``, a ``folder``, variables."""


def error(answer: tuple[int, dict[str, str], bytes]) -> dict[str, Any]:
    """Return the error of an answer, which must have Multi Model Server's form."""
    status, headers, body = answer
    assert headers["content-type"] == "application/json"
    content: dict[str, Any] = json.loads(body)
    assert body.startswith(b'{\n  "code": ')
    assert body.endswith(b'"\n}\n')
    assert list(content) == ["code", "type", "message"]
    assert content["code"] == status
    return content
