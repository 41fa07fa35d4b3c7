"""Every section entered in a fresh kernel: caught up with, and then run."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from local_sagemaker.daemon import stop
from local_sagemaker.home import Home
from tests.labs.left_behind import left_behind
from workshop_utils import lab_cells
from workshop_utils.checkpoints import CatchUpFailed, catch_up
from workshop_utils.notebooks import NOTEBOOKS

pytestmark = [pytest.mark.slow, pytest.mark.notebook]

CATCH_UP = (
    "from workshop_utils.checkpoints import catch_up\n\ncatch_up({lab}, {section}, globals())"
)
# Lab 3 in order, or the model would be trained a third time; the others in an empty account first
# where most has to be made.
SECTIONS = {1: (8, 2, 3, 4, 5, 6, 7, 9), 2: (10, 2, 3, 4, 5, 6, 7, 8, 9, 11), 3: range(2, 12)}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    stop(home)


def _entered(path: Path, lab: int, section: int, home: Home) -> str:
    """Run a section's core cells after catching up with it; return what catching up printed."""
    notebook = nbformat.read(path, as_version=4)
    cells = lab_cells.read(lab)
    core = {c.name for c in cells.cells if c.section == section and "deeper" not in c.tags}
    if section == cells.last:
        # As catching up says.
        core.remove("delete")
    first = nbformat.v4.new_code_cell(CATCH_UP.format(lab=lab, section=section))
    notebook.cells = [first, *(cell for cell in notebook.cells if cell["id"] in core)]
    environment = {
        "LOCAL_SAGEMAKER_HOME": str(home.path),
        "WORKSHOP_MODE": "local",
        "WORKSHOP_APPROVAL": "Approved",
    }
    client = NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.delenv("MPLBACKEND", raising=False)
        client.execute()
    return "".join(out.get("text", "") for out in notebook.cells[0]["outputs"])


@pytest.mark.parametrize("lab", SECTIONS)
def test_every_section_can_be_entered_in_a_fresh_kernel(
    repository: Path, home: Home, lab: int
) -> None:
    path = repository / NOTEBOOKS[lab]
    cells = lab_cells.read(lab)
    assert {1, *SECTIONS[lab]} == cells.sections.keys()
    for section in SECTIONS[lab]:
        said = _entered(path, lab, section, home)
        assert f"Go on with the first cell of section {section}, " in said
        if lab == 1 and section in (5, 6, 7):
            assert "run: is there already" in said
        if lab == 3 and section == 10:
            assert "start-pipeline: is there already" in said
            assert "learn: is there already" in said
    assert not left_behind(home.path)


def test_a_section_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(CatchUpFailed, match=r"(?s)no section 12.*7  Deploy"):
        catch_up(1, 12, {})


def test_no_section_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    catch_up(1, None, names)
    assert not names
    assert "Nothing to catch up with" in capsys.readouterr().out
