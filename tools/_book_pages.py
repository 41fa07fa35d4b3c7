"""Executed notebooks as static HTML pages: no script, no font, nothing from another server.

nbconvert makes the cells; this adds what a reader needs around them (contents, a way from lab to
lab, alternative texts, a layout that fits a phone) and sends each link to where it leads from the
page. It must not know how a notebook is run.
"""

import copy
import hashlib
import html
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor, ExtractOutputPreprocessor
from nbformat import NotebookNode
from pygments.formatters.html import HtmlFormatter

# What pictures of pages are called: the lab, the cell's number, the output's.
PICTURE = re.compile(r"lab\d+_\d+_\d+\.\w+")
_FRAME = Path(__file__).with_name("book_page.html")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_DIGEST = re.compile(r'<meta name="made-of" content="([0-9a-f]{64})">')
_WIDGET = "application/vnd.jupyter.widget-view+json"
_NO_WIDGET = "<p><em>Here the notebook shows a form, which works while the notebook runs.</em></p>"
# Of pygments' colours the one that is too light on grey.
_DARKER = ".highlight .ow { color: #7a12c4 }"
_TITLE = "NLP with few or no labels, on Amazon SageMaker"


@dataclass(frozen=True)
class Lab:
    """A notebook of the book.

    Attributes
    ----------
    source
        The notebook in the repository, without outputs.
    executed
        The same with its outputs.
    """

    source: Path
    executed: NotebookNode

    @property
    def page(self) -> str:
        """The name of its page."""
        return f"{self.source.stem}.html"

    @property
    def title(self) -> str:
        """Its first heading."""
        first = self.executed.cells[0].source
        return str(first.splitlines()[0].removeprefix("# "))

    @property
    def sections(self) -> list[str]:
        """Its headings of the second level."""
        return [
            heading
            for cell in self.executed.cells
            if cell.cell_type == "markdown"
            for heading in _SECTION.findall(cell.source)
        ]


@dataclass
class Book:
    """Files by name, relative to the book's folder."""

    files: dict[str, bytes] = field(default_factory=dict)


def digest(notebook: NotebookNode) -> str:
    """Return a digest of what a notebook's cells say, whatever they have printed."""
    content = hashlib.sha256()
    for cell in notebook.cells:
        content.update(f"{cell.cell_type}\0{cell.source}\0".encode())
    return content.hexdigest()


def made_of(page: str) -> str | None:
    """Return the digest of the notebook that a page was made of."""
    found = _DIGEST.search(page)
    return found[1] if found else None


def book(labs: Sequence[Lab], folder: Path, root: Path, made: str) -> Book:
    """Return the pages of labs, their pictures and a first page.

    Parameters
    ----------
    labs
        In the reader's order.
    folder
        Where the book will lie; links are relative to it.
    root
        The repository.
    made
        When and on what machine the notebooks ran, for the reader.
    """
    result = Book()
    places = {lab.source.relative_to(root).as_posix(): lab.page for lab in labs}
    up = Path(os.path.relpath(root, folder)).as_posix()
    for number, lab in enumerate(labs):
        body, pictures = _cells(lab)
        _mend(body, places, up)
        around = _neighbours(labs, number)
        result.files[lab.page] = _page(lab, body, around, made)
        result.files |= pictures
    result.files["index.html"] = _index(labs, made, up)
    return result


def _cells(lab: Lab) -> tuple[BeautifulSoup, dict[str, bytes]]:
    notebook = copy.deepcopy(lab.executed)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            last = cell.source.strip().splitlines()[-1].strip()
            cell.metadata["alt"] = f"What this draws: {last}"
        for output in cell.get("outputs", []):
            if _WIDGET in output.get("data", {}):
                output["data"] = {"text/html": _NO_WIDGET}
    exporter = HTMLExporter(template_name="basic")
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    pictures = ExtractOutputPreprocessor(enabled=True)
    pictures.extract_output_types = {"image/png", "image/jpeg"}
    pictures.output_filename_template = "{unique_key}_{cell_index}_{index}{extension}"
    exporter.register_preprocessor(pictures, enabled=True)
    # What a cell prints comes in pieces, which would be set apart.
    exporter.register_preprocessor(CoalesceStreamsPreprocessor(), enabled=True)
    body, resources = exporter.from_notebook_node(
        notebook, resources={"unique_key": f"pictures/{lab.source.stem.split('_')[0]}"}
    )
    found: Mapping[str, bytes] = resources.get("outputs", {})
    return BeautifulSoup(body, "html.parser"), dict(found)


def _mend(body: BeautifulSoup, places: Mapping[str, str], up: str) -> None:
    """Send links to where they lead from the page, and let keys reach what scrolls."""
    for tag, attribute in (("a", "href"), ("img", "src")):
        for element in body.find_all(tag):
            link = str(element.get(attribute, ""))
            if attribute == "src" and link.startswith("pictures/"):
                continue
            element[attribute] = _from_the_page(link, places, up)
    # The page has its own title; and the sign beside each heading says nothing to a reader.
    for element in [*body.find_all("h1"), *body.find_all("a", class_="anchor-link")]:
        element.decompose()
    scrolled = ("input_area", "output_stream", "output_text", "output_html")
    for element in body.find_all("div", class_=scrolled):
        element["tabindex"] = "0"
        element["role"] = "group"
        element["aria-label"] = "code" if "input_area" in element["class"] else "output"
    for table in body.select(".text_cell table"):
        table["tabindex"] = "0"
    for header in body.find_all("th"):
        if not header.get_text(strip=True):
            header.name = "td"
    for image in body.find_all("img"):
        image["loading"] = "lazy"


def _from_the_page(link: str, places: Mapping[str, str], up: str) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not parts.path:
        return link
    if parts.path in places:
        return parts._replace(path=places[parts.path]).geturl()
    return parts._replace(path=f"{up}/{parts.path}").geturl()


def _neighbours(labs: Sequence[Lab], number: int) -> str:
    links = ['<a href="index.html">All labs</a>']
    for at, words in ((number - 1, "Before"), (number + 1, "Next")):
        if 0 <= at < len(labs):
            links.append(f'<a href="{labs[at].page}">{words}: {html.escape(labs[at].title)}</a>')
    return " ".join(links)


def _page(lab: Lab, body: BeautifulSoup, around: str, made: str) -> bytes:
    contents = _list(
        f'<a href="#{html.escape(str(heading["id"]))}">{html.escape(heading.get_text())}</a>'
        for heading in body.find_all("h2", id=True)
    )
    return _framed(
        title=html.escape(lab.title),
        contents=contents,
        around=around,
        body=str(body),
        made=f"What the cells of {lab.source.name} printed and drew {made}.",
        digest=digest(lab.executed),
    )


def _index(labs: Sequence[Lab], made: str, up: str) -> bytes:
    reading = "Three labs as they look after all of their cells have run, for reading."
    parts = [f'<p>{reading} <a href="{up}/README.md">How to run them yourself</a>.</p>']
    for lab in labs:
        sections = _list(html.escape(section) for section in lab.sections)
        parts.append(f'<h2><a href="{lab.page}">{html.escape(lab.title)}</a></h2>{sections}')
    return _framed(
        title=_TITLE,
        contents=_list(f'<a href="{lab.page}">{html.escape(lab.title)}</a>' for lab in labs),
        around="",
        body="\n".join(parts),
        made=f"Made {made}.",
        digest=hashlib.sha256("".join(digest(lab.executed) for lab in labs).encode()).hexdigest(),
    )


def _list(items: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def _framed(**values: str) -> bytes:
    frame = Template(_FRAME.read_text(encoding="utf-8"))
    colours = HtmlFormatter(style="default").get_style_defs(".highlight")
    return frame.substitute(values, colours=f"{colours}\n{_DARKER}").encode()
