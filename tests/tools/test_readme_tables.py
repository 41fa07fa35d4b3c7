"""The tables of README.md are what the recorded results say."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def ran(tool: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(tool), *arguments], capture_output=True, text=True, check=False
    )


def test_the_tables_are_current(repository: Path) -> None:
    result = ran(repository / "tools" / "readme_tables.py", "--check")
    assert result.returncode == 0, result.stderr


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """Return a copy of the tool and all it reads."""
    for folder in ("tools", "workshop_utils", "data", "docs/examples"):
        shutil.copytree(repository / folder, tmp_path / folder)
    for file in ("README.md", "lab1_few_shot_learning.ipynb"):
        shutil.copyfile(repository / file, tmp_path / file)
    return tmp_path


@pytest.mark.slow
def test_an_edited_figure_is_noticed_and_put_right(copy: Path) -> None:
    tool, page = copy / "tools" / "readme_tables.py", copy / "README.md"
    right = page.read_text(encoding="utf-8")
    wrong = right.replace("| TF-IDF", "| TF-IDF, tuned", 1)
    assert wrong != right
    page.write_text(wrong, encoding="utf-8")
    checked = ran(tool, "--check")
    assert checked.returncode == 1
    assert "python tools/readme_tables.py" in checked.stderr
    assert ran(tool).returncode == 0
    assert page.read_text(encoding="utf-8") == right


def test_a_lost_marker_is_named(copy: Path) -> None:
    page = copy / "README.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("<!-- end of table: serving -->", ""), encoding="utf-8")
    result = ran(copy / "tools" / "readme_tables.py")
    assert result.returncode != 0
    assert "no <!-- table: serving --> followed by <!-- end of table: serving -->" in result.stderr
