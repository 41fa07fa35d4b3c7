"""Looking at every account of the room, again and again, with the doors kept open in between.

It knows threads and doors; what is looked for in an account is the matter of `sightings`.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Protocol

from workshop_utils.accounts import rounds
from workshop_utils.accounts.doors import Door
from workshop_utils.accounts.listed import Account
from workshop_utils.accounts.overview import Row as Outcome
from workshop_utils.costs import running
from workshop_utils.room.board import Board, Row, at_work
from workshop_utils.room.sections import place
from workshop_utils.room.sightings import Sightings
from workshop_utils.session import Session

# A role's keys last an hour.
_KEEP_OPEN = 45 * 60.0
_WHERE = {"aws": "AWS", "local": "the local SageMaker"}


class Entrance(Protocol):
    """Whatever leads into an account."""

    def enter(self, account: Account) -> Session:
        """Return a session of an account."""

    def forget(self, account: Account) -> None:
        """Let the next visit come in anew: something went wrong."""

    def close(self) -> None:
        """Close what is open."""


class Own:
    """The way into the account that one is signed in to already."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def enter(self, account: Account) -> Session:
        """Return the one session there is."""
        del account
        return self._session

    def forget(self, account: Account) -> None:
        """Do nothing: there is no other way in."""

    def close(self) -> None:
        """Close the connections."""
        self._session.disconnect()


class OpenDoors:
    """The ways into accounts through a role, each kept for most of the time that its keys last."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._open: dict[Account, tuple[float, Session, ExitStack]] = {}
        self._lock = Lock()

    def enter(self, account: Account) -> Session:
        """Return the account's session, the former one while its keys are good."""
        with self._lock:
            kept = self._open.get(account)
        if kept is not None and time.monotonic() - kept[0] < _KEEP_OPEN:
            return kept[1]
        self.forget(account)
        stack = ExitStack()
        session = stack.enter_context(self._door.open(account))
        with self._lock:
            self._open[account] = (time.monotonic(), session, stack)
        return session

    def forget(self, account: Account) -> None:
        """Close an account's session."""
        with self._lock:
            kept = self._open.pop(account, None)
        if kept is not None:
            kept[2].close()

    def close(self) -> None:
        """Close all sessions."""
        for account in list(self._open):
            self.forget(account)


@dataclass(frozen=True)
class Room:
    """The accounts of a workshop, to be looked at.

    Attributes
    ----------
    accounts
        Which; each one once.
    entrance
        How they are entered.
    mode
        The session's mode, for people to read.
    at_once
        How many accounts are looked at together.
    """

    accounts: Sequence[Account]
    entrance: Entrance
    mode: str = "aws"
    at_once: int = rounds.AT_ONCE
    _seen: dict[Account, Row] = field(default_factory=dict, init=False, repr=False, compare=False)

    def look(self) -> Board | None:
        """Return what is in the accounts now; None if Ctrl-C ended the round before its end."""
        self._seen.clear()
        watcher = _Silent()
        outcomes = rounds.go(self.accounts, self._visit, watcher, self.at_once)
        if watcher.stopped:
            return None
        rows = [
            self._seen[one.account] if one.state == "ok" else Row(one.account, failed=one.reason)
            for one in outcomes
        ]
        return Board(tuple(rows), datetime.now(UTC), _WHERE.get(self.mode, self.mode))

    def _visit(self, account: Account, say: Callable[[str], None]) -> Outcome:
        say("looking")
        try:
            self._seen[account] = seen(account, self.entrance.enter(account))
        except BaseException:
            self.entrance.forget(account)
            raise
        return Outcome(account, "ok")


def seen(account: Account, session: Session) -> Row:
    """Return what is in an account now.

    Parameters
    ----------
    account
        Which one it is.
    session
        Of that account.

    Raises
    ------
    ClientError, BotoCoreError
        When it cannot be looked at.
    """
    sightings = Sightings(session, datetime.now(UTC))
    events = sightings.events()
    bill = running(session)
    wrong = [one for one in events if one.state == "failed"]
    last = max(wrong, key=lambda one: one.at, default=None)
    ours = [charge for charge in bill.charges if charge.ours]
    return Row(
        account,
        place(events),
        *at_work(events),
        usd_per_hour=sum(charge.usd_per_hour or 0.0 for charge in ours),
        unpriced=sum(charge.usd_per_hour is None for charge in ours),
        error="" if last is None else f"{last.kind} {last.name}: {sightings.reason(last)}",
        error_at=None if last is None else last.at,
        problems=tuple(dict.fromkeys((*sightings.problems, *bill.problems))),
    )


class _Silent:
    """Says nothing of a round, for the board says it all; remembers that Ctrl-C has come."""

    def __init__(self) -> None:
        self.stopped = False

    def began(self, account: Account) -> None:
        """Say nothing."""

    def said(self, account: Account, words: str) -> None:
        """Say nothing."""

    def ended(self, row: Outcome) -> None:
        """Say nothing."""

    def stopping(self, busy: int) -> None:
        """Remember it."""
        del busy
        self.stopped = True
