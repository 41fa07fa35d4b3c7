"""Going on in the middle of a lab: in a kernel that was restarted, or after coming late.

`catch_up` runs what the rest of a lab rests on, and nothing else: the lab's own cells, with the
attendee's settings in them. What the account has already (a trained model, an endpoint, answers of
people) is taken from there; what it has not is made. So the same call, made beforehand, is how an
instructor stages a lab. It must not know what a lab teaches.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from workshop_utils import estimators, lab_cells
from workshop_utils.lab_cells import Cell
from workshop_utils.pipelines import Pipeline

Names = dict[str, Any]
Finder = Callable[[Mapping[str, Any]], Any]


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
        When there is no such section, or when a cell fails.
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
    wanted = ["ws"] if cleaning else cells.wanted_from(section)
    for cell, used in cells.before(reached, wanted):
        _provide(lab, cell, used, names)
    print(
        f"Here you are, after {time.monotonic() - began:.0f} s. Go on with the first cell of "
        f"section {section}, {cells.sections[section]}."
    )
    if cleaning:
        print("Leave out its first cell: the plan below it finds everything by its tags.")


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
