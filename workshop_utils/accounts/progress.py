"""How far a round through many accounts is, for whoever waits for it.

On a terminal the last line is replaced as it changes; elsewhere, in a log for instance, there is a
line for each account that is done. It must not know what is done in an account.
"""

import shutil
import sys
import time
from typing import TextIO

from workshop_utils.accounts.listed import Account
from workshop_utils.accounts.overview import Row

_MARKS = {"ok": "✓", "blocked": "!", "left": "!", "failed": "✗", "skipped": "-"}
_WHOLE_LINE = "\r\x1b[2K"
# As often as an eye follows; more would cost time that the round can use.
_PAUSE = 0.1


class Progress:
    """Tells of a round on a stream.

    Parameters
    ----------
    total
        How many accounts there are.
    stream
        Where to; standard error if None, so that what a program may read stays alone on the other.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._busy: dict[Account, str] = {}
        self._done = 0
        self._bad = 0
        self._began = time.monotonic()
        self._drawn = 0.0

    def began(self, account: Account) -> None:
        """Show that an account is at work."""
        self._busy[account] = ""
        self._draw()

    def said(self, account: Account, words: str) -> None:
        """Show how far an account is."""
        self._busy[account] = words
        self._draw()

    def ended(self, row: Row) -> None:
        """Show what came of an account, to stay."""
        self._busy.pop(row.account, None)
        self._done += 1
        self._bad += row.state != "ok"
        words = f"{_MARKS[row.state]} {row.account}: {_outcome(row)}, {row.seconds:.1f} s"
        self._print(words if self._live else f"[{self._done}/{self._total}] {words}")
        self._draw(now=True)

    def stopping(self, busy: int) -> None:
        """Show that the round ends before its time."""
        self._print(
            f"Interrupted: {busy} accounts are brought to their end, no other is begun. Ctrl-C "
            "again leaves at once. The same command goes on later."
        )

    def close(self) -> None:
        """Leave the last line free for what comes next."""
        if self._live:
            self._stream.write(_WHOLE_LINE)
            self._stream.flush()

    def _print(self, words: str) -> None:
        self._stream.write(f"{_WHOLE_LINE if self._live else ''}{words}\n")
        self._stream.flush()

    def _draw(self, *, now: bool = False) -> None:
        moment = time.monotonic()
        if not self._live or (not now and moment - self._drawn < _PAUSE):
            return
        self._drawn = moment
        passed = int(moment - self._began)
        parts = [f"[{self._done}/{self._total}] {passed // 60}:{passed % 60:02}"]
        if self._bad:
            parts.append(f"{self._bad} to look at")
        parts += [f"{account.number} {words}".rstrip() for account, words in self._busy.items()]
        line = " · ".join(parts)
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(_WHOLE_LINE + (line if len(line) <= width else f"{line[: width - 1]}…"))
        self._stream.flush()


def _outcome(row: Row) -> str:
    words = {"ok": "ok", "blocked": "not ready", "left": "not empty", "failed": "failed"}
    deleted = "" if row.deleted is None else f", {row.deleted} deleted"
    note = f" ({row.note})" if row.note else ""
    return f"{words.get(row.state, row.state)}{deleted}{note}"
