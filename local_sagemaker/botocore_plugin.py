"""Runs in a client's process: leads it to the local SageMaker, and says when that does not run.

SDK v3 names the STS endpoint explicitly (``session_helper.Session.account_id``), and an explicit
endpoint beats ``AWS_ENDPOINT_URL``: such requests are redirected. A connection that is refused is
botocore's own exception still, but says what to do. botocore loads this module into every client
when ``BOTOCORE_EXPERIMENTAL__PLUGINS`` names it. It must import nothing of the server.
"""

import os
import shlex
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

_SIGN = "before-sign.sts"
# As long as an event's whole name, so that this comes before botocore's own decision to retry.
_RETRY = "needs-retry.*.*"
# A server that restarts is back within the pauses between these; longer ones help nobody.
_CONNECTIONS = 3
_LOOPBACK = ("127.0.0.1", "localhost")
# Which address is whose: a client is still there when its server, and the environment, are not.
_homes: dict[str, Path | None] = {}


def initialize_client_plugin(client: Any) -> None:
    """Register what a client needs; botocore calls this for every new one."""
    _remember()
    if client.meta.service_model.service_name == "sts":
        client.meta.events.register(_SIGN, _redirect)
    client.meta.events.register_first(_RETRY, _explain)


def redirect_without_plugins() -> None:
    """Do the same in this process with a botocore that loads no plugins.

    Both ways are private API of botocore: plugins since 1.40, and the list of handlers that
    every new session registers since ever. Processes that are started later cannot be helped so.
    """
    import botocore.handlers
    import botocore.session

    _remember()
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
    elif (_SIGN, _redirect) not in handlers:
        handlers += [(_SIGN, _redirect), (_RETRY, _explain)]


def _remember() -> None:
    target = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    if target.hostname in _LOOPBACK:
        # The file is one that the server writes into its home.
        config = Path(os.environ.get("AWS_CONFIG_FILE", ""))
        known = config.name == "aws-config" and config.parent.name == "client"
        _homes[target.netloc] = config.parent.parent if known else None


def _explain(caught_exception: Exception | None, attempts: int, **_: Any) -> None:
    """Say that the server does not run, and stop trying soon."""
    from botocore.exceptions import EndpointConnectionError

    if not isinstance(caught_exception, EndpointConnectionError):
        return
    target = urlsplit(str(caught_exception.kwargs.get("endpoint_url", "")))
    if target.netloc not in _homes or "refused" not in str(caught_exception.kwargs.get("error")):
        return
    home = _homes[target.netloc]
    option = "" if home is None else f" --home {shlex.quote(str(home))}"
    message = (
        f"The local SageMaker at {target.scheme}://{target.netloc} is not running. Start it with "
        f"`python -m local_sagemaker start{option}`; what it kept is still there."
    )
    # Whoever raises it, botocore or this, raises it with these words.
    caught_exception.args = (message,)
    if attempts >= _CONNECTIONS:
        raise caught_exception


def _redirect(request: Any, **_: Any) -> None:
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return
    target = urlsplit(endpoint)
    if target.hostname not in _LOOPBACK:
        return
    parts = urlsplit(request.url)
    if parts.netloc != target.netloc:
        request.url = urlunsplit(parts._replace(scheme=target.scheme, netloc=target.netloc))
        # The Host header would name the service that is not asked any more.
        del request.headers["Host"]
