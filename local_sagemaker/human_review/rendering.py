"""The process that renders templates: Liquid as A2I speaks it, away from the server.

A template is a program of somebody else's. Here one that loops for ever or builds gigabytes ends
this process and nothing more. It is run as a file and imports nothing of the server; what it says
over its one socket is described at `local_sagemaker.human_review.templates`.
"""

import contextlib
import json
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, TextIO

from liquid import Environment, Markup
from liquid.builtin.output import Output, OutputNode
from liquid.context import RenderContext
from liquid.exceptions import LiquidError, LiquidSyntaxError, ResourceLimitError
from liquid.filter import string_filter
from liquid.stringify import to_liquid_string
from liquid.undefined import is_undefined

# An input has at most 3 MiB (InputContent in botocore's model); escaped, it may be six times that.
_MAX_OUTPUT = 32 * 1024 * 1024
_MAX_ITERATIONS = 1_000_000
_MAX_MEMORY = 1024 * 1024 * 1024
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
# What python-liquid adds to the language, and A2I does not have.
_NOT_IN_LIQUID = ("safe", "escapejs")

Grant = Callable[[str], str]


class _Environment(Environment):
    loop_iteration_limit = _MAX_ITERATIONS
    output_stream_limit = _MAX_OUTPUT
    local_namespace_limit = _MAX_OUTPUT


class _EscapedNode(OutputNode):
    """An output that is escaped with the entities that A2I writes."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        value = self.expression.evaluate(context)
        if not isinstance(value, Markup):
            value = _escaped(to_liquid_string(value, autoescape=False))
        return buffer.write(value)


class _EscapedOutput(Output):
    node_class = _EscapedNode


def environment(grant: Grant) -> Environment:
    """Return A2I's Liquid.

    Parameters
    ----------
    grant
        Returns the URL that opens an object to a browser, or raises `LookupError`.
    """
    made = _Environment(autoescape=True)
    made.add_tag(_EscapedOutput)
    for name in _NOT_IN_LIQUID:
        del made.filters[name]

    def grant_read_access(value: object) -> str:
        if value is None or is_undefined(value):
            return ""
        try:
            return grant(str(value))
        except LookupError as error:
            raise LiquidError(f"grant_read_access: {error.args[0]}", token=None) from error

    made.add_filter("grant_read_access", grant_read_access)
    made.add_filter("to_json", to_json)
    made.add_filter("skip_autoescape", skip_autoescape)
    made.add_filter("escape", escape)
    return made


def to_json(value: object) -> Markup:
    """Return a value as JSON, which is not escaped: it may stand in a script.

    What would end that script, or begin a comment in it, is written otherwise.
    """
    value = None if is_undefined(value) else value
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise LiquidError(f"to_json: {error}", token=None) from error
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\u0021--"))


@string_filter
def skip_autoescape(value: str) -> Markup:
    """Return a text as it is."""
    return Markup(value)


@string_filter
def escape(value: str) -> Markup:
    """Return a text for HTML; what was marked as safe is escaped as well."""
    return Markup(_escaped(str(value)))


def _escaped(text: str) -> str:
    return text.translate(_ESCAPED)


def render(template: str, content: Any, grant: Grant) -> dict[str, Any]:
    """Return ``{"content": …}``, or ``{"code": …, "message": …}`` for a template's error."""
    try:
        parsed = environment(grant).from_string(template)
        return {"content": parsed.render(task={"input": content})}
    except LiquidError as error:
        code = "RenderError"
        if isinstance(error, ResourceLimitError):
            code = "ResourceLimitExceeded"
        elif isinstance(error, LiquidSyntaxError):
            code = "TemplateSyntaxError"
        return {"code": code, "message": _worded(error)}
    except (MemoryError, RecursionError):
        return {"code": "ResourceLimitExceeded", "message": "The template needs too much memory."}
    except Exception as error:  # noqa: BLE001 - some filters fail with whatever Python raises
        return {"code": "RenderError", "message": f"{type(error).__name__}: {error}"}


def _worded(error: LiquidError) -> str:
    text = str(error.args[0]) if error.args else type(error).__name__
    try:
        place = error.context()
    except ValueError:
        place = None
    return f"line {place[0]}, column {place[1] + 1}: {text}" if place else text


def _serve(connection: socket.socket, seconds: float) -> None:
    with connection.makefile("rw", encoding="utf-8", newline="\n") as stream:

        def send(message: dict[str, Any]) -> None:
            stream.write(json.dumps(message) + "\n")
            stream.flush()

        def grant(uri: str) -> str:
            send({"grant": uri})
            answer = json.loads(stream.readline())
            if "refused" in answer:
                raise LookupError(answer["refused"])
            return str(answer["url"])

        send({"ready": True})
        for line in stream:
            asked = json.loads(line)
            # Its default action ends the process, whatever a template is busy with.
            signal.setitimer(signal.ITIMER_REAL, seconds)
            answer = render(asked["template"], asked["input"], grant)
            signal.setitimer(signal.ITIMER_REAL, 0)
            send(answer)


def main() -> None:
    """Render what comes over the socket that the arguments name, until it is closed."""
    descriptor, seconds = int(sys.argv[1]), float(sys.argv[2])
    # Ctrl-C is for the server, whose end closes the socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        _serve(socket.socket(fileno=descriptor), seconds)


if __name__ == "__main__":
    main()
