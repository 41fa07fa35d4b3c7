"""Reading what is compressed, whichever way, from a stream that is read once.

A tar file that finds the compression itself stops at its last member and compares no checksum of
gzip's; the readers here do, once they are read to the end. It must not know what is compressed.
"""

import bz2
import gzip
import lzma
import zlib
from contextlib import ExitStack
from typing import IO, cast

# Enough of a file to tell how it is compressed.
_LONGEST_MAGIC = 6


def decompressed(stream: IO[bytes], closing: ExitStack) -> IO[bytes]:
    """Return what a stream holds: of gzip, bzip2 or xz decompressed, of anything else as it is.

    Parameters
    ----------
    stream
        Read from where it stands.
    closing
        Closes the reader; the stream stays open.

    Raises
    ------
    EOFError, zlib.error, lzma.LZMAError, OSError
        From the reader, when what it reads is cut off, damaged or does not fit its checksum. An
        OSError of this kind has no ``errno``.
    """
    start = b""
    while len(start) < _LONGEST_MAGIC and (more := stream.read(_LONGEST_MAGIC - len(start))):
        start += more
    begun = cast(IO[bytes], _Begun(start, stream))
    if start.startswith(b"\x1f\x8b"):
        unzipped = closing.enter_context(gzip.GzipFile(fileobj=begun, mode="rb"))
        return cast(IO[bytes], unzipped)
    if start.startswith(b"BZh"):
        return closing.enter_context(bz2.BZ2File(begun))
    if start.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00\x80")):
        return closing.enter_context(lzma.LZMAFile(begun))
    return begun


def inflated(data: bytes, most: int) -> bytes:
    """Return what gzip holds, ``most`` bytes and one of it at most.

    Raises
    ------
    zlib.error
        When it is no gzip, damaged or cut off.
    """
    reader = zlib.decompressobj(wbits=31)
    found = reader.decompress(data, most + 1)
    if len(found) <= most and not reader.eof:
        raise zlib.error("the data is cut off")
    return found


class _Begun:
    """A stream of which the first bytes were read already, and are read again."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        if not self._start:
            return self._rest.read(size)
        start, self._start = self._start, b""
        if 0 <= size < len(start):
            start, self._start = start[:size], start[size:]
        return start
