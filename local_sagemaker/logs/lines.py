"""Turns the bytes that a process writes into lines of a log.

It knows newlines, progress bars and encodings; it must not know where lines go.
"""

import time
from collections.abc import Callable

MAX_EVENT_BYTES = 256 * 1024 - 26
"""The longest message of one event: CloudWatch Logs' 256 KB less its 26 bytes of overhead."""

_PROGRESS_SECONDS = 1.0


class LineSplitter:
    r"""Collects bytes and gives out complete lines.

    A line that is longer than `MAX_EVENT_BYTES` is cut into several. Bytes that are not UTF-8
    become U+FFFD. A carriage return ends a state of a progress bar, which on a terminal the next
    state overwrites: at most one state per second is given out, and always the last one.

    Parameters
    ----------
    clock
        Returns seconds; only differences count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._pending = bytearray()
        self._last_progress = float("-inf")

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes; return the lines that they complete."""
        self._pending += data
        lines: list[str] = []
        if b"\n" not in data and b"\r" not in data and len(self._pending) <= MAX_EVENT_BYTES:
            return lines
        *complete, rest = bytes(self._pending).split(b"\n")
        for line in complete:
            lines += self._states(line.removesuffix(b"\r"), last=True)
        # A carriage return at the very end may be the first half of a line's end.
        states, mark, current = rest.rpartition(b"\r")
        if mark and current:
            lines += self._states(states, last=False)
            rest = current
        while len(rest) > MAX_EVENT_BYTES:
            piece = _cut(rest)
            lines.append(piece.decode(errors="replace"))
            rest = rest[len(piece) :]
        self._pending = bytearray(rest)
        return lines

    def finish(self) -> list[str]:
        """Return what is left when there is nothing more to come."""
        rest = bytes(self._pending).rstrip(b"\r")
        self._pending.clear()
        return self._states(rest, last=True) if rest else []

    def _states(self, line: bytes, *, last: bool) -> list[str]:
        """Return the line, or those states of a progress bar that are worth a line."""
        states = line.split(b"\r")
        final = [states.pop()] if last else []
        shown = []
        for state in states:
            now = self._clock()
            if state and now - self._last_progress >= _PROGRESS_SECONDS:
                self._last_progress = now
                shown.append(state)
        return [
            piece.decode(errors="replace") for state in (*shown, *final) for piece in _pieces(state)
        ]


def _pieces(line: bytes) -> list[bytes]:
    pieces = []
    while len(line) > MAX_EVENT_BYTES:
        piece = _cut(line)
        pieces.append(piece)
        line = line[len(piece) :]
    return [*pieces, line]


def _cut(line: bytes) -> bytes:
    """Return the beginning of a long line, not ending in the middle of a UTF-8 character."""
    end = MAX_EVENT_BYTES
    # At most three continuation bytes follow a lead byte.
    for _ in range(3):
        if line[end] & 0xC0 != 0x80:
            break
        end -= 1
    return line[:end]
