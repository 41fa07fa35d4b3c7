"""A round through many accounts, several at a time, that one bad account cannot end.

It knows threads and Ctrl-C; it must not know what is done in an account, nor how it is shown.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Protocol

from workshop_utils.accounts.listed import Account
from workshop_utils.accounts.overview import Row

AT_ONCE = 8
_GLANCE = 0.2

Visit = Callable[[Account, Callable[[str], None]], Row]
"""Does what is to be done in one account; it may say how far it is."""
_Heard = tuple[Account | None, str | Row | None]


class Watcher(Protocol):
    """Whoever is told of a round while it goes on; always in the thread that started it."""

    def began(self, account: Account) -> None:
        """Hear that it is an account's turn."""

    def said(self, account: Account, words: str) -> None:
        """Hear how far an account is."""

    def ended(self, row: Row) -> None:
        """Hear what came of an account."""

    def stopping(self, busy: int) -> None:
        """Hear that no other account has its turn, and how many are still at work."""


def go(
    accounts: Sequence[Account], visit: Visit, watcher: Watcher, at_once: int = AT_ONCE
) -> list[Row]:
    """Visit every account; return a row for each, in their order.

    The first Ctrl-C lets the accounts that are at work come to their end and skips the others; the
    second leaves at once, as ``KeyboardInterrupt``.

    Parameters
    ----------
    accounts
        Which; each one once.
    visit
        What to do in each, called in several threads. What it raises becomes that account's row.
    watcher
        Is told of the round's progress.
    at_once
        How many accounts are at work at the same time.
    """
    todo: SimpleQueue[Account] = SimpleQueue()
    for account in accounts:
        todo.put(account)
    heard: SimpleQueue[_Heard] = SimpleQueue()
    rows: dict[Account, Row] = {}
    with _ctrl_c(lambda: heard.put((None, None))):
        for number in range(min(at_once, len(accounts))):
            # A daemon, so that the second Ctrl-C need not wait for it.
            threading.Thread(
                target=_work, args=(todo, heard, visit), name=f"account-{number}", daemon=True
            ).start()
        while len(rows) < len(accounts):
            about, said = _next(heard)
            if about is None:
                rows |= {left: Row(left, "skipped") for left in _drained(todo)}
                watcher.stopping(len(accounts) - len(rows))
            elif isinstance(said, Row):
                rows[about] = said
                watcher.ended(said)
            elif said is None:
                watcher.began(about)
            else:
                watcher.said(about, said)
    return [rows[account] for account in accounts]


def _work(todo: "SimpleQueue[Account]", heard: "SimpleQueue[_Heard]", visit: Visit) -> None:
    for account in _drained(todo):

        def say(words: str, account: Account = account) -> None:
            heard.put((account, words))

        heard.put((account, None))
        began = time.perf_counter()
        try:
            row = visit(account, say)
        except BaseException as error:  # noqa: BLE001  (a round waits for a row from every account)
            words = str(error).strip().partition("\n")[0]
            row = Row(account, "failed", reason=words or type(error).__name__)
        heard.put((account, replace(row, seconds=time.perf_counter() - began)))


def _next(heard: "SimpleQueue[_Heard]") -> _Heard:
    while True:
        # A signal that another thread catches is handled here, but does not end the waiting.
        try:
            return heard.get(timeout=_GLANCE)
        except Empty:
            continue


def _drained(todo: "SimpleQueue[Account]") -> Iterator[Account]:
    while True:
        try:
            yield todo.get_nowait()
        except Empty:
            return


@contextmanager
def _ctrl_c(first: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C do this, and the second what every Ctrl-C did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def once(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        first()

    signal.signal(signal.SIGINT, once)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
