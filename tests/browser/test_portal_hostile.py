"""Texts that want to run script, leave their frame or answer by themselves: none of them can."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from local_sagemaker import LocalSageMaker
from tests.browser.conftest import NewPage
from tests.browser.portal_pages import expect, ready, start, task_frame
from tests.portal_support import work

if TYPE_CHECKING:
    from playwright.sync_api import Page

TITLE = "document.documentElement.dataset.ran='yes'"
HOSTILE = [
    f"<script>{TITLE}</script>",
    f"<script type=module>{TITLE}</script>",
    f'<img src=x onerror="{TITLE}">',
    f'<svg onload="{TITLE}"></svg>',
    f'<iframe srcdoc="<script>parent.{TITLE}</script>"></iframe>',
    f'<a id=trap href="javascript:{TITLE}">click</a>',
    f'<form action="javascript:{TITLE}"><button id=trap>go</button></form>',
    f'<button id=trap form=f formaction="javascript:{TITLE}">go</button>',
    f'<details open ontoggle="{TITLE}">x</details>',
    f'<style>@keyframes x{{}}p{{animation:x 1s}}</style><p onanimationstart="{TITLE}">x</p>',
    f'<crowd-button onclick="{TITLE}"><span id=trap>x</span></crowd-button>',
    f"'-({TITLE})-'",
    f"</classification-target><script>{TITLE}</script>",
    "<base href='https://evil.example/'><script src='x.js'></script>",
    "<link rel=stylesheet href='data:text/css,*{background:red}'>",
    f"<object data='data:text/html,<script>parent.{TITLE}</script>'></object>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<meta http-equiv=refresh content='0;url=./'>",
]
SAFE = """<crowd-form><crowd-classifier name="c" categories='["a", "b"]' header="Which?">
<classification-target>%s</classification-target></crowd-classifier></crowd-form>"""
RAW = SAFE % "{{ task.input.text | skip_autoescape }}"
ESCAPED = SAFE % "{{ task.input.text }}"


def untouched(page: "Page") -> None:
    """Assert that nothing ran, neither in the task nor around it, and that all is where it was."""
    for frame in page.frames:
        assert frame.evaluate("document.documentElement.dataset.ran ?? ''") == ""
    assert re.search(r"/portal/task\?id=[\w-]+$", page.url)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_script_that_arrives_as_data_runs(
    local: LocalSageMaker, new_page: NewPage, text: str
) -> None:
    made = work(RAW, [{"text": text}])
    page = new_page()
    elsewhere: list[str] = []
    page.context.on("request", lambda request: elsewhere.append(request.url))
    frame = start(page, local, made, "Victim")
    trap = frame.locator("#trap")
    if trap.count():
        trap.first.click()
    page.wait_for_timeout(200)
    untouched(page)
    assert all(url.startswith((local.url, "data:")) for url in elsewhere), elsewhere
    # And the task can still be answered.
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.answers() == [{"c": {"label": "b"}}]


def test_escaped_text_is_shown_as_it_is(local: LocalSageMaker, new_page: NewPage) -> None:
    text = "".join(HOSTILE)
    made = work(ESCAPED, [{"text": text}])
    page = new_page()
    frame = start(page, local, made, "Reader")
    expect(frame.locator(".crowd-target")).to_have_text(text)
    untouched(page)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_categories_and_titles_are_text(
    local: LocalSageMaker, new_page: NewPage, quote: str
) -> None:
    names = [f"<img src=x onerror={TITLE}>", f"'><script>{TITLE}</script>", 'a "b" \\ c']
    attribute = f"categories={quote}{{{{ task.input.list | to_json | escape }}}}{quote}"
    made = work(
        f"""<crowd-form><crowd-classifier name="c" {attribute}
        header="{{{{ task.input.head }}}}"></crowd-classifier></crowd-form>""",
        [{"list": names, "head": f"<b onclick={TITLE}>head</b>"}],
        title=f"{ord(quote)}<script>{TITLE}</script>",
    )
    page = new_page()
    frame = start(page, local, made, f"<script>{TITLE}</script>"[:64])
    for name in names:
        expect(frame.get_by_role("radio", name=name, exact=True)).to_be_visible()
    expect(frame.locator("legend")).to_have_text(f"<b onclick={TITLE}>head</b>")
    untouched(page)
    page.keyboard.press("3")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.answers() == [{"c": {"label": names[2]}}]


def test_the_templates_own_scripts_run(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(
        """<script>var words = {{ task.input | to_json }};</script>
        <crowd-form><p id="out"></p><input type="hidden" name="extra" id="extra">
        <button type="button" onclick="document.getElementById('out').textContent += '!'">Louder
        </button>
        <crowd-input name="tag" label="Tag"></crowd-input></crowd-form>
        <script>
        document.getElementById("out").textContent = words.text;
        document.addEventListener("all-crowd-elements-ready", () => {
          const form = document.querySelector("crowd-form");
          const inner = form.form instanceof HTMLFormElement;
          document.querySelector("crowd-input").value = String(inner);
          form.onsubmit = (event) => {
            if (words.seen) { document.getElementById("extra").value = "[1]"; return; }
            event.preventDefault();
            words.seen = true;
          };
        });
        </script>""",
        [{"text": "</script><script>document.documentElement.dataset.ran='yes'</script>"}],
    )
    page = new_page()
    frame = start(page, local, made, "Scripted")
    expect(frame.locator("#out")).to_contain_text("</script>")
    frame.get_by_role("button", name="Louder").click()
    expect(frame.locator("#out")).to_contain_text("!")
    untouched(page)
    frame.get_by_role("button", name="Submit").click()
    page.wait_for_timeout(200)
    assert made.described()["HumanLoopStatus"] == "InProgress"
    frame.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.answers() == [{"extra": "[1]", "tag": "true"}]


def test_a_frame_reaches_nothing(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(SAFE % "Text.")
    page = new_page()
    start(page, local, made, "Boxed")
    frame = task_frame(page)
    reach: dict[str, Any] = frame.evaluate(
        """async () => {
        const tried = async (what) => {
          try { return String(await what()); } catch { return "no"; }
        };
        return {
          origin: self.origin,
          cookie: await tried(() => document.cookie),
          storage: await tried(() => localStorage.length),
          page: await tried(() => parent.document.title),
          ask: await tried(() => fetch("./")),
          away: await tried(() => { top.location = "about:blank"; return "yes"; }),
        };
        }"""
    )
    assert reach == {
        "origin": "null",
        "cookie": "no",
        "storage": "no",
        "page": "no",
        "ask": "no",
        "away": "no",
    }
    # What it says is taken for what it is: an answer, a height, a draft, or nothing.
    frame.evaluate(
        """() => {
        const messages = [{taskReady: "x"}, {kind: "act"}, {kind: "constructor"}, null];
        for (const message of messages) parent.postMessage(message, "*");
        }"""
    )
    ready(page)
    untouched(page)
    assert made.described()["HumanLoopStatus"] == "InProgress"


def test_another_window_cannot_answer(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(SAFE % "Text.")
    page = new_page()
    start(page, local, made, "Watched")
    page.evaluate(
        """() => {
        postMessage({taskReady: 1}, "*");
        postMessage({kind: "answer", answer: {c: {label: "a"}}}, "*");
        }"""
    )
    page.wait_for_timeout(300)
    assert made.described()["HumanLoopStatus"] == "InProgress"
    ready(page)
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Tasks for you")).to_be_visible()
    assert made.answers() == [{"c": {"label": "b"}}]


def test_no_page_can_frame_the_portal(local: LocalSageMaker, new_page: NewPage) -> None:
    made = work(SAFE % "Secret text.")
    page = new_page()
    start(page, local, made, "Framed")
    address = page.url
    for target in (address, address.replace("task?", "frame?"), f"{local.url}/portal/"):
        other = page.context.new_page()
        other.route(
            "http://other.example/",
            lambda route, target=target: route.fulfill(
                body=f"<iframe src='{target}'></iframe>", content_type="text/html"
            ),
        )
        other.goto("http://other.example/")
        other.wait_for_timeout(300)
        texts = [frame.content() for frame in other.frames]
        assert not any("Secret" in text or "Tasks for you" in text for text in texts)
        assert not any("csrf" in text for text in texts)
        other.close()
