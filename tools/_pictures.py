"""What the tools share that take pictures for the documentation: a browser, and where they go.

It must not know what is in the pictures.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
# The headless shell is Chromium without windows: a page opens in a quarter of the time.
_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
LARGEST = 200_000
"""Bytes that a picture may have: pages are loaded in rooms with sixty people."""


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Run a headless Chromium: the one in $CHROMIUM, one on PATH, or Playwright's own."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def checked(path: Path) -> None:
    """Tell what was made; stop if it is too large."""
    size = path.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{path} has {size} bytes, more than {LARGEST}.")
    print(f"{path.name}: {size // 1000} kB")
