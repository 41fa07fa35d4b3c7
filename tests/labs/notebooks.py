"""Runs notebooks as a person would who runs every cell, and then every cell again.

An exercise is run as it stands and then with its solution, its check after each of the two; and
where the text says what one should see, the figure is read at that moment.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.labs.started import started

CLEAN_UP = "clean-up"
"""The cell after which the account is as it was before the lab."""


def run_every_cell_twice(path: Path, environment: Mapping[str, str]) -> NotebookNode:
    """Run each code cell of a notebook twice in a row in one kernel; return it with its outputs.

    Parameters
    ----------
    path
        The notebook; its folder is the working directory.
    environment
        Variables of the kernel, beside those of this process; among them the local SageMaker's
        home, whose jobs and endpoints are counted before the lab cleans up.

    Returns
    -------
    NotebookNode
        With the outputs of the second run. Its metadata have ``started`` (what was counted),
        ``verdicts`` (of each exercise's check: as it stands, and solved) and ``seen`` (by the cell
        that says what one should see: the figure).
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.update(started={}, verdicts={}, seen={})
    client = NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    variables = dict(os.environ) | dict(environment)
    # The tests' own backend draws nothing; a notebook's kernel has one that shows pictures.
    variables.pop("MPLBACKEND", None)
    exercises = {cell.metadata.get("exercise") for cell in notebook.cells} - {None}
    with client.setup_kernel(env=variables):
        for number, cell in enumerate(notebook.cells):
            if cell["id"] == CLEAN_UP:
                home = Path(environment["LOCAL_SAGEMAKER_HOME"])
                notebook.metadata["started"] = started(home)
            if cell.metadata.get("exercise"):
                _run_exercise(client, number, solution(path, cell.metadata["exercise"]))
            elif cell.metadata.get("check") not in exercises and cell.cell_type == "code":
                client.execute_cell(cell, number)
                client.execute_cell(cell, number)
            if "expect" in cell.metadata:
                figure = _value(client, number, cell.metadata["expect"]["figure"])
                notebook.metadata["seen"][cell["id"]] = figure
    return notebook


def solution(path: Path, exercise: str) -> Path:
    """Return the file with the solution of a notebook's exercise."""
    lab = path.name.partition("_")[0]
    return path.parent / "solutions" / lab / f"{exercise}.py"


def outputs(notebook: NotebookNode, cell_id: str) -> list[dict[str, Any]]:
    """Return the outputs of the cell with an id."""
    return next(cell["outputs"] for cell in notebook.cells if cell["id"] == cell_id)


def printed(notebook: NotebookNode, cell_id: str) -> str:
    """Return what the cell with an id printed."""
    return "".join(o["text"] for o in outputs(notebook, cell_id) if o["output_type"] == "stream")


def shown(notebook: NotebookNode, cell_id: str, mime: str = "text/html") -> str:
    """Return what the cell with an id displayed last, in one format."""
    data = [o["data"] for o in outputs(notebook, cell_id) if "data" in o]
    return str(data[-1].get(mime, ""))


def _run_exercise(client: NotebookClient, number: int, solved: Path) -> None:
    """Run an attendee's cell as it stands and then as it is solved, and its check after each."""
    cell, check = client.nb.cells[number : number + 2]
    as_it_stands, verdicts = cell["source"], []
    for source in (as_it_stands, solved.read_text(encoding="utf-8")):
        cell["source"] = source
        client.execute_cell(cell, number)
        client.execute_cell(check, number + 1)
        verdicts.append(shown(client.nb, check["id"], "text/plain"))
    cell["source"] = as_it_stands
    client.nb.metadata["verdicts"][cell.metadata["exercise"]] = verdicts


def _value(client: NotebookClient, number: int, expression: str) -> float:
    """Return what an expression is worth in the kernel, as a number."""
    asked = client.nb.cells[number]
    probe = nbformat.v4.new_code_cell(f"print(float({expression}))")
    client.execute_cell(probe, number)
    client.nb.cells[number] = asked
    return float("".join(output["text"] for output in probe["outputs"]))
