"""A notebook that is run for its times: what is told of a cell that fails, in whatever way."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest

pytestmark = pytest.mark.slow

Told = Callable[[str], tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def told(notebook_run: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Run a notebook of two sections, the second of them this code; return what is told of it."""

    def run(code: str) -> tuple[int, list[dict[str, Any]]]:
        cells = [
            nbformat.v4.new_markdown_cell("## 1. Good"),
            nbformat.v4.new_code_cell("x = 1"),
            nbformat.v4.new_markdown_cell("## 2. Bad"),
            nbformat.v4.new_code_cell(code, id="bad"),
            nbformat.v4.new_code_cell("never"),
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "lab.ipynb")
        status = notebook_run.main(tmp_path / "lab.ipynb")
        return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("raise OSError('no more')", "OSError: no more"),
        ("import os; os._exit(1)", "DeadKernelError: Kernel died"),
        (
            "import time; time.sleep(600)",
            "CellTimeoutError: A cell timed out while it was being executed, after 3 seconds.",
        ),
    ],
)
def test_a_failure_is_told_with_its_cell_after_its_sections_time(
    told: Told, notebook_run: ModuleType, monkeypatch: pytest.MonkeyPatch, code: str, why: str
) -> None:
    if "sleep" in code:
        monkeypatch.setattr(notebook_run, "_CELL_SECONDS", 3)
    status, lines = told(code)
    assert status == 1
    assert [line["section"] for line in lines[:-1]][-2:] == ["1. Good", "2. Bad"]
    assert lines[-1] == {"failed": "bad", "why": why}
