"""An object on its way out: conditions, ranges, headers, and its bytes as a stream.

It knows HTTP's rules for reading a representation; it must not know how objects are looked up.

Source: RFC 9110, sections 13 (conditional requests) and 14 (ranges), as S3 applies them.
"""

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import Executor
from email.utils import parsedate_to_datetime

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local_sagemaker.errors import AWSError
from local_sagemaker.s3.blobs import CHUNK
from local_sagemaker.s3.checksums import FULL_OBJECT
from local_sagemaker.s3.content import ContentReader
from local_sagemaker.s3.model import (
    STANDARD,
    StoredObject,
    invalid_argument,
    invalid_request,
    precondition_failed,
)
from local_sagemaker.s3.xml import http_time

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_OVERRIDES = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)


class ContentResponse(Response):
    """A part of an object's bytes, read chunk by chunk in worker threads.

    Parameters
    ----------
    reader
        The object's bytes; closed at the end, whatever happens.
    span
        First byte, and the one behind the last.
    status, headers
        Of the response.
    workers
        Where the disk is read.
    """

    def __init__(
        self,
        reader: ContentReader,
        span: tuple[int, int],
        status: int,
        headers: Mapping[str, str],
        workers: Executor,
    ) -> None:
        self._reader = reader
        self._left = span[1] - span[0]
        self._workers = workers
        self.status_code = status
        self.background = None
        self.init_headers({**headers, "content-length": str(self._left)})
        reader.seek(span[0])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (ASGI)
        """Send the response."""
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(_disconnected(receive))
        reading: asyncio.Future[bytes] | None = None
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            while self._left and not gone.done():
                size = min(CHUNK, self._left)
                reading = loop.run_in_executor(self._workers, self._read, size)
                data = await reading
                self._left -= len(data)
                await send(
                    {"type": "http.response.body", "body": data, "more_body": bool(self._left)}
                )
        finally:
            gone.cancel()
            if reading is not None and not reading.done():
                # Closing a file that a thread reads from could hit another file.
                await asyncio.wait([reading])
            await loop.run_in_executor(self._workers, self._reader.close)

    def _read(self, size: int) -> bytes:
        data = self._reader.read(size)
        if not data:
            raise OSError("an object ended before its last byte")
        return data


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def check_conditions(
    headers: Mapping[str, str], stored: StoredObject, prefix: str = "", failed: int = 304
) -> None:
    """Raise unless the ``If-…`` headers allow to read an object.

    Parameters
    ----------
    headers
        The request's.
    stored
        The object.
    prefix
        Before the names of the headers: ``x-amz-copy-source-`` on a copy.
    failed
        The status where the object is unmodified: 304, or 412 on a copy.
    """
    etag, modified = stored.info.etag, int(stored.info.modified)
    match = headers.get(f"{prefix}if-match")
    none_match = headers.get(f"{prefix}if-none-match")
    if match is not None:
        if not _matches(match, etag):
            raise precondition_failed("If-Match")
    else:
        since = _seconds(headers.get(f"{prefix}if-unmodified-since"))
        if since is not None and modified > since:
            raise precondition_failed("If-Unmodified-Since")
    if none_match is not None:
        unmodified = _matches(none_match, etag)
    else:
        since = _seconds(headers.get(f"{prefix}if-modified-since"))
        unmodified = since is not None and modified <= since
    if unmodified:
        if failed == 304:
            # The answer has headers only: those of the object (RFC 9110, 15.4.5).
            raise AWSError("NotModified", "Not Modified", 304, **object_headers(stored))
        raise precondition_failed("If-None-Match")


def parse_range(value: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte that a Range header asks for and the one behind the last.

    None where the whole is to be sent: without a header, and for what S3 ignores (several
    ranges, other units, bounds in the wrong order).
    """
    found = _RANGE.fullmatch(value.strip()) if value else None
    if value is None or found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start = int(found[1])
        stop = min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None
    if start >= size:
        raise AWSError(
            "InvalidRange",
            "The requested range is not satisfiable",
            416,
            RangeRequested=value,
            ActualObjectSize=size,
        )
    return start, stop


def part_range(text: str, stored: StoredObject, sizes: list[int]) -> tuple[int, int]:
    """Return the range of bytes of one part of an object, as ``partNumber`` asks for it."""
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise invalid_argument(
            "Part number must be an integer between 1 and 10000, inclusive", "partNumber", text
        )
    number = int(text)
    count = stored.parts or 1
    if number > count:
        raise AWSError(
            "InvalidPartNumber",
            "The requested partnumber is not satisfiable",
            416,
            PartNumberRequested=number,
            ActualPartCount=count,
        )
    if stored.parts is None:
        return 0, stored.size
    start = sum(sizes[: number - 1])
    return start, start + sizes[number - 1]


def object_headers(stored: StoredObject) -> dict[str, str]:
    """Return the headers that describe an object."""
    description = stored.description
    headers = {
        **description.headers,
        **{f"x-amz-meta-{name}": value for name, value in description.metadata.items()},
        "etag": f'"{stored.info.etag}"',
        "last-modified": http_time(stored.info.modified),
        "accept-ranges": "bytes",
    }
    if description.storage_class == STANDARD:
        headers.pop("x-amz-storage-class", None)
    if description.tags:
        headers["x-amz-tagging-count"] = str(len(description.tags))
    return headers


def checksum_headers(stored: StoredObject) -> dict[str, str]:
    """Return the headers that carry an object's checksum, if it has one."""
    checksum = stored.checksum
    if checksum is None:
        return {}
    return {checksum.header: checksum.value, "x-amz-checksum-type": checksum.kind or FULL_OBJECT}


def overrides(query: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that ``response-…`` parameters replace."""
    found = {name: query[f"response-{name}"] for name in _OVERRIDES if f"response-{name}" in query}
    for value in found.values():
        # A header with a line break in it would be two.
        if not value.isprintable() or not value.isascii():
            raise invalid_request("A response header override holds characters a header cannot.")
    return found


def _matches(value: str, etag: str) -> bool:
    candidates = [item.strip().removeprefix("W/").strip('"') for item in value.split(",")]
    return "*" in candidates or etag in candidates


def _seconds(value: str | None) -> float | None:
    # A date that cannot be read is ignored (RFC 9110, 13.1.3).
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except ValueError:
        return None
