"""Amazon's event stream encoding: frames of headers and a payload, each with its check sums.

Format: "Amazon S3 / SelectObjectContent" response and "Event stream encoding" of the Amazon
Transcribe developer guide, which describe it; botocore's `eventstream` module reads it. This
module must not know what is streamed.
"""

import json
import struct
import zlib
from collections.abc import Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
_STRING = 7  # the type of a header's value
_OVERHEAD = 16  # prelude, its check sum, and the frame's


def event(name: str, payload: bytes) -> bytes:
    """Return the frame of an event whose payload is bytes."""
    return _frame(
        {
            ":message-type": "event",
            ":event-type": name,
            ":content-type": "application/octet-stream",
        },
        payload,
    )


def exception(name: str, members: Mapping[str, str]) -> bytes:
    """Return the frame of a modelled exception, which ends a stream."""
    return _frame(
        {
            ":message-type": "exception",
            ":exception-type": name,
            ":content-type": "application/json",
        },
        json.dumps(dict(members)).encode(),
    )


def _frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", _OVERHEAD + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    encoded = value.encode()
    return (
        struct.pack(">B", len(name))
        + name.encode()
        + struct.pack(">BH", _STRING, len(encoded))
        + encoded
    )
