"""Templates of task UIs, rendered in a process of their own.

One JSON object per line goes each way, after ``{"ready"}``: ``{"template", "input"}`` there, and
back either ``{"content"}``, or ``{"code", "message"}``, after any number of ``{"grant": uri}``,
each of which is answered ``{"url"}`` or ``{"refused"}``. It must not know requests, nor what a
template shows.
"""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from local_sagemaker.human_review.outputs import OutputRefused, Outputs, Owner
from local_sagemaker.jobs.s3_locations import S3Location

_SECONDS = 5.0
# How long a page may take to load what the template grants access to.
_READABLE_SECONDS = 3600
_S3_URL = re.compile(r"https?://s3[.\w-]*\.amazonaws\.com(?:\.cn)?/([^/?#]+)/([^?#]+)")


class TemplateError(Exception):
    """A template that cannot be rendered with this input.

    Attributes
    ----------
    code
        ``TemplateSyntaxError``, ``RenderError`` or ``ResourceLimitExceeded``.
    message
        What is wrong, and where.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Templates:
    """Renders templates.

    Parameters
    ----------
    outputs
        Gives access to what templates show.
    seconds
        How long one template may take.
    """

    def __init__(self, outputs: Outputs, seconds: float = _SECONDS) -> None:
        self._outputs = outputs
        self._seconds = seconds
        self._lock = threading.Lock()
        self._renderer: _Renderer | None = None
        self._closed = False

    def render(self, template: str, content: Any, owner: Owner) -> str:
        """Return the HTML that a template makes of an input.

        Parameters
        ----------
        template
            Liquid source.
        content
            What stands in ``task.input``.
        owner
            Whose objects ``grant_read_access`` opens.

        Raises
        ------
        TemplateError
            When it cannot be rendered, or takes too long or too much memory.
        """
        question = {"template": template, "input": content}

        def grant(uri: str) -> str:
            location = _location(uri)
            if location is None:
                return uri
            return self._outputs.read_access(owner, location, _READABLE_SECONDS)

        with self._lock:
            answer = self._ask(question, grant)
        if "content" in answer:
            return str(answer["content"])
        raise TemplateError(answer["code"], answer["message"])

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._closed = True
            if self._renderer is not None:
                self._renderer.close()

    def _ask(self, question: dict[str, Any], grant: Callable[[str], str]) -> dict[str, Any]:
        if self._closed:
            raise TemplateError("RenderError", "The server is being stopped.")
        if self._renderer is None:
            try:
                self._renderer = _Renderer(self._seconds)
            except OSError as error:
                raise TemplateError("RenderError", f"Nothing can be rendered: {error}") from error
        try:
            return self._renderer.ask(question, grant)
        except OSError:
            status = self._renderer.close()
            self._renderer = None
            why = "needs too much memory"
            if status == -signal.SIGALRM:
                why = f"takes over {self._seconds:g} seconds"
            return {"code": "ResourceLimitExceeded", "message": f"The template {why}."}
        except BaseException:
            # An answer may still be under way: nobody else may take it for theirs.
            self._renderer.close()
            self._renderer = None
            raise


class _Renderer:
    """The process, and the socket to it; `OSError` when it does not start."""

    def __init__(self, seconds: float) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    # Not the file's own folder: its modules have names of others.
                    "-P",
                    str(Path(__file__).with_name("rendering.py")),
                    str(theirs.fileno()),
                    str(seconds),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._socket = ours
        self._stream = ours.makefile("rw", encoding="utf-8", newline="\n")
        # So that no template is blamed for a Python that lacks what the renderer imports.
        if not self._stream.readline():
            status = self.close()
            raise OSError(
                f"the renderer does not start (exit status {status}); the server's log says why."
            )

    def ask(self, question: dict[str, Any], grant: Callable[[str], str]) -> dict[str, Any]:
        """Return the answer; `OSError` when the process ended over it."""
        self._send(question)
        while True:
            line = self._stream.readline()
            if not line.endswith("\n"):
                raise ConnectionResetError("the renderer has ended")
            answer: dict[str, Any] = json.loads(line)
            if "grant" not in answer:
                return answer
            try:
                self._send({"url": grant(answer["grant"])})
            except OutputRefused as error:
                self._send({"refused": str(error)})

    def close(self) -> int:
        """End it; return its exit status."""
        with suppress(OSError):
            self._stream.close()
        self._socket.close()
        try:
            return self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _send(self, message: dict[str, Any]) -> None:
        self._stream.write(json.dumps(message) + "\n")
        self._stream.flush()


def _location(uri: str) -> S3Location | None:
    """Return the object that a template means, or None for what is none of S3's."""
    found = _S3_URL.fullmatch(uri)
    if found:
        return S3Location(found[1], unquote(found[2]))
    if not uri.startswith("s3://"):
        return None
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise OutputRefused(f"{uri!r} does not have the form s3://bucket/key.")
    return S3Location(bucket, key)
