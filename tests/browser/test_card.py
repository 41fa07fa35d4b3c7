"""The printable card: one sheet of A4, nothing from elsewhere, nothing cut off."""

import re

import pytest

from tests.browser.conftest import NewPage
from tests.doc_support import ROOT

CARD = ROOT / "docs" / "card.html"


def test_it_prints_on_one_sheet(new_page: NewPage) -> None:
    page = new_page()
    page.goto(CARD.as_uri())
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1


def test_it_needs_nothing_but_itself(new_page: NewPage) -> None:
    page = new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(CARD.as_uri())
    assert asked == [CARD.as_uri()]


@pytest.mark.parametrize("width", [390, 1280])
def test_no_line_is_wider_than_the_screen(new_page: NewPage, width: int) -> None:
    page = new_page(viewport={"width": width, "height": 800})
    page.goto(CARD.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
