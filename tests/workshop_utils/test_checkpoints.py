"""Catching up with a notebook that has more in it than Python; whole labs: tests/labs."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from workshop_utils import notebooks
from workshop_utils.checkpoints import CatchUpFailed, catch_up

IN_IPYTHON = """
from pathlib import Path
from workshop_utils import notebooks
from workshop_utils.checkpoints import catch_up

notebooks.ROOT = Path({root!r})
catch_up(1, 2, globals())
print(found, said)
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    return tmp_path


def _save(root: Path, first: dict[str, str], rest: str, *effects: str) -> None:
    """Save Lab 1 with these cells in its first section, and one in the second."""
    cells = [nbformat.v4.new_markdown_cell("## 1. One")]
    for name, source in first.items():
        tags = ["effect"] if name in effects else []
        cells.append(nbformat.v4.new_code_cell(source, id=name, metadata={"tags": tags}))
    cells += [nbformat.v4.new_markdown_cell("## 2. Two"), nbformat.v4.new_code_cell(rest)]
    cells.append(nbformat.v4.new_markdown_cell("## 3. Clean up"))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), root / notebooks.NOTEBOOKS[1])


@pytest.mark.parametrize(
    "source", ["!pip list", "%timeit x", "ws.cost?", "print(", "if x:\n    a\n  b", "%%time\ny = 1"]
)
def test_a_cell_that_nothing_needs_may_hold_anything(root: Path, source: str) -> None:
    _save(root, {"before": source, "make": "found = 6 * 7", "after": source}, "print(found)\nx?")
    names: dict[str, object] = {}
    catch_up(1, 2, names)
    assert names["found"] == 42


@pytest.mark.parametrize(
    "source", ["found = print(", "if 1:\n    found = 1\n  found = 2", "%%time\nfound = 1"]
)
def test_a_cell_that_may_make_what_is_missing_is_named(root: Path, source: str) -> None:
    _save(root, {"other": "ran = 1", "make": source}, "print(found, ran)")
    names: dict[str, object] = {}
    with pytest.raises(CatchUpFailed, match=r"(?s)to make found\..*'make' of section 1: .*Mend"):
        catch_up(1, 2, names)
    assert "ran" not in names, "nothing is run before"
    # What the kernel has need not be made.
    catch_up(1, 2, names | {"found": 1})


def test_a_cell_that_later_ones_rely_on_must_be_python(root: Path) -> None:
    _save(root, {"other": "ran = 1", "close": "close(ran"}, "print(ran)", "close")
    with pytest.raises(CatchUpFailed, match=r"'close' of section 1 is not Python: .*line 1"):
        catch_up(1, 2, {})


def test_a_magic_that_is_needed_runs_in_a_notebook_and_is_refused_elsewhere(
    root: Path, repository: Path, tmp_path: Path
) -> None:
    _save(
        root, {"make": "said = !echo hello\n%timeit -n1 -r1 said\nfound = 42"}, "print(found, said)"
    )
    with pytest.raises(CatchUpFailed, match=r"'make' of section 1 has a magic.*only a notebook"):
        catch_up(1, 2, {})
    script = tmp_path / "cell.ipy"
    script.write_text(IN_IPYTHON.format(root=str(root)), encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", str(script)],
        env=os.environ | {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.endswith("42 ['hello']\n")
