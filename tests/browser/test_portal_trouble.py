"""What goes wrong while somebody is in a task: they are told, and nothing they typed is lost."""

import boto3
import pytest

from local_sagemaker import LocalSageMaker
from tests.browser.conftest import NewPage
from tests.browser.portal_pages import accessibility_problems, expect, ready, sign_in, start
from tests.portal_support import Join, work

WORDS = (
    """<crowd-form><crowd-text-area name="words" label="Words"></crowd-text-area></crowd-form>"""
)


def test_a_server_that_is_gone_and_comes_back(fresh: LocalSageMaker, new_page: NewPage) -> None:
    made = work(WORDS)
    page = new_page()
    frame = start(page, fresh, made, "Patient")
    frame.get_by_label("Words").fill("Long thought about")
    fresh.close()
    frame.get_by_role("button", name="Submit").click()
    notice = page.locator("#notice")
    expect(notice).to_contain_text("The server cannot be reached")
    expect(notice).to_be_focused()
    expect(frame.get_by_label("Words")).to_have_value("Long thought about")
    assert accessibility_problems(page) == []
    page.get_by_role("button", name="Try again").click()
    expect(notice).to_contain_text("The server cannot be reached")
    with fresh:
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", name="You are finished")).to_be_visible()
        assert made.answers() == [{"words": "Long thought about"}]


def test_who_was_signed_out_signs_in_beside_it(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(WORDS)
    page = new_page()
    frame = start(page, local, made, "Forgotten")
    frame.get_by_label("Words").fill("Still here")
    page.context.clear_cookies()
    frame.get_by_role("button", name="Submit").click()
    expect(page.locator("#notice")).to_contain_text("You are signed out")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in in a new tab").click()
    other = opened.value
    sign_in(other, local.portal_url, "Forgotten")
    other.close()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.answers() == [{"words": "Still here"}]


def test_a_task_whose_time_is_over(local: LocalSageMaker, new_page: NewPage, join: Join) -> None:
    # The shortest limit that A2I's API takes.
    made = work(WORDS, limit=30)
    page = new_page()
    frame = start(page, local, made, "Slow")
    frame.get_by_label("Words").fill("Not fast enough")
    expect(page.locator(".timer")).to_contain_text("of 30 s")
    expect(page.get_by_role("status")).to_contain_text("are left")
    notice = page.locator("#notice")
    expect(notice).to_contain_text("The time for this task is over")
    expect(notice).to_contain_text("What you filled in stays below")
    expect(frame.get_by_label("Words")).to_have_value("Not fast enough")
    frame.get_by_role("button", name="Submit").click()
    page.wait_for_timeout(200)
    assert made.described()["HumanLoopStatus"] == "InProgress"
    assert join(local, "Faster").take(made) is not None
    page.get_by_role("link", name="Go to the tasks").click()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()


def test_a_task_that_was_answered_in_another_tab(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(WORDS)
    page = new_page()
    start(page, local, made, "Twice")
    other = page.context.new_page()
    other.goto(page.url)
    ready(other).get_by_label("Words").fill("From the other tab")
    other.keyboard.press("Control+Enter")
    expect(other.get_by_role("heading", name="Tasks for you")).to_be_visible()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#notice")).to_contain_text("You have already answered this task")
    assert made.answers() == [{"words": "From the other tab"}]


def test_a_loop_that_is_stopped_may_be_finished(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(WORDS)
    page = new_page()
    frame = start(page, local, made, "Last")
    boto3.client("sagemaker-a2i-runtime").stop_human_loop(HumanLoopName=made.loops[0])
    frame.get_by_label("Words").fill("Nevertheless")
    frame.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.described()["HumanLoopStatus"] == "Stopped"


@pytest.mark.parametrize("status", [500, 502])
def test_a_proxys_own_error_is_no_answer(
    local: LocalSageMaker, new_page: NewPage, status: int
) -> None:
    made = work(WORDS)
    page = new_page()
    frame = start(page, local, made, f"Proxied {status}")
    page.route("**/submit", lambda route: route.fulfill(status=status, body="<h1>Oops</h1>"))
    frame.get_by_label("Words").fill("Kept")
    frame.get_by_role("button", name="Submit").click()
    expect(page.locator("#notice")).to_contain_text("The server cannot be reached")
    page.unroute("**/submit")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.answers() == [{"words": "Kept"}]
