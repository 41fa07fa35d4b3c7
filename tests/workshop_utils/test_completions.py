"""Asking language models: the words each place understands, and its errors in one sentence."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import huggingface_hub.constants
import pytest

from workshop_utils.completions import (
    CompletionError,
    EndpointModel,
    HostedModel,
    Parameters,
    PromptTooLong,
    complete,
)
from workshop_utils.endpoints import Endpoint
from workshop_utils.prompts import Example, build
from workshop_utils.session import Session


class Host(HTTPServer):
    """An inference provider: answers what a test puts in, and keeps what it was asked."""

    status = 200
    answer: object = None
    asked: dict[str, object]
    token: str | None = None


class _Handler(BaseHTTPRequestHandler):
    server: Host

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked = json.loads(body)
        self.server.token = self.headers.get("Authorization")
        answer = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def host() -> Iterator[Host]:
    with Host(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def hosted(host: Host, monkeypatch: pytest.MonkeyPatch) -> HostedModel:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    return HostedModel(f"http://127.0.0.1:{host.server_port}")


def test_a_hosted_model_gets_the_prompt_and_the_parameters(host: Host, hosted: HostedModel) -> None:
    host.answer = [{"generated_text": " card arrival\n###\nMessage: more"}]
    prompt = build("where is it", [Example("a", "b")])
    answer = complete(hosted, prompt, Parameters(temperature=0.7, top_p=0.9, seed=3))
    assert answer.text == str(answer) == " card arrival\n"
    assert answer.seconds > 0
    assert host.asked["inputs"] == prompt.text
    sent = host.asked["parameters"]
    assert isinstance(sent, dict)
    assert {name: value for name, value in sent.items() if value is not None} == {
        "max_new_tokens": 25,
        "do_sample": True,
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["###"],
        "return_full_text": False,
    }
    assert host.token == "Bearer hf_secret"


def test_temperature_zero_is_sent_as_no_sampling(host: Host, hosted: HostedModel) -> None:
    host.answer = [{"generated_text": "x"}]
    complete(hosted, "a", Parameters(temperature=0, top_p=0.5))
    sent = host.asked["parameters"]
    assert isinstance(sent, dict)
    assert sent["do_sample"] is False
    assert sent.get("temperature") is None
    assert sent.get("top_p") is None


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "access token in HF_TOKEN is not valid"),
        (402, "credits"),
        (403, "may not call inference providers"),
        (404, "no provider runs"),
        (429, "too often"),
        (503, "overloaded"),
        (418, "HTTP 418"),
    ],
)
def test_a_hosts_error_becomes_a_sentence(
    host: Host, hosted: HostedModel, status: int, message: str
) -> None:
    host.status, host.answer = status, {"error": "no"}
    with pytest.raises(CompletionError, match=message) as error:
        complete(hosted, "a")
    assert "hf_secret" not in str(error.value)


def test_a_prompt_that_is_too_long_for_a_host_has_its_own_error(
    host: Host, hosted: HostedModel
) -> None:
    host.status = 422
    host.answer = {
        "error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 3000",
        "error_type": "validation",
    }
    with pytest.raises(PromptTooLong, match="1024 tokens"):
        complete(hosted, "a")


def test_without_a_token_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(CompletionError, match="set HF_TOKEN in the environment"):
        HostedModel("EleutherAI/gpt-neo-1.3B")


def test_a_host_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with HTTPServer(("127.0.0.1", 0), _Handler) as unused:
        port = unused.server_port
    with pytest.raises(CompletionError, match="cannot be reached"):
        complete(HostedModel(f"http://127.0.0.1:{port}"), "a")


def test_an_endpoint_that_is_not_there_is_named(ws: Session) -> None:
    with pytest.raises(CompletionError, match=r"no endpoint to ask: .*absent-endpoint"):
        complete(EndpointModel(Endpoint(ws, "absent-endpoint")), "a")
