"""Who is signed in: cookies that the portal's key signs, and the tokens of its forms.

A cookie names a worker and says until when; nothing is kept on this side, so a session outlives
the server. It must not know what a worker is allowed to do.
"""

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from local_sagemaker.portal.access import Access

_DAYS = 7
_SECONDS = _DAYS * 24 * 3600


@dataclass(frozen=True)
class Session:
    """One browser's session.

    Attributes
    ----------
    worker_id
        Who is signed in; empty before somebody is.
    value
        The cookie's value.
    csrf
        What every form of this session must send along.
    """

    worker_id: str
    value: str
    csrf: str

    def __repr__(self) -> str:
        return f"Session(worker_id={self.worker_id!r})"


class Sessions:
    """Issues and reads cookies.

    Parameters
    ----------
    access
        Whose key signs.
    port
        Of the server. Browsers share a host's cookies between its ports, so it is in the name.
    """

    def __init__(self, access: Access, port: int) -> None:
        self._key = access.key
        # A link from elsewhere comes without the Strict cookie of who is signed in, and must not
        # overwrite it: a browser that nobody is known to have signed in gets another one.
        self._signed_in = f"portal-{port}"
        self._visitor = f"portal-visitor-{port}"

    def read(self, request: Request) -> Session | None:
        """Return the session of a request: the worker's, else the visitor's, else None."""
        for name in (self._signed_in, self._visitor):
            found = self._valid(request.cookies.get(name, ""))
            if found is not None and bool(found.worker_id) == (name == self._signed_in):
                return found
        return None

    def new(self, worker_id: str = "") -> Session:
        """Return a new session, of a worker or of a visitor."""
        head = f"{worker_id}.{int(time.time()) + _SECONDS}.{secrets.token_urlsafe(18)}"
        return self._session(worker_id, f"{head}.{self._mac('cookie', head)}")

    def put(self, response: Response, session: Session, request: Request) -> None:
        """Set the session's cookie.

        It has no ``Path``: a browser then takes the folder of the page, which is the portal's
        own, whatever a proxy has put before it.
        """
        response.set_cookie(
            self._signed_in if session.worker_id else self._visitor,
            session.value,
            max_age=_SECONDS,
            path=None,
            httponly=True,
            samesite="strict",
            secure=_is_secure(request),
        )

    def remove(self, response: Response, request: Request) -> None:
        """Remove the worker's cookie."""
        response.set_cookie(
            self._signed_in,
            "",
            max_age=0,
            path=None,
            httponly=True,
            samesite="strict",
            secure=_is_secure(request),
        )

    def _valid(self, value: str) -> Session | None:
        head, _, mac = value.rpartition(".")
        worker_id, _, rest = head.partition(".")
        until = rest.partition(".")[0]
        if not hmac.compare_digest(mac.encode(), self._mac("cookie", head).encode()):
            return None
        if int(until) < time.time():
            return None
        return self._session(worker_id, value)

    def _session(self, worker_id: str, value: str) -> Session:
        return Session(worker_id, value, self._mac("form", value))

    def _mac(self, purpose: str, text: str) -> str:
        message = f"{purpose}:{text}".encode("utf-8", "surrogateescape")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


def same_token(given: str, session: Session) -> bool:
    """Tell whether a form's token is this session's."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), session.csrf.encode())


def _is_secure(request: Request) -> bool:
    forwarded = request.headers.get("x-forwarded-proto", "").split(",")[0].strip()
    return (forwarded or request.url.scheme) == "https"
