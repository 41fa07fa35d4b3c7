"""The portal as people see it: what the browser tests do on its pages."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local_sagemaker import LocalSageMaker
from tests.portal_support import Work

if TYPE_CHECKING:
    from playwright.sync_api import Frame, FrameLocator, Page

# Whoever imports this module is skipped where the libraries are not.
_WHY = "needs playwright and axe-playwright-python: `pip install -e .[dev]`"
expect = pytest.importorskip("playwright.sync_api", reason=_WHY).expect
axe_playwright_python = pytest.importorskip("axe_playwright_python", reason=_WHY)

_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
_WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}

expect.set_options(timeout=60_000)


def sign_in(page: "Page", link: str, name: str) -> None:
    """Follow the link, type a name, and arrive at the list of jobs."""
    page.goto(link)
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()


def start(page: "Page", local: LocalSageMaker, work: Work, name: str) -> "FrameLocator":
    """Sign in and start working on a job; return the frame of its first task."""
    sign_in(page, local.portal_url, name)
    page.get_by_role("button", name=f"Start working: {work.title}").click()
    return ready(page)


def ready(page: "Page") -> "FrameLocator":
    """Wait until the task is there; return its frame."""
    page.wait_for_url("**/portal/task?id=*")
    frame = page.frame_locator("#frame")
    frame.locator("crowd-form > form").wait_for()
    return frame


def task_frame(page: "Page") -> "Frame":
    """Return the task's frame as one that runs scripts."""
    return next(frame for frame in page.frames if "/frame?" in frame.url)


def arrived(page: "Page", work: Work) -> bool:
    """Tell whether a page shows a task of some work."""
    return page.get_by_role("heading", name=work.title).count() > 0


def accessibility_problems(page: "Page") -> list[str]:
    """Return what axe-core finds on a page and inside its task."""
    frames: list[Any] = [page.main_frame]
    if page.locator("#frame").count():
        frames.append(task_frame(page))
    found = []
    for frame in frames:
        frame.evaluate(_AXE)
        result = frame.evaluate(
            "(tags) => axe.run(document, {iframes: false, runOnly: {type: 'tag', values: tags}})",
            # Landmarks and headings are the page's; a task is a part of it.
            _WCAG if frame.parent_frame else [*_WCAG, "best-practice"],
        )
        assert result["passes"], "axe looked at nothing"
        where = "task" if frame.parent_frame else "page"
        found += [
            f"{where}: {problem['id']} ({problem['help']}): {node['html']}"
            for problem in result["violations"]
            for node in problem["nodes"]
        ]
    return found
