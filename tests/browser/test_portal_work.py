"""Somebody works through tasks in a real browser: by mouse, by keyboard, on a phone, as two."""

import re
import time

import pytest

from local_sagemaker import LocalSageMaker
from tests.browser.conftest import NewPage
from tests.browser.portal_pages import (
    PHONE,
    accessibility_problems,
    expect,
    ready,
    sign_in,
    start,
    task_frame,
)
from tests.portal_support import Join, work


def texts(*given: str) -> list[dict[str, str]]:
    return [{"taskObject": text} for text in given]


def test_from_sign_in_to_the_last_answer(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(contents=texts("A joy.", "A bore."))
    page = new_page()
    frame = start(page, local, made, "Ada")
    assert "code" not in page.url
    expect(page.get_by_role("heading", name=made.title)).to_be_focused()
    expect(page.get_by_text("Read a film review.")).to_be_visible()
    expect(page.locator(".timer")).to_contain_text(re.compile(r"0:0\d of 60 min"))
    expect(frame.get_by_text("A joy.")).to_be_visible()
    frame.get_by_role("radio", name="Positive").click()
    frame.get_by_role("button", name="Submit").click()
    expect(frame.get_by_text("A bore.")).to_be_visible()
    expect(page.get_by_role("status")).to_contain_text("Your answer is saved")
    frame.get_by_role("radio", name="Negative").click()
    frame.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    expect(page.locator("#flash")).to_contain_text("That was the last one")
    expect(page.get_by_role("heading", name=made.title)).to_have_count(0)
    assert made.answers(0) == [{"sentiment": {"label": "Positive"}}]
    assert made.answers(1) == [{"sentiment": {"label": "Negative"}}]
    answer = made.output(0)["humanAnswers"][0]
    assert 0 < answer["timeSpentInSeconds"] < 600


def test_without_a_mouse(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(contents=texts("One.", "Two.", "Three."))
    page = new_page()
    page.goto(local.portal_url)
    expect(page.get_by_label("Your name")).to_be_focused()
    page.keyboard.type("Keys only")
    page.keyboard.press("Enter")
    button = page.get_by_role("button", name=f"Start working: {made.title}")
    button.wait_for()
    for _ in range(200):
        if button.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    ready(page)
    # By number, without going into the frame.
    page.keyboard.press("2")
    frame = page.frame_locator("#frame")
    expect(frame.get_by_role("radio", name="Negative")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(frame.get_by_text("Two.")).to_be_visible()
    # By Tab, arrows and blank, through the bar of the task: from the top, once the page is there.
    expect(page.locator("#title")).to_be_focused()
    for name in ("Instructions", "Shortcuts"):
        page.keyboard.press("Tab")
        expect(frame.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(frame.get_by_text("Submit (⌘ + Enter on a Mac)")).to_be_visible()
    page.keyboard.press("Tab")
    switch = frame.get_by_role("checkbox", name="Number keys choose a category")
    expect(switch).to_be_focused()
    page.keyboard.press("Escape")
    expect(frame.get_by_role("button", name="Shortcuts")).to_be_focused()
    page.keyboard.press("Tab")
    expect(frame.get_by_role("radio", name="Positive")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(frame.get_by_role("radio", name="Not clear")).to_be_checked()
    page.keyboard.press("Tab")
    expect(frame.get_by_role("button", name="Submit")).to_be_focused()
    page.keyboard.press("Enter")
    expect(frame.get_by_text("Three.")).to_be_visible()
    page.keyboard.press("1")
    # From inside the frame as well.
    frame.get_by_role("radio", name="Positive").focus()
    page.keyboard.press("3")
    expect(frame.get_by_role("radio", name="Not clear")).to_be_checked()
    page.keyboard.press("Meta+Enter")
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert [made.answers(n)[0]["sentiment"]["label"] for n in range(3)] == [
        "Negative",
        "Not clear",
        "Not clear",
    ]


def test_number_keys_can_be_switched_off(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(contents=texts("One.", "Two."))
    page = new_page()
    frame = start(page, local, made, "Voice")
    frame.get_by_role("button", name="Shortcuts").click()
    frame.get_by_text("Number keys choose a category").click()
    frame.get_by_role("button", name="Shortcuts").focus()
    page.keyboard.press("1")
    expect(frame.get_by_role("radio", name="Positive")).not_to_be_checked()
    frame.get_by_role("radio", name="Negative").click()
    page.keyboard.press("Control+Enter")
    expect(frame.get_by_text("Two.")).to_be_visible()
    frame.get_by_role("button", name="Shortcuts").click()
    expect(frame.get_by_role("checkbox", name="Number keys")).not_to_be_checked()


def test_nothing_chosen_is_said_beside_the_choice(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work()
    page = new_page()
    frame = start(page, local, made, "Hasty")
    page.keyboard.press("Control+Enter")
    expect(frame.get_by_text("Choose a category.")).to_be_visible()
    expect(frame.get_by_role("radio", name="Positive")).to_be_focused()
    expect(page.get_by_role("status")).to_contain_text("Choose a category.")
    assert accessibility_problems(page) == []
    page.keyboard.press("1")
    expect(frame.get_by_text("Choose a category.")).to_be_hidden()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.answers() == [{"sentiment": {"label": "Positive"}}]


def test_two_people_never_get_the_same_task(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(contents=texts(*(f"Film {n}." for n in range(6))))
    pages = [new_page(), new_page()]
    frames = [start(page, local, made, f"Pair {n}") for n, page in enumerate(pages)]
    seen: list[str] = []
    for turn in range(3):
        for number, (page, frame) in enumerate(zip(pages, frames, strict=True)):
            target = frame.locator(".crowd-target")
            shown = target.inner_text()
            seen.append(shown)
            page.keyboard.press(str(number + 1))
            page.keyboard.press("Control+Enter")
            if turn < 2:
                expect(target).not_to_have_text(shown)
    for page in pages:
        expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert sorted(seen) == [f"Film {n}." for n in range(6)]
    labels = [made.answers(n)[0]["sentiment"]["label"] for n in range(6)]
    assert sorted(labels) == ["Negative"] * 3 + ["Positive"] * 3


def test_a_task_for_two_is_answered_by_two(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(count=2)
    for name in ("First", "Second"):
        page = new_page()
        start(page, local, made, name)
        page.keyboard.press("1")
        page.keyboard.press("Control+Enter")
        expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
        expect(page.get_by_role("heading", name=made.title)).to_have_count(0)
    workers = [answer["workerId"] for answer in made.output()["humanAnswers"]]
    assert len(set(workers)) == 2


def test_a_reload_keeps_the_task_and_what_was_typed(
    local: LocalSageMaker, new_page: NewPage
) -> None:
    made = work(
        """<crowd-form>
        <crowd-classifier name="c" categories='["a", "b"]' header="Which?"></crowd-classifier>
        <crowd-text-area name="why" label="Why?"></crowd-text-area>
        <input type="hidden" name="kept" value="as it was"></crowd-form>"""
    )
    page = new_page()
    frame = start(page, local, made, "Reloader")
    frame.get_by_role("radio", name="b").click()
    frame.get_by_label("Why?").fill("Because ✓\nof this")
    page.wait_for_function(
        "Object.keys(sessionStorage).some(key => sessionStorage[key].includes('of this'))"
    )
    address = page.url
    page.reload()
    frame = ready(page)
    assert page.url == address
    expect(frame.get_by_label("Why?")).to_have_value("Because ✓\nof this")
    expect(frame.get_by_role("radio", name="b")).to_be_checked()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.answers() == [
        {"c": {"label": "b"}, "why": "Because ✓\nof this", "kept": "as it was"}
    ]


def test_a_closed_tab_gives_its_task_back(
    local: LocalSageMaker, new_page: NewPage, join: Join
) -> None:
    made = work(contents=texts("One."))
    page = new_page()
    start(page, local, made, "Gone")
    other = join(local, "Next")
    assert other.job(made) is None
    page.close(run_before_unload=True)
    while (task := other.take(made)) is None:
        time.sleep(0.2)
    assert task["input"] == {"taskObject": "One."}


def test_a_second_page_resumes_what_was_put_aside(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(contents=texts("One.", "Two."))
    page = new_page()
    start(page, local, made, "Pauser")
    address = page.url
    page.get_by_role("button", name="Stop and resume later").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("nobody else gets it")
    expect(dialog.get_by_role("button", name="Go on with the task")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.url == address
    page.get_by_role("button", name="Stop and resume later").click()
    dialog.get_by_role("button", name="Stop").click()
    expect(page.locator("#flash")).to_have_text("The task waits for you.")
    expect(page.get_by_text("One of them put aside by you")).to_be_visible()
    page.get_by_role("button", name=f"Resume: {made.title}").click()
    frame = ready(page)
    assert page.url == address
    expect(frame.get_by_text("One.")).to_be_visible()


@pytest.mark.parametrize(
    ("button", "confirm", "heading"),
    [
        ("Release task", "Release", "Give this task back?"),
        ("Decline task", "Decline", "Decline this task?"),
    ],
)
def test_a_task_can_be_given_back(
    local: LocalSageMaker, new_page: NewPage, join: Join, button: str, confirm: str, heading: str
) -> None:
    made = work(contents=texts("One."))
    page = new_page()
    start(page, local, made, f"Away {button}")
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("dialog", name=heading)).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name=confirm).click()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    offered = page.get_by_role("heading", name=made.title).count()
    assert offered == (1 if button == "Release task" else 0)
    if offered:
        assert join(local, "Taker").take(made) is not None
    else:
        # As on AWS: as many workers as answers were asked for have declined.
        assert made.described()["HumanLoopStatus"] == "Failed"


def test_on_a_phone(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(contents=texts("Word " * 60 + "x" * 300))
    page = new_page(**PHONE)
    frame = start(page, local, made, "A phone with quite a long name of its worker")
    for one in (page.main_frame, task_frame(page)):
        wide, seen = one.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert wide <= seen
    # All of the task is in the page: nothing scrolls inside it.
    inner, outer = (
        task_frame(page).evaluate("document.documentElement.scrollHeight"),
        page.locator("#frame").evaluate("frame => frame.clientHeight"),
    )
    assert inner <= outer
    assert accessibility_problems(page) == []
    frame.get_by_role("radio", name="Not clear").tap()
    frame.get_by_role("button", name="Submit").tap()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.answers() == [{"sentiment": {"label": "Not clear"}}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_page_passes_axe(
    local: LocalSageMaker, new_page: NewPage, scheme: str, width: int
) -> None:
    made = work()
    page = new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.goto(f"{local.url}/portal/")
    assert accessibility_problems(page) == []
    page.get_by_label("Your name").fill("Axe")
    page.get_by_label("Access code").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert accessibility_problems(page) == []
    frame = start(page, local, made, "Axe")
    frame.get_by_role("button", name="Instructions").click()
    frame.get_by_role("button", name="Shortcuts").click()
    assert accessibility_problems(page) == []
    page.get_by_role("button", name="Decline task").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert accessibility_problems(page) == []
    page.get_by_role("button", name="Go on").click()
    page.keyboard.press("Control+Enter")
    address = page.url
    page.goto(f"{local.url}/portal/")
    expect(page.get_by_role("heading", name=made.title)).to_be_visible()
    assert accessibility_problems(page) == []
    page.goto(address.replace("id=", "id=x"))
    expect(page.get_by_role("heading", name="This task is not yours")).to_be_visible()
    assert accessibility_problems(page) == []


def test_the_finished_page(fresh: LocalSageMaker, new_page: NewPage) -> None:
    page = new_page()
    sign_in(page, fresh.portal_url, "Early")
    expect(page.get_by_role("heading", name="You are finished")).to_be_visible()
    assert accessibility_problems(page) == []
    made = work()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_role("heading", name=made.title)).to_be_visible()


def test_a_link_finds_who_is_signed_in_already(local: LocalSageMaker, new_page: NewPage) -> None:
    page = new_page()
    sign_in(page, local.portal_url, "Stays")
    page.goto("about:blank")
    page.goto(local.portal_url)
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert "#" not in page.url
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your name")).to_have_value("Stays")
    expect(page.get_by_label("Access code")).to_be_hidden()
