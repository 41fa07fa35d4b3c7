"""Make docs/slides.html, the slide deck: one file that needs no network, from docs/slides.md.

Slides are Markdown between lines of three hyphens; a paragraph that begins with ``Note:`` is for
the person who speaks. ``![words](plot:NAME)`` draws one of the labs' own pictures from recorded
results, other pictures are read from docs/; ``{{few_shot RECIPE SHOTS}}`` is a recorded accuracy.
Usage: ``python tools/slides.py [--check]``; with --check nothing is written, and the exit code is 1
where the deck is older than what it is made of.
"""

import argparse
import base64
import hashlib
import html
import io
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import matplotlib as mpl
from nbconvert.filters import markdown2html

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from workshop_utils import plots, recorded, zero_shot_plots, zero_shot_results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SOURCE = DOCS / "slides.md"
DECK = DOCS / "slides.html"
_FRAME = Path(__file__).with_suffix(".html")
PLOTS: dict[str, Callable[[], "Figure"]] = {
    "recipes": lambda: plots.recipes(recorded.few_shot()),
    "serving": lambda: plots.serving(recorded.serving()),
    "label_growth": lambda: zero_shot_plots.label_growth(zero_shot_results.load()),
}
# What reads the results and draws them.
_DRAWING = (plots, recorded, zero_shot_plots, zero_shot_results)
_RESULTS = ("few_shot.json", "serving.json", "zero_shot.json")
_PICTURE = re.compile(r"^!\[([^\]]*)\]\(([^)]+)\)$", re.MULTILINE)
_FIGURE = re.compile(r"\{\{(.*?)\}\}")
_DIGEST = re.compile(r'<meta name="made-of" content="([0-9a-f]{64})">')
_DESCRIPTION = re.compile(r"<desc[^>]*>(.*?)</desc>", re.DOTALL)
_KINDS = {".png": "image/png", ".svg": "image/svg+xml"}


class Mistake(Exception):
    """The source asks for what there is not; the message says for what."""


@dataclass(frozen=True)
class Slide:
    """What the room sees, and what the speaker says; both Markdown."""

    shown: str
    note: str

    @property
    def pictures(self) -> list[str]:
        """The files that it shows."""
        return [name for _, name in _PICTURE.findall(self.shown) if not name.startswith("plot:")]


def slides(source: str) -> list[Slide]:
    """Return the slides of a source."""
    found = []
    for part in re.split(r"^---$", source, flags=re.MULTILINE):
        shown, _, note = part.partition("\nNote:")
        found.append(Slide(shown.strip(), note.strip()))
    return found


def deck(source: str) -> str:
    """Return the deck as HTML.

    Raises
    ------
    Mistake
        When a picture or a figure that the source names is not there.
    """
    made = slides(source)
    title = made[0].shown.splitlines()[0].removeprefix("# ")
    sections = "\n".join(_section(slide, number, len(made)) for number, slide in enumerate(made, 1))
    frame = Template(_FRAME.read_text(encoding="utf-8"))
    return frame.substitute(title=html.escape(title), slides=sections, digest=digest(source))


def digest(source: str) -> str:
    """Return a digest of everything that the deck is made of."""
    files = [_FRAME, *(recorded.RESULTS / name for name in _RESULTS)]
    files += [Path(__file__), *(Path(str(module.__file__)) for module in _DRAWING)]
    files += [DOCS / name for slide in slides(source) for name in slide.pictures]
    content = hashlib.sha256(source.encode())
    for path in files:
        content.update(path.read_bytes() if path.is_file() else b"")
    return content.hexdigest()


def _section(slide: Slide, number: int, count: int) -> str:
    # Pictures take the room that is left, so they are not put into paragraphs.
    pictures: list[str] = []

    def taken(match: re.Match[str]) -> str:
        pictures.append(f'<div class="picture">{_picture(match[2], match[1])}</div>')
        return ""

    shown = _html(_PICTURE.sub(taken, slide.shown)) + "".join(pictures)
    return (
        f'<section aria-label="Slide {number} of {count}">\n<div class="slide">{shown}'
        f'<div class="number">{number}</div></div>\n'
        f'<aside class="note" aria-label="What to say">{_html(slide.note)}</aside>\n</section>'
    )


def _html(markdown: str) -> str:
    # The anchors beside headings are for pages that somebody links into.
    made = str(markdown2html(_FIGURE.sub(_recorded, markdown)))
    return re.sub(r'<a class="anchor-link".*?</a>', "", made)


def _recorded(match: re.Match[str]) -> str:
    words = match[1].split()
    if len(words) == 3 and words[0] == "few_shot" and words[2].isdigit():
        table = recorded.few_shot().table().set_index(["recipe", "shots"])["accuracy"]
        if (words[1], int(words[2])) in table.index:
            return f"{table[words[1], int(words[2])] * 100:.1f} %"
    raise Mistake(f"There is no recorded figure {match[0]}.")


def _picture(name: str, words: str) -> str:
    # Each drawing is a document of its own: its ids are nobody else's.
    if name.startswith("plot:"):
        draw = PLOTS.get(name.removeprefix("plot:"))
        if draw is None:
            raise Mistake(f"{name} is not one of {', '.join(PLOTS)}.")
        kind, data = "image/svg+xml", _drawn(draw())
    else:
        path = DOCS / name
        if not path.is_file():
            raise Mistake(f"There is no picture {path}.")
        kind, data = _KINDS[path.suffix], path.read_bytes()
        described = _DESCRIPTION.search(data.decode()) if path.suffix == ".svg" else None
        words = words or (html.unescape(described[1]) if described else "")
    if not words:
        raise Mistake(f"{name} has no words for those who do not see it.")
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{html.escape(words)}" src="data:{kind};base64,{encoded}">'


def _drawn(figure: "Figure") -> bytes:
    target = io.StringIO()
    # Ids that are the same every time, and texts as paths: no font has to be there.
    with mpl.rc_context({"svg.hashsalt": "slides"}):
        figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue().encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the deck, or check it; return the exit code."""
    parser = argparse.ArgumentParser(prog="make slides", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; tell if it is too old")
    options = parser.parse_args(arguments)
    source = SOURCE.read_text(encoding="utf-8")
    if options.check:
        found = _DIGEST.search(DECK.read_text(encoding="utf-8")) if DECK.exists() else None
        if found is None or found[1] != digest(source):
            print(f"{DECK.relative_to(ROOT)} is out of date: `make slides` makes it anew.")
            return 1
        return 0
    try:
        made = deck(source)
    except Mistake as mistake:
        print(f"{SOURCE.relative_to(ROOT)}: {mistake}", file=sys.stderr)
        return 1
    DECK.write_text(made, encoding="utf-8")
    print(f"{DECK.relative_to(ROOT)}: {len(slides(source))} slides, {len(made.encode()):,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
