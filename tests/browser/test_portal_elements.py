"""The crowd elements: what they look like to people, and the answer that each gives."""

from typing import TYPE_CHECKING, Any

import pytest

from local_sagemaker import LocalSageMaker
from tests.browser.conftest import NewPage
from tests.browser.portal_pages import accessibility_problems, expect, start
from tests.portal_support import Work, work

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

Opened = tuple["Page", "FrameLocator", Work]


@pytest.fixture
def opened(local: LocalSageMaker, new_page: NewPage) -> Any:
    """Return what opens a task of a template."""

    def open_task(inside: str, content: Any = None, form: bool = True) -> Opened:
        template = f"<crowd-form>{inside}</crowd-form>" if form else inside
        made = work(template, [content or {}])
        page = new_page()
        return page, start(page, local, made, "Elementary"), made

    return open_task


def submit(page: "Page", frame: "FrameLocator", made: Work) -> Any:
    """Press Submit; return the answer that is in S3."""
    frame.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    (answer,) = made.answers()
    return answer


def test_every_kind_of_field(opened: Any) -> None:
    page, frame, made = opened(
        """
        <p>How sure are you?</p>
        <crowd-radio-group>
          <crowd-radio-button name="option1" value="Option 1">One</crowd-radio-button>
          <crowd-radio-button name="option2" value="Option 2">Two</crowd-radio-button>
        </crowd-radio-group>
        <crowd-radio-group>
          <crowd-radio-button name="choice" value="yes">Yes</crowd-radio-button>
          <crowd-radio-button name="choice" value="no" checked>No</crowd-radio-button>
        </crowd-radio-group>
        <crowd-checkbox name="box" value="red">Red</crowd-checkbox>
        <crowd-checkbox name="box" value="blue" checked>Blue</crowd-checkbox>
        <crowd-checkbox name="alone">Alone</crowd-checkbox>
        <crowd-toggle-button name="toggle">Switch</crowd-toggle-button>
        <crowd-input name="tag1" label="Tag"></crowd-input>
        <crowd-input name="tag2" label="Empty one"></crowd-input>
        <crowd-text-area name="explanation" label="Explanation"></crowd-text-area>
        <crowd-slider name="howMuch" label="How much" min="0" max="10" value="3"></crowd-slider>
        <label>Native <input name="native"></label>
        <label>Number <input type="number" name="number" value="7"></label>
        <input type="hidden" name="hidden" value='[{"a": 1}]'>
        <label>Area <textarea name="area"></textarea></label>
        <label>Select <select name="select"><option>x</option><option value="y">Why</option>
        </select></label>
        <label><input type="radio" name="r" value="1"> First</label>
        <label><input type="radio" name="r" value="2"> Second</label>
        <label><input type="checkbox" name="k" value="v"> Check</label>
        <label>Off <input name="off" value="z" disabled></label>
        <label>Nameless <input value="z"></label>
        """
    )
    assert accessibility_problems(page) == []
    for name in ("Two", "One", "Second"):
        frame.get_by_role("radio", name=name, exact=True).click()
    frame.get_by_role("checkbox", name="Red").click()
    frame.get_by_role("switch", name="Switch").click()
    frame.get_by_label("Tag").fill("blue")
    frame.get_by_label("Explanation").fill("a\nb")
    frame.get_by_label("Native").fill("typed ✓")
    frame.get_by_label("Area").fill("c\nd")
    frame.get_by_label("Select").select_option("y")
    frame.get_by_label("How much").press("ArrowRight")
    assert submit(page, frame, made) == {
        "option1": {"Option 1": True},
        "option2": {"Option 2": False},
        "choice": {"yes": False, "no": True},
        "box": {"red": True, "blue": True},
        "alone": {"on": False},
        "toggle": {"on": True},
        "tag1": "blue",
        "explanation": "a\nb",
        "howMuch": 4,
        "native": "typed ✓",
        "number": "7",
        "hidden": '[{"a": 1}]',
        "area": "c\nd",
        "select": "y",
        "r": {"1": False, "2": True},
        "k": {"v": False},
    }


@pytest.mark.parametrize(
    "written",
    [
        "['a', \"it's\"]",
        """["a", "it's"]""",
        "['a', 'it\\'s',]",
        '[{"label": "a"}, {"label": "it\'s"}]',
    ],
)
def test_categories_are_read_as_templates_write_them(opened: Any, written: str) -> None:
    escaped = written.replace("&", "&amp;").replace('"', "&quot;")
    page, frame, made = opened(
        f'<crowd-classifier name="c" categories="{escaped}" header="Which?"></crowd-classifier>'
    )
    frame.get_by_role("radio", name="it's", exact=True).click()
    assert submit(page, frame, made) == {"c": {"label": "it's"}}


def test_several_categories(opened: Any) -> None:
    page, frame, made = opened(
        """<crowd-classifier-multi-select name="c" header="Topics"
        categories="['World', 'Sports', 'Business']"
        exclusion-category="{ text: 'None of the above' }"></crowd-classifier-multi-select>"""
    )
    frame.get_by_role("button", name="Submit").click()
    expect(frame.get_by_text("Choose at least one category.")).to_be_visible()
    assert accessibility_problems(page) == []
    none = frame.get_by_role("checkbox", name="None of the above")
    page.keyboard.press("1")
    page.keyboard.press("4")
    expect(none).to_be_checked()
    expect(frame.get_by_role("checkbox", name="World")).not_to_be_checked()
    page.keyboard.press("3")
    expect(none).not_to_be_checked()
    page.keyboard.press("1")
    assert submit(page, frame, made) == {"c": {"labels": ["World", "Business"]}}


def test_none_of_them(opened: Any) -> None:
    page, frame, made = opened(
        """<crowd-classifier-multi-select name="c" header="Topics" categories="['World']"
        exclusion-category='{"text": "None"}'></crowd-classifier-multi-select>"""
    )
    frame.get_by_role("checkbox", name="None").click()
    assert submit(page, frame, made) == {"c": {"labels": []}}


def test_fields_are_checked(opened: Any) -> None:
    page, frame, made = opened(
        """<crowd-input name="n" label="Number" required allowed-pattern="[0-9]"
           error-message="Digits only, please."></crowd-input>
        <crowd-text-area name="t" label="Text" required min-length="3" max-length="10"
           char-counter></crowd-text-area>
        <crowd-input name="m" label="Mail" type="email"></crowd-input>
        <crowd-checkbox name="sure" required>I am sure</crowd-checkbox>
        <label>Native <input name="native" required></label>
        <div style="display: none"><crowd-input name="unseen" required></crowd-input></div>"""
    )
    frame.get_by_role("button", name="Submit").click()
    expect(frame.get_by_label("Number")).to_be_focused()
    for words in ("Digits only, please.", "Fill in this field.", "Tick this box to go on."):
        expect(frame.get_by_text(words)).to_be_visible()
    expect(frame.get_by_label("Number")).to_have_accessible_description("Digits only, please.")
    expect(frame.locator(".crowd-native-error")).to_be_visible()
    assert accessibility_problems(page) == []
    frame.get_by_label("Number").fill("12a")
    frame.get_by_label("Text").fill("ab")
    expect(frame.get_by_text("Write at least 3 characters.")).to_be_visible()
    expect(frame.get_by_text("2 of 10 characters")).to_be_visible()
    frame.get_by_label("Number").fill("12")
    frame.get_by_label("Text").fill("abc")
    frame.get_by_label("Mail").fill("nobody")
    frame.get_by_label("Native").fill("x")
    frame.get_by_role("checkbox").click()
    frame.get_by_role("button", name="Submit").click()
    expect(frame.get_by_label("Mail")).to_be_focused()
    frame.get_by_label("Mail").fill("")
    assert submit(page, frame, made) == {
        "n": "12",
        "t": "abc",
        "sure": {"on": True},
        "native": "x",
    }


def test_buttons(opened: Any) -> None:
    page, frame, made = opened(
        """<crowd-input name="t" label="Text" value="first"></crowd-input>
        <crowd-button form-action="reset" variant="link">Start over</crowd-button>
        <crowd-button id="plain">Plain</crowd-button>
        <crowd-button href="https://example.com/" target="_blank">Help page</crowd-button>
        <crowd-button form-action="submit" variant="primary">Submit</crowd-button>
        <script>document.getElementById("plain").addEventListener("click", () => {
          document.querySelector("crowd-input").value += "+";
        });</script>"""
    )
    assert frame.get_by_role("button", name="Submit").count() == 1
    assert frame.get_by_role("link", name="Help page").get_attribute("rel") == "noopener"
    frame.get_by_label("Text").fill("changed")
    frame.get_by_role("button", name="Start over").click()
    expect(frame.get_by_label("Text")).to_have_value("first")
    frame.get_by_role("button", name="Plain").click()
    assert submit(page, frame, made) == {"t": "first+"}


def test_what_is_not_here_says_so_and_the_rest_works(opened: Any) -> None:
    page, frame, made = opened(
        """<crowd-bounding-box name="boxes" header="Draw">Inner words</crowd-bounding-box>
        <crowd-card heading="A card">Card words</crowd-card>
        <crowd-alert type="warning" dismissible>Watch out</crowd-alert>
        <crowd-instructions link-text="Read me"><short-summary>In short.</short-summary>
          <detailed-instructions><p>At length.</p></detailed-instructions>
          <positive-example>Like this.</positive-example></crowd-instructions>
        <crowd-tabs><crowd-tab header="Tab one">In a tab</crowd-tab></crowd-tabs>
        <crowd-badge>7</crowd-badge>
        <crowd-input name="t" label="Text"></crowd-input>"""
    )
    expect(frame.get_by_text("“crowd-bounding-box”, is not available here")).to_be_visible()
    for words in ("Inner words", "Card words", "Watch out", "In short.", "In a tab"):
        expect(frame.get_by_text(words)).to_be_visible()
    expect(frame.get_by_text("At length.")).to_be_hidden()
    frame.get_by_role("button", name="Read me").click()
    expect(frame.get_by_text("At length.")).to_be_visible()
    expect(frame.get_by_text("A good example")).to_be_visible()
    assert accessibility_problems(page) == []
    frame.get_by_label("Text").fill("done")
    assert submit(page, frame, made) == {"t": "done"}


def test_a_page_without_a_form_says_so(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work("<p>Only words</p>")
    page = new_page()
    page.goto(local.portal_url)
    page.get_by_label("Your name").fill("Formless")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=f"Start working: {made.title}").click()
    frame = page.frame_locator("#frame")
    expect(frame.get_by_text("has no crowd-form")).to_be_visible()
    expect(frame.get_by_text("Only words")).to_be_visible()
