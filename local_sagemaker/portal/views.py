"""The portal's own pages as HTML, from the templates in ``pages/``.

Everything is escaped unless it is HTML of ours. It must not know requests or who may see what.
"""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse, Response

from local_sagemaker.human_review.workers import Worker
from local_sagemaker.human_review.worklist import Assignment, Job
from local_sagemaker.portal import words
from local_sagemaker.portal.assets import static
from local_sagemaker.portal.frame import sandbox

if TYPE_CHECKING:
    from liquid import Environment

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)


@cache
def _pages() -> "Environment":
    # With the first page: a server whose portal nobody opens starts the sooner without.
    from liquid import CachingFileSystemLoader, Environment

    folder = Path(__file__).parent / "pages"
    return Environment(loader=CachingFileSystemLoader(folder), autoescape=True)


def guarded(response: Response, policy: str = _POLICY) -> Response:
    """Return a response with the headers that keep others out."""
    response.headers["content-security-policy"] = policy
    response.headers["x-content-type-options"] = "nosniff"
    response.headers["referrer-policy"] = "no-referrer"
    response.headers["cross-origin-opener-policy"] = "same-origin"
    response.headers["permissions-policy"] = "camera=(), geolocation=(), microphone=()"
    response.headers.setdefault("cache-control", "no-store")
    return response


def sign_in(csrf: str, problem: str = "", name: str = "", status: int = 200) -> Response:
    """Return the page on which a worker signs in."""
    return _page(
        "sign_in", "Sign in", status, script="sign_in.js", csrf=csrf, problem=problem, name=name
    )


def job_list(worker: Worker, csrf: str, jobs: list[Job]) -> Response:
    """Return the page of the jobs that have a task for a worker."""
    shown = [
        {
            "id": job.id,
            "title": job.title,
            "description": job.description,
            "keywords": list(job.keywords),
            "account": job.account,
            "stopped": job.status == "Stopped",
            "waiting": words.tasks(job.available),
            "created": datetime.fromtimestamp(job.created, UTC).strftime("%d %B %Y, %H:%M UTC"),
        }
        for job in jobs
    ]
    total = sum(job.available for job in jobs)
    return _page(
        "jobs", "Tasks", script="jobs.js", worker=worker.name, csrf=csrf, jobs=shown, total=total
    )


def task(worker: Worker, csrf: str, assignment: Assignment, remaining: float) -> Response:
    """Return the page around a task.

    Parameters
    ----------
    worker, csrf
        Who looks at it, and the token of the forms.
    assignment
        The task.
    remaining
        Seconds until it is taken away.
    """
    limit = assignment.time_limit_seconds
    return _page(
        "task",
        assignment.title,
        script="task.js",
        worker=worker.name,
        csrf=csrf,
        id=assignment.id,
        heading=assignment.title,
        description=assignment.description,
        seconds=round(limit),
        remaining=round(remaining),
        elapsed=words.clock(limit - remaining),
        limit_words=words.minutes(limit),
        sandbox=sandbox(),
    )


def message(
    heading: str, text: str, status: int, *, worker: str = "", csrf: str = "", to: str = ""
) -> Response:
    """Return a page that says one thing, with a way on."""
    way = to or "Go to the tasks"
    return _page(
        "message", heading, status, worker=worker, csrf=csrf, heading=heading, text=text, way=way
    )


def _page(page: str, title: str, status: int = 200, /, script: str = "", **data: Any) -> Response:
    from liquid import Markup

    body = _pages().get_template(f"{page}.html").render(**data)
    versions = {name: f"static/{name}?{asset.tag}" for name, asset in static().items()}
    document = (
        _pages()
        .get_template("layout.html")
        .render(
            title=title,
            body=Markup(body),
            script=versions[script] if script else "",
            styles=[versions[sheet] for sheet in ("light.css", "dark.css", "portal.css")],
            icon=versions["icon.svg"],
            worker=data.get("worker", ""),
            csrf=data.get("csrf", ""),
        )
    )
    return guarded(HTMLResponse(document, status))
