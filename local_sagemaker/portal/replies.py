"""The forms that the portal's answers take: data, a way on, a refusal.

It must not know which page is asked for.
"""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from local_sagemaker.portal.views import guarded


class Refusal(Exception):
    """A request that is not fulfilled, with what to tell its sender.

    Parameters
    ----------
    status
        Of the answer.
    code
        For programs.
    message
        For people.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def signed_out() -> Refusal:
    """Return the refusal of what only a signed-in worker may do."""
    return Refusal(401, "signed_out", "You are not signed in. Sign in, then try again.")


def wants_json(request: Request) -> bool:
    """Tell whether a script asks, and not a browser."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def as_json(body: dict[str, Any], status: int = 200) -> Response:
    """Return data for a script."""
    # As ASCII: a task may hold halves of surrogate pairs, which are JSON and no text.
    content = json.dumps(body, separators=(",", ":")).encode()
    return guarded(Response(content, status, media_type="application/json"))


def redirect(to: str) -> Response:
    """Send a browser on, to an address that is relative to the portal's folder."""
    return guarded(RedirectResponse(to, 303))
