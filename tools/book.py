"""Run the labs and write them, with what their cells print and draw, as pages to docs/labs/.

``make book`` starts it. The pages are for people who cannot run the labs; they need no server and
nothing from the internet. Each lab runs on a local SageMaker of its own in a temporary folder.

A lab that has run is kept in .cache/book/ until the book is written, so that a failure of the next
one costs no more than that: ``make book`` goes on with it.

``python tools/book.py --check`` runs nothing and tells which pages are older than their notebook;
a test of the repository does so too. Exit codes: 0 when all is well; 1 when a cell failed (nothing
is written then) or, with --check, when a page is out of date.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from _book_pages import PICTURE, Book, Lab, book, digest, made_of
from _notebook_run import FAILURES
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "labs"
KEPT = ROOT / ".cache" / "book"
NOTEBOOKS = (
    ROOT / "lab1_few_shot_learning.ipynb",
    ROOT / "lab2_zero_shot_jumpstart.ipynb",
    ROOT / "lab3_human_in_the_loop.ipynb",
)
_CELL_SECONDS = 3600
# What opens the review portal for whoever has the link.
_CODE = re.compile(r"#code=[\w-]+")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the labs and write the book, or check it; return the exit code."""
    parser = argparse.ArgumentParser(prog="make book", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="run nothing; tell what is too old")
    parser.add_argument(
        "--to", type=Path, default=FOLDER, metavar="FOLDER", help="default: docs/labs"
    )
    options = parser.parse_args(arguments)
    if options.check:
        return _check(options.to)
    folder = options.to.resolve()
    if not may_write(folder):
        print(
            f"{folder} holds something else than the labs' pages: name a new or an empty folder "
            "(--to FOLDER).",
            file=sys.stderr,
        )
        return 1
    labs = []
    for path in NOTEBOOKS:
        try:
            executed = kept(path) or keep(path, run(path))
        except FAILURES as error:
            kind = type(error).__name__
            print(
                f"{path.name}: a cell failed, so nothing is written.\n{kind}: {error}",
                file=sys.stderr,
            )
            return 1
        labs.append(Lab(path, executed))
    made = f"on {datetime.now(UTC):%d %B %Y}, on {os.cpu_count()} cores, {platform.system()}"
    write(book(labs, folder, ROOT, made), folder)
    shutil.rmtree(KEPT)
    print(f"{folder / 'index.html'}")
    return 0


def kept(path: Path) -> NotebookNode | None:
    """Return what an earlier run left of a notebook, if the notebook is still the same."""
    executed = KEPT / path.name
    if not executed.exists():
        return None
    notebook = nbformat.read(executed, as_version=4)
    if digest(notebook) != digest(nbformat.read(path, as_version=4)):
        return None
    # Only the cells are compared: whoever has changed what they call wants to know, and remove it.
    print(f"{path.name}: as it ran earlier, from {executed}", flush=True)
    return notebook


def keep(path: Path, executed: NotebookNode) -> NotebookNode:
    """Keep a notebook that has run, whole or not at all; return it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    partial = KEPT / f"{path.name}.partial"
    nbformat.write(executed, partial)
    partial.replace(KEPT / path.name)
    return executed


def run(path: Path) -> NotebookNode:
    """Return a notebook with its outputs, run on a local SageMaker of its own."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=_CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch, "home")
        variables = os.environ | {
            "LOCAL_SAGEMAKER_HOME": str(home),
            "WORKSHOP_MODE": "local",
            # Nobody is there to decide, so it is decided beforehand.
            "WORKSHOP_APPROVAL": "Approved",
        }
        with _stopped_afterwards(variables), client.setup_kernel(env=variables):
            began = time.monotonic()
            for number, cell in enumerate(notebook.cells):
                if cell.cell_type == "code":
                    client.execute_cell(cell, number)
                elif cell.source.startswith("## "):
                    heading = cell.source.splitlines()[0].removeprefix("## ")
                    print(f"{path.name} {time.monotonic() - began:5.0f} s  {heading}", flush=True)
        instead = {str(home): "~/.local_sagemaker", str(ROOT): "~/workshop", str(Path.home()): "~"}
        return _without_paths(notebook, instead)


@contextmanager
def _stopped_afterwards(variables: dict[str, str]) -> Iterator[None]:
    try:
        yield
    finally:
        command = [sys.executable, "-m", "local_sagemaker", "stop"]
        subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=False)


def _without_paths(notebook: NotebookNode, instead: dict[str, str]) -> NotebookNode:
    """Return a notebook whose outputs name no folder of this machine nor a way into its portal."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = _replaced(output["text"], instead)
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output["data"][kind] = _replaced(value, instead)
    return notebook


def _replaced(text: str, instead: dict[str, str]) -> str:
    for path, words in instead.items():
        text = text.replace(path, words)
    return _CODE.sub("#code=…", text)


def may_write(folder: Path) -> bool:
    """Tell whether a folder is new or empty, or has a book in it."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        return False
    return not any(folder.iterdir()) or any(
        _is_page(folder / f"{path.stem}.html") for path in NOTEBOOKS
    )


def _is_page(path: Path) -> bool:
    return (
        path.is_file() and made_of(path.read_text(encoding="utf-8", errors="replace")) is not None
    )


def write(made: Book, folder: Path) -> None:
    """Write a book's files; those of an earlier one that are not in it any more go."""
    for name, content in made.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    pages = [path for path in folder.glob("*.html") if _is_page(path)]
    pictures = [path for path in folder.glob("pictures/*") if PICTURE.fullmatch(path.name)]
    for path in [*pages, *pictures]:
        if path.relative_to(folder).as_posix() not in made.files:
            path.unlink()


def _check(folder: Path) -> int:
    old = []
    for path in NOTEBOOKS:
        page = folder / f"{path.stem}.html"
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        if made_of(text) != digest(nbformat.read(path, as_version=4)):
            old.append(page.name)
    if old:
        print(f"Older than its notebook: {', '.join(old)}. `make book` makes it anew.")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
