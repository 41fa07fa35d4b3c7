"""The repository's pages as tests see them: prose, links, anchors and fenced blocks."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(`+).+?\1")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes
    ----------
    page
        Path of its page, relative to the repository.
    language
        What stands behind the fence; empty if nothing does.
    text
        What is in it.
    """

    page: str
    language: str
    text: str

    @property
    def first(self) -> str:
        """The first line without its comment, by which a list can name it."""
        return self.text.splitlines()[0].partition("  #")[0].rstrip()


def pages() -> list[Path]:
    """Return the pages of documentation: all Markdown files that are the repository's own."""
    folders = ("docs", "data", "scripts", "benchmarks", "aws", "local_sagemaker", "workshop_utils")
    inner = (page for folder in folders for page in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *inner])


def labs() -> list[Path]:
    """Return the notebooks of the labs."""
    return sorted(ROOT.glob("lab*.ipynb"))


def named(path: Path) -> str:
    """Return a page's path as messages have it."""
    return path.relative_to(ROOT).as_posix()


def markdown(path: Path) -> str:
    """Return a page's Markdown, or that of a notebook's cells."""
    if path.suffix != ".ipynb":
        return path.read_text(encoding="utf-8")
    cells = nbformat.read(path, as_version=4).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def prose(text: str) -> str:
    """Return Markdown without what is code in it."""
    return _SPAN.sub("", _FENCE.sub("", text))


def links(text: str) -> list[str]:
    """Return where a page links to within the repository, pictures included."""
    return [target for target in _LINK.findall(prose(text)) if not _SCHEME.match(target)]


def headings(text: str, level: int | None = None) -> list[str]:
    """Return the texts of a page's headings, all of them or those of one level."""
    found = re.findall(r"^(#+) +(.+?) *$", _FENCE.sub("", text), re.MULTILINE)
    return [words for marks, words in found if level in (None, len(marks))]


def anchors(text: str) -> set[str]:
    """Return what a page's links may point to, by GitHub's rule, and what names itself by an id."""
    seen: Counter[str] = Counter()
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text))
    for heading in headings(text):
        words = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w -]", "", words).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def blocks() -> Iterator[Block]:
    """Yield the fenced blocks of all pages."""
    for page in pages():
        for language, text in _FENCE.findall(markdown(page)):
            yield Block(named(page), language, text)
