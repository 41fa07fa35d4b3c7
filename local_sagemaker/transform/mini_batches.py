"""From an object's bytes to the mini-batches that are sent, one request each.

It reads as it goes and never holds more than a mini-batch. It knows lines and sizes; it must not
know where the bytes come from, nor who is asked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

MEGABYTE = 1024 * 1024
LARGEST_PAYLOAD = 100 * MEGABYTE
"""Largest MaxPayloadInMB, in bytes (botocore's model)."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = 2


class RecordError(Exception):
    """A record cannot be sent; the message says which."""


@dataclass(frozen=True)
class MiniBatch:
    """What one request carries.

    Attributes
    ----------
    payload
        What is sent.
    count
        How many records it holds.
    records
        These as they are in the input, without line ends; empty where nobody needs them.
    first, last
        Numbers of its first and last line, from 1; 0 where the input is not split.
    """

    payload: bytes
    count: int
    records: list[bytes]
    first: int = 0
    last: int = 0

    @property
    def place(self) -> str:
        """Where in the input it stands, as words; empty for all of it."""
        if not self.first:
            return ""
        if self.first == self.last:
            return f"line {self.first}"
        return f"lines {self.first} to {self.last}"


@dataclass(frozen=True)
class Splitting:
    """How an object becomes mini-batches.

    Attributes
    ----------
    by_lines
        Whether each line is a record; else the object is one.
    one_batch
        Whether all lines go into one mini-batch.
    single
        Whether a mini-batch has one record.
    limit
        Largest payload in bytes.
    payload
        Returns what is sent of a record.
    filtered
        Whether that is not the record itself.
    keeping
        Whether mini-batches hold their records.
    """

    by_lines: bool
    one_batch: bool
    single: bool
    limit: int
    payload: Callable[[bytes], bytes]
    filtered: bool
    keeping: bool

    def __call__(self, stream: BinaryIO) -> Iterator[MiniBatch]:
        """Yield the mini-batches of an object; none for an empty one.

        Raises
        ------
        RecordError
            For a record larger than the limit.
        """
        return self._lines(stream) if self.by_lines else self._whole(stream)

    def _whole(self, stream: BinaryIO) -> Iterator[MiniBatch]:
        most = LARGEST_PAYLOAD if self.filtered else self.limit
        content = stream.read(most + 1)
        if not content:
            return
        payload = self.payload(content) if len(content) <= most else content
        if len(payload) > self.limit:
            raise RecordError(
                f"it has more than {self.limit} bytes, which is the largest payload "
                f"({self.limit // MEGABYTE} MB). Set a larger MaxPayloadInMB, or SplitType Line"
            )
        yield MiniBatch(payload, 1, [content] if self.keeping else [])

    def _lines(self, stream: BinaryIO) -> Iterator[MiniBatch]:
        records: list[bytes] = []
        payloads: list[bytes] = []
        size = first = last = 0
        for number, line in self._numbered(stream):
            payload = self.payload(line)
            self._check(number, len(payload))
            full = size + 1 + len(payload) > self.limit
            if payloads and full and self.one_batch:
                raise RecordError(
                    f"it has more than {self.limit} bytes, which is the largest payload. Set a "
                    "larger MaxPayloadInMB, or SplitType Line"
                )
            if payloads and (self.single or full):
                yield MiniBatch(b"\n".join(payloads), len(payloads), records, first, last)
                records, payloads, size = [], [], 0
            if not payloads:
                first = number
            # With the newline before it.
            size += len(payload) + bool(payloads)
            if self.keeping:
                records.append(line)
            payloads.append(payload)
            last = number
        if payloads:
            yield MiniBatch(b"\n".join(payloads), len(payloads), records, first, last)

    def _numbered(self, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Yield lines that are not empty, without their ends, and their numbers."""
        most = LARGEST_PAYLOAD if self.filtered else self.limit
        number = 0
        while line := stream.readline(most + len(_BOM) + _LINE_END):
            number += 1
            if number == 1:
                line = line.removeprefix(_BOM)
            line = line.removesuffix(b"\n").removesuffix(b"\r")
            if len(line) > most:
                self._refuse(number, most)
            if line:
                yield number, line

    def _check(self, number: int, size: int) -> None:
        if size > self.limit:
            self._refuse(number, self.limit)

    def _refuse(self, number: int, limit: int) -> None:
        raise RecordError(
            f"line {number} has more than {limit} bytes, which is the largest payload "
            f"({limit // MEGABYTE} MB). Set a larger MaxPayloadInMB"
        )
