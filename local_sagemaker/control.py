"""Asks a running server's own pages, from another process.

It knows the address and the token that the server wrote down. It must not import the server: it is
part of what a notebook loads.
"""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from local_sagemaker.home import HomeError, ServerInfo

_TIMEOUT = 10.0


class StartError(Exception):
    """The server did not start or does not answer; the message says why and what to do."""


class ControlError(Exception):
    """The server refused what it was asked; the message is the server's."""


def ask(
    info: ServerInfo, method: str, path: str, content: Any = None, *, timeout: float = _TIMEOUT
) -> dict[str, Any]:
    """Return what one of the server's own pages answers.

    Parameters
    ----------
    info
        The server.
    method, path
        Which page; the path begins with ``/_local/``.
    content
        What to send, as JSON; nothing if None.
    timeout
        Seconds to wait for the answer.

    Raises
    ------
    ControlError
        When the server refuses it.
    HomeError
        When something else answers at its URL.
    StartError
        When nothing answers.
    """
    target = urlsplit(info.url)
    connection = HTTPConnection(target.hostname or "", target.port, timeout=timeout)
    try:
        headers = {"Authorization": f"Bearer {info.token}"}
        body = None if content is None else json.dumps(content)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        code = response.status
    except OSError as error:
        raise StartError(
            f"the local SageMaker at {info.url} (process {info.pid}) does not answer: {error}. If "
            "it hangs, end it with `python -m local_sagemaker stop` and start it again."
        ) from error
    except (HTTPException, ValueError) as error:
        raise HomeError(f"{info.url} does not speak HTTP as the local SageMaker does.") from error
    finally:
        connection.close()
    if code in (400, 404) and isinstance(answer, dict) and "message" in answer:
        raise ControlError(str(answer["message"]))
    if code not in (200, 201) or not isinstance(answer, dict):
        raise HomeError(f"{info.url} answered {code}: another server has its port.")
    return answer


def status(info: ServerInfo) -> dict[str, Any]:
    """Ask a running server for its state.

    Raises
    ------
    HomeError
        When something else answers at its URL.
    StartError
        When nothing answers.
    """
    try:
        return ask(info, "GET", "/_local/status")
    except ControlError as error:
        raise HomeError(f"{info.url} has no status: another server has its port.") from error
