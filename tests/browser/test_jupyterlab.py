"""A lab as attendees meet it: opened in JupyterLab, run from the menu, scrolled through."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import nbformat
import pytest

from local_sagemaker.daemon import stop
from local_sagemaker.home import Home
from tests.browser.conftest import NewPage

if TYPE_CHECKING:
    from playwright.sync_api import Page

NOTEBOOK = "lab2_zero_shot_jumpstart.ipynb"
TOKEN = "attendee"


@pytest.fixture(scope="module")
def folder(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the lab and its pictures, as an attendee who saves would have it."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copy(repository / NOTEBOOK, folder)
    shutil.copytree(repository / "docs" / "pictures", folder / "docs" / "pictures")
    return folder


@pytest.fixture(scope="module")
def jupyterlab(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run JupyterLab; return its address."""
    scratch = tmp_path_factory.mktemp("jupyter")
    home = Home(scratch / "home")
    places = {
        name: str(scratch / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    variables = {"LOCAL_SAGEMAKER_HOME": str(home.path), "WORKSHOP_MODE": "local", **places}
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"} | variables
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    with (scratch / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield _address(process, Path(places["JUPYTER_RUNTIME_DIR"]), scratch / "output.txt")
    finally:
        process.terminate()
        process.wait()
        stop(home)


def _address(process: "subprocess.Popen[bytes]", runtime: Path, output: Path) -> str:
    while True:
        assert process.poll() is None, output.read_text(errors="replace")
        for path in runtime.glob("jpserver-*.json"):
            try:
                url = json.loads(path.read_text())["url"]
                if httpx.get(f"{url}api/status", params={"token": TOKEN}).is_success:
                    return str(url)
            except (ValueError, httpx.TransportError):
                pass
        time.sleep(0.2)


def _kernel(url: str) -> dict[str, Any]:
    found = httpx.get(f"{url}api/sessions", params={"token": TOKEN}).json()
    return dict(found[0]["kernel"]) if found else {"execution_state": "absent"}


def _run_all(page: "Page", url: str, path: Path) -> nbformat.NotebookNode:
    """Run all cells from the menu; return the notebook, saved when they had run or one failed."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_text("Run All Cells", exact=True).click()
    while True:
        page.wait_for_timeout(1000)
        state = _kernel(url)["execution_state"]
        assert state not in ("dead", "restarting", "autorestarting"), "the kernel has ended"
        if state != "idle":
            continue
        page.keyboard.press("Control+s")
        saved = nbformat.read(path, as_version=4)
        code = [cell for cell in _code(saved) if cell.source]
        if all(cell.execution_count for cell in code) or any(map(_error, code)):
            return saved


def _scrolled_through(page: "Page", pictures: Path) -> set[int]:
    """Scroll from the top to the end, a screen at a time; return the numbers of the cells seen."""
    panel = page.locator(".jp-NotebookPanel:visible .jp-WindowedPanel-outer")
    panel.evaluate("panel => { panel.scrollTop = 0; }")
    seen: set[int] = set()
    screens, place = 0, -1
    while place != (place := panel.evaluate("panel => panel.scrollTop")):
        page.wait_for_timeout(300)
        numbers = panel.locator(".jp-Cell").evaluate_all(
            "cells => cells.map(cell => Number(cell.dataset.windowedListIndex))"
        )
        seen.update(numbers)
        page.screenshot(path=pictures / f"screen-{screens:02}.png")
        screens += 1
        panel.evaluate("panel => { panel.scrollTop += panel.clientHeight - 50; }")
    return seen


def _error(cell: nbformat.NotebookNode) -> str | None:
    failures = [o for o in cell.outputs if o.output_type == "error"]
    return f"{cell.id}: {failures[0].ename}: {failures[0].evalue}" if failures else None


def test_a_lab_runs_from_the_menu_and_is_scrolled_through(
    jupyterlab: str, folder: Path, new_page: NewPage, tmp_path: Path
) -> None:
    page = new_page(viewport={"width": 1280, "height": 720})
    page.goto(f"{jupyterlab}lab/tree/{NOTEBOOK}?token={TOKEN}")
    page.get_by_role("heading", name="Lab 2: Zero-shot").wait_for()
    page.locator(".jp-NotebookPanel:visible .jp-Notebook").click()
    saved = _run_all(page, jupyterlab, folder / NOTEBOOK)
    assert [error for error in map(_error, _code(saved)) if error] == []
    page.get_by_role("button", name="No", exact=True).click()  # to news of Jupyter's
    assert _scrolled_through(page, tmp_path) == set(range(len(saved.cells)))
    outputs = [output for cell in _code(saved) for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]
