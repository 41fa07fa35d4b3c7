"""An object's bytes on their way in and out, whatever number of blobs they lie in.

It knows blobs and positions; it must not know buckets, keys or who reads.
"""

import io
import itertools
from bisect import bisect_right
from collections.abc import Sequence
from typing import BinaryIO

from local_sagemaker.s3.blobs import CHUNK, BlobMissing, Blobs, BlobWriter, Hold, Segment
from local_sagemaker.s3.checksums import Digests


class ContentReader(io.RawIOBase):
    """Reads several blobs, one after the other, as one seekable stream.

    Once it is open it sees all of them to the end, whatever is overwritten or deleted.

    Parameters
    ----------
    blobs
        Where they are.
    segments
        What to read.

    Raises
    ------
    BlobMissing
        When one of them is not there.

    Attributes
    ----------
    size
        Bytes in all.
    """

    def __init__(self, blobs: Blobs, segments: Sequence[Segment]) -> None:
        super().__init__()
        self._blobs = blobs
        self._segments = [segment for segment in segments if segment.size]
        self._starts = [0, *itertools.accumulate(segment.size for segment in self._segments)]
        self.size = self._starts[-1]
        self._position = 0
        self._file: BinaryIO | None = None
        self._hold: Hold | None = None
        self._number = -1
        if len(self._segments) == 1:
            # An open file outlives its name, so one blob needs no hold.
            self._switch(0)
        elif self._segments:
            self._hold = blobs.hold(segment.blob for segment in self._segments)

    def _switch(self, number: int) -> BinaryIO:
        if self._file is None or number != self._number:
            if self._file is not None:
                self._file.close()
            name = self._segments[number].blob
            try:
                self._file = self._blobs.path(name).open("rb", buffering=0)
            except FileNotFoundError as error:
                raise BlobMissing(name) from error
            self._number = number
        return self._file

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}, before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # typeshed's Buffer needs Python 3.12
        """Fill the buffer as far as the current segment goes; 0 at the end."""
        if self._position >= self.size:
            return 0
        number = bisect_right(self._starts, self._position) - 1
        file = self._switch(number)
        file.seek(self._position - self._starts[number])
        room = memoryview(buffer)[: self._starts[number + 1] - self._position]
        count: int = file.readinto(room)  # type: ignore[attr-defined]  # FileIO has it, BinaryIO does not say so
        if count == 0:
            raise OSError(f"blob {self._segments[number].blob} is shorter than it should be")
        self._position += count
        return count

    def close(self) -> None:
        """Let go of the files; doing so again is harmless."""
        if not self.closed:
            if self._file is not None:
                self._file.close()
            if self._hold is not None:
                self._hold.release()
        super().close()


class Incoming:
    """Bytes on their way into the store, hashed as they come; see `Objects.receive`.

    Attributes
    ----------
    digests
        The MD5 and the checksums asked for, of what was written so far.
    """

    def __init__(self, writer: BlobWriter, digests: Digests) -> None:
        self._writer = writer
        self.digests = digests

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._writer.size

    @property
    def sha256(self) -> str:
        """The hexadecimal SHA-256 of what was written so far."""
        return self._writer.sha256

    def write(self, data: bytes) -> None:
        """Append bytes; `OSError` when the disk cannot take them."""
        self._writer.write(data)
        self.digests.update(data)

    def write_all(self, source: BinaryIO | io.RawIOBase) -> None:
        """Append everything a stream still has."""
        while data := source.read(CHUNK):
            self.write(data)

    def keep(self) -> Segment:
        """Put the bytes on disk for good."""
        return self._writer.keep()
