"""The labs as pages: what they show, where their links lead, and whether they are of today."""

import base64
import importlib
import sys
import textwrap
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from nbformat import NotebookNode

from workshop_utils.notebooks import NOTEBOOKS

LABS = Path("docs", "labs")
# One red pixel.
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8"
    "z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


class Links(HTMLParser):
    """The links, anchors and loaded things of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.scripts = 0
        self.no_alt = 0
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag refers to."""
        known = dict(attrs)
        self.links += [value for name in ("href", "src") if (value := known.get(name))]
        self.ids |= {value for name in ("id", "name") if (value := known.get(name))}
        self.scripts += tag == "script"
        self.no_alt += tag == "img" and not known.get("alt")


@pytest.fixture
def tool(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Return the tool as a module."""
    monkeypatch.syspath_prepend(repository / "tools")
    yield importlib.import_module("book")
    for name in ("book", "_book_pages"):
        sys.modules.pop(name, None)


def executed(source: str, *outputs: NotebookNode) -> NotebookNode:
    """Return a notebook whose only code cell has printed and drawn something."""
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# Lab 9: Käse & <Brot>"),
        nbformat.v4.new_markdown_cell(
            "## 1. See\n\n[the script](scripts/few_shot/train.py)"
            "\n\n[a lab](lab1_few_shot_learning.ipynb)"
            "\n\n![drawing](docs/pictures/setfit.svg) [away](https://example.com/x)"
        ),
        nbformat.v4.new_code_cell(source, outputs=list(outputs)),
    ]
    return notebook


def drawn() -> NotebookNode:
    """Return the output of a cell that draws."""
    return nbformat.v4.new_output("display_data", {"image/png": PIXEL})


def printed(text: str) -> NotebookNode:
    """Return the output of a cell that prints."""
    return nbformat.v4.new_output("stream", text=text)


@pytest.fixture
def folder(tool: ModuleType, tmp_path: Path) -> Path:
    """Return a folder with the pages of three executed notebooks, beside files that they name."""
    root = tmp_path / "root"
    for name in ("scripts/few_shot/train.py", "docs/pictures/setfit.svg", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    pages = importlib.import_module("_book_pages")
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "VBox()"}
    form = nbformat.v4.new_output("display_data", widget)
    notebook = executed("x = 1\nplot(x)", printed("<b>\x1b[31mred\x1b[0m"), drawn(), form)
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    labs = [pages.Lab(root / path.name, notebook) for path in tool.NOTEBOOKS]
    target = root / "docs" / "labs"
    tool.write(pages.book(labs, target, root, "today"), target)
    return target


def test_its_labs_are_all_of_them(tool: ModuleType) -> None:
    assert [path.name for path in tool.NOTEBOOKS] == list(NOTEBOOKS.values())


def test_a_page_shows_what_a_cell_printed_and_drew(folder: Path) -> None:
    page = (folder / "lab1_few_shot_learning.html").read_text(encoding="utf-8")
    assert "<title>Lab 9: Käse &amp; &lt;Brot&gt;</title>" in page
    assert "&lt;b&gt;" in page
    assert "\x1b" not in page
    assert "shows a form" in page
    assert 'alt="What this draws: plot(x)"' in page
    assert (folder / "pictures" / "lab1_2_1.png").read_bytes() == base64.b64decode(PIXEL)


def test_links_lead_from_page_to_page_and_into_the_repository(folder: Path) -> None:
    for page in sorted(folder.glob("*.html")):
        check_links(page)
    links = Links(folder / "lab2_zero_shot_jumpstart.html").links
    assert "lab1_few_shot_learning.html" in links
    assert "../../scripts/few_shot/train.py" in links
    assert "https://example.com/x" in links
    assert "lab3_human_in_the_loop.html" in links


def test_what_an_earlier_book_had_goes(tool: ModuleType, folder: Path) -> None:
    (folder / "lab0.html").write_bytes((folder / "lab1_few_shot_learning.html").read_bytes())
    (folder / "pictures" / "lab0_3_1.png").touch()
    own = ["notes.txt", "talk.html", "team.png"]
    for name in own:
        (folder / ("pictures" if name.endswith(".png") else ".") / name).touch()
    pages = importlib.import_module("_book_pages")
    tool.write(pages.Book({"index.html": b"new"}), folder)
    there = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert there == ["index.html", *own]


def test_a_folder_that_holds_something_else_is_left_as_it_is(
    tool: ModuleType, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.may_write(folder)
    assert tool.may_write(tmp_path / "new")
    (tmp_path / "site").mkdir()
    assert tool.may_write(tmp_path / "site")
    # With a page that another tool made, as docs/ has one.
    page = (folder / "index.html").read_bytes()
    (tmp_path / "site" / "slides.html").write_bytes(page)
    for other in (tmp_path / "site", tmp_path / "site" / "slides.html"):
        assert tool.main(["--to", str(other)]) == 1
        assert f"{other} holds something else" in capsys.readouterr().err
    assert (tmp_path / "site" / "slides.html").read_bytes() == page


@pytest.mark.slow
def test_a_notebook_runs_and_no_path_of_this_machine_is_shown(
    tool: ModuleType, tmp_path: Path
) -> None:
    notebook = nbformat.v4.new_notebook()
    code = """
        import os, pathlib
        print(os.environ["LOCAL_SAGEMAKER_HOME"], os.environ["WORKSHOP_MODE"])
        print(pathlib.Path.home() / "models", "http://127.0.0.1:1/portal/#code=ab12-cd34")
    """
    notebook.cells = [nbformat.v4.new_code_cell(textwrap.dedent(code).strip())]
    path = tmp_path / "lab.ipynb"
    nbformat.write(notebook, path)
    ran = tool.run(path)
    assert ran.cells[0]["outputs"][0]["text"] == (
        "~/.local_sagemaker local\n~/models http://127.0.0.1:1/portal/#code=…\n"
    )


@pytest.mark.slow
def test_a_kernel_that_dies_is_a_cell_that_failed(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell("import os\nos._exit(1)")]
    path = tmp_path / "lab.ipynb"
    nbformat.write(notebook, path)
    monkeypatch.setattr(tool, "NOTEBOOKS", (path,))
    monkeypatch.setattr(tool, "KEPT", tmp_path / "kept")
    assert tool.main(["--to", str(tmp_path / "labs")]) == 1
    said = capsys.readouterr().err
    assert "lab.ipynb: a cell failed, so nothing is written.\nDeadKernelError: Kernel died" in said
    assert not (tmp_path / "labs").exists()


def test_the_pages_in_the_repository_are_of_its_notebooks(
    tool: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["--check"]) == 0, capsys.readouterr().out


def test_a_page_that_is_older_than_its_notebook_is_told(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["--check", "--to", str(tmp_path)]) == 1
    assert "lab1_few_shot_learning.html" in capsys.readouterr().out


def test_the_repositorys_pages_have_no_broken_link(repository: Path) -> None:
    pages = sorted((repository / LABS).glob("*.html"))
    assert len(pages) == 4
    for page in pages:
        check_links(page)


def check_links(page: Path) -> None:
    """Check that a page loads nothing from elsewhere and that its relative links lead somewhere."""
    found = Links(page)
    assert not found.scripts, page
    assert not found.no_alt, page
    for link in found.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = page.parent / unquote(parts.path) if parts.path else page
        assert target.exists(), f"{page.name}: {link}"
        if parts.fragment and target.suffix == ".html":
            assert unquote(parts.fragment) in Links(target).ids, f"{page.name}: {link}"
