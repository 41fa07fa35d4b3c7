"""A client's own record of what the server acknowledged, and of what was under way.

It must not know SageMaker: a cell is anything that can be read back and compared.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ABSENT = "absent"
UNKNOWN = object()
"""The value of a write whose result only the server could have told."""


@dataclass(frozen=True)
class Cell:
    """One thing that is written and read back: its kind, and its name within the kind."""

    kind: str
    name: str


class Ledger:
    """What must be there, what may be there, and how often each kind was acknowledged."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Cell, Any] = {}
        self._pending: dict[Cell, Any] = {}
        self.acknowledged: Counter[str] = Counter()
        self.in_doubt = 0

    @contextmanager
    def write(self, cell: Cell, value: Any) -> Iterator[Callable[[Any], None]]:
        """Note that a value is being written, and at the end of the block that it was.

        Yields a function that takes the value which the server answered instead. After an
        exception the write stays in doubt: it may have been done or not.
        """
        answered = value

        def settle(told: Any) -> None:
            nonlocal answered
            answered = told

        with self._lock:
            self._pending[cell] = value
        yield settle
        with self._lock:
            self._known[cell] = answered
            del self._pending[cell]
            self.acknowledged[cell.kind] += 1

    def note(self, cell: Cell, value: Any) -> None:
        """Note what a read has shown: it must not change back."""
        with self._lock:
            self._known[cell] = value
            self.acknowledged[cell.kind] += 1

    def expected(self, cell: Cell) -> Any:
        """Return what was acknowledged of a cell last, ``ABSENT`` for nothing."""
        with self._lock:
            return self._known.get(cell, ABSENT)

    def forget(self, cell: Cell) -> None:
        """Check a cell no more."""
        with self._lock:
            self._known.pop(cell, None)
            self._pending.pop(cell, None)

    def verify(self, read: Callable[[Cell], Any]) -> list[str]:
        """Compare everything with what the server shows now; return what is wrong.

        What was in doubt is settled by what was found.
        """
        problems = []
        with self._lock:
            cells = sorted({*self._known, *self._pending}, key=lambda cell: (cell.kind, cell.name))
            self.in_doubt += len(self._pending)
        for cell in cells:
            found = read(cell)
            allowed = [self.expected(cell)]
            if cell in self._pending:
                allowed.append(self._pending[cell])
            if found not in allowed and UNKNOWN not in allowed:
                problems.append(f"{cell.kind} {cell.name}: {found!r} instead of {allowed!r}"[:400])
            with self._lock:
                self._pending.pop(cell, None)
                self._known[cell] = found
                if found == ABSENT:
                    del self._known[cell]
        return problems
