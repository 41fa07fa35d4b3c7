"""The path through each lab, as its notebook says: nothing is run here."""

import ast
import builtins
import re
import symtable
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.labs.notebooks import solution

LABS = (
    "lab1_few_shot_learning.ipynb",
    "lab2_zero_shot_jumpstart.ipynb",
    "lab3_human_in_the_loop.ipynb",
)
CORE = 35
"""As many code cells as one gets through in 40 minutes."""
DEEPER = "# deeper\n"


@pytest.fixture(scope="module", params=LABS)
def path(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / str(request.param)


@pytest.fixture(scope="module")
def lab(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def _code(lab: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in lab.cells if cell.cell_type == "code"]


def _is_deeper(cell: NotebookNode) -> bool:
    return "deeper" in cell.metadata.get("tags", [])


def test_each_exercise_has_its_check_below_it_and_a_solution_elsewhere(
    path: Path, lab: NotebookNode
) -> None:
    found = []
    for number, cell in enumerate(lab.cells):
        if exercise := cell.metadata.get("exercise"):
            found.append(exercise)
            assert "exercise" in cell.metadata["tags"], exercise
            assert lab.cells[number + 1].metadata.get("check") == exercise
            solved = solution(path, exercise).read_text(encoding="utf-8")
            assert solved.strip() != cell["source"].strip(), exercise
            compile(solved, exercise, "exec")
    assert len(found) == 3
    assert {file.stem for file in solution(path, "any").parent.iterdir()} == set(found)
    text = "\n".join(cell["source"] for cell in lab.cells)
    lengths = re.findall(r"Exercise, (2 minutes|10 minutes|open):", text)
    assert sorted(lengths) == ["10 minutes", "2 minutes", "open"]


def test_no_notebook_names_the_solutions(path: Path) -> None:
    assert not re.search(r"\bsolutions/", path.read_text(encoding="utf-8"))


def test_the_text_names_the_range_that_the_labs_tests_hold_it_to(lab: NotebookNode) -> None:
    expected = [cell for cell in lab.cells if "expect" in cell.metadata]
    assert len(expected) >= 2
    for cell in expected:
        expect, text = cell.metadata["expect"], cell["source"]
        assert expect["low"] < expect["high"], cell["id"]
        named = {float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)}
        for bound in (expect["low"], expect["high"]):
            assert {bound, round(bound * 100, 6)} & named, (cell["id"], bound)
    for cell in lab.cells:
        if "**You should see**" in cell["source"]:
            assert " here" in cell["source"], cell["id"]
            assert "not yet run on AWS" in cell["source"], cell["id"]


def test_the_core_path_is_short(lab: NotebookNode) -> None:
    core = [cell["id"] for cell in _code(lab) if not _is_deeper(cell)]
    assert len(core) <= CORE, core


def test_a_deeper_cell_says_so(lab: NotebookNode) -> None:
    assert "`# deeper`" in lab.cells[0]["source"]
    for cell in _code(lab):
        assert cell["source"].startswith(DEEPER) is _is_deeper(cell), cell["id"]


def test_the_core_path_needs_nothing_of_the_deeper_cells(lab: NotebookNode) -> None:
    known = set(dir(builtins))
    for cell in _code(lab):
        if not _is_deeper(cell):
            missing = set(_needed(cell["source"])) - known - _made(cell["source"])
            assert not missing, (cell["id"], missing)
            known |= _made(cell["source"])


def test_a_deeper_cell_needs_the_core_and_its_own_section_only(lab: NotebookNode) -> None:
    core, section = set(dir(builtins)), set()
    for cell in lab.cells:
        if cell.cell_type == "markdown":
            if re.search(r"^## ", cell["source"], re.MULTILINE):
                section = set()
            continue
        if _is_deeper(cell):
            missing = set(_needed(cell["source"])) - core - section - _made(cell["source"])
            assert not missing, (cell["id"], missing)
            section |= _made(cell["source"])
        else:
            core |= _made(cell["source"])


def _made(source: str) -> set[str]:
    """Return the names that a cell binds."""
    top = symtable.symtable(source, "cell", "exec")
    return {
        name.get_name() for name in top.get_symbols() if name.is_assigned() or name.is_imported()
    }


def _needed(source: str) -> Iterator[str]:
    """Yield the names that a cell, or a function in it, reads from outside of it."""
    ast.parse(source)
    tables = [symtable.symtable(source, "cell", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for name in table.get_symbols():
            top = table.get_type() == "module"
            if name.is_referenced() and (top or name.is_global()):
                yield name.get_name()
