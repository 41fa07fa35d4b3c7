"""How a key becomes a path: keys are any text, file names are not.

A path is made of a key's parts between slashes, with whatever a file system could take for
something else written as ``%`` and hexadecimal digits, so that no key leads out of its folder and
no two keys share a file. It must not know buckets or files.
"""

import hashlib
import re
from pathlib import PurePosixPath

# Besides characters that are none: what Windows and macOS do not take, so that a tree can be
# copied there.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f%\\:*?"<>|]|[. ]$')
_MAX_NAME = 255  # bytes, of most file systems
_KEPT = 120

OBJECT_AND_FOLDER = "%object"
"""Ends the name of an object below whose key there are others: ``a`` beside ``a/b``."""

NOTE = "%note.txt"
"""Ends the name of a file that stands for an object too large to be copied."""

_EMPTY = "%empty"


def path_of(key: str) -> PurePosixPath:
    """Return the relative path of a key; different keys have different paths."""
    return PurePosixPath(*(_name(part) for part in key.split("/")))


def _name(part: str) -> str:
    if not part:
        return _EMPTY
    name = _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", part)
    if len(name.encode()) + len(OBJECT_AND_FOLDER + NOTE) <= _MAX_NAME:
        return name
    digest = hashlib.sha256(part.encode()).hexdigest()[:32]
    short = name.encode()[:_KEPT].decode(errors="ignore")
    # No letter of this mark is a hexadecimal digit: no key is written so otherwise.
    return f"{short}%long-{digest}"
