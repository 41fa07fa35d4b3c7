"""A round visits every account, whatever one of them does; Ctrl-C ends it in an orderly way."""

import io
import os
import signal
import threading
from collections.abc import Callable

import pytest

from workshop_utils.accounts.listed import Account
from workshop_utils.accounts.overview import Overview, Row
from workshop_utils.accounts.progress import Progress
from workshop_utils.accounts.rounds import go

ACCOUNTS = [Account(f"{number:012d}", f"seat {number}") for number in range(1, 8)]
Say = Callable[[str], None]


def test_one_that_fails_is_a_row_and_stops_no_other() -> None:
    def visit(account: Account, _: Say) -> Row:
        if account == ACCOUNTS[2]:
            raise RuntimeError("it burns\nand smokes")
        if account == ACCOUNTS[4]:
            raise SystemExit(3)
        return Row(account, "ok", left=0, usd_per_hour=0.0)

    told = io.StringIO()
    rows = go(ACCOUNTS, visit, Progress(len(ACCOUNTS), told), at_once=3)
    assert [row.account for row in rows] == ACCOUNTS
    assert [row.state for row in rows] == ["ok", "ok", "failed", "ok", "failed", "ok", "ok"]
    assert rows[2].reason == "it burns"
    assert not Overview(tuple(rows)).ok
    lines = told.getvalue().splitlines()
    assert len(lines) == 7
    assert [line.split("]")[0] for line in lines] == [f"[{n}/7" for n in range(1, 8)]
    assert "\x1b" not in told.getvalue()


def test_no_more_accounts_are_at_work_than_asked_for() -> None:
    busy, most, lock = 0, 0, threading.Lock()
    two = threading.Barrier(2, timeout=60)

    def visit(account: Account, _: Say) -> Row:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        if account in ACCOUNTS[:2]:
            two.wait()
        with lock:
            busy -= 1
        return Row(account, "ok")

    go(ACCOUNTS, visit, Progress(7, io.StringIO()), at_once=2)
    assert most == 2


def test_the_first_ctrl_c_ends_what_is_begun_and_begins_nothing() -> None:
    begun = threading.Semaphore(0)
    interrupted = threading.Event()

    def visit(account: Account, _: Say) -> Row:
        begun.release()
        interrupted.wait(60)
        return Row(account, "ok", left=0)

    def interrupt() -> None:
        begun.acquire()
        begun.acquire()
        os.kill(os.getpid(), signal.SIGINT)

    class Told(Progress):
        def stopping(self, busy: int) -> None:
            super().stopping(busy)
            interrupted.set()

    told = io.StringIO()
    before = signal.getsignal(signal.SIGINT)
    threading.Thread(target=interrupt).start()
    rows = go(ACCOUNTS, visit, Told(7, told), at_once=2)
    assert [row.state for row in rows] == ["ok"] * 2 + ["skipped"] * 5
    assert Overview(tuple(rows)).interrupted
    assert "2 accounts are brought to their end" in told.getvalue()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_ctrl_c_leaves_at_once() -> None:
    never = threading.Event()
    begun = threading.Event()

    def visit(account: Account, _: Say) -> Row:
        begun.set()
        never.wait()
        return Row(account, "ok")

    class Impatient(Progress):
        def stopping(self, busy: int) -> None:
            super().stopping(busy)
            os.kill(os.getpid(), signal.SIGINT)

    def interrupt() -> None:
        begun.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        go(ACCOUNTS, visit, Impatient(7, io.StringIO()), at_once=1)
    never.set()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_who_is_at_work_in_one_line_that_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    screen = Terminal()

    def visit(account: Account, say: Say) -> Row:
        say("looking")
        return Row(account, "left", left=3, reason="model nlp-workshop-x: it is in use")

    progress = Progress(7, screen)
    go(ACCOUNTS, visit, progress, at_once=1)
    progress.close()
    drawn = screen.getvalue().split("\r\x1b[2K")
    live = [piece for piece in drawn if piece.startswith("[")]
    assert live
    assert all(len(piece) < 60 and "\n" not in piece for piece in live)
    assert any("000000000001" in piece for piece in live)
    kept = [piece for piece in drawn if piece.endswith("\n")]
    assert len(kept) == 7
    assert "000000000001 (seat 1): not empty (model nlp-workshop-x: it is in use)" in kept[0]


def test_a_table_says_what_is_not_known() -> None:
    rows = (
        Row(ACCOUNTS[0], "ok", left=0, usd_per_hour=0.0),
        Row(ACCOUNTS[1], "left", left=12, usd_per_hour=1.5, unpriced=1, reason="x" * 200),
        Row(ACCOUNTS[2], "failed", reason="AccessDenied when assuming a role"),
        Row(ACCOUNTS[3], "blocked", blockers=("The quota is 0.", "No hub."), warnings=1, left=0),
        Row(ACCOUNTS[4], "skipped"),
    )
    head, rule, *lines = str(Overview(rows, 2.4)).splitlines()
    heads = ["account", "name", "state", "blockers", "warnings", "left", "USD/h", "note"]
    assert head.split() == heads
    assert set(rule) == {"-"}
    assert lines[0].split()[-4:] == ["0", "0", "0", "0.00"]
    assert "12  1.50 + ?  xxx" in lines[1]
    assert lines[1].endswith("…")
    assert lines[2].split()[4:9] == ["?", "?", "?", "?", "AccessDenied"]
    assert " ".join(lines[3].split()).endswith("not ready 2 1 0 ? The quota is 0.")
    assert lines[6] == (
        "5 accounts on AWS: 1 ok, 1 not ready, 1 not empty, 1 failed, 1 not visited; "
        "1.50 USD per hour; 2 s"
    )
