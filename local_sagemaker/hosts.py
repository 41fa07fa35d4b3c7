"""Which names this server answers to: its own, and for the portal those of a proxy before it.

A web page may point a name of its own at 127.0.0.1 and then ask in the browser's stead; its name
in the Host header gives it away. This module must not know what is asked.
"""

import re
from collections.abc import Collection

from starlette.requests import Request

from local_sagemaker.portal.pages import PREFIX
from local_sagemaker.signatures import Refused

_OWN = ("127.0.0.1", "localhost")
_PORT = re.compile(r":\d{1,5}\Z")


class Hosts:
    """The names.

    Parameters
    ----------
    port
        Of this server.
    others
        Names, without a port, under which a proxy leads people to the portal. One that begins
        with a dot is every name below it.
    """

    def __init__(self, port: int, others: Collection[str] = ()) -> None:
        self._own = {f"{name}:{port}" for name in _OWN}
        self._others = tuple(name.lower() for name in others)
        # jupyter-server-proxy's `/proxy/absolute/PORT/` passes the whole path on.
        self._proxied = re.compile(
            rf"/(?:[^?#]*/)?proxy/absolute/{port}({PREFIX}(?:/.*)?)", re.DOTALL
        )

    def portal_path(self, path: str) -> str | None:
        """Return a path from ``/portal`` on, or None when it is none of the portal's."""
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return path
        found = self._proxied.fullmatch(path)
        return found[1] if found else None

    def check(self, request: Request) -> None:
        """Refuse a request that came under another name than this server's own."""
        if _host(request) not in self._own:
            raise Refused(
                "host",
                "The local SageMaker answers to 127.0.0.1 and localhost only, whatever other name "
                "leads to it.",
            )

    def check_portal(self, request: Request) -> None:
        """Refuse a request for the portal that came under a name that nobody allowed."""
        # A proxy on this machine, such as Jupyter's, has a port of its own.
        name = _PORT.sub("", _host(request))
        below = any(other.startswith(".") and name.endswith(other) for other in self._others)
        if name not in _OWN and name not in self._others and not below:
            raise Refused(
                "host",
                f"The review portal does not answer to {name[:200]!r}. If that is the proxy you "
                f"reach it through, start the server with --allow-host {name[:200]}.",
            )


def _host(request: Request) -> str:
    names = request.headers.getlist("host")
    return names[0].lower() if len(names) == 1 else ""
