"""Answers requests below ``/portal/``: sign in, the list of jobs, a task, and what is done with it.

Every address is one folder deep and every link relative, so that the pages work below whatever
path a proxy gives them. A request with ``Accept: application/json`` gets the same as data, for
scripts. Who may do what with a task is the worklist's to say.
"""

import logging
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from local_sagemaker.human_review.outputs import Owner
from local_sagemaker.human_review.service import HumanReview
from local_sagemaker.human_review.templates import TemplateError
from local_sagemaker.human_review.workers import NameRefused, Worker
from local_sagemaker.human_review.worklist import (
    AnswerRefused,
    Assignment,
    AssignmentGone,
)
from local_sagemaker.portal import frame, views, words
from local_sagemaker.portal.access import Access, Attempts
from local_sagemaker.portal.actions import ACTIONS, Action, described, remaining
from local_sagemaker.portal.assets import static
from local_sagemaker.portal.forms import FormRefused, read_form
from local_sagemaker.portal.replies import Refusal, as_json, redirect, signed_out, wants_json
from local_sagemaker.portal.sessions import Session, Sessions, same_token
from local_sagemaker.settings import Settings

PREFIX = "/portal"
_LOG = logging.getLogger("local_sagemaker.portal")


class Portal:
    """The pages.

    Parameters
    ----------
    review
        Who answers, and what there is to answer.
    access
        What opens the portal.
    settings
        Where the server is.
    """

    def __init__(self, review: HumanReview, access: Access, settings: Settings) -> None:
        self._templates = review.templates
        self._workers = review.workers
        self._worklist = review.worklist
        self._access = access
        self._settings = settings
        self._port = settings.port
        self._sessions = Sessions(access, settings.port)
        self._attempts = Attempts()

    def status(self) -> dict[str, Any]:
        """Return how many tasks are ``available`` and ``held``, and where the portal is.

        That is its ``url``, with the access code, the ``hosts`` it answers to as well, and whether
        answers go to an AWS account (``answers_to_account``).
        """
        waiting = self._worklist.waiting()
        return {
            "url": self._access.link(self._settings.url),
            "available": waiting.available,
            "held": waiting.held,
            "hosts": list(self._settings.portal_hosts),
            "answers_to_account": self._settings.answers_to_account,
        }

    async def __call__(self, request: Request, path: str) -> Response:
        """Answer one request.

        Parameters
        ----------
        request
            The request.
        path
            Its path from ``/portal`` on, percent-encoded.
        """
        page = path.removeprefix(PREFIX).removeprefix("/")
        if path == PREFIX:
            # Relative, as everything: the browser knows what stands before it.
            return views.guarded(RedirectResponse("portal/", 308))
        if page.startswith("static/"):
            return self._static(request, page.removeprefix("static/"))
        try:
            return await self._answer(request, page)
        except FormRefused as refused:
            return self._refused(request, Refusal(400, "bad_request", str(refused)))
        except Refusal as refused:
            return self._refused(request, refused)
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001  (somebody sits before this page)
            _LOG.exception("%s %s failed", request.method, path)
            return self._refused(
                request,
                Refusal(
                    500,
                    "internal",
                    "The server could not do this; its log says why. Try again in a moment.",
                ),
            )

    async def _answer(self, request: Request, page: str) -> Response:
        session = self._sessions.read(request)
        if request.method in ("GET", "HEAD"):
            return await run_in_threadpool(self._shown, request, page, session)
        if request.method != "POST":
            raise Refusal(405, "method", f"There is no {request.method} here.")
        form = await read_form(request)
        self._check_sender(request, form, session)
        if page == "sign-in":
            return await run_in_threadpool(self._sign_in, request, form)
        worker = await run_in_threadpool(self._worker, session)
        if page == "sign-out":
            response = redirect("./")
            self._sessions.remove(response, request)
            return response
        act = ACTIONS.get(page)
        if act is None:
            raise Refusal(404, "not_found", "There is no such page.")
        return await run_in_threadpool(self._acted, act, request, worker, form)

    def _check_sender(
        self, request: Request, form: dict[str, str], session: Session | None
    ) -> None:
        # A page of somebody else's, in the worker's browser, sends no token and says what it is.
        site = request.headers.get("sec-fetch-site", "none")
        if session is None:
            raise signed_out()
        if site not in ("same-origin", "none") or not same_token(form.get("csrf", ""), session):
            raise Refusal(
                403, "csrf", "This page is too old, or not one of the portal's. Load it again."
            )

    # What is shown

    def _shown(self, request: Request, page: str, session: Session | None) -> Response:
        worker = self._workers.get(session.worker_id) if session and session.worker_id else None
        if page in ("", "sign-in"):
            return self._front(request, session, worker)
        if worker is None or session is None:
            raise signed_out()
        if page not in ("task", "frame"):
            raise Refusal(404, "not_found", "There is no such page.")
        try:
            held = self._worklist.get(worker, request.query_params.get("id", ""))
        except AssignmentGone as gone:
            return self._gone(request, gone, worker, session)
        if page == "frame":
            return self._frame(held)
        if wants_json(request):
            return as_json({"task": described(held), "csrf": session.csrf})
        if held.state == "paused":
            return redirect("./")
        return views.task(worker, session.csrf, held, remaining(held))

    def _front(self, request: Request, session: Session | None, worker: Worker | None) -> Response:
        if worker is not None and session is not None:
            jobs = self._worklist.jobs(worker)
            if wants_json(request):
                listed = [{**vars(job), "keywords": list(job.keywords)} for job in jobs]
                who = {"name": worker.name, "id": worker.worker_id}
                return as_json({"worker": who, "csrf": session.csrf, "jobs": listed})
            return views.job_list(worker, session.csrf, jobs)
        visitor = session if session and not session.worker_id else self._sessions.new()
        if wants_json(request):
            response = as_json({"worker": None, "csrf": visitor.csrf, "jobs": []})
        else:
            response = views.sign_in(visitor.csrf)
        self._sessions.put(response, visitor, request)
        return response

    def _frame(self, held: Assignment) -> Response:
        owner = Owner(held.account, held.region, held.role)

        def render(source: str) -> str:
            return self._templates.render(source, held.input, owner)

        try:
            built = frame.build(held.template, render, self._port)
        except TemplateError as error:
            built = frame.unreadable(error.message, self._port)
        document = built.document.encode("utf-8", "replace")
        return views.guarded(HTMLResponse(document), built.policy)

    def _static(self, request: Request, name: str) -> Response:
        asset = static().get(name)
        if asset is None:
            return self._refused(request, Refusal(404, "not_found", "There is no such file."))
        headers = {"cache-control": "private, max-age=31536000, immutable"}
        if request.url.query != asset.tag:
            headers = {"cache-control": "no-cache"}
        return views.guarded(Response(asset.content, 200, headers, asset.media_type))

    # What is done

    def _sign_in(self, request: Request, form: dict[str, str]) -> Response:
        wait = self._attempts.wait()
        if wait:
            raise Refusal(
                429, "too_many", f"Too many wrong codes. Try again in {int(wait) + 1} seconds."
            )
        if not self._access.opened_by(form.get("code", "")):
            self._attempts.failed()
            return self._not_in(
                request,
                form,
                Refusal(
                    403,
                    "wrong_code",
                    "This is not the access code; “python -m local_sagemaker status” shows it.",
                ),
            )
        try:
            worker = self._workers.join(form.get("name", ""))
        except NameRefused as refused:
            return self._not_in(request, form, Refusal(400, "name", str(refused)))
        session = self._sessions.new(worker.worker_id)
        if wants_json(request):
            who = {"name": worker.name, "id": worker.worker_id}
            response = as_json({"worker": who, "csrf": session.csrf})
        else:
            response = redirect("./")
        self._sessions.put(response, session, request)
        return response

    def _not_in(self, request: Request, form: dict[str, str], refused: Refusal) -> Response:
        if wants_json(request):
            raise refused
        csrf, name = form.get("csrf", ""), form.get("name", "")
        return views.sign_in(csrf, refused.message, name, refused.status)

    def _worker(self, session: Session | None) -> Worker:
        worker = self._workers.get(session.worker_id) if session and session.worker_id else None
        if worker is None:
            raise signed_out()
        return worker

    def _acted(
        self,
        act: Action,
        request: Request,
        worker: Worker,
        form: dict[str, str],
    ) -> Response:
        try:
            done = act(self._worklist, worker, form)
        except AnswerRefused as refused:
            raise Refusal(400, "bad_request", str(refused)) from refused
        except AssignmentGone as gone:
            session = self._sessions.read(request)
            return self._gone(request, gone, worker, session)
        if wants_json(request):
            return as_json(done)
        following = done.get("task")
        return redirect(f"task?id={following['id']}" if following else "./")

    # What went wrong

    def _gone(
        self, request: Request, gone: AssignmentGone, worker: Worker, session: Session | None
    ) -> Response:
        heading, text = words.gone(gone.reason)
        if wants_json(request):
            body = {"error": "gone", "reason": gone.reason, "heading": heading, "message": text}
            return as_json(body, 410)
        csrf = session.csrf if session else ""
        return views.message(heading, text, 410, worker=worker.name, csrf=csrf)

    def _refused(self, request: Request, refusal: Refusal) -> Response:
        if wants_json(request):
            return as_json({"error": refusal.code, "message": refusal.message}, refusal.status)
        heading = "Please sign in" if refusal.status == 401 else "This did not work"
        to = "Sign in" if refusal.status == 401 else ""
        return views.message(heading, refusal.message, refusal.status, to=to)
