"""The examples of README.md and docs/ run, each in its own process."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from local_sagemaker.daemon import stop
from local_sagemaker.home import Home
from tests import doc_support
from tests.doc_support import ROOT

EXAMPLES = ROOT / "docs" / "examples"
INSTRUCTORS = "docs/instructors.md"
# The pages whose commands show accounts, and how many of their tables.
TABLES = {INSTRUCTORS: 3, "docs/room.md": 1}
_STOP = "trap 'python -m local_sagemaker stop >&2 || true' EXIT\n"


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user whose server has a home of its own, and stops at the end."""
    home = Home(tmp_path / "home")
    yield dict(os.environ) | {
        "LOCAL_SAGEMAKER_HOME": str(home.path),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    stop(home)


def _texts(language: str, page: str) -> list[str]:
    """Return a page's blocks in one language."""
    return [b.text for b in doc_support.blocks() if (b.language, b.page) == (language, page)]


def _pages(language: str) -> list[str]:
    """Return the pages that have such blocks."""
    return sorted({b.page for b in doc_support.blocks() if b.language == language})


EXAMPLE_BLOCKS = [
    pytest.param(text, id=f"{page}-{number}")
    for page in _pages("python")
    for number, text in enumerate(_texts("python", page), start=1)
]


def _ran(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_there_are_examples() -> None:
    assert len(EXAMPLE_BLOCKS) >= 3
    assert {"README.md", "docs/local-sagemaker.md", INSTRUCTORS} <= set(_pages("sh"))


@pytest.mark.slow
@pytest.mark.parametrize("code", EXAMPLE_BLOCKS)
def test_an_example_runs(code: str, tmp_path: Path, environment: dict[str, str]) -> None:
    _ran([sys.executable, "-c", code], tmp_path, environment)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in _pages("sh") if page not in TABLES])
def test_a_pages_commands_run(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    # In the order of the page, in one shell, as a reader would who tries each.
    shutil.copytree(EXAMPLES, tmp_path / "docs" / "examples")
    steps = [_STOP, *_texts("sh", page)]
    _ran(["bash", "-euxo", "pipefail", "-c", "".join(steps)], tmp_path, environment)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "tables"), list(TABLES.items()))
def test_the_accounts_commands_print_what_the_page_shows(
    page: str, tables: int, tmp_path: Path, environment: dict[str, str]
) -> None:
    for name in ("docs/examples", "aws"):
        shutil.copytree(ROOT / name, tmp_path / name)
    steps = [_STOP, *_texts("sh", page)]
    command = ["bash", "-euo", "pipefail", "-c", "".join(steps)]
    printed = _timeless(_ran(command, tmp_path, environment))
    shown = [text for text in _texts("text", page) if text.startswith("account ")]
    assert len(shown) == tables
    for table in shown:
        assert _timeless(table) in printed


def _timeless(text: str) -> str:
    """Leave out the clock, how long something took or is there, and how wide that makes a table."""
    clock = r"; \d+ s$|; \d{4}-\d\d-\d\d \d\d:\d\d UTC$|\d+ min|-{3,}"
    return re.sub(r" +", " ", re.sub(clock, "…", text, flags=re.MULTILINE))


@pytest.mark.slow
def test_the_boto3_script_trains_and_deploys(tmp_path: Path, environment: dict[str, str]) -> None:
    script = EXAMPLES / "plain_boto3.py"
    steps = f"""
        trap 'python -m local_sagemaker stop' EXIT
        eval "$(python -m local_sagemaker start)"
        python '{script}'
    """
    printed = _ran(["bash", "-euc", steps], tmp_path, environment)
    for line in ("en  how is the weather", "de  wie ist das Wetter", "fr  ma maison est ici"):
        assert line in printed.splitlines()


@pytest.mark.slow
def test_the_sdk_notebook_runs(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = nbformat.read(EXAMPLES / "sdk_v3.ipynb", as_version=4)
    # The tests' own backend draws nothing; a notebook's kernel has one that shows pictures.
    monkeypatch.delenv("MPLBACKEND", raising=False)
    environment.pop("MPLBACKEND", None)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute(env=environment)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output["data"]["text/plain"] for output in outputs if "data" in output]
    assert "['low', 'high']" in shown


@pytest.mark.slow
def test_the_pytest_example_passes(tmp_path: Path, environment: dict[str, str]) -> None:
    shutil.copy(EXAMPLES / "test_promotion.py", tmp_path)
    command = [sys.executable, "-m", "pytest", "-p", "local_sagemaker.pytest_plugin", str(tmp_path)]
    assert "2 passed" in _ran(command, tmp_path, environment)
