"""The path through each lab, as its notebook says: nothing is run here."""

import ast
import builtins
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.labs.notebooks import solution
from workshop_utils.lab_cells import LabCells, read

LABS = (
    "lab1_few_shot_learning.ipynb",
    "lab2_zero_shot_jumpstart.ipynb",
    "lab3_human_in_the_loop.ipynb",
)
CORE = 35
"""As many code cells as one gets through in 40 minutes."""
DEEPER = "# deeper\n"
STARTS = {"batch.start", "deployments.start", "sentiment.learn", "endpoints.deploy"}
STARTS |= {"jumpstart.deploy", "language_models.stand_in", "train"}
"""What begins a job or an endpoint, which on AWS takes minutes."""


@pytest.fixture(scope="module", params=LABS)
def path(request: pytest.FixtureRequest, repository: Path) -> Path:
    return repository / str(request.param)


@pytest.fixture(scope="module")
def lab(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def cells(path: Path) -> LabCells:
    return read(int(path.name.removeprefix("lab")[0]))


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


def _calls(cell: NotebookNode) -> dict[str, ast.Call]:
    tree = ast.parse(cell["source"])
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {ast.unparse(call.func): call for call in calls}


def test_what_takes_minutes_is_started_by_one_core_cell_and_awaited_by_another(
    lab: NotebookNode,
) -> None:
    started, waited = [], []
    for cell in _code(lab):
        if _is_deeper(cell):
            continue
        calls = _calls(cell)
        starting = STARTS & set(calls)
        waiting = {name for name in calls if name.rpartition(".")[2] in ("wait", "follow")}
        # For how long people take nobody has a figure.
        waiting.discard("review.wait")
        assert not (starting and waiting), cell["id"]
        for name in starting:
            if name.endswith((".deploy", ".stand_in")):
                said = {word.arg: ast.unparse(word.value) for word in calls[name].keywords}
                assert said.get("wait") == "False", cell["id"]
        for name in waiting:
            assert "waits.expected(" in ast.unparse(calls[name]), cell["id"]
        started += [cell["id"]] * bool(starting)
        waited += [cell["id"]] * bool(waiting)
    assert len(started) >= 2
    assert len(waited) == len(started)


def test_a_deeper_cell_says_so(lab: NotebookNode) -> None:
    assert "`# deeper`" in lab.cells[0]["source"]
    for cell in _code(lab):
        assert cell["source"].startswith(DEEPER) is _is_deeper(cell), cell["id"]


def test_the_core_path_needs_nothing_of_the_deeper_cells(cells: LabCells) -> None:
    known = set(dir(builtins))
    for cell in cells.cells:
        if "deeper" not in cell.tags:
            assert not cell.needed - known, (cell.name, cell.needed - known)
            known |= cell.made


def test_a_deeper_cell_needs_the_core_and_its_own_section_only(cells: LabCells) -> None:
    core, section = set(dir(builtins)), {0: set[str]()}
    for cell in cells.cells:
        if "deeper" in cell.tags:
            own = section.setdefault(cell.section, set())
            missing = cell.needed - core - own
            assert not missing, (cell.name, missing)
            own |= cell.made
        else:
            core |= cell.made


def test_a_tag_is_one_that_something_reads(cells: LabCells) -> None:
    known = {"deeper", "effect", "exercise", "local-only", "parameters"}
    assert not frozenset[str]().union(*(cell.tags for cell in cells.cells)) - known


def test_every_section_can_be_reached_from_what_is_run_for_it(cells: LabCells) -> None:
    sections = list(cells.sections)
    assert sections == list(range(1, cells.last + 1))
    for section in sections:
        known = set(dir(builtins))
        for cell, used in cells.before(section, cells.wanted_from(section)):
            assert cell.needed <= known, (section, cell.name)
            known |= cell.made
            assert used or "effect" in cell.tags, (section, cell.name)
        missing = cells.wanted_from(section) - known
        assert not missing, (section, missing)


def test_the_checkpoint_cell_is_the_only_one_that_a_fresh_kernel_needs(cells: LabCells) -> None:
    (cell,) = [cell for cell in cells.cells if cell.name == "catch-up"]
    assert cell.section == 1
    assert not cell.needed - set(dir(builtins))
