"""The portal over HTTP: who gets in, what guards its pages, and a whole round by script."""

import re
import stat
import time
from html.parser import HTMLParser
from urllib.parse import urlsplit

import boto3
import httpx
import pytest

from local_sagemaker import LocalSageMaker
from local_sagemaker.human_review.presence import GRACE
from local_sagemaker.portal.access import Attempts, open_access
from local_sagemaker.portal.assets import static
from tests.local_sagemaker.core_support import send
from tests.portal_support import Join, Reviewer, code_of, work

HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def reviewer(local: LocalSageMaker, join: Join) -> Reviewer:
    return join(local, "Åsa")


class Hidden(HTMLParser):
    """Collects the hidden fields of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.fields[given["name"] or ""] = given["value"] or ""


def test_a_script_works_through_the_pages(local: LocalSageMaker, join: Join) -> None:
    made = work(contents=[{"taskObject": "One."}, {"taskObject": "Two."}])
    ada = join(local, " Ada ")
    assert ada.http.get("./").json()["worker"]["name"] == "Ada"
    job = ada.job(made)
    assert job is not None
    assert job["available"] == 2
    assert job["description"] == "Read a film review."
    first = ada.take(made)
    assert first["input"] == {"taskObject": "One."}
    assert first["time_limit_seconds"] == 3600
    assert ada.http.get("task", params={"id": first["id"]}).json()["task"]["id"] == first["id"]
    second = ada.submit(first, {"sentiment": {"label": "Positive"}})
    assert second["input"] == {"taskObject": "Two."}
    assert ada.submit(second, {"sentiment": {"label": "Negative"}}) is None
    assert ada.job(made) is None
    assert made.answers(0) == [{"sentiment": {"label": "Positive"}}]
    assert made.answers(1) == [{"sentiment": {"label": "Negative"}}]


def test_the_forms_work_without_json(local: LocalSageMaker) -> None:
    made = work(contents=[{"taskObject": "One."}])
    with httpx.Client(base_url=f"{local.url}/portal/", headers=HTML, trust_env=False) as http:
        front = Hidden(http.get("./").text).fields
        answer = http.post("sign-in", data={**front, "code": code_of(local), "name": "Bo"})
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        listed = http.get("./").text
        assert made.title in listed
        start = next(
            fields
            for form in listed.split("<form")[1:]
            if "job" in (fields := Hidden(f"<form{form}").fields) and f': {made.title}"' in form
        )
        taken = http.post("take", data=start)
        assert taken.status_code == 303
        page = http.get(taken.headers["location"]).text
        assert made.title in page
        identifier = taken.headers["location"].partition("id=")[2]
        done = http.post(
            "submit", data={"csrf": start["csrf"], "id": identifier, "answer": '{"a": "b"}'}
        )
        assert (done.status_code, done.headers["location"]) == (303, "./")
    assert made.answers() == [{"a": "b"}]


def test_a_second_tab_is_heard_of_before_the_task_of_a_closed_one_is_given_away() -> None:
    script = static()["task.js"].content.decode()
    heartbeat = re.search(r"const HEARTBEAT = (\d+);", script)
    assert heartbeat
    assert int(heartbeat[1]) < GRACE


@pytest.mark.slow
def test_the_access_code_is_private_and_survives(fresh: LocalSageMaker, join: Join) -> None:
    path = fresh.home / "portal.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    link = fresh.portal_url
    eve = join(fresh, "Eve")
    fresh.close()
    with fresh:
        assert fresh.portal_url.partition("#")[2] == link.partition("#")[2]
        # Who was signed in still is: a restart in the middle of a task costs nothing.
        assert eve.http.get("./").json()["worker"]["name"] == "Eve"
        assert code_of(fresh) not in (fresh.home / "server.log").read_text()


def test_a_code_is_read_as_people_type_it(local: LocalSageMaker, join: Join) -> None:
    code = open_access(local.home).code
    one = join(local)
    loose = f" {code.upper().replace('-', ' ')} "
    assert one.post("sign-in", code=loose, name="Una").status_code == 200


@pytest.mark.parametrize(
    ("name", "words"), [("", "Type a name"), ("x" * 65, "at most 64"), ("a\x00b", "U+0000")]
)
def test_a_bad_name_is_refused_with_words(
    local: LocalSageMaker, name: str, words: str, join: Join
) -> None:
    answer = join(local).post("sign-in", code=code_of(local), name=name)
    assert answer.status_code == 400
    assert words in answer.json()["message"]


def test_a_wrong_code_does_not_open(local: LocalSageMaker, join: Join) -> None:
    one = join(local)
    answer = one.post("sign-in", code="aaaa-bbbb-cccc-dddd", name="Mallory")
    assert answer.status_code == 403
    assert "status" in answer.json()["message"]
    page = one.post("sign-in", headers=HTML, code="", name="Mallory <b>")
    assert page.status_code == 403
    assert "Mallory &lt;b&gt;" in page.text
    assert one.http.get("./").json()["worker"] is None


def test_wrong_codes_are_slowed_down() -> None:
    moment = [0.0]
    attempts = Attempts(limit=3, window=60, clock=lambda: moment[0])
    for _ in range(3):
        assert attempts.wait() == 0
        attempts.failed()
        moment[0] += 10
    assert attempts.wait() == 30
    moment[0] = 60
    assert attempts.wait() == 0


@pytest.mark.slow
def test_too_many_wrong_codes_stop_even_the_right_one(fresh: LocalSageMaker, join: Join) -> None:
    one = join(fresh)
    answers = [one.post("sign-in", code=str(n), name="M").status_code for n in range(11)]
    assert answers == [403] * 10 + [429]
    right = one.post("sign-in", code=code_of(fresh), name="M")
    assert right.status_code == 429
    assert re.search(r"in \d+ seconds", right.json()["message"])


def test_cookies_are_out_of_reach(local: LocalSageMaker, join: Join) -> None:
    one = join(local)
    answer = one.post("sign-in", code=code_of(local), name="Cy")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    # A browser takes the page's own folder, which is the portal's below any proxy.
    assert "path=" not in cookie
    assert str(urlsplit(local.url).port) in cookie
    secure = one.http.post(
        "sign-in",
        data={"csrf": answer.json()["csrf"], "code": code_of(local), "name": "Cy"},
        headers={"x-forwarded-proto": "https"},
    )
    assert "secure" in secure.headers["set-cookie"].lower()
    assert "secure" not in cookie


@pytest.mark.parametrize("change", ["worker", "time", "seal"])
def test_a_forged_cookie_is_nobody(local: LocalSageMaker, reviewer: Reviewer, change: str) -> None:
    name, value = next(
        (cookie.name, cookie.value or "")
        for cookie in reviewer.http.cookies.jar
        if "visitor" not in cookie.name
    )
    worker, until, rest = value.split(".", 2)
    forged = {
        "worker": f"{'0' * 16}.{until}.{rest}",
        "time": f"{worker}.{int(until) + 1}.{rest}",
        "seal": f"{worker}.{until}.{rest[:-1]}{'0' if rest[-1] != '0' else '1'}",
    }[change]
    told = httpx.get(
        f"{local.url}/portal/",
        headers={"accept": "application/json", "cookie": f"{name}={forged}"},
        trust_env=False,
    )
    assert told.json()["worker"] is None


def test_every_post_needs_the_token(local: LocalSageMaker, reviewer: Reviewer, join: Join) -> None:
    other = join(local, "Other")
    pages = ["sign-in", "sign-out", "take", "submit", "decline", "release", "pause", "seen", "left"]
    for page in pages:
        for token in ("", "0" * 64, other.csrf):
            answer = reviewer.post(page, csrf=token, id="x", job="x", answer="{}")
            assert (page, answer.status_code) == (page, 403)
    assert reviewer.http.get("./").json()["worker"]["name"] == "Åsa"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_cannot_post(reviewer: Reviewer, site: str) -> None:
    answer = reviewer.post("take", headers={"sec-fetch-site": site}, job="x")
    assert answer.status_code == 403


def test_only_forms_are_read(reviewer: Reviewer) -> None:
    answer = reviewer.http.post("take", json={"csrf": reviewer.csrf})
    assert answer.status_code == 400
    assert "x-www-form-urlencoded" in answer.json()["message"]
    huge = reviewer.post("submit", id="x", answer="a" * (13 * 1024 * 1024))
    assert huge.status_code == 400
    assert "larger than" in huge.json()["message"]


def test_without_a_session_nothing_is_shown(local: LocalSageMaker, join: Join) -> None:
    made = work(contents=[{"taskObject": "Secret words."}])
    task = join(local, "Holder").take(made)
    stranger = join(local)
    other = join(local, "Somebody else")
    for page in ("task", "frame"):
        for accept in ("application/json", "text/html"):
            headers = {"accept": accept}
            answer = stranger.http.get(page, params={"id": task["id"]}, headers=headers)
            assert answer.status_code == 401
            assert "Secret" not in answer.text
            answer = other.http.get(page, params={"id": task["id"]}, headers=headers)
            assert answer.status_code == 410
            assert "Secret" not in answer.text
    assert stranger.post("take", job=task["job"]).status_code == 401


def test_no_other_page_may_frame_or_feed_the_portal(local: LocalSageMaker, join: Join) -> None:
    made = work()
    one = join(local, "Dan")
    task = one.take(made)
    for page in ("./", f"task?id={task['id']}", "static/task.js", "nowhere"):
        policy = one.http.get(page, headers=HTML).headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
    frame = one.http.get("frame", params={"id": task["id"]}, headers=HTML)
    policy = frame.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy
    assert "frame-ancestors 'self'" in policy
    assert "connect-src" not in policy
    assert "default-src 'none'" in policy
    (nonce,) = re.findall(r"script-src 'nonce-([\w-]+)'", policy)
    assert nonce in frame.text
    again = one.http.get("frame", params={"id": task["id"]}, headers=HTML)
    assert nonce not in again.text


def test_what_a_task_says_is_not_kept_by_the_browser(local: LocalSageMaker, join: Join) -> None:
    one = join(local, "Fay")
    task = one.take(work())
    for page in ("./", f"task?id={task['id']}", f"frame?id={task['id']}"):
        assert one.http.get(page, headers=HTML).headers["cache-control"] == "no-store"
    script = re.search(
        r"static/task\.js\?\w+", one.http.get(f"task?id={task['id']}", headers=HTML).text
    )
    assert script is not None
    assert "immutable" in one.http.get(script[0]).headers["cache-control"]
    assert one.http.get("static/task.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["../pages.py", "..%2fpages.py", "%2e%2e/access.py", "x.css", ""])
def test_no_other_file_is_served(local: LocalSageMaker, name: str) -> None:
    host = {"Host": urlsplit(local.url).netloc, "Accept": "application/json"}
    assert send(local, "GET", f"/portal/static/{name}", host).status == 404


def test_the_host_header_is_checked(local: LocalSageMaker) -> None:
    port = urlsplit(local.url).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", ""):
        answer = send(local, "GET", "/portal/", {"Host": host})
        assert (host, answer.status) == (host, 403)
        assert b"csrf" not in answer.body
    # A proxy on this machine has another port.
    for host in (f"127.0.0.1:{port}", "localhost:8888", "LOCALHOST"):
        assert send(local, "GET", "/portal/", {"Host": host}).status == 200
    # But only the portal is for it.
    assert send(local, "GET", "/_local/status", {"Host": "localhost:8888"}).status == 403


def test_the_address_without_a_slash_leads_to_the_portal(local: LocalSageMaker) -> None:
    answer = httpx.get(f"{local.url}/portal", trust_env=False)
    assert (answer.status_code, answer.headers["location"]) == (308, "portal/")
    whole = httpx.get(
        f"{local.url}/user/me/proxy/absolute/{urlsplit(local.url).port}/portal/", trust_env=False
    )
    assert "Sign in" in whole.text


def test_a_bucket_may_be_called_portal(local: LocalSageMaker) -> None:
    def asked() -> int:
        rows = local.status()["requests"]
        return sum(row["count"] for row in rows if row["operation"] == "PutObject")

    before = asked()
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="portal")
    s3.put_object(Bucket="portal", Key="static/task.js", Body=b"mine")
    # And it is in the log as any other, which the portal's own pages are not.
    while asked() == before:
        time.sleep(0.01)
    assert s3.get_object(Bucket="portal", Key="static/task.js")["Body"].read() == b"mine"
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": "portal", "Key": "static/task.js"}
    )
    assert urlsplit(url).path == "/portal/static/task.js"
    assert httpx.get(url, trust_env=False).content == b"mine"


def test_a_submit_that_is_sent_twice_counts_once(local: LocalSageMaker, join: Join) -> None:
    made = work(contents=[{"taskObject": "One."}])
    one = join(local, "Gil")
    task = one.take(made)
    one.submit(task, {"a": "1"})
    assert one.submit(task, {"a": "2"}) is None
    assert made.answers() == [{"a": "1"}]


def test_what_is_no_answer_is_refused(local: LocalSageMaker, join: Join) -> None:
    made = work()
    one = join(local, "Hal")
    task = one.take(made)
    half = '{"a": "\\ud800"}'
    for answer in ("", "{", "[]", '"text"', "NaN", '{"a": NaN}', "[" * 100_000, half):
        refused = one.post("submit", id=task["id"], answer=answer)
        assert (answer[:9], refused.status_code) == (answer[:9], 400)
    assert made.described()["HumanLoopStatus"] == "InProgress"
    assert one.submit(task, {"a": "1"}) is None


def test_who_puts_a_task_aside_resumes_it(local: LocalSageMaker, join: Join) -> None:
    made = work()
    one, two = join(local, "Ida"), join(local, "Jan")
    task = one.take(made)
    assert one.post("pause", id=task["id"]).json() == {"task": None}
    assert two.job(made) is None
    job = one.job(made)
    assert job is not None
    assert job["status"] == "Stopped"
    assert "put aside" in one.http.get("./", headers=HTML).text
    page = one.http.get("task", params={"id": task["id"]}, headers=HTML)
    assert (page.status_code, page.headers["location"]) == (303, "./")
    assert one.take(made)["id"] == task["id"]
    one.post("release", id=task["id"])
    assert two.take(made) is not None


def test_who_declines_gets_another_task(local: LocalSageMaker, join: Join) -> None:
    made = work(contents=[{"taskObject": "One."}, {"taskObject": "Two."}])
    one = join(local, "Kim")
    first = one.take(made)
    second = one.post("decline", id=first["id"]).json()["task"]
    assert second["input"] == {"taskObject": "Two."}
    one.post("release", id=second["id"])
    job = one.job(made)
    assert job is not None
    assert job["available"] == 1


def test_a_task_that_is_gone_says_why(local: LocalSageMaker, join: Join) -> None:
    made = work()
    one = join(local, "Lea")
    task = one.take(made)
    one.post("release", id=task["id"])
    gone = one.post("submit", id=task["id"], answer="{}")
    assert gone.status_code == 410
    assert gone.json()["reason"] == "released"
    page = one.http.get("task", params={"id": task["id"]}, headers=HTML)
    assert page.status_code == 410
    assert "You gave this task back" in page.text
    assert one.post("seen", id="no-such-task").json()["reason"] == "unknown"


def test_names_and_titles_are_text(local: LocalSageMaker, join: Join) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    made = work(title=f"{hostile} {{{{ 7 | times: 7 }}}}", description=hostile)
    one = join(local, f"{hostile}\u202fΩ")
    task = one.take(made)
    for page in ("./", f"task?id={task['id']}"):
        text = one.http.get(page, headers=HTML).text
        assert "<img" not in text
        assert "&lt;img src=x" in text
        assert "{{ 7 | times: 7 }}" in text


def test_status_tells_of_the_portal(local: LocalSageMaker, join: Join) -> None:
    before = local.status()["review"]
    made = work(contents=[{"taskObject": "One."}, {"taskObject": "Two."}], count=2)
    after = local.status()["review"]
    assert after["available"] - before["available"] == 4
    one = join(local, "Nia")
    one.take(made)
    assert local.status()["review"]["held"] - before["held"] == 1
    assert after["url"].startswith(f"{local.url}/portal/#code=")
