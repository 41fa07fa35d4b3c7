"""What a lab's cells need, read from their source."""

from pathlib import Path

import nbformat
import pytest

from workshop_utils import lab_cells, notebooks
from workshop_utils.lab_cells import Cell, LabCells


def _cell(source: str, section: int = 1, *tags: str, name: str = "cell") -> Cell:
    return Cell(name, section, source, frozenset(tags))


@pytest.mark.parametrize(
    ("source", "needed", "made"),
    [
        ("a = b", {"b"}, {"a"}),
        ("a = a + 1", {"a"}, {"a"}),
        ("a += 1", {"a"}, {"a"}),
        ("a = 1\nprint(a)", {"print"}, {"a"}),
        ("import os.path as p, sys", set(), {"p", "sys"}),
        ("for one in many:\n    found = one", {"many"}, {"one", "found"}),
        ("def f(x):\n    return x + y", {"y"}, {"f"}),
        ("with open(p) as file:\n    text = file.read()", {"open", "p"}, {"file", "text"}),
        ("found = [one for one in many]", {"many"}, {"found"}),
        ("found = {k: max(v for v in vs) for k, vs in many.items()}", {"many", "max"}, {"found"}),
        ("print(*(one for one in many))", {"print", "many"}, set()),
        ("table[key] = value", {"table", "key", "value"}, set()),
        ("", set(), set()),
    ],
)
def test_names_are_read_and_bound_as_python_does(
    source: str, needed: set[str], made: set[str]
) -> None:
    assert _cell(source).needed == needed
    assert _cell(source).made == made


def test_only_what_a_section_rests_on_is_returned() -> None:
    cells = LabCells(
        {1: "One", 2: "Two", 3: "Three"},
        (
            _cell("import shop\nws = 1", name="start"),
            _cell("from plots import draw\ndraw(ws)", name="plot"),
            _cell("old = ws", name="unused"),
            _cell("more = ws", 1, "deeper", name="left out"),
            _cell("sold = shop.sell(ws)", 2, name="sell"),
            _cell("shop.close(ws)", 2, "effect", name="close"),
            _cell("draw(sold)", 3, name="last"),
        ),
    )
    wanted = cells.wanted_from(3)
    assert wanted == {"draw", "sold"}
    found = {cell.name: (cell.source, used) for cell, used in cells.before(3, wanted)}
    assert list(found) == ["start", "plot", "sell", "close"]
    # Nothing is drawn only because something was imported there.
    assert found["plot"] == ("from plots import draw", {"draw"})
    assert found["sell"] == ("sold = shop.sell(ws)", {"sold"})
    assert [cell.name for cell, _ in cells.before(2, {"ws"})] == ["start"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in the place of the checkout, for notebooks."""
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    return tmp_path


def _write(path: Path, *sources: str) -> None:
    cells = [nbformat.v4.new_markdown_cell("## 1. One")]
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def test_a_copy_beside_a_notebook_is_not_the_lab(folder: Path) -> None:
    path = folder / notebooks.NOTEBOOKS[1]
    _write(path, "a = 1")
    _write(path.with_stem(f"{path.stem}-Copy1"), "b = 1")
    (cell,) = lab_cells.read(1).cells
    assert cell.made == {"a"}


def test_a_lab_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no lab 9, but 1, 2, 3"):
        lab_cells.read(9)
    missing = folder / notebooks.NOTEBOOKS[2]
    with pytest.raises(FileNotFoundError, match=f"no notebook {missing}: .*git checkout"):
        lab_cells.read(2)
