"""Going on in the middle of a lab: in a kernel that was restarted, or after coming late.

`catch_up` runs what the rest of a lab rests on, and nothing else: the lab's own cells, with the
attendee's settings in them. What the account has already (a trained model, an endpoint, answers of
people) is taken from there; what it has not is made. So the same call, made beforehand, is how an
instructor stages a lab. It must not know what a lab teaches.
"""

import builtins
import time
from collections.abc import Callable, Mapping
from typing import Any

from workshop_utils import estimators, lab_cells
from workshop_utils.lab_cells import Cell, LabCells
from workshop_utils.pipelines import Pipeline

Names = dict[str, Any]
Finder = Callable[[Mapping[str, Any]], Any]
# What every notebook has beside Python's builtins.
_NOTEBOOKS_OWN = frozenset({"display", "get_ipython"})


class CatchUpFailed(Exception):
    """A section cannot be reached; the message says which cell failed, or what there is instead."""


def catch_up(lab: int, section: int | None, names: Names) -> None:
    """Bring a kernel to the beginning of a lab's section.

    Parameters
    ----------
    lab
        Its number.
    section
        Which of its sections comes next. None does nothing, for a cell that is usually not needed.
    names
        Where the lab's cells keep theirs; in a notebook ``globals()``.

    Raises
    ------
    CatchUpFailed
        When there is no such section, or when a cell fails. Before any cell is run also when one
        that is needed is not Python, or has a magic and this is no notebook.
    """
    if section is None:
        print("Nothing to catch up with: go on with the next cell.")
        return
    cells = lab_cells.read(lab)
    if section not in cells.sections:
        known = "\n".join(f"  {number}  {title}" for number, title in cells.sections.items())
        raise CatchUpFailed(f"Lab {lab} has no section {section!r}, but these:\n{known}")
    began = time.monotonic()
    cleaning = section == cells.last
    # What is to be deleted need not be made first.
    reached = 2 if cleaning else section
    wanted = frozenset({"ws"}) if cleaning else cells.wanted_from(section)
    found = cells.before(reached, wanted)
    for cell, _ in found:
        _check(cell, names)
    there = names.keys() | set(dir(builtins)) | _NOTEBOOKS_OWN
    _check_makers(cells, reached, wanted.union(*(cell.needed for cell, _ in found)) - there)
    for cell, used in found:
        _provide(lab, cell, used, names)
    print(
        f"Here you are, after {time.monotonic() - began:.0f} s. Go on with the first cell of "
        f"section {section}, {cells.sections[section]}."
    )
    if cleaning:
        print("Leave out its first cell: the plan below it finds everything by its tags.")


def _check(cell: Cell, names: Names) -> None:
    place = f"Cell {cell.name!r} of section {cell.section}"
    if cell.mistake:
        raise CatchUpFailed(
            f"{place} is not Python: {cell.mistake}\nLater cells rely on it. The notebook is taken "
            "as it was last saved. Mend the cell, save, and try again."
        )
    shell = "get_ipython" in names or hasattr(builtins, "get_ipython")
    if "get_ipython" in cell.needed and not shell:
        raise CatchUpFailed(
            f"{place} has a magic (%, ! or ?), which only a notebook can run. Catch up there, in "
            "the cell catch_up, or take the magic out, save, and try again."
        )


def _check_makers(cells: LabCells, reached: int, wanted: frozenset[str]) -> None:
    """Tell of cells before a section that may make what no cell is known to make."""
    core = [cell for cell in cells.cells if cell.section < reached and "deeper" not in cell.tags]
    missing = wanted.difference(*(cell.made for cell in core))
    unread = [cell for cell in core if cell.unread]
    if missing and unread:
        listed = "\n".join(
            f"  {one.name!r} of section {one.section}: {one.unread}" for one in unread
        )
        raise CatchUpFailed(
            f"No cell before section {reached} is known to make {', '.join(sorted(missing))}. What "
            f"these make cannot be told:\n{listed}\nThe notebook is taken as it was last saved. "
            "Mend the cell that does, save, and try again."
        )


def _provide(lab: int, cell: Cell, used: frozenset[str], names: Names) -> None:
    finders = _FINDERS.get(lab, {})
    if used and used <= finders.keys():
        found = {name: finders[name](names) for name in used}
        if None not in found.values():
            names.update(found)
            print(f"{cell.name}: is there already")
            return
    if cell.source != cell.imports.source:
        print(f"{cell.name} ...", flush=True)
    try:
        # What the attendee would run: no more is done than with the notebook open.
        exec(compile(cell.source, f"<cell {cell.name}>", "exec"), names)  # noqa: S102
    except Exception as error:
        raise CatchUpFailed(
            f"Cell {cell.name!r} of section {cell.section} failed with {type(error).__name__}: "
            f"{error}\nThe notebook is taken as it was last saved. Mend the cell, save, and try "
            "again."
        ) from error


def _training(names: Mapping[str, Any]) -> Any:
    return estimators.started(names["ws"], names["channels"], {"seed": names["SEED"]})


def _first_execution(names: Mapping[str, Any]) -> Any:
    pipeline: Pipeline = names["pipeline"]
    return next(iter(pipeline.succeeded()), None)


def _later_execution(names: Mapping[str, Any]) -> Any:
    pipeline: Pipeline = names["pipeline"]
    return next(iter(pipeline.succeeded()[:0:-1]), None)


_FINDERS: dict[int, dict[str, Finder]] = {
    1: {"started": _training},
    3: {"execution": _first_execution, "second": _later_execution},
}
"""For cells that would do their work again: what tells that it is done, by the name they bind."""
