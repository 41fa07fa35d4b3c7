"""A real headless Chromium for tests of pages, or a skip that says why there is none."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The headless shell is Chromium without windows: a page opens in a quarter of the time.
_NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
# Also of a slow machine: what a test waits for is an event, never a time.
_PATIENCE = 60_000
_HERE = Path(__file__).parent

NewPage = Callable[..., "Page"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)


def _without(reason: str) -> NoReturn:
    """Skip, or fail where the environment promises a browser, as CI's does."""
    if os.environ.get("BROWSER_REQUIRED"):
        pytest.fail(f"$BROWSER_REQUIRED is set, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """Return the browser; it ends with the module, because its event loop is this thread's."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _without("playwright is not installed (`pip install playwright`)")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    with sync_playwright() as driver:
        own = Path(driver.chromium.executable_path)
        if program is None and not own.exists():
            _without(
                "no Chromium is installed: `playwright install chromium`, or name one in $CHROMIUM"
            )
        browser = driver.chromium.launch(executable_path=program or own, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: "Browser") -> Iterator[NewPage]:
    """Return what opens a page in a browser profile of its own.

    A script that fails on any page fails the test.
    """
    contexts = []
    failures: list[str] = []

    def opened(**options: Any) -> "Page":
        context = chromium.new_context(**options)
        context.set_default_timeout(_PATIENCE)
        context.on("weberror", lambda error: failures.append(str(error.error)))
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
    assert failures == []
