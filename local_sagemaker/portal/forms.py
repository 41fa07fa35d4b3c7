"""Reads what a form sends: `application/x-www-form-urlencoded`, as browsers and scripts send it.

It must not know what the fields mean.
"""

from urllib.parse import parse_qsl

from starlette.requests import Request

# An answer, percent-encoded; A2I's own limit on a task's input is 3 MiB.
MAX_BODY = 12 * 1024 * 1024


class FormRefused(Exception):
    """The request's body is not a form that can be read; the message says why."""


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a request; of a repeated one, the last.

    Raises
    ------
    FormRefused
        When it is another kind of body, too large, or not UTF-8.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise FormRefused("Send the fields as application/x-www-form-urlencoded.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise FormRefused(f"This is larger than {MAX_BODY // (1024 * 1024)} MB.")
    try:
        return dict(
            parse_qsl(
                body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100
            )
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise FormRefused(f"The fields cannot be read: {error}") from error
