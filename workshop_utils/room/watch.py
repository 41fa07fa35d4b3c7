"""The board, renewed until somebody ends it: in place on a terminal, once per change in a log.

It must not know what a board is made of, nor where it comes from.
"""

import shutil
import threading
from collections.abc import Callable
from typing import TextIO

from workshop_utils.room.board import Board

# The other screen that terminals have, so that the shell's own comes back; and no cursor.
_OPEN = "\x1b[?1049h\x1b[?25l"
_CLOSE = "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"

Pause = Callable[[float], object]


def watch(
    look: Callable[[], Board | None],
    every: float,
    stream: TextIO,
    pause: Pause | None = None,
) -> None:
    """Show the board again and again, until Ctrl-C.

    Parameters
    ----------
    look
        Returns the next board; None when Ctrl-C has come meanwhile.
    every
        Seconds between the end of a look and the next one.
    stream
        Where to show it.
    pause
        Waits for some seconds; for tests.
    """
    show = _Screen(stream) if stream.isatty() else _Log(stream)
    wait = threading.Event().wait if pause is None else pause
    try:
        while (board := look()) is not None:
            show.board(board)
            wait(every)
    except KeyboardInterrupt:
        pass
    finally:
        show.close()


class _Screen:
    """A board in the place of the one before."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: Board | None = None
        stream.write(f"{_OPEN}{_HOME}{_REST}Looking …")
        stream.flush()

    def board(self, board: Board) -> None:
        self._last = board
        size = shutil.get_terminal_size()
        lines = [
            line if len(line) <= size.columns else f"{line[: size.columns - 1]}…"
            for line in board.lines(size.lines - 1)
        ]
        lines.append("Ctrl-C ends this; nothing in the accounts depends on it.")
        self._stream.write(_HOME + f"{_REST_OF_LINE}\n".join(lines[: size.lines]) + _REST)
        self._stream.flush()

    def close(self) -> None:
        self._stream.write(_CLOSE)
        if self._last is not None:
            self._stream.write(f"{self._last}\n")
        self._stream.flush()


class _Log:
    """A board for each change."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: object = None

    def board(self, board: Board) -> None:
        state = board.state()
        if state != self._last:
            self._stream.write(f"{board}\n\n")
            self._stream.flush()
        self._last = state

    def close(self) -> None:
        """Leave it as it is."""
