"""What a serving process answers when a request fails: Multi Model Server's JSON error body."""

import json

# Gson's HTML-safe mode, which Multi Model Server writes its errors with, escapes these as well.
_HTML_SAFE = str.maketrans(
    {character: f"\\u{ord(character):04x}" for character in "<>&='\u2028\u2029"}
)

# The trailer of a streamed answer that user code did not complete; its value is percent-encoded.
STREAM_ERROR = "X-Local-SageMaker-Stream-Error"

INTERNAL_SERVER = "InternalServerException"
TOO_LARGE = "RequestEntityTooLargeException"
NOT_FOUND = "ResourceNotFoundException"
METHOD_NOT_ALLOWED = "MethodNotAllowedException"
UNAVAILABLE = "ServiceUnavailableException"
BAD_REQUEST = "BadRequestException"


def error_body(status: int, kind: str, message: str) -> bytes:
    r"""Format an error as Multi Model Server does.

    Parameters
    ----------
    status
        HTTP status, repeated in the body as ``code``.
    kind
        The exception's name, such as ``InternalServerException``.
    message
        What went wrong.

    Returns
    -------
    bytes
        ``{\n  "code": 400,\n  "type": "…",\n  "message": "…"\n}\n`` in UTF-8.
    """

    def quoted(text: str) -> str:
        return json.dumps(text, ensure_ascii=False).translate(_HTML_SAFE)

    body = (
        f'{{\n  "code": {status},\n  "type": {quoted(kind)},\n  "message": {quoted(message)}\n}}\n'
    )
    return body.encode("utf-8", "replace")
