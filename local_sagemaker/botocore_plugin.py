"""Runs in a client's process: sends to the local SageMaker what the SDK would send past it.

SDK v3 names the STS endpoint explicitly (``session_helper.Session.account_id``), and an explicit
endpoint beats ``AWS_ENDPOINT_URL``. botocore loads this module into every client when
``BOTOCORE_EXPERIMENTAL__PLUGINS`` names it. It must import nothing of the server.
"""

import os
from typing import Any
from urllib.parse import urlsplit, urlunsplit


def initialize_client_plugin(client: Any) -> None:
    """Register the redirection with an STS client; botocore calls this for every new client."""
    if client.meta.service_model.service_name == "sts":
        client.meta.events.register("before-sign.sts", _redirect)


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
