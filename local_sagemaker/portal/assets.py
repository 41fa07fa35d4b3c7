"""The portal's files: what a browser may fetch, and what a task's frame is made with.

It must not know what is in them.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# One module, in this order: a frame without an origin cannot import from files. The form comes
# first, because it takes the others in.
_PARTS = (
    "channel.js",
    "answers.js",
    "checks.js",
    "form.js",
    "panels.js",
    "classifiers.js",
    "choices.js",
    "texts.js",
    "layout.js",
    "start.js",
)


@dataclass(frozen=True)
class Asset:
    """A file for browsers.

    Attributes
    ----------
    content
        Its bytes.
    media_type
        Its content type.
    tag
        Changes with its contents.
    """

    content: bytes
    media_type: str
    tag: str


@cache
def static() -> dict[str, Asset]:
    """Return the files that a browser may fetch, by name."""
    found = {}
    for path in sorted((_FOLDER / "static").iterdir()):
        if path.suffix in _TYPES:
            content = path.read_bytes()
            tag = hashlib.sha256(content).hexdigest()[:16]
            found[path.name] = Asset(content, _TYPES[path.suffix], tag)
    return found


@cache
def crowd_script() -> str:
    """Return the crowd elements as one module, fit to stand in a document."""
    parts = [(_FOLDER / "crowd" / name).read_text(encoding="utf-8") for name in _PARTS]
    return "\n".join(parts).replace("</script", "<\\/script")


@cache
def crowd_style(*, dark: bool) -> str:
    """Return the style of tasks: with the portal's colours, on dark ground too or on light only."""
    names = ["static/light.css", *(["static/dark.css"] if dark else []), "crowd/crowd.css"]
    return "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)
