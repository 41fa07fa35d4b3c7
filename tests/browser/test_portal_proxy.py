"""The portal behind jupyter-server-proxy, as in a SageMaker Studio space."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from local_sagemaker import LocalSageMaker
from tests.browser.conftest import NewPage
from tests.browser.portal_pages import accessibility_problems, expect, ready, sign_in
from tests.portal_support import work

BASE = "/jupyterlab/default/"


@pytest.fixture(scope="module")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a Jupyter server that asks for a token, with the proxy."""
    pytest.importorskip("jupyter_server_proxy", reason="jupyter-server-proxy is not installed")
    home = tmp_path_factory.mktemp("jupyter")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folders = {
        f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")
    }
    options = {
        "port": str(port),
        "port_retries": "0",
        "base_url": BASE,
        "root_dir": str(home),
        "open_browser": "False",
        "allow_root": "True",
        "jpserver_extensions": "{'jupyter_server_proxy': True}",
    }
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_server", "--IdentityProvider.token=secret"),
                *(f"--ServerApp.{name}={value}" for name, value in options.items()),
            ],
            env=os.environ | folders | {"HOME": str(home)},
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://localhost:{port}{BASE}"
            while True:
                assert process.poll() is None, (home / "log").read_text()
                try:
                    httpx.get(f"{url}api", trust_env=False)
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield url
        finally:
            process.terminate()
            process.wait()


@pytest.mark.parametrize("way", ["proxy", "proxy/absolute"])
def test_a_task_is_answered_through_the_proxy(
    local: LocalSageMaker, new_page: NewPage, jupyter: str, way: str
) -> None:
    made = work(contents=[{"taskObject": "One."}, {"taskObject": "Two."}])
    link = urlsplit(local.portal_url)
    portal = f"{jupyter}{way}/{link.port}/portal/"
    page = new_page()
    page.goto(portal)
    # Jupyter's own sign-in stands before it.
    assert "csrf" not in page.content()
    page.goto(f"{jupyter}api/status?token=secret")
    sign_in(page, f"{portal}#{link.fragment}", f"Through {way}")
    assert page.url == portal
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    own = cookies[f"portal-{link.port}"]
    assert own["path"] == urlsplit(portal).path.rstrip("/")
    assert own["httpOnly"]
    assert own["sameSite"] == "Strict"
    page.get_by_role("button", name=f"Start working: {made.title}").click()
    frame = ready(page)
    expect(frame.get_by_text("One.")).to_be_visible()
    assert accessibility_problems(page) == []
    address = page.url
    page.reload()
    frame = ready(page)
    assert page.url == address
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    expect(frame.get_by_text("Two.")).to_be_visible()
    assert made.answers(0) == [{"sentiment": {"label": "Negative"}}]
    page.get_by_role("button", name="Stop and resume later").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop").click()
    page.get_by_role("button", name=f"Resume: {made.title}").click()
    frame = ready(page)
    page.keyboard.press("1")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert page.url == portal
    assert made.answers(1) == [{"sentiment": {"label": "Positive"}}]
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your name")).to_be_visible()
    page.goto(portal.rstrip("/"))
    assert page.url == portal


def test_who_is_not_signed_in_at_jupyter_gets_nothing(local: LocalSageMaker, jupyter: str) -> None:
    port = urlsplit(local.url).port
    for page in ("", "static/task.js", "task?id=x"):
        answer = httpx.get(f"{jupyter}proxy/{port}/portal/{page}", trust_env=False)
        assert answer.status_code in (302, 403)
        assert "csrf" not in answer.text
