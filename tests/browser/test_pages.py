"""The slide deck and the labs as pages, in a browser: they fit, on a screen and on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import NewPage
from tests.browser.portal_pages import accessibility_problems, expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCREEN = {"width": 1280, "height": 720}
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def deck(repository: Path, new_page: NewPage) -> "Iterator[Page]":
    """Return the slide deck, opened."""
    page = new_page(viewport=SCREEN)
    page.goto((repository / "docs" / "slides.html").as_uri())
    yield page
    page.close()


def test_keys_turn_the_slides(deck: "Page") -> None:
    here = deck.locator("section.here")
    expect(here).to_have_count(1)
    expect(here.locator("h1")).to_be_visible()
    deck.keyboard.press("ArrowRight")
    expect(here.locator("h2")).to_be_visible()
    assert deck.url.endswith("#2")
    deck.keyboard.press("ArrowLeft")
    expect(here.locator("h1")).to_be_visible()
    expect(here.locator("aside")).to_be_hidden()
    deck.keyboard.press("n")
    expect(here.locator("aside")).to_be_visible()
    deck.keyboard.press("End")
    deck.keyboard.press("ArrowRight")
    expect(here).to_have_count(1)


def test_nothing_runs_over_its_slide(deck: "Page") -> None:
    deck.keyboard.press("Escape")
    slides = deck.locator(".slide")
    expect(slides.first).to_be_visible()
    for number in range(slides.count()):
        size = slides.nth(number).evaluate("one => [one.scrollWidth, one.scrollHeight]")
        assert size == [SCREEN["width"], SCREEN["height"]], f"slide {number + 1}"
    broken = "[...document.images].filter((image) => !image.naturalWidth).length"
    assert deck.evaluate(broken) == 0


@pytest.mark.parametrize("viewport", [SCREEN, PHONE], ids=["screen", "phone"])
def test_a_lab_as_a_page_fits(
    repository: Path, new_page: NewPage, viewport: dict[str, int]
) -> None:
    page = new_page(viewport=viewport)
    for path in sorted((repository / "docs" / "labs").glob("*.html")):
        page.goto(path.as_uri())
        expect(page.locator("h1")).to_be_visible()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width == viewport["width"], path.name
        # What wide tables and code have, they scroll by themselves.
        page.evaluate("for (const image of document.images) image.loading = 'eager'")
        page.wait_for_function("[...document.images].every((image) => image.complete)")
        broken = "[...document.images].filter((image) => !image.naturalWidth).map((i) => i.src)"
        assert page.evaluate(broken) == [], path.name
    assert accessibility_problems(page) == []
