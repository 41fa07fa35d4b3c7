"""A model that is not in the cache comes from the hub: here one on this machine, with one model."""

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import tiny_models
from tests.local_sagemaker.serving_process import Serve
from tests.tiny_models import COMMIT

pytestmark = pytest.mark.slow

REPOSITORY = "someone/tiny"


class Hub(ThreadingHTTPServer):
    """Gives the files of one folder as the Hugging Face hub does, to who has the token."""

    daemon_threads = True
    folder: Path
    fetched: set[str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = urlsplit(self.path).path
        if self.headers.get("Authorization") != "Bearer hf_mine":
            self._send(401, b"", {"X-Error-Code": "GatedRepo"}, body=body)
        elif path.startswith(f"/api/models/{REPOSITORY}/tree/"):
            entries = [{"type": "file", "path": n, "size": 1, "oid": n} for n in self.server.files]
            self._send(200, json.dumps(entries).encode(), {}, body=body)
        elif path.startswith(f"/api/models/{REPOSITORY}"):
            siblings = [{"rfilename": name} for name in self.server.files]
            about = {"id": REPOSITORY, "sha": COMMIT, "siblings": siblings}
            self._send(200, json.dumps(about).encode(), {}, body=body)
        elif path.startswith(f"/{REPOSITORY}/resolve/"):
            name = path.rpartition("/")[2]
            content = (self.server.folder / name).read_bytes()
            if body:
                self.server.fetched.add(name)
            tag = hashlib.sha256(content).hexdigest()
            self._send(200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}, body=body)
        else:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"}, body=body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(("127.0.0.1", 0), _Handler) as server:
        server.folder, server.fetched = tiny_models.classifier(tmp_path / "saved"), set()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_model_is_downloaded_once_and_without_what_torch_does_not_load(
    serve: Serve, hub: Hub, tmp_path: Path
) -> None:
    model = set(hub.files)
    for other in ("tf_model.h5", "flax_model.msgpack", "model.onnx", "pytorch_model.bin"):
        (hub.folder / other).write_text("large")
    variables = {
        "HF_MODEL_ID": REPOSITORY,
        "HF_HOME": str(tmp_path / "home"),
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_TOKEN": "hf_mine",
    }
    (tmp_path / "home").mkdir()
    served = serve(None, **variables)
    [answer] = json.loads(served.invoke('{"inputs": "good"}')[2])
    assert answer["label"] in ("no", "yes")
    output = served.output()
    assert f"is downloaded from {hub.url}" in output
    assert "hf_mine" not in output
    assert hub.fetched == model
    hub.fetched.clear()
    # From the cache, without a word to the hub.
    served = serve(None, **variables | {"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert json.loads(served.invoke('{"inputs": "good"}')[2]) == [answer]


def test_without_the_token_it_ends_with_the_reason(serve: Serve, hub: Hub, tmp_path: Path) -> None:
    served = serve(
        None,
        healthy=False,
        HF_MODEL_ID=REPOSITORY,
        HF_HOME=str(tmp_path),
        HF_ENDPOINT=hub.url,
        HF_HUB_OFFLINE="0",
    )
    output, _ = served.process.communicate(timeout=120)
    assert served.process.returncode == 1
    assert "gated" in output
    served = serve(
        None, healthy=False, HF_MODEL_ID=REPOSITORY, HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1"
    )
    output, _ = served.process.communicate(timeout=120)
    assert "HF_HUB_OFFLINE forbids to download it" in output
    assert f"`hf download {REPOSITORY}`" in output
