"""The examples of README.md and docs/ run, each in its own process; links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs" / "examples"
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TEXTS = re.compile(r"^```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMANDS = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose server has a home of its own."""
    return dict(os.environ) | {
        "LOCAL_SAGEMAKER_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }


def _blocks() -> list[tuple[str, str]]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        (f"{page.relative_to(ROOT)}-{number}", block)
        for page in pages
        for number, block in enumerate(_BLOCK.findall(page.read_text()), start=1)
    ]


def _ran(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_there_are_examples() -> None:
    assert len(_blocks()) >= 3


@pytest.mark.slow
@pytest.mark.parametrize("code", [pytest.param(code, id=name) for name, code in _blocks()])
def test_an_example_runs(code: str, tmp_path: Path, environment: dict[str, str]) -> None:
    _ran([sys.executable, "-c", code], tmp_path, environment)


@pytest.mark.slow
def test_the_manuals_commands_run(tmp_path: Path, environment: dict[str, str]) -> None:
    # In the order of the page, in one shell, as a reader would who tries each.
    commands = _COMMANDS.findall((ROOT / "docs" / "local-sagemaker.md").read_text())
    assert commands
    shutil.copytree(EXAMPLES, tmp_path / "docs" / "examples")
    _ran(["bash", "-euxo", "pipefail", "-c", "".join(commands)], tmp_path, environment)


@pytest.mark.slow
def test_the_instructors_commands_print_what_the_page_shows(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    page = (ROOT / "docs" / "instructors.md").read_text()
    for name in ("docs/examples", "aws"):
        shutil.copytree(ROOT / name, tmp_path / name)
    steps = ["trap 'python -m local_sagemaker stop >&2' EXIT\n", *_COMMANDS.findall(page)]
    command = ["bash", "-euo", "pipefail", "-c", "".join(steps)]
    printed = _timeless(_ran(command, tmp_path, environment))
    tables = [block for block in _TEXTS.findall(page) if block.startswith("account ")]
    assert len(tables) == 3
    for table in tables:
        assert _timeless(table) in printed


def _timeless(text: str) -> str:
    return re.sub(r"; \d+ s$", "; … s", text, flags=re.MULTILINE)


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


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / "docs" / page).read_text() + (ROOT / "README.md").read_text()
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (ROOT / target).exists() or (ROOT / "docs" / target).exists(), target


@pytest.mark.parametrize("page", sorted(p.name for p in (ROOT / "docs").glob("*.md")))
def test_links_within_a_page_lead_to_a_heading(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    # GitHub's anchors: lower case, hyphens for blanks, nothing else but letters and digits.
    anchors = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
