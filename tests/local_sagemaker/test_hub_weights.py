"""CreateModel with ``HF_MODEL_ID``: refused where the weights are neither here nor to be had."""

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.local_sagemaker.endpoint_support import IMAGE, ROLE, refused
from tests.tiny_models import COMMIT, put_in_cache

BART = "facebook/bart-large-mnli"
ONLINE = {"HF_HUB_OFFLINE": "0"}


@pytest.fixture(scope="module")
def sagemaker(local: LocalSageMaker) -> Any:
    return boto3.client("sagemaker", endpoint_url=local.url)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder for ``HF_HOME``, with an empty cache."""
    (tmp_path / "hub").mkdir()
    return tmp_path


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Return a folder with the files of a model; only their names count here."""
    folder = tmp_path / "saved"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (folder / name).write_text("{}")
    return folder


def create(sagemaker: Any, home: Path, *, image: str = IMAGE, **environment: str) -> str:
    """Create a model with the variables, which name it BART where they name none."""
    name = f"hub-{uuid.uuid4().hex[:12]}"
    variables = {"HF_HOME": str(home), "HF_MODEL_ID": BART} | environment
    sagemaker.create_model(
        ModelName=name,
        PrimaryContainer={"Image": image, "Environment": variables},
        ExecutionRoleArn=ROLE,
    )
    return name


class Hub(ThreadingHTTPServer):
    """A hub that answers a test's status, and keeps what it was asked."""

    daemon_threads = True
    status = 200
    headers: dict[str, str]
    asked: list[tuple[str, str | None]]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub(("127.0.0.1", 0), _Handler) as server:
        server.headers, server.asked = {}, []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_weights_that_are_nowhere_are_refused_with_what_to_do(
    sagemaker: Any, home: Path, saved: Path
) -> None:
    put_in_cache(saved, home, "someone/other")
    with refused("ValidationException") as found:
        create(sagemaker, home)
    message = found["Message"]
    assert f"the weights of {BART} are not in the Hugging Face cache" in message
    assert f"there is no {home}/hub/models--facebook--bart-large-mnli" in message
    assert "HF_HUB_OFFLINE is set" in message
    assert f"`hf download {BART}`" in message
    assert "that cache holds someone/other" in message
    assert "No other model answers in its place" in message
    shown = sagemaker.list_models(NameContains="hub-")["Models"]
    assert not any(model["ModelName"] in message for model in shown)


def test_weights_in_the_cache_are_taken_without_asking(
    sagemaker: Any, home: Path, saved: Path, hub: Hub
) -> None:
    put_in_cache(saved, home, BART)
    for revision in ("main", COMMIT):
        name = create(sagemaker, home, HF_MODEL_REVISION=revision, HF_ENDPOINT=hub.url, **ONLINE)
        assert sagemaker.describe_model(ModelName=name)["ModelArn"].endswith(name)
    assert hub.asked == []
    with refused("ValidationException") as found:
        create(sagemaker, home, HF_MODEL_REVISION="v2")
    assert "has no revision v2" in found["Message"]
    assert "--revision v2" in found["Message"]


def test_a_cache_that_lacks_a_part_does_not_hold_the_model(
    sagemaker: Any, home: Path, saved: Path
) -> None:
    snapshot = put_in_cache(saved, home, BART)
    (snapshot / "model.safetensors").unlink()
    with refused("ValidationException") as found:
        create(sagemaker, home)
    assert "has no model.safetensors" in found["Message"]
    # A link that leads nowhere is what a removed download leaves.
    (snapshot / "model.safetensors").symlink_to(home / "gone")
    with refused("ValidationException"):
        create(sagemaker, home)
    parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {"weight_map": dict(zip("ab", parts, strict=True))}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    (snapshot / parts[0]).write_text("")
    with refused("ValidationException") as found:
        create(sagemaker, home)
    assert f"has no {parts[1]}" in found["Message"]
    (snapshot / parts[1]).write_text("")
    create(sagemaker, home)
    (snapshot / "config.json").unlink()
    with refused("ValidationException") as found:
        create(sagemaker, home)
    assert "has no config.json" in found["Message"]


@pytest.mark.parametrize("status", [200, 302, 307])
def test_weights_that_the_hub_gives_are_accepted(
    sagemaker: Any, home: Path, hub: Hub, status: int
) -> None:
    hub.status, hub.headers = status, {"Location": "http://127.0.0.1:9/never-asked"}
    create(sagemaker, home, HF_ENDPOINT=hub.url, HF_TOKEN="hf_mine", **ONLINE)
    assert hub.asked == [(f"/{BART}/resolve/main/config.json", "Bearer hf_mine")]


@pytest.mark.parametrize(
    ("status", "code", "token", "message"),
    [
        (401, "GatedRepo", None, "is gated, and you have no HF_TOKEN"),
        (403, "GatedRepo", "hf_mine", "is gated, and your access token's account has no access"),
        (401, "", "hf_mine", "the access token is not valid"),
        (401, "RepoNotFound", None, "without a token"),
        (404, "RepoNotFound", "hf_mine", "check the spelling of HF_MODEL_ID"),
        (404, "RevisionNotFound", None, "has no revision main"),
        (404, "EntryNotFound", None, "has no config.json"),
        (403, "", "hf_mine", "may not read"),
        (503, "", None, "answers HTTP 503"),
    ],
)
def test_each_refusal_of_the_hub_has_its_sentence(
    sagemaker: Any, home: Path, hub: Hub, status: int, code: str, token: str | None, message: str
) -> None:
    hub.status, hub.headers = status, {"X-Error-Code": code, "X-Error-Message": "said\tby the hub"}
    variables = {"HF_ENDPOINT": hub.url} | ({"HF_TOKEN": token} if token else {})
    with refused("ValidationException") as found:
        create(sagemaker, home, **variables, **ONLINE)
    assert message in found["Message"]
    assert "hf_mine" not in found["Message"]


def test_a_token_that_cannot_be_sent_is_not_repeated(sagemaker: Any, home: Path, hub: Hub) -> None:
    with refused("ValidationException") as found:
        create(sagemaker, home, HF_ENDPOINT=hub.url, HF_TOKEN="hf_se cret", **ONLINE)
    assert "characters that no token has" in found["Message"]
    assert "cret" not in found["Message"]
    assert hub.asked == []


def test_the_token_of_the_users_login_is_used(sagemaker: Any, home: Path, hub: Hub) -> None:
    (home / "token").write_text("hf_of_the_login\n")
    create(sagemaker, home, HF_ENDPOINT=hub.url, **ONLINE)
    assert hub.asked[0][1] == "Bearer hf_of_the_login"


def test_a_hub_that_is_not_there_is_asked_once(sagemaker: Any, home: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as unused:
        url = f"http://127.0.0.1:{unused.server_port}"
    with refused("ValidationException") as found:
        create(sagemaker, home, HF_ENDPOINT=url, **ONLINE)
    assert f"{url} cannot be reached" in found["Message"]
    assert "`hf download" in found["Message"]
    # Whatever listens there now is not asked for a while.
    port = int(url.rpartition(":")[2])
    with Hub(("127.0.0.1", port), _Handler) as late:
        late.headers, late.asked = {}, []
        thread = threading.Thread(target=late.serve_forever)
        thread.start()
        with refused("ValidationException") as again:
            create(sagemaker, home, HF_ENDPOINT=url, **ONLINE)
        late.shutdown()
        thread.join()
        assert late.asked == []
    assert "cannot be reached" in again["Message"]


@pytest.mark.parametrize("name", ["../../etc", "a/b/c", "s3://bucket/model", "a--b", "a/b?c", "/x"])
def test_what_names_no_repository_is_refused(sagemaker: Any, home: Path, name: str) -> None:
    if name == "/x":
        # A folder of the container, which only the container knows.
        create(sagemaker, home, HF_MODEL_ID=name)
        return
    with refused("ValidationException") as found:
        create(sagemaker, home, HF_MODEL_ID=name)
    assert f"HF_MODEL_ID is {name!r}" in found["Message"]


def test_the_models_own_folder_needs_model_data(sagemaker: Any, home: Path) -> None:
    with refused("ValidationException") as found:
        create(sagemaker, home, HF_MODEL_ID="/opt/ml/model")
    assert "it has no model data" in found["Message"]


def test_a_model_package_is_asked_for_its_weights_too(sagemaker: Any, home: Path) -> None:
    variables = {"HF_HOME": str(home), "HF_MODEL_ID": BART}
    package = sagemaker.create_model_package(
        ModelPackageName=f"hub-{uuid.uuid4().hex[:12]}",
        InferenceSpecification={
            "Containers": [{"Image": IMAGE, "Environment": variables}],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    name = f"hub-{uuid.uuid4().hex[:12]}"
    with refused("ValidationException") as found:
        sagemaker.create_model(
            ModelName=name,
            PrimaryContainer={"ModelPackageName": package},
            ExecutionRoleArn=ROLE,
        )
    assert BART in found["Message"]
    with refused("ValidationException"):
        sagemaker.describe_model(ModelName=name)
