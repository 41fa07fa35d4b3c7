"""Runs notebooks as a person would who runs every cell, and then every cell again."""

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
        home, whose jobs and endpoints are counted before the lab cleans up, and noted in the
        notebook's metadata, ``started``.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    variables = dict(os.environ) | dict(environment)
    # The tests' own backend draws nothing; a notebook's kernel has one that shows pictures.
    variables.pop("MPLBACKEND", None)
    with client.setup_kernel(env=variables):
        for number, cell in enumerate(notebook.cells):
            if cell["id"] == CLEAN_UP:
                notebook.metadata["started"] = started(Path(environment["LOCAL_SAGEMAKER_HOME"]))
            if cell.cell_type == "code":
                client.execute_cell(cell, number)
                client.execute_cell(cell, number)
    return notebook


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
