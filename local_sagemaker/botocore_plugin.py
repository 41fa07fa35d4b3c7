"""Runs in a client's process: sends to the local SageMaker what the SDK would send past it.

SDK v3 names the STS endpoint explicitly (``session_helper.Session.account_id``), and an explicit
endpoint beats ``AWS_ENDPOINT_URL``. botocore loads this module into every client when
``BOTOCORE_EXPERIMENTAL__PLUGINS`` names it. It must import nothing of the server.
"""

import os
import warnings
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_EVENT = "before-sign.sts"


def initialize_client_plugin(client: Any) -> None:
    """Register the redirection with an STS client; botocore calls this for every new client."""
    if client.meta.service_model.service_name == "sts":
        client.meta.events.register(_EVENT, _redirect)


def redirect_without_plugins() -> None:
    """Redirect in this process also with a botocore that loads no plugins.

    Both ways are private API of botocore: plugins since 1.40, and the list of handlers that
    every new session registers since ever. Processes that are started later cannot be helped so.
    """
    import botocore.handlers
    import botocore.session

    if hasattr(botocore.session.Session, "_register_client_plugins"):
        return
    handlers = getattr(botocore.handlers, "BUILTIN_HANDLERS", None)
    if handlers is None:
        warnings.warn(
            f"botocore {botocore.__version__} loads no plugins and has no built-in handlers: "
            "SageMaker SDK calls to STS (get_execution_role, account_id) will not reach the local "
            "SageMaker. Use an older botocore.",
            RuntimeWarning,
            stacklevel=3,
        )
    elif (_EVENT, _redirect) not in handlers:
        handlers.append((_EVENT, _redirect))


def _redirect(request: Any, **_: Any) -> None:
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return
    target = urlsplit(endpoint)
    if target.hostname not in ("127.0.0.1", "localhost"):
        return
    parts = urlsplit(request.url)
    if parts.netloc != target.netloc:
        request.url = urlunsplit(parts._replace(scheme=target.scheme, netloc=target.netloc))
        # The Host header would name the service that is not asked any more.
        del request.headers["Host"]
