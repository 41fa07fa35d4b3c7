"""Run one notebook from top to bottom and tell how long each section took.

``python tools/_notebook_run.py NOTEBOOK [TAG...]`` leaves out the cells with these tags. It writes
a line of JSON for each section to standard output as it ends, and one for the cell that failed, if
one did. It is a process of its own so that whoever started it can end it at any moment, the kernel
with it.
"""

import json
import sys
import time
from collections.abc import Collection
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

# How a cell fails: it raises, it takes too long, or the kernel is gone (for want of memory, say).
FAILURES = (CellExecutionError, CellTimeoutError, DeadKernelError)
_CELL_SECONDS = 3 * 3600
_TOLD = 600


def main(path: Path, without: Collection[str] = ()) -> int:
    """Run the notebook but for cells with some tags; return 0 if every cell did."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    section, began = "before the first heading", time.monotonic()
    with client.setup_kernel():
        for number, cell in enumerate(notebook.cells):
            if cell.cell_type == "markdown" and cell.source.startswith("## "):
                _tell(section=section, seconds=time.monotonic() - began)
                section, began = cell.source.splitlines()[0].removeprefix("## "), time.monotonic()
            if cell.cell_type != "code" or set(without) & set(cell.metadata.get("tags", ())):
                continue
            try:
                client.execute_cell(cell, number)
            except FAILURES as error:
                _tell(section=section, seconds=time.monotonic() - began)
                _tell(failed=str(cell.get("id", number)), why=_reason(error))
                return 1
    _tell(section=section, seconds=time.monotonic() - began)
    return 0


def _reason(error: Exception) -> str:
    if isinstance(error, CellExecutionError):
        return f"{error.ename}: {error.evalue}"
    first = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first}"


def _tell(**line: str | float) -> None:
    if line.get("seconds", 1) != 0:
        why = line.get("why")
        print(json.dumps(line | ({"why": str(why)[:_TOLD]} if why else {})), flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
